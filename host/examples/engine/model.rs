//! The stand-in for all of a model that is not sparse attention: projections, and the choice of the next token.
//!
//! A token is known by its *chain*: a hash of it and of all tokens before it. What the projections of every layer give
//! for it is made from the chain alone, so a request has the same queries, keys and values whatever company it keeps,
//! and requests that begin alike share what is cached. The next token is made from the bits of what attention gave in
//! all layers: one wrong bit, and the request takes another way from there.

use half::bf16;
use msa::HEAD_DIM;
use rayon::prelude::*;

use crate::random::mix;

/// How many tokens there are: MiniMax-M3's vocabulary.
const VOCABULARY: u64 = 200_064;

/// The part of the model's shape that attention depends on, as one GPU has it.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Sparse layers.
    pub layers: usize,
    /// Query heads.
    pub heads: usize,
    /// KV heads, and as many index heads.
    pub kv_heads: usize,
}

/// The stand-in.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    pub seed: u64,
    pub shape: Shape,
    /// In how many of a hundred cases a token is the one that the draft foresees.
    pub agreement: u32,
}

/// What the projections of all layers give for some rows; bf16, dense.
pub struct Projections {
    /// `[layers, rows, kv_heads, 128]`
    pub index_q: Vec<bf16>,
    /// `[layers, rows, 128]`
    pub index_k: Vec<bf16>,
    /// `[layers, rows, heads, 128]`
    pub q: Vec<bf16>,
    /// `[layers, rows, kv_heads, 128]`
    pub k: Vec<bf16>,
    /// `[layers, rows, kv_heads, 128]`
    pub v: Vec<bf16>,
}

impl Model {
    /// The chain before the first token.
    pub const ROOT: u64 = 0;

    /// The chain of a token that follows a chain.
    pub fn chain(previous: u64, token: u32) -> u64 {
        mix(previous, u64::from(token))
    }

    /// Queries, keys and values of the rows that have these chains.
    pub fn project(&self, chains: &[u64]) -> Projections {
        let Shape { heads, kv_heads, .. } = self.shape;
        Projections {
            index_q: self.tensor(0, chains, kv_heads),
            index_k: self.tensor(1, chains, 1),
            q: self.tensor(2, chains, heads),
            k: self.tensor(3, chains, kv_heads),
            v: self.tensor(4, chains, kv_heads),
        }
    }

    /// `[layers, rows, heads, 128]`, evenly from -2 to 2: every block of keys has another best score.
    fn tensor(&self, which: u64, chains: &[u64], heads: usize) -> Vec<bf16> {
        let row_len = heads * HEAD_DIM;
        let mut values = vec![bf16::ZERO; self.shape.layers * chains.len() * row_len];
        values.par_chunks_mut(row_len).enumerate().for_each(|(index, row)| {
            let (layer, chain) = (index / chains.len(), chains[index % chains.len()]);
            let seed = mix(mix(self.seed, chain), which << 32 | layer as u64);
            for (part, values) in (0..).zip(row.chunks_mut(8)) {
                let bytes = mix(seed, part).to_le_bytes();
                for (value, byte) in values.iter_mut().zip(bytes) {
                    *value = bf16::from_f32(f32::from(byte.cast_signed()) / 64.0);
                }
            }
        });
        values
    }

    /// A digest of every row's attention in all layers, from outputs `[layers, rows, heads, 128]`.
    pub fn digests(&self, outputs: &[bf16], rows: usize) -> Vec<u64> {
        let row_len = self.shape.heads * HEAD_DIM;
        let digest = |row: usize| {
            let of_layers = outputs.chunks(rows * row_len);
            let of_row = of_layers.map(|layer| &layer[row * row_len..][..row_len]);
            of_row.flat_map(|output| output.chunks(4)).fold(self.seed, |digest, part| {
                let word = part.iter().fold(0, |word, x| word << 16 | u64::from(x.to_bits()));
                mix(digest, word)
            })
        };
        (0..rows).into_par_iter().map(digest).collect()
    }

    /// The token that follows a row, by its chain, its digest, and the salt of its request.
    pub fn next_token(&self, chain: u64, digest: u64, salt: u64) -> u32 {
        let choice = mix(digest, salt);
        match choice % 100 < u64::from(self.agreement) {
            true => self.draft(chain),
            false => ((choice >> 32) % VOCABULARY) as u32,
        }
    }

    /// The token that the draft model foresees after a chain. It has seen no attention, so it is often wrong.
    pub fn draft(&self, chain: u64) -> u32 {
        (mix(chain, self.seed) % VOCABULARY) as u32
    }

    /// Tokens of a prompt.
    pub fn prompt(&self, which: u64, tokens: usize) -> impl Iterator<Item = u32> {
        let seed = mix(self.seed, which);
        (0..tokens as u64).map(move |index| (mix(seed, index) % VOCABULARY) as u32)
    }
}
