use msa_abi::{
    AttendParams, BlockTopkParams, CheckParams, IndexParams, MergeStatesParams, StructLayout,
};

use super::Kernel;

/// All kernels as data, in the order of [`Kernel::ALL`]: for callers that load the [PTX](super::Ptx) themselves, in
/// whatever language. `host/ptx/abi.json` is this as a file.
pub const KERNELS: [KernelAbi; Kernel::ALL.len()] = {
    let mut kernels = [Kernel::ALL[0].abi(); Kernel::ALL.len()];
    let mut number = 0;
    while number < kernels.len() {
        kernels[number] = Kernel::ALL[number].abi();
        number += 1;
    }
    kernels
};

/// What a kernel takes, and how it is launched.
///
/// A [`Plan`](super::Plan) knows all of it. A caller without one computes it from the fields of the kernel's parameters:
/// what is given here as text is an expression of C over these, with whole numbers, `min` and `max`. Two names are no
/// fields: `threads`, those of a block, and `index_heads` of `block_topk`, the outermost extent of its `scores`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAbi {
    /// Which kernel; its name is the entry's.
    pub kernel: Kernel,
    /// The first parameter, by value.
    pub params: &'static StructLayout,
    /// Whether there is a second parameter: a `CUtensorMap` of the cache's planes, by value, 128 bytes that are aligned to
    /// 64 ([`PlaneMap`](super::PlaneMap) says what it is made of).
    pub takes_planes: bool,
    /// Blocks of threads along x, y and z.
    pub grid: [&'static str; 3],
    /// Blocks of a cluster, all along z; 1 where the launch needs no attribute for them.
    pub cluster: &'static str,
    /// Threads of a block, all along x.
    pub threads: Threads,
    /// Bytes of dynamic shared memory; above 48 KiB the function has to be allowed them
    /// (`CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`).
    pub dynamic_shared: &'static str,
    /// Whether it reads what a launch before it has written, and waits for that itself in the files from compute
    /// capability 9.0 on: there it may be launched with `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`.
    pub follows_another: bool,
}

/// Threads of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// So many.
    Exactly(u32),
    /// Any multiple of 32 up to so many; the result is the same.
    UpTo(u32),
}

impl Threads {
    /// The most that there may be, which the entry's `.maxntid` says, too.
    pub const fn most(self) -> u32 {
        match self {
            Self::Exactly(threads) | Self::UpTo(threads) => threads,
        }
    }
}

/// The grid of what scores blocks, and of what makes lists from scores or partial lists.
const BY_PAIRS: [&str; 3] = ["batch.batch * pair_tiles", "splits", "1"];
const BY_ROWS_AND_HEADS: [&str; 3] = ["batch.rows", "index_heads", "1"];

/// The grid of attention's kernels: tiles of rows, and KV heads.
const fn by_tiles(z: &'static str) -> [&'static str; 3] {
    ["batch.batch * row_tiles", "kv_heads", z]
}

