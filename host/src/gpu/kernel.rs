use std::fmt;

/// A kernel, as the PTX names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Scores blocks for few new tokens of each request.
    IndexDecode,
    /// Selects blocks from their scores.
    BlockTopk,
    /// Scores and selects blocks for many new tokens of a request.
    IndexPrefill,
    /// The same by the matrix instructions of compute capability 9.0.
    IndexPrefillHopper,
    /// The same by those of compute capability 10.0.
    IndexPrefillBlackwell,
    /// Selects from what parts of a row's blocks have selected.
    IndexMerge,
    /// Attends to few new tokens of each request.
    AttendDecode,
    /// Joins what parts of a row's blocks have given.
    AttendCombine,
    /// The same as the two by clusters of blocks of threads, from compute capability 9.0 on.
    AttendDecodeCluster,
    /// Attends to many new tokens of a request.
    AttendPrefill,
    /// The same by the matrix instructions of compute capability 9.0.
    AttendPrefillHopper,
    /// The same by those of compute capability 10.0.
    AttendPrefillBlackwell,
    /// Joins what shards have given of the same rows.
    MergeStates,
    /// Looks for what is wrong in operands on the device.
    CheckOperands,
}

impl Kernel {
    /// All kernels, in the order of their declaration.
    pub const ALL: [Self; 14] = [
        Self::IndexDecode,
        Self::BlockTopk,
        Self::IndexPrefill,
        Self::IndexPrefillHopper,
        Self::IndexPrefillBlackwell,
        Self::IndexMerge,
        Self::AttendDecode,
        Self::AttendCombine,
        Self::AttendDecodeCluster,
        Self::AttendPrefill,
        Self::AttendPrefillHopper,
        Self::AttendPrefillBlackwell,
        Self::MergeStates,
        Self::CheckOperands,
    ];

    /// Its name in the PTX.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IndexDecode => "index_decode",
            Self::BlockTopk => "block_topk",
            Self::IndexPrefill => "index_prefill",
            Self::IndexPrefillHopper => "index_prefill_hopper",
            Self::IndexPrefillBlackwell => "index_prefill_blackwell",
            Self::IndexMerge => "index_merge",
            Self::AttendDecode => "attend_decode",
            Self::AttendCombine => "attend_combine",
            Self::AttendDecodeCluster => "attend_decode_cluster",
            Self::AttendPrefill => "attend_prefill",
            Self::AttendPrefillHopper => "attend_prefill_hopper",
            Self::AttendPrefillBlackwell => "attend_prefill_blackwell",
            Self::MergeStates => "merge_states",
            Self::CheckOperands => "check_operands",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Kernel;

    #[test]
    fn a_kernel_is_found_by_its_number() {
        let numbers = Kernel::ALL.map(|kernel| kernel as usize);
        assert_eq!(numbers, std::array::from_fn(|number| number));
    }
}
