use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use bytemuck::Pod;
use half::bf16;
use msa_abi::{HEAD_DIM, IdOrder, MAX_TOPK};
use safetensors::{Dtype, SafeTensors};

use super::{BlockIds, Expected, IndexerInputs, Tensor, Trace, TraceError};
use crate::Selection;

impl Trace {
    /// Reads a trace from a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a trace; see [`Trace::from_bytes`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        Self::from_bytes(&std::fs::read(path)?)
    }

    /// Reads a trace from a file's content. No more is allocated than the content holds.
    ///
    /// # Errors
    /// If the content is no safetensors file, if a tensor or metadata entry is missing, of another
    /// type or rank than the contract's, or if two of them disagree about a shape. That the operands
    /// suit an operator is found when the trace is [run](Trace::run).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TraceError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let metadata = Metadata(header.metadata().clone().unwrap_or_default());
        let tensors = Tensors(SafeTensors::deserialize(bytes)?);

        let selection = metadata.selection()?;
        let q: Tensor<bf16, 3> = tensors.required("q")?;
        let given: Option<Tensor<i32, 3>> = tensors.optional("block_ids")?;
        let indexer = match &given {
            Some(_) if !tensors.any(INDEXER_TENSORS) => None,
            _ => Some(tensors.indexer_inputs(&metadata)?),
        };
        let [rows, heads, _] = q.shape();
        expect_shape("q", &q, [rows, heads, HEAD_DIM])?;
        if let Some(given) = &given {
            let [kv_heads, _, _] = given.shape();
            expect_shape("block_ids", given, [kv_heads, rows, selection.topk])?;
        }
        let id_heads = match (&given, &indexer) {
            (Some(given), _) => given.shape()[0],
            (None, Some(indexer)) => indexer.index_q.shape()[1],
            (None, None) => 0,
        };
        let kv_pages: Tensor<bf16, 6> = tensors.required("kv_pages")?;
        if let Some(inputs) = &indexer {
            expect_shape("index_q", &inputs.index_q, [rows, kv_pages.shape()[4], HEAD_DIM])?;
        }

        let expected = match tensors.any(["expected.output", "expected.lse"]) {
            false => None,
            true => Some(Expected {
                block_ids: tensors.optional("expected.block_ids")?,
                output: tensors.required("expected.output")?,
                lse: tensors.required("expected.lse")?,
            }),
        };
        if let Some(Expected { block_ids, output, lse }) = &expected {
            expect_shape("expected.output", output, [rows, heads, HEAD_DIM])?;
            expect_shape("expected.lse", lse, [rows, heads])?;
            if let Some(ids) = block_ids {
                expect_shape("expected.block_ids", ids, [id_heads, rows, selection.topk])?;
            }
        }

        Ok(Self {
            row_offsets: tensors.required::<_, 1>("row_offsets")?.data().to_vec(),
            cache_lengths: tensors.required::<_, 1>("cache_lengths")?.data().to_vec(),
            q,
            kv_pages,
            kv_page_table: tensors.required("kv_page_table")?,
            layer_idx: metadata.parse("layer_idx", "a layer's number")?,
            scale: metadata.scale("scale")?,
            selection,
            block_ids: match (given, indexer) {
                (Some(given), indexer) => BlockIds::Given(given, indexer),
                (None, Some(indexer)) => BlockIds::Indexer(indexer),
                (None, None) => return Err(TraceError::MissingTensor { name: "index_q" }),
            },
            exact_scores: match metadata.0.get("exact_scores").map(String::as_str) {
                None | Some("0") => false,
                Some("1") => true,
                Some(_) => return Err(metadata.unexpected("exact_scores", "0 or 1")),
            },
            expected,
        })
    }
}

/// What only the indexer reads.
const INDEXER_TENSORS: [&str; 3] = ["index_q", "index_k_pages", "index_page_table"];

fn expect_shape<T, const RANK: usize>(
    name: &'static str,
    tensor: &Tensor<T, RANK>,
    expected: [usize; RANK],
) -> Result<(), TraceError> {
    if tensor.shape() == expected {
        return Ok(());
    }
    let got = tensor.shape().to_vec();
    Err(TraceError::Shape { name, expected: format!("{expected:?}"), got })
}

/// An element type that traces use.
trait Element: Pod {
    const DTYPE: Dtype;
}

impl Element for bf16 {
    const DTYPE: Dtype = Dtype::BF16;
}

impl Element for f32 {
    const DTYPE: Dtype = Dtype::F32;
}

impl Element for u32 {
    const DTYPE: Dtype = Dtype::U32;
}

impl Element for i32 {
    const DTYPE: Dtype = Dtype::I32;
}

struct Tensors<'a>(SafeTensors<'a>);

impl Tensors<'_> {
    fn any<const N: usize>(&self, names: [&str; N]) -> bool {
        names.iter().any(|name| self.0.tensor(name).is_ok())
    }

    fn required<T: Element, const RANK: usize>(
        &self,
        name: &'static str,
    ) -> Result<Tensor<T, RANK>, TraceError> {
        self.optional(name)?.ok_or(TraceError::MissingTensor { name })
    }

    fn optional<T: Element, const RANK: usize>(
        &self,
        name: &'static str,
    ) -> Result<Option<Tensor<T, RANK>>, TraceError> {
        let Ok(view) = self.0.tensor(name) else { return Ok(None) };
        if view.dtype() != T::DTYPE {
            return Err(TraceError::Dtype { name, expected: T::DTYPE, got: view.dtype() });
        }
        let shape = view.shape().try_into().map_err(|_| TraceError::Shape {
            name,
            expected: format!("{RANK} axes"),
            got: view.shape().to_vec(),
        })?;
        // The file may hold the elements at any alignment: copy them out one by one.
        let elements = view.data().chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned);
        Ok(Some(Tensor::new(shape, elements.collect())))
    }

    fn indexer_inputs(&self, metadata: &Metadata) -> Result<IndexerInputs, TraceError> {
        Ok(IndexerInputs {
            index_q: self.required("index_q")?,
            index_k_pages: self.required("index_k_pages")?,
            index_page_table: self.required("index_page_table")?,
            index_scale: metadata.scale("index_scale")?,
        })
    }
}

struct Metadata(HashMap<String, String>);

impl Metadata {
    fn selection(&self) -> Result<Selection, TraceError> {
        let topk = self.parse("topk", "1 to 64")?;
        if !(1..=MAX_TOPK).contains(&topk) {
            return Err(self.unexpected("topk", "1 to 64"));
        }
        Ok(Selection {
            topk,
            init_blocks: self.parse("init_blocks", "a number of blocks")?,
            local_blocks: self.parse("local_blocks", "a number of blocks")?,
            id_order: match self.0.get("id_order").map(String::as_str) {
                None | Some("score") => IdOrder::Score,
                Some("ascending") => IdOrder::Ascending,
                Some(_) => return Err(self.unexpected("id_order", "score or ascending")),
            },
        })
    }

    fn scale(&self, key: &'static str) -> Result<f32, TraceError> {
        let scale: f32 = self.parse(key, "a finite number")?;
        if scale.is_finite() { Ok(scale) } else { Err(self.unexpected(key, "a finite number")) }
    }

    fn parse<T: FromStr>(
        &self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<T, TraceError> {
        let text = self.0.get(key).ok_or(TraceError::MissingMetadata { key })?;
        text.parse().map_err(|_| self.unexpected(key, expected))
    }

    fn unexpected(&self, key: &'static str, expected: &'static str) -> TraceError {
        let got = self.0.get(key).cloned().unwrap_or_default();
        TraceError::Metadata { key, expected, got }
    }
}
