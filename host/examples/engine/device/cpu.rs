//! The caches in this program's memory, and the CPU backend.

use anyhow::{Context, Result};
use half::bf16;
use msa::{AttentionOperands, AttentionResult, BLOCK, HEAD_DIM, IndexerOperands, Route, View};

use super::{Device, Ran, SCALE};
use crate::config::Config;
use crate::model::Shape;
use crate::step::{Batch, PageCopy, Run};

pub struct Cpu {
    config: Config,
    backend: msa::Backend,
    /// `[pages, 1, layers, 128, 1, 128]`
    index_k_pages: Vec<bf16>,
    /// `[pages, 2, layers, 128, kv_heads, 128]`
    kv_pages: Vec<bf16>,
    block_ids: Vec<i32>,
}

impl Cpu {
    /// # Errors
    /// If there is no memory for the caches.
    pub fn new(config: Config) -> Result<Self> {
        let Shape { layers, kv_heads, .. } = config.model.shape;
        let tokens = config.pages * layers * BLOCK;
        Ok(Self {
            config,
            backend: msa::Backend::default(),
            index_k_pages: poisoned(tokens * HEAD_DIM).context("index_k_pages")?,
            kv_pages: poisoned(tokens * 2 * kv_heads * HEAD_DIM).context("kv_pages")?,
            block_ids: Vec::new(),
        })
    }
}

/// Memory that is full of NaN: what was never written must not matter.
fn poisoned(elements: usize) -> Result<Vec<bf16>> {
    let mut values = Vec::new();
    values.try_reserve_exact(elements)?;
    values.resize(elements, bf16::NAN);
    Ok(values)
}

impl Device for Cpu {
    fn name(&self) -> String {
        match &self.backend {
            msa::Backend::Cpu(cpu) => format!("cpu, {}", cpu.tier()),
            other => format!("{other:?}"),
        }
    }

    fn copy_pages(&mut self, copies: &[PageCopy]) -> Result<()> {
        for cache in [&mut self.index_k_pages, &mut self.kv_pages] {
            let page_len = cache.len() / self.config.pages;
            for &PageCopy { from, to } in copies {
                let from = from as usize * page_len;
                cache.copy_within(from..from + page_len, to as usize * page_len);
            }
        }
        Ok(())
    }

    fn run(&mut self, batch: &Batch, outputs: &mut Vec<bf16>) -> Result<Ran> {
        let Shape { layers, heads, kv_heads } = self.config.model.shape;
        let (rows, pages) = (batch.rows(), self.config.pages);
        let new = self.config.model.project(&batch.chains);
        for run in batch.runs() {
            write(&mut self.index_k_pages, [0, 1], layers, HEAD_DIM, run, &new.index_k);
            write(&mut self.kv_pages, [0, 2], layers, kv_heads * HEAD_DIM, run, &new.k);
            write(&mut self.kv_pages, [1, 2], layers, kv_heads * HEAD_DIM, run, &new.v);
        }

        let table = batch.page_table(self.config.width);
        let table = View::contiguous(&table, [batch.len(), self.config.width]);
        let lengths =
            msa::Batch { row_offsets: &batch.row_offsets, cache_lengths: &batch.cache_lengths };
        let topk = self.config.selection.topk;
        self.block_ids.resize(kv_heads * rows * topk, 0);
        outputs.resize(layers * rows * heads * HEAD_DIM, bf16::ZERO);
        for (layer, output) in outputs.chunks_mut(rows * heads * HEAD_DIM).enumerate() {
            let indexer = IndexerOperands {
                batch: lengths,
                index_q: View::contiguous(
                    of_layer(&new.index_q, layers, layer),
                    [rows, kv_heads, HEAD_DIM],
                ),
                index_k_pages: View::contiguous(
                    &self.index_k_pages,
                    [pages, 1, layers, BLOCK, 1, HEAD_DIM],
                ),
                index_page_table: table,
                layer_idx: layer as u32,
                selection: self.config.selection,
                scale: SCALE,
            };
            self.backend.indexer(&indexer, &mut self.block_ids)?;
            let attention = AttentionOperands {
                batch: lengths,
                q: View::contiguous(of_layer(&new.q, layers, layer), [rows, heads, HEAD_DIM]),
                kv_pages: View::contiguous(
                    &self.kv_pages,
                    [pages, 2, layers, BLOCK, kv_heads, HEAD_DIM],
                ),
                kv_page_table: table,
                layer_idx: layer as u32,
                block_ids: View::contiguous(&self.block_ids, [kv_heads, rows, topk]),
                scale: SCALE,
            };
            self.backend.attention(&attention, AttentionResult { output, lse: None })?;
        }
        let route = Route::for_max_seq_length(batch.max_seq_length());
        Ok(Ran { route, is_replay: false })
    }
}

/// A layer's part of a tensor whose outermost axis is the layers.
fn of_layer(tensor: &[bf16], layers: usize, layer: usize) -> &[bf16] {
    let len = tensor.len() / layers;
    &tensor[layer * len..][..len]
}

/// Writes new tokens to one of the planes of a page, in all layers: `new` is `[layers, rows, token_len]`.
fn write(
    pages: &mut [bf16],
    [plane, planes]: [usize; 2],
    layers: usize,
    token_len: usize,
    run: Run,
    new: &[bf16],
) {
    for layer in 0..layers {
        let to = ((run.page as usize * planes + plane) * layers + layer) * BLOCK + run.slot;
        let from = &of_layer(new, layers, layer)[run.row * token_len..][..run.len * token_len];
        pages[to * token_len..][..from.len()].copy_from_slice(from);
    }
}
