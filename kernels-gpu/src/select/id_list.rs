use cuda_std::prelude::*;
use msa_abi::DevicePtr;

use crate::share_out::share_out;

/// The ids of one row and index head, in global memory: a kernel's result.
#[derive(Clone, Copy)]
pub(crate) struct IdList {
    slots: GlobalPtr<i32>,
    len: u32,
}

impl IdList {
    /// The list of the `line`-th row, counted through all index heads, in i32 `[index_heads, rows, topk]`.
    ///
    /// # Safety
    ///
    /// The ids are the kernel's, they have the line, and no other block of threads has it.
    #[inline(always)]
    pub(crate) unsafe fn of_line(block_ids: DevicePtr<i32>, topk: u32, line: u64) -> Self {
        let lists = GlobalPtr::from_address(block_ids.address());
        Self { slots: lists.add(line * u64::from(topk)), len: topk }
    }

    /// One thread: writes an id to its slot.
    ///
    /// # Safety
    ///
    /// The list has that slot, and no other thread writes it.
    #[inline(always)]
    pub(crate) unsafe fn put(self, slot: u32, id: u32) {
        // SAFETY: the caller promises the slot.
        unsafe { self.slots.add(u64::from(slot)).write(id as i32) }
    }

    /// All threads of the block: writes -1 to every slot but the first `used`.
    #[inline(always)]
    pub(crate) fn leave_empty(self, used: u32) {
        share_out(self.len.saturating_sub(used), |nth| {
            // SAFETY: the list has that slot, and the numbers are shared out.
            unsafe { self.slots.add(u64::from(used + nth)).write(-1) }
        });
    }
}
