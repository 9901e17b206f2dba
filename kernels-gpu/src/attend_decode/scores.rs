use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::{bf16, ptx};

use super::scratch::{Scratch, WARPS};
use crate::fragment::{Part, row_max, row_sum};
use crate::queries::HEADS;
use crate::row_tile::RowTile;
use crate::softmax::{reference, weight};

/// All threads of the block: the weights of a row's first `visible` keys of a block, for all heads. Each warp does
/// those of 32 keys.
///
/// # Safety
///
/// All threads come together; the queries are there, and the keys of each warp that has a visible one. A barrier has to come before the weights and their
/// sums are used, and one after that before the next ones.
#[inline(always)]
pub(super) unsafe fn weigh(
    keys: RowTile,
    row: u32,
    visible: u32,
    magnitude: f32,
    scratch: Scratch,
) {
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    let part = Part::of_lane();
    let queries = scratch.queries();
    let first_key = 32 * warp;

    // `[8 keys][element of a fragment]`: rows are heads, columns are keys.
    let mut products = [[0.0_f32; 4]; 4];
    if first_key < visible {
        for step in 0..RowTile::STEPS {
            // SAFETY: the caller promises queries and keys, and brings all lanes together.
            unsafe {
                let a = queries.a(row * HEADS, step);
                for pair in 0..2 {
                    let [b, c] = keys.b_of_rows(first_key + 16 * pair as u32, step);
                    products[2 * pair] = ptx::mma_m16n8k16_f32_bf16(a, b, products[2 * pair]);
                    products[2 * pair + 1] =
                        ptx::mma_m16n8k16_f32_bf16(a, c, products[2 * pair + 1]);
                }
            }
        }
    }
    let mut maxima = [f32::NEG_INFINITY; 2];
    for (tile, products) in products.iter_mut().enumerate() {
        for (at, product) in products.iter_mut().enumerate() {
            let key = first_key + 8 * tile as u32 + part.column + at as u32 % 2;
            *product = if key < visible { *product } else { f32::NEG_INFINITY };
            maxima[at / 2] = maxima[at / 2].max(*product);
        }
    }
    // SAFETY: all lanes are together. Of the lanes with the same heads one writes.
    unsafe {
        maxima = [row_max(maxima[0]), row_max(maxima[1])];
        if part.is_first() {
            for (half, max) in maxima.iter().enumerate() {
                scratch.maximum(row, warp, part.row + 8 * half as u32).write(*max * magnitude);
            }
        }
    }
    thread::sync_threads();

    let references: [f32; 2] = from_fn(|half| {
        // SAFETY: that was the barrier behind the writing of the maxima.
        reference(unsafe { block_maximum(row, part.row + 8 * half as u32, scratch) })
    });
    let mut sums = [0.0_f32; 2];
    let weights = scratch.weights(row);
    for (tile, products) in products.iter().enumerate() {
        for half in 0..2 {
            let [a, b] =
                [0, 1].map(|at| weight(products[2 * half + at], magnitude, references[half]));
            let pair = bf16::pack(a, b);
            sums[half] += a + b;
            let chunk = weights.chunk(part.row + 8 * half as u32, 4 * warp + tile as u32);
            // SAFETY: each lane has its own word of the row.
            unsafe { chunk.cast::<u32>().add(part.column / 2).write(pair) };
        }
    }
    // SAFETY: all lanes are together. Of the lanes with the same heads one writes.
    unsafe {
        let sums = [row_sum(sums[0]), row_sum(sums[1])];
        if part.is_first() {
            for (half, sum) in sums.iter().enumerate() {
                scratch.sums(row, warp, part.row + 8 * half as u32).write(*sum);
            }
        }
    }
}

/// One thread: the largest logit of a head among all keys of a block.
///
/// # Safety
///
/// A barrier lies between this and the writing of the maxima.
#[inline(always)]
pub(super) unsafe fn block_maximum(row: u32, head: u32, scratch: Scratch) -> f32 {
    // SAFETY: the caller promises that they are written.
    let of_warp = |warp| unsafe { scratch.maximum(row, warp, head).read() };
    (1..WARPS).fold(of_warp(0), |max, warp| max.max(of_warp(warp)))
}
