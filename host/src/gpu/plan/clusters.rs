use msa_abi::AttendParams;

use super::fit::Fit;
use super::tuning;
use crate::gpu::{Device, Kernel};

/// How `attend_decode_cluster` has a row's blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Clusters {
    /// Blocks of threads of a cluster, a power of two.
    pub(super) splits: u32,
    /// Stages of each.
    pub(super) stages: u32,
}

impl Clusters {
    /// As large as they can be so that all of them run at once; of one block each where even pairs cannot. Each has a row
    /// and a KV head, of which there are `items`.
    ///
    /// None if the device has no such kernel.
    pub(in crate::gpu) fn new(device: &Device, items: u64, topk: u32) -> Option<Self> {
        let kernel = Kernel::AttendDecodeCluster;
        if !device.has(kernel) {
            return None;
        }
        let fit = |splits: u32| {
            let blocks = items.saturating_mul(splits.into());
            // Each has a multiprocessor for itself.
            let are_alone = splits <= 2 && blocks <= device.multiprocessors.into();
            let all_planes = (2 * topk.div_ceil(splits)).min(AttendParams::MAX_STAGES);
            let (each, most) = match (are_alone, splits) {
                (true, _) => (1, all_planes),
                (false, 1) => (tuning::CLUSTER_BLOCKS, tuning::MIN_STAGES),
                _ => (tuning::CLUSTER_BLOCKS, all_planes),
            };
            let shared = |stages| AttendParams::cluster_shared_bytes(splits, topk, stages);
            let fit = Fit::new(kernel, device, each, tuning::MIN_STAGES..=most, shared).ok()?;
            let has_room = match splits {
                1 => true,
                2 => are_alone,
                // A cluster's blocks are on multiprocessors of one group, which leaves some over: so not all are counted on.
                _ => blocks <= u64::from(fit.resident(device)) * 3 / 4,
            };
            (splits <= topk && has_room).then_some(Self { splits, stages: fit.stages })
        };
        let sizes = tuning::CLUSTER_SIZES.into_iter();
        sizes.filter(|&splits| splits <= device.max_cluster).find_map(fit)
    }
}

#[cfg(test)]
mod tests {
    use super::Clusters;
    use crate::gpu::device::{HOPPER, SMALL};

    #[test]
    fn clusters_are_as_large_as_all_have_room() {
        let splits = |items| Clusters::new(&HOPPER, items, 16).map(|clusters| clusters.splits);
        assert_eq!([1, 8, 12].map(splits), [16; 3].map(Some));
        assert_eq!([13, 24].map(splits), [8; 2].map(Some));
        assert_eq!([25, 32, 49].map(splits), [4; 3].map(Some));
        assert_eq!([50, 64, 66].map(splits), [2; 3].map(Some));
        assert_eq!([67, 132, 9999].map(splits), [1; 3].map(Some));
    }

    #[test]
    fn a_part_has_no_more_stages_than_planes() {
        let of = |device, items, topk| Clusters::new(device, items, topk);
        assert_eq!(of(&HOPPER, 1, 16), Some(Clusters { splits: 16, stages: 2 }));
        assert_eq!(of(&HOPPER, 1, 5), Some(Clusters { splits: 4, stages: 2 }));
        assert_eq!(of(&HOPPER, 32, 16), Some(Clusters { splits: 4, stages: 2 }));
        assert_eq!(of(&HOPPER, 64, 16), Some(Clusters { splits: 2, stages: 4 }));
        assert_eq!(of(&HOPPER, 128, 16), Some(Clusters { splits: 1, stages: 6 }));
        assert_eq!(of(&HOPPER, 256, 16), Some(Clusters { splits: 1, stages: 2 }));
        assert_eq!(of(&SMALL, 1, 16), Some(Clusters { splits: 8, stages: 2 }));
        assert_eq!(of(&SMALL, 1, 64), Some(Clusters { splits: 1, stages: 2 }));
    }
}
