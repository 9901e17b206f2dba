//! Joins what [`attend_decode`](crate::attend_decode) has found in a row's blocks, where several blocks of threads have
//! shared them.
//!
//! A warp has a row and a head, each lane 4 dims. The blocks join one after the other, in the order of the row's sorted
//! list, by the same arithmetic as they do where one block of threads has them all.

use core::array::from_fn;

use cuda_std::prelude::*;
use msa_abi::{AttendParams, HEAD_DIM};

use crate::attended::Attended;
use crate::dependent_launch::wait_for_last;
use crate::div_rem::div_rem;
use crate::softmax::Sums;

/// Slots whose sums, and then values, are on their way at a time.
const AT_ONCE: usize = 8;

/// Joins the partial sums of each row. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128)]
pub unsafe fn attend_combine(params: AttendParams) {
    let row = thread::block_idx_x();
    let warps = AttendParams::COMBINE_THREADS / warp::WARP_SIZE;
    let head = thread::block_idx_y() * warps + thread::thread_idx_x() / warp::WARP_SIZE;
    let row_offsets = GlobalPtr::<u32>::from_address(params.batch.row_offsets.address());
    // SAFETY: it holds one more number than there are requests.
    let rows = unsafe { row_offsets.add(u64::from(params.batch.batch)).read_constant() };
    wait_for_last();
    if row >= rows || head >= params.kv_heads * params.group {
        return; // Padding of a captured bucket, or of the grid.
    }
    let (kv_head, of_group) = div_rem(head, params.group);
    let line = (u64::from(row) * u64::from(params.kv_heads) + u64::from(kv_head))
        * u64::from(params.topk * params.group)
        + u64::from(of_group);
    let sums = GlobalPtr::<Sums>::from_address(params.partial_sums.address()).add(line);
    let values = GlobalPtr::<f32>::from_address(params.partial_values.address());
    let dim = 4 * warp::lane_id();
    let values = values.add(line * HEAD_DIM as u64 + u64::from(dim)).cast::<[f32; 4]>();

    let (mut total_sums, mut total) = (Sums::NONE, [0.0; 4]);
    let mut start = 0;
    while start < params.topk {
        let at = |nth: usize| u64::from(start + nth as u32) * u64::from(params.group);
        // SAFETY: every slot of a row has its sums, and its values where there is a key.
        unsafe {
            let found: [Sums; AT_ONCE] = from_fn(|nth| {
                if start + (nth as u32) < params.topk {
                    sums.add(at(nth)).read()
                } else {
                    Sums::NONE
                }
            });
            let weighted: [[f32; 4]; AT_ONCE] = from_fn(|nth| {
                let has_key = found[nth].max > f32::NEG_INFINITY;
                if has_key { values.add(at(nth) * (HEAD_DIM as u64 / 4)).read() } else { [0.0; 4] }
            });
            for nth in 0..AT_ONCE {
                if found[nth].max > f32::NEG_INFINITY {
                    let (joined, scales) = total_sums.join(found[nth]);
                    total_sums = joined;
                    total = from_fn(|dim| scales.join(total[dim], weighted[nth][dim]));
                }
            }
        }
        start += AT_ONCE as u32;
    }
    let result = Attended::new(&params).line(row, head);
    // SAFETY: each lane has its own dims of the line, and the warp the line.
    unsafe {
        result.write(dim, [total[0], total[1]], total_sums);
        result.write(dim + 2, [total[2], total[3]], total_sums);
        if dim == 0 {
            result.write_lse(total_sums);
        }
    }
}

// An attribute takes no constant.
const _: () = assert!(AttendParams::COMBINE_THREADS == 128);
