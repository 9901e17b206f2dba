use std::collections::HashMap;
use std::path::Path;

use bytemuck::NoUninit;
use msa_abi::IdOrder;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::{BlockIds, Outcome, Tensor, Trace, TraceError};

impl Trace {
    /// Writes the trace as a file that [`Trace::read`] reads.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TraceError> {
        let mut tensors = vec![
            vector("row_offsets", Dtype::U32, &self.row_offsets)?,
            vector("cache_lengths", Dtype::U32, &self.cache_lengths)?,
            tensor("q", Dtype::BF16, &self.q)?,
            tensor("kv_pages", Dtype::BF16, &self.kv_pages)?,
            tensor("kv_page_table", Dtype::U32, &self.kv_page_table)?,
        ];
        let mut metadata = vec![
            ("topk", self.selection.topk.to_string()),
            ("init_blocks", self.selection.init_blocks.to_string()),
            ("local_blocks", self.selection.local_blocks.to_string()),
            ("layer_idx", self.layer_idx.to_string()),
            ("scale", self.scale.to_string()),
            ("exact_scores", u32::from(self.exact_scores).to_string()),
        ];
        if self.selection.id_order == IdOrder::Ascending {
            metadata.push(("id_order", "ascending".to_owned()));
        }
        let (given, indexer) = match &self.block_ids {
            BlockIds::Indexer(inputs) => (None, Some(inputs)),
            BlockIds::Given(ids, inputs) => (Some(ids), inputs.as_ref()),
        };
        if let Some(inputs) = indexer {
            tensors.push(tensor("index_q", Dtype::BF16, &inputs.index_q)?);
            tensors.push(tensor("index_k_pages", Dtype::BF16, &inputs.index_k_pages)?);
            tensors.push(tensor("index_page_table", Dtype::U32, &inputs.index_page_table)?);
            metadata.push(("index_scale", inputs.index_scale.to_string()));
        }
        if let Some(ids) = given {
            tensors.push(tensor("block_ids", Dtype::I32, ids)?);
        }
        if let Some(expected) = &self.expected {
            if let Some(ids) = &expected.block_ids {
                tensors.push(tensor("expected.block_ids", Dtype::I32, ids)?);
            }
            tensors.push(tensor("expected.output", Dtype::F32, &expected.output)?);
            tensors.push(tensor("expected.lse", Dtype::F32, &expected.lse)?);
        }
        let metadata = metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        write_file(path.as_ref(), tensors, Some(metadata))
    }
}

impl Outcome {
    /// Writes `block_ids` (i32), `output` (bf16) and `lse` (f32) as a safetensors file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), TraceError> {
        let tensors = [
            tensor("block_ids", Dtype::I32, &self.block_ids)?,
            tensor("output", Dtype::BF16, &self.output)?,
            tensor("lse", Dtype::F32, &self.lse)?,
        ];
        write_file(path.as_ref(), tensors, None)
    }
}

type Named<'a> = (&'static str, TensorView<'a>);

/// Writes a file with the permissions of any other; safetensors' own function makes a private one.
fn write_file<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = Named<'a>>,
    metadata: Option<HashMap<String, String>>,
) -> Result<(), TraceError> {
    Ok(std::fs::write(path, safetensors::serialize(tensors, metadata)?)?)
}

fn tensor<'a, T: NoUninit, const RANK: usize>(
    name: &'static str,
    dtype: Dtype,
    tensor: &'a Tensor<T, RANK>,
) -> Result<Named<'a>, TraceError> {
    let bytes = bytemuck::cast_slice(tensor.data());
    Ok((name, TensorView::new(dtype, tensor.shape().to_vec(), bytes)?))
}

fn vector<'a>(name: &'static str, dtype: Dtype, data: &'a [u32]) -> Result<Named<'a>, TraceError> {
    Ok((name, TensorView::new(dtype, vec![data.len()], bytemuck::cast_slice(data))?))
}
