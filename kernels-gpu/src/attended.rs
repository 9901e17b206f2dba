use cuda_std::bf16;
use cuda_std::prelude::*;
use msa_abi::{AttendParams, HEAD_DIM};

use crate::softmax::Sums;

/// Where attention puts its results.
#[derive(Clone, Copy)]
pub(crate) struct Attended {
    output: GlobalPtr<u16>,
    /// None where the address is 0.
    lse: GlobalPtr<f32>,
    has_lse: bool,
    heads: u32,
}

/// The result of a row and head.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    output: GlobalPtr<u16>,
    lse: GlobalPtr<f32>,
    has_lse: bool,
}

impl Attended {
    #[inline(always)]
    pub(crate) fn new(params: &AttendParams) -> Self {
        Self {
            output: GlobalPtr::from_address(params.output.address()),
            lse: GlobalPtr::from_address(params.lse.address()),
            has_lse: params.lse.address() != 0,
            heads: params.kv_heads * params.group,
        }
    }

    #[inline(always)]
    pub(crate) fn line(self, row: u32, head: u32) -> Line {
        let line = u64::from(row) * u64::from(self.heads) + u64::from(head);
        Line {
            output: self.output.add(line * HEAD_DIM as u64),
            lse: self.lse.add(line),
            has_lse: self.has_lse,
        }
    }
}

impl Line {
    /// One thread: the mean of the values in two successive dims, from their weighted sums.
    ///
    /// # Safety
    ///
    /// The line and the dims are the thread's.
    #[inline(always)]
    pub(crate) unsafe fn write(self, dim: u32, weighted: [f32; 2], sums: Sums) {
        let [a, b] = weighted.map(|value| value * sums.normaliser());
        // SAFETY: the caller's promise.
        unsafe { self.output.add(u64::from(dim)).cast::<u32>().write(bf16::pack(a, b)) }
    }

    /// One thread: the same in eight successive dims, the first a multiple of eight.
    ///
    /// # Safety
    ///
    /// As [`write`](Self::write).
    #[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
    #[inline(always)]
    pub(crate) unsafe fn write_eight(self, dim: u32, weighted: [f32; 8], sums: Sums) {
        let [a, b, c, d, e, f, g, h] = weighted.map(|value| value * sums.normaliser());
        let means = [bf16::pack(a, b), bf16::pack(c, d), bf16::pack(e, f), bf16::pack(g, h)];
        // SAFETY: the caller's promise.
        unsafe { self.output.add(u64::from(dim)).cast::<[u32; 4]>().write(means) }
    }

    /// One thread: the log of the softmax's denominator, where it is asked for.
    ///
    /// # Safety
    ///
    /// The line is the thread's.
    #[inline(always)]
    pub(crate) unsafe fn write_lse(self, sums: Sums) {
        if self.has_lse {
            // SAFETY: the caller's promise.
            unsafe { self.lse.write(sums.lse()) }
        }
    }
}
