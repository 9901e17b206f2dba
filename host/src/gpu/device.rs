use msa_abi::{AttendParams, MAX_TOPK};

use super::plan::tuning;
use super::{Kernel, Ptx};

/// What a plan has to know of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// The kernels that are loaded on it: plans use what these have.
    pub ptx: Ptx,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of shared memory that a block may ask for.
    pub shared_per_block_optin: u32,
    /// Bytes of shared memory of a multiprocessor.
    pub shared_per_multiprocessor: u32,
    /// Most blocks of a cluster, as `cuOccupancyMaxPotentialClusterSize` tells it of kernels for which clusters that are not
    /// portable are allowed; 8 is what every device has from compute capability 9.0 on.
    pub max_cluster: u32,
}

impl Device {
    /// Bytes of shared memory that the driver takes of each block on a multiprocessor.
    const RESERVED_SHARED: u32 = 1024;

    /// Most bytes of dynamic shared memory that a block of the largest clusters asks for on it, for which the driver is asked
    /// how large these may be ([`max_cluster`](Self::max_cluster)); their blocks have 128 threads.
    pub fn largest_cluster_shared(&self) -> u32 {
        let (splits, stages) = (tuning::LARGEST_CLUSTER, tuning::MIN_STAGES);
        let needed = AttendParams::cluster_shared_bytes(splits, MAX_TOPK as u32, stages);
        needed.min(self.shared_per_block_optin)
    }

    /// Bytes of shared memory that each of some blocks on a multiprocessor may have.
    pub(super) fn shared_for_each_of(&self, blocks: u32) -> u32 {
        let share = self.shared_per_multiprocessor / blocks;
        share.saturating_sub(Self::RESERVED_SHARED).min(self.shared_per_block_optin)
    }

    /// Whether a kernel is loaded.
    pub(super) fn has(&self, kernel: Kernel) -> bool {
        self.ptx.has(kernel)
    }

    /// Whether the kernels that are loaded can begin while those before them end.
    pub(super) fn has_dependent_launches(&self) -> bool {
        self.ptx.has_dependent_launches()
    }
}

/// An H200, or an H100.
#[cfg(test)]
pub(super) const HOPPER: Device = Device {
    capability: (9, 0),
    ptx: Ptx::SM_90A,
    multiprocessors: 132,
    shared_per_block_optin: 227 << 10,
    shared_per_multiprocessor: 228 << 10,
    max_cluster: 16,
};

/// What has the least shared memory of all that are supported: an RTX 5090.
#[cfg(test)]
pub(super) const SMALL: Device = Device {
    capability: (12, 0),
    ptx: Ptx::SM_120,
    multiprocessors: 170,
    shared_per_block_optin: 99 << 10,
    shared_per_multiprocessor: 100 << 10,
    max_cluster: 8,
};
