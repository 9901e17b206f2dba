use std::ops::RangeInclusive;

use crate::Error;
use crate::gpu::{Device, Kernel};

/// How many blocks of a kernel a multiprocessor holds at a time, and the stages of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) blocks: u32,
    pub(super) stages: u32,
}

impl Fit {
    /// As many blocks as there is room for, up to `blocks`, each with as many of `stages` as there is room for then.
    /// `shared` tells the bytes of a block from its stages.
    ///
    /// # Errors
    /// If the device has no room for one block with the fewest stages.
    pub(super) fn new(
        kernel: Kernel,
        device: &Device,
        blocks: u32,
        stages: RangeInclusive<u32>,
        shared: impl Fn(u32) -> u32,
    ) -> Result<Self, Error> {
        let fit = |blocks| {
            let available = device.shared_for_each_of(blocks);
            let stages = stages.clone().rev().find(|&stages| shared(stages) <= available)?;
            Some(Self { blocks, stages })
        };
        (1..=blocks).rev().find_map(fit).ok_or_else(|| Error::SharedMemory {
            kernel: kernel.name(),
            needed: shared(*stages.start()),
            available: device.shared_for_each_of(1),
        })
    }

    /// Blocks that a device holds at a time.
    pub(super) fn resident(self, device: &Device) -> u32 {
        self.blocks.saturating_mul(device.multiprocessors)
    }

    /// Parts that each of some tiles is split into, up to `most`: so many that all blocks run at once. One part more, and
    /// a few blocks would begin when others end, and take as long again.
    pub(super) fn splits(self, device: &Device, tiles: u64, most: u32) -> u32 {
        (u64::from(self.resident(device)) / tiles).clamp(1, most.into()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Fit;
    use crate::gpu::Kernel;
    use crate::gpu::device::{HOPPER, SMALL};

    #[test]
    fn two_blocks_share_a_multiprocessor_where_each_has_the_fewest_stages() {
        let fit = |device, base, fewest| {
            let shared = |stages| base + stages * (32 << 10);
            Fit::new(Kernel::IndexPrefill, device, 2, fewest..=6, shared).ok()
        };
        assert_eq!(fit(&HOPPER, 4 << 10, 2), Some(Fit { blocks: 2, stages: 3 }));
        assert_eq!(fit(&HOPPER, 64 << 10, 2), Some(Fit { blocks: 1, stages: 5 }));
        assert_eq!(fit(&HOPPER, 64 << 10, 1), Some(Fit { blocks: 2, stages: 1 }));
        assert_eq!(fit(&SMALL, 4 << 10, 2), Some(Fit { blocks: 1, stages: 2 }));
        assert_eq!(fit(&SMALL, 64 << 10, 2), None);
        assert_eq!(fit(&SMALL, 64 << 10, 1), Some(Fit { blocks: 1, stages: 1 }));
    }

    #[test]
    fn no_split_is_so_fine_that_blocks_wait_for_others_to_end() {
        let splits = |tiles| Fit { blocks: 2, stages: 2 }.splits(&HOPPER, tiles, 100);
        assert_eq!([1, 16, 64, 132, 133, 264, 9999].map(splits), [100, 16, 4, 2, 1, 1, 1]);
    }
}
