//! What waits for operations on tensor memory, and what orders those of one thread behind those of another.

use super::aligned;
use super::steps::{Count, Steps};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::isa::decode::Text;
use crate::isa::matrix::whole_warp;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    WaitLoads,
    WaitStores,
    /// `tcgen05.fence::before_thread_sync` and `::after_thread_sync`
    FenceBefore,
    FenceAfter,
}

impl Order {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let orders = [
            ("wait::ld", Self::WaitLoads),
            ("wait::st", Self::WaitStores),
            ("fence::before_thread_sync", Self::FenceBefore),
            ("fence::after_thread_sync", Self::FenceAfter),
        ];
        let order = text.one_of(&orders).ok_or_else(|| text.refuse("not simulated"))?;
        if matches!(order, Self::WaitLoads | Self::WaitStores) {
            aligned(text)?;
        }
        text.finish(0)?;
        Ok(order)
    }

    pub(super) fn execute(self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let warp = cx.warp.index;
        match self {
            Self::WaitLoads => {
                whole_warp(mask)?;
                let step = Steps::take(cx, Count::Loads);
                cx.block.learn_of(warp, step);
                cx.warp.land(step.time);
            }
            Self::WaitStores => {
                whole_warp(mask)?;
                let step = Steps::take(cx, Count::Stores);
                cx.block.learn_of(warp, step);
            }
            Self::FenceBefore => {
                // What has been issued, and what has been waited for.
                let steps = [
                    Steps::take(cx, Count::Fences),
                    Steps::last(cx, Count::Loads),
                    Steps::last(cx, Count::Stores),
                ];
                cx.block.fence_tensor_before(warp, &steps);
            }
            Self::FenceAfter => cx.block.fence_tensor_after(warp),
        }
        Ok(())
    }
}
