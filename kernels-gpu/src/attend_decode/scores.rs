use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::{bf16, ptx};
use msa_abi::AttendParams;

use super::shared_plan::{HEADS, SharedPlan, WARPS};
use crate::fragment::{Part, row_max, row_sum};
use crate::row_tile::{CHUNK, Chunk, RowTile};
use crate::share_out::share_out;

/// All threads of the block: the queries of `rows` rows from `first` on, of a KV head's heads. Heads that it has not
/// are zero. A barrier has to come before they are used.
///
/// # Safety
///
/// `params` are the kernel's, whose rows these are.
#[inline(always)]
pub(super) unsafe fn load_queries(
    params: &AttendParams,
    first: u32,
    rows: u32,
    kv_head: u32,
    plan: SharedPlan,
) {
    share_out(rows * HEADS * RowTile::CHUNKS, |at| {
        let (row, head, chunk) =
            (at / RowTile::CHUNKS / HEADS, at / RowTile::CHUNKS % HEADS, at % RowTile::CHUNKS);
        let mut query: Chunk = [0; 4];
        if head < params.group {
            let from = u64::from(first + row) * params.q_row_stride
                + u64::from(kv_head * params.group + head) * params.q_head_stride
                + u64::from(chunk * CHUNK);
            let q = GlobalPtr::<u16>::from_address(params.q.address()).add(from);
            // SAFETY: the caller vouches for the rows, and for their alignment.
            query = unsafe { q.cast::<Chunk>().read_constant() };
        }
        // SAFETY: the numbers are shared out, and so are the places.
        unsafe { plan.queries(row).chunk(head, chunk).write(query) };
    });
}

/// All threads of the block: the weights of a row's first `visible` keys of a block, for all heads. Each warp does
/// those of 32 keys.
///
/// # Safety
///
/// All threads come together; the queries and the keys are there. A barrier has to come before the weights and their
/// sums are used, and one after that before the next ones.
#[inline(always)]
pub(super) unsafe fn weigh(
    keys: RowTile,
    row: u32,
    visible: u32,
    scale_log2: f32,
    plan: SharedPlan,
) {
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    let part = Part::of_lane();
    let queries = plan.queries(row);
    let first_key = 32 * warp;

    // `[8 keys][element of a fragment]`: rows are heads, columns are keys.
    let mut logits = [[0.0_f32; 4]; 4];
    for step in 0..RowTile::STEPS {
        // SAFETY: the caller promises queries and keys, and brings all lanes together.
        unsafe {
            let a = queries.a(0, step);
            for pair in 0..2 {
                let [b, c] = keys.b_of_rows(first_key + 16 * pair as u32, step);
                logits[2 * pair] = ptx::mma_m16n8k16_f32_bf16(a, b, logits[2 * pair]);
                logits[2 * pair + 1] = ptx::mma_m16n8k16_f32_bf16(a, c, logits[2 * pair + 1]);
            }
        }
    }
    let mut maxima = [f32::NEG_INFINITY; 2];
    for (tile, logits) in logits.iter_mut().enumerate() {
        for (at, logit) in logits.iter_mut().enumerate() {
            let key = first_key + 8 * tile as u32 + part.column + at as u32 % 2;
            *logit = if key < visible { *logit * scale_log2 } else { f32::NEG_INFINITY };
            maxima[at / 2] = maxima[at / 2].max(*logit);
        }
    }
    // SAFETY: all lanes are together. Of the lanes with the same heads one writes.
    unsafe {
        maxima = maxima.map(|max| row_max(max));
        if part.is_first() {
            for (half, max) in maxima.into_iter().enumerate() {
                plan.maximum(row, warp, part.row + 8 * half as u32).write(max);
            }
        }
    }
    thread::sync_threads();

    // SAFETY: that was the barrier behind the writing of the maxima.
    let maxima: [f32; 2] =
        from_fn(|half| unsafe { block_maximum(row, part.row + 8 * half as u32, plan) });
    let mut sums = [[0.0_f32; 2]; 2];
    let weights = plan.weights(row);
    for (tile, logits) in logits.iter().enumerate() {
        for half in 0..2 {
            let weight = |at: usize| {
                let logit = logits[2 * half + at];
                // Where no key has a logit above -inf the difference would be that of two infinities.
                let is_any = logit > f32::NEG_INFINITY;
                if is_any { ptx::ex2_approx_ftz_f32(logit - maxima[half]) } else { 0.0 }
            };
            let (a, b) = (weight(0), weight(1));
            let pair = bf16::pack(a, b);
            let (rounded_a, rounded_b) = bf16::unpack(pair);
            sums[half][0] += a + b;
            sums[half][1] += rounded_a + rounded_b;
            let chunk = weights.chunk(part.row + 8 * half as u32, 4 * warp + tile as u32);
            // SAFETY: each lane has its own word of the row.
            unsafe { chunk.cast::<u32>().add(part.column / 2).write(pair) };
        }
    }
    // SAFETY: all lanes are together. Of the lanes with the same heads one writes.
    unsafe {
        let sums = sums.map(|sums| sums.map(|sum| row_sum(sum)));
        if part.is_first() {
            for (half, sums) in sums.into_iter().enumerate() {
                plan.sums(row, warp, part.row + 8 * half as u32).write(sums);
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
pub(super) unsafe fn block_maximum(row: u32, head: u32, plan: SharedPlan) -> f32 {
    // SAFETY: the caller promises that they are written.
    let of_warp = |warp| unsafe { plan.maximum(row, warp, head).read() };
    (1..WARPS).fold(of_warp(0), |max, warp| max.max(of_warp(warp)))
}