impl Kernel {
    /// What it takes, and how it is launched. A kernel without an entry here does not compile.
    pub const fn abi(self) -> KernelAbi {
        let index = KernelAbi {
            kernel: self,
            params: &IndexParams::LAYOUT,
            takes_planes: false,
            grid: BY_PAIRS,
            cluster: "1",
            threads: Threads::Exactly(IndexParams::THREADS),
            dynamic_shared: "0",
            follows_another: false,
        };
        let attend = KernelAbi {
            params: &AttendParams::LAYOUT,
            grid: by_tiles("1"),
            threads: Threads::Exactly(AttendParams::THREADS),
            ..index
        };
        match self {
            Self::IndexDecode => KernelAbi { dynamic_shared: "4096 + stages * 32768", ..index },
            Self::BlockTopk => KernelAbi {
                params: &BlockTopkParams::LAYOUT,
                grid: ["rows", "index_heads", "1"],
                threads: Threads::UpTo(BlockTopkParams::MAX_THREADS),
                dynamic_shared: "(max_blocks + 4 * threads - 1) / (4 * threads) * (16 * threads)",
                follows_another: true,
                ..index
            },
            Self::IndexPrefill => {
                KernelAbi { dynamic_shared: "stages * 32768 + topk * 1024", ..index }
            }
            Self::IndexPrefillHopper => KernelAbi {
                threads: Threads::Exactly(IndexParams::HOPPER_PREFILL_THREADS),
                dynamic_shared: "stages * 32792 + 256 * max(8 * topk, 256)",
                ..index
            },
            Self::IndexPrefillBlackwell => KernelAbi {
                threads: Threads::Exactly(IndexParams::BLACKWELL_PREFILL_THREADS),
                dynamic_shared: "stages * 32784 + topk * 4096 + 96",
                ..index
            },
            Self::IndexMerge => KernelAbi {
                grid: BY_ROWS_AND_HEADS,
                threads: Threads::Exactly(IndexParams::MERGE_THREADS),
                follows_another: true,
                ..index
            },
            Self::AttendDecode => KernelAbi {
                grid: by_tiles("splits"),
                dynamic_shared: "stages * 32768 + tile_rows * (17408 + topk * 16)",
                ..attend
            },
            Self::AttendCombine => KernelAbi {
                grid: ["batch.rows", "(kv_heads * group + 3) / 4", "1"],
                threads: Threads::Exactly(AttendParams::COMBINE_THREADS),
                follows_another: true,
                ..attend
            },
            Self::AttendDecodeCluster => KernelAbi {
                takes_planes: true,
                grid: by_tiles("splits"),
                cluster: "splits",
                // A tile that is not split leaves out what its parts tell each other.
                dynamic_shared: "stages * 32776 + 8704 \
                                 + min(splits - 1, 1) * (topk * (8192 / splits + 128) + 8)",
                ..attend
            },
            Self::AttendPrefill => KernelAbi {
                threads: Threads::Exactly(AttendParams::PREFILL_THREADS),
                dynamic_shared: "stages * 32768 + topk * 128",
                ..attend
            },
            Self::AttendPrefillHopper => KernelAbi {
                takes_planes: true,
                threads: Threads::Exactly(AttendParams::HOPPER_PREFILL_THREADS),
                dynamic_shared: "(stages + 1) * 32768 + topk * 128 + stages * 32",
                ..attend
            },
            Self::AttendPrefillBlackwell => KernelAbi {
                takes_planes: true,
                grid: by_tiles("2"),
                cluster: "2",
                threads: Threads::Exactly(AttendParams::BLACKWELL_PREFILL_THREADS),
                dynamic_shared: "(stages + 1) * 32768 + topk * 256 + stages * 16 + 2168",
                ..attend
            },
            Self::MergeStates => KernelAbi {
                params: &MergeStatesParams::LAYOUT,
                grid: ["rows", "(heads + 7) / 8", "1"],
                threads: Threads::Exactly(MergeStatesParams::THREADS),
                ..index
            },
            Self::CheckOperands => KernelAbi {
                params: &CheckParams::LAYOUT,
                grid: ["1", "1", "1"],
                threads: Threads::Exactly(CheckParams::THREADS),
                ..index
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use msa_abi::{ABI_VERSION, ABI_VERSION_SYMBOL, FieldType, StructLayout, TensorMap};

    use super::KERNELS;
    use crate::gpu::{Kernel, Ptx};

    #[test]
    fn kernels_are_described_in_their_order() {
        assert_eq!(KERNELS.map(|abi| abi.kernel), Kernel::ALL);
    }

    /// What stands before and after an entry's parameters in the checked-in PTX is what the table says of it.
    #[test]
    fn entries_take_what_is_described() {
        for ptx in Ptx::ALL {
            for abi in KERNELS.into_iter().filter(|abi| ptx.has(abi.kernel)) {
                let name = abi.kernel.name();
                let (_, entry) = ptx.text().split_once(&format!(".entry {name}(")).expect(name);
                let (parameters, rest) = entry.split_once(')').expect("an end of the parameters");
                let parameters: Vec<&str> = parameters.split(',').map(str::trim).collect();
                let spelled = |number: usize, align: usize, size: usize| {
                    format!(".param .align {align} .b8 {name}_param_{number}[{size}]")
                };
                let mut expected = vec![spelled(0, abi.params.align, abi.params.size)];
                if abi.takes_planes {
                    expected.push(spelled(1, align_of::<TensorMap>(), size_of::<TensorMap>()));
                }
                assert_eq!(parameters, expected, "{name} in {}", ptx.name());
                let (before, _) = rest.split_once('{').expect("a body");
                let bound = format!(".maxntid {}", abi.threads.most());
                let bounds: Vec<&str> =
                    before.split('\n').filter(|line| line.starts_with(".maxntid")).collect();
                assert!(
                    bounds
                        .iter()
                        .all(|line| line.split("//").next().map(str::trim) == Some(&bound))
                        && bounds.len() == 1,
                    "{name} in {}: {bounds:?}, expected {bound}",
                    ptx.name()
                );
            }
        }
    }

    #[test]
    fn files_say_their_version() {
        // As LLVM spells four bytes of which all but the lowest are 0.
        let variable = format!("{ABI_VERSION_SYMBOL}[4] = {{{ABI_VERSION}}};");
        let variable = format!(".visible .global .align 4 .b8 {variable}");
        for ptx in Ptx::ALL {
            assert!(ptx.text().contains(&variable), "{} has no `{variable}`", ptx.name());
        }
    }

    /// A field begins where the one before it ends, or at the next multiple of its own size: nothing is left out.
    #[test]
    fn structs_have_no_holes() {
        fn check(layout: &StructLayout, seen: &mut HashSet<&'static str>) {
            seen.insert(layout.name);
            let mut end = 0;
            for field in layout.fields {
                assert_eq!(field.offset, end, "{}.{}", layout.name, field.name);
                end += field.size;
                if let Some(inner) = field.ty.layout() {
                    check(inner, seen);
                }
            }
            assert_eq!(layout.size, end, "{}", layout.name);
        }
        let mut seen = HashSet::new();
        KERNELS.iter().for_each(|abi| check(abi.params, &mut seen));
        // What a pointer leads to is described, too.
        assert!(seen.contains("CheckReport"), "{seen:?}");
    }

    #[test]
    fn a_field_of_a_field_is_found_by_its_path() {
        let rows = Kernel::AttendDecode.abi().params.field("batch.rows").expect("it is there");
        assert_eq!((rows.offset, rows.size, rows.ty), (20, 4, FieldType::U32));
        let table = Kernel::CheckOperands.abi().params.field("cache.table_width");
        assert_eq!(table.map(|field| field.offset), Some(24 + 56));
        for path in ["rows", "batch.", "batch.rows.x", ""] {
            assert_eq!(Kernel::AttendDecode.abi().params.field(path), None, "{path}");
        }
    }
}
