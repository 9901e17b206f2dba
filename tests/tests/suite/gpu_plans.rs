//! What is launched on a GPU: all of the work once, within the device and the workspace.

use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, Device, DeviceTensor, IndexerOperands, Kernel,
    Launch, Limits, MergeStatesOperands, Params, Plan, Ptx, Workspace, attention_workspace_bytes,
    indexer_workspace_bytes,
};
use msa::{Error, Route, Selection};
use msa_abi::{AttendParams, CheckReport, IndexParams, MAX_SPECULATIVE, MAX_TOPK};
use proptest::prelude::*;

use crate::kernel_abi::assert_as_described;

const A100: Device = device((8, 0), Ptx::SM_80, 108, 163, 164);
const RTX_4090: Device = device((8, 9), Ptx::SM_80, 128, 99, 100);
const H200: Device = device((9, 0), Ptx::SM_90A, 132, 227, 228);
const B200: Device = device((10, 0), Ptx::SM_100F, 148, 227, 228);
const RTX_5090: Device = device((12, 0), Ptx::SM_120, 170, 99, 100);

const fn device(
    capability: (u32, u32),
    ptx: Ptx,
    multiprocessors: u32,
    block: u32,
    all: u32,
) -> Device {
    Device {
        capability,
        ptx,
        multiprocessors,
        shared_per_block_optin: block << 10,
        shared_per_multiprocessor: all << 10,
        max_cluster: 16,
    }
}

/// A step's shape; everything is somewhere, and nothing is read.
#[derive(Clone, Copy, Debug)]
struct Step {
    batch: usize,
    rows: usize,
    max_seq_length: usize,
    table_width: usize,
    kv_heads: usize,
    group: usize,
    topk: usize,
}

/// Decode of one request with 128 Ki tokens of context, on one GPU of four.
const DECODE: Step = Step {
    batch: 1,
    rows: 1,
    max_seq_length: 1,
    table_width: 1024,
    kv_heads: 1,
    group: 16,
    topk: 16,
};

fn somewhere<T, const RANK: usize>(shape: [usize; RANK]) -> DeviceTensor<T, RANK> {
    DeviceTensor::contiguous(1 << 20, shape.iter().product(), shape)
}

impl Step {
    fn batch(&self) -> Batch {
        Batch {
            row_offsets: somewhere([self.batch + 1]),
            cache_lengths: somewhere([self.batch]),
            rows: self.rows,
            max_seq_length: self.max_seq_length,
        }
    }

    fn indexer(&self) -> IndexerOperands {
        IndexerOperands {
            batch: self.batch(),
            index_q: somewhere([self.rows, self.kv_heads, 128]),
            index_k_pages: somewhere([9, 1, 1, 128, 1, 128]),
            index_page_table: somewhere([self.batch, self.table_width]),
            layer_idx: 0,
            selection: Selection { topk: self.topk, ..Selection::MINIMAX_M3 },
            scale: 0.1,
        }
    }

    fn index(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        self.indexer().plan(&somewhere([self.kv_heads, self.rows, self.topk]), device, workspace)
    }

    fn attend(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let heads = self.kv_heads * self.group;
        let operands = AttentionOperands {
            batch: self.batch(),
            q: somewhere([self.rows, heads, 128]),
            kv_pages: somewhere([9, 2, 1, 128, self.kv_heads, 128]),
            kv_page_table: somewhere([self.batch, self.table_width]),
            layer_idx: 0,
            block_ids: somewhere([self.kv_heads, self.rows, self.topk]),
            scale: 0.1,
        };
        let result = AttentionResult { output: somewhere([self.rows, heads, 128]), lse: None };
        operands.plan(&result, device, workspace)
    }

    fn limits(&self) -> Limits {
        let numbers = [self.batch, self.rows, self.max_seq_length, self.table_width];
        let [batch, rows, max_seq_length, table_width] = numbers.map(|number| number as u32);
        Limits {
            batch,
            rows,
            max_seq_length,
            table_width,
            heads: (self.kv_heads * self.group) as u32,
            kv_heads: self.kv_heads as u32,
            topk: self.topk as u32,
        }
    }
}

/// Where the workspace is.
const START: u64 = 1 << 40;

/// Memory without end, to see what is used of it.
const ENDLESS: Workspace = Workspace { address: START, bytes: usize::MAX };

fn steps() -> impl Strategy<Value = (Step, Device)> {
    let lengths = prop_oneof![Just(1_usize), 1..9_usize, 9..9000_usize];
    let batch = prop_oneof![1..9_usize, 1..70_usize, 1..300_usize];
    let filled = prop_oneof![Just(1.0), 0.0..1.0];
    let shape = (batch, lengths, filled, 1..8193_usize);
    let device = prop::sample::select(vec![A100, RTX_4090, H200, B200, RTX_5090]);
    (shape, 1..9_usize, 1..17_usize, 1..65_usize, device).prop_map(
        |((batch, max_seq_length, filled, table_width), kv_heads, group, topk, device)| {
            let rows = (((batch * max_seq_length) as f64 * filled) as usize).max(1);
            let step = Step { batch, rows, max_seq_length, table_width, kv_heads, group, topk };
            (step, device)
        },
    )
}

/// The tile of each of a request's items, by `tiles` of `each` of them: every item must be in one.
fn assert_covered(items: usize, tiles: u32, each: u32) {
    assert!(tiles as usize * each as usize >= items, "{tiles} tiles of {each} for {items}");
    assert!((tiles as usize - 1) * (each as usize) < items, "{tiles} tiles of {each} for {items}");
}

/// Each part of the workspace that the launches use: its address and bytes.
fn parts(plan: &Plan, step: &Step) -> Vec<(u64, u64)> {
    let slots = (step.rows * step.kv_heads * step.topk) as u64;
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for launch in plan.launches() {
        parts.extend(match &launch.params {
            Params::Index(params) => vec![
                (
                    params.scores.address(),
                    (step.kv_heads * step.rows) as u64 * u64::from(params.score_stride) * 4,
                ),
                (params.partial_keys.address(), slots * u64::from(params.splits) * 8),
            ],
            Params::BlockTopk(params) => vec![(
                params.scores.address(),
                (step.kv_heads * step.rows) as u64 * u64::from(params.score_stride) * 4,
            )],
            Params::Attend(params) => vec![
                (params.partial_values.address(), slots * step.group as u64 * 128 * 4),
                (params.partial_sums.address(), slots * step.group as u64 * 2 * 4),
            ],
            _ => Vec::new(),
        });
    }
    parts.retain(|(address, _)| *address != 0);
    parts.sort();
    parts.dedup();
    parts
}

/// What holds for every plan.
fn assert_sound(plan: &Plan, step: &Step, device: &Device) {
    let mut end = START;
    for (address, bytes) in parts(plan, step) {
        assert!(address >= end && address % 256 == 0, "{address:#x} after {end:#x}");
        end = address + bytes;
    }
    assert_eq!((end - START).next_multiple_of(256), plan.workspace_bytes() as u64);
    assert!(plan.launches().count() > 0);
    for (nth, launch) in plan.launches().enumerate() {
        let may_overlap = nth > 0 && device.ptx.has_dependent_launches();
        assert_eq!(launch.programmatic_stream_serialization, may_overlap, "{launch:?}");
        assert!(launch.dynamic_shared <= device.shared_per_block_optin, "{launch:?}");
        assert!(launch.grid.iter().all(|&blocks| blocks > 0), "{launch:?}");
        assert_as_described(launch, step.kv_heads);
        assert_work(launch, step);
        assert_at_once(launch, device);
    }
}

/// All of the work is in a launch's grid, and once.
fn assert_work(launch: &Launch, step: &Step) {
    let [x, y, z] = launch.grid;
    let (rows, batch) = (step.rows as u32, step.batch as u32);
    let (heads, length) = (step.kv_heads as u32, step.max_seq_length);
    let pairs = length * step.kv_heads;
    match (launch.kernel, launch.params) {
        (Kernel::IndexDecode, Params::Index(params)) => {
            assert_eq!([x, y, z], [batch * params.pair_tiles, params.splits, 1]);
            assert_covered(pairs, params.pair_tiles, IndexParams::DECODE_PAIRS);
            assert!(params.splits <= params.cache.table_width);
            assert!(params.score_stride >= params.cache.table_width);
            assert!((2..=IndexParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::IndexPrefill, Params::Index(params)) => {
            assert_eq!([x, y, z], [batch * params.pair_tiles, params.splits, 1]);
            assert_covered(pairs, params.pair_tiles, IndexParams::PREFILL_PAIRS);
            assert!((1..=IndexParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::IndexPrefillHopper, Params::Index(params)) => {
            assert_eq!([x, y, z], [batch * params.pair_tiles, params.splits, 1]);
            assert_covered(pairs, params.pair_tiles, IndexParams::HOPPER_PREFILL_PAIRS);
            assert!((2..=IndexParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::IndexPrefillBlackwell, Params::Index(params)) => {
            assert_eq!([x, y, z], [batch * params.pair_tiles, params.splits, 1]);
            assert_covered(pairs, params.pair_tiles, IndexParams::BLACKWELL_PREFILL_PAIRS);
            assert!((2..=IndexParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::IndexMerge, Params::Index(params)) => {
            assert!([x, y, z] == [rows, heads, 1] && params.splits > 1);
        }
        (Kernel::BlockTopk, Params::BlockTopk(params)) => {
            assert_eq!([x, y, z], [rows, heads, 1]);
            assert_eq!(params.max_blocks, step.table_width as u32);
            assert!(launch.threads.is_multiple_of(32) && (32..=512).contains(&launch.threads));
        }
        (Kernel::AttendDecode, Params::Attend(params)) => {
            assert_eq!([x, y, z], [batch * params.row_tiles, heads, params.splits]);
            assert_covered(length, params.row_tiles, params.tile_rows);
            assert!(params.splits <= params.topk * params.tile_rows && params.tile_rows <= 8);
            assert!((2..=AttendParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::AttendDecodeCluster, Params::Attend(params)) => {
            assert_eq!([x, y, z], [batch * params.row_tiles, heads, params.splits]);
            assert_eq!((params.row_tiles as usize, params.tile_rows), (length, 1));
            assert_eq!(launch.cluster, params.splits);
            assert!(params.splits.is_power_of_two() && params.splits <= params.topk.min(16));
            assert!((2..=AttendParams::MAX_STAGES).contains(&params.stages));
        }
        (Kernel::AttendCombine, Params::Attend(params)) => {
            assert!([x, y, z] == [rows, (heads * step.group as u32).div_ceil(4), 1]);
            assert!(params.splits > 1);
        }
        (
            kernel @ (Kernel::AttendPrefill
            | Kernel::AttendPrefillHopper
            | Kernel::AttendPrefillBlackwell),
            Params::Attend(params),
        ) => {
            // A pair of blocks has a tile of Blackwell's.
            let (blocks, most) = match kernel {
                Kernel::AttendPrefillBlackwell => (2, AttendParams::BLACKWELL_PREFILL_ROWS),
                _ => (1, AttendParams::PREFILL_ROWS),
            };
            assert_eq!(
                ([x, y, z], launch.cluster),
                ([batch * params.row_tiles, heads, blocks], blocks)
            );
            assert_covered(length, params.row_tiles, params.tile_rows);
            let least = if kernel == Kernel::AttendPrefill { most } else { 1 };
            assert!(params.splits == 1 && (least..=most).contains(&params.tile_rows));
        }
        _ => panic!("{launch:?}"),
    }
}

/// Where the indexer splits tiles, all blocks of threads have room on the device at a time.
fn assert_at_once(launch: &Launch, device: &Device) {
    if let Params::Index(params) = launch.params
        && launch.kernel != Kernel::IndexMerge
        && params.splits > 1
    {
        // The driver takes 1 KiB of each block.
        let of_each = device.shared_per_multiprocessor / (launch.dynamic_shared + 1024);
        let blocks: u32 = launch.grid.iter().product();
        assert!(blocks <= of_each * device.multiprocessors, "{launch:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_plan_is_sound((step, device) in steps(), more in [1..4_u32, 1..4_u32, 1..4_u32]) {
        let limits = step.limits();
        let larger = Limits {
            batch: limits.batch * more[0],
            rows: limits.rows * more[1],
            max_seq_length: limits.max_seq_length * more[2],
            table_width: limits.table_width * more[0],
            ..limits
        };
        let plan = step.index(&device, ENDLESS).expect("every device has room");
        assert_sound(&plan, &step, &device);
        for limits in [limits, larger] {
            let bound = indexer_workspace_bytes(&limits, &device);
            prop_assert!(plan.workspace_bytes() <= bound, "{bound} of {plan:?}");
        }
        let plan = step.attend(&device, ENDLESS).expect("every device has room");
        assert_sound(&plan, &step, &device);
        for limits in [limits, larger] {
            let bound = attention_workspace_bytes(&limits, &device);
            prop_assert!(plan.workspace_bytes() <= bound, "{bound} of {plan:?}");
        }
    }
}

#[test]
fn a_workspace_of_just_the_size_does_and_a_smaller_or_misaligned_one_is_refused() {
    let step = Step { batch: 4, rows: 4, ..DECODE };
    for plan in [Step::index, Step::attend] {
        let bytes = plan(&step, &A100, ENDLESS).expect("a sound step").workspace_bytes();
        assert!(bytes > 0);
        let exact = Workspace { address: START, bytes };
        assert!(plan(&step, &A100, exact).is_ok());
        let error = plan(&step, &A100, Workspace { bytes: bytes - 1, ..exact }).expect_err("small");
        assert!(
            matches!(error, Error::BufferTooSmall { operand: "workspace", needed, .. } if needed == bytes)
        );
        let error = plan(&step, &A100, Workspace { address: START + 128, bytes });
        assert!(matches!(
            error,
            Err(Error::Misaligned { operand: "workspace", expected: 256, .. })
        ));
    }
}

/// A graph that was captured for a bucket is replayed with other lengths and fewer requests.
#[test]
fn grids_of_decode_follow_from_what_a_graph_knows() {
    for max_seq_length in [1, 4, 8] {
        let full = Step { batch: 16, rows: 16 * max_seq_length, max_seq_length, ..DECODE };
        let few = Step { rows: 16, ..full };
        for plan in [Step::index, Step::attend] {
            let grids = |step: &Step| -> Vec<[u32; 3]> {
                let plan = plan(step, &H200, ENDLESS).expect("a sound step");
                plan.launches().take(1).map(|launch| launch.grid).collect()
            };
            assert_eq!(grids(&full), grids(&few));
        }
    }
}

#[test]
fn few_requests_are_split_and_many_are_not() {
    let splits = |plan: Plan| match plan.launches().next().map(|launch| launch.params) {
        Some(Params::Index(params)) => params.splits,
        Some(Params::Attend(params)) => params.splits,
        _ => panic!("{plan:?}"),
    };
    let index = |step: Step| splits(step.index(&H200, ENDLESS).expect("a sound step"));
    let attend = |device, step: Step| splits(step.attend(device, ENDLESS).expect("a sound step"));
    let decode = |batch| Step { batch, rows: batch, ..DECODE };
    assert_eq!([1, 8, 64, 512].map(|batch| index(decode(batch))), [256, 33, 4, 1]);
    assert_eq!([1, 8, 32, 64, 67].map(|batch| attend(&H200, decode(batch))), [16, 16, 4, 2, 1]);
    assert_eq!([1, 8, 36, 37].map(|batch| attend(&A100, decode(batch))), [16, 13, 3, 1]);
    let chunk =
        |rows, table_width| index(Step { rows, max_seq_length: rows, table_width, ..DECODE });
    assert_eq!(chunk(512, 2052), 66, "a short chunk after a long prefix");
    assert_eq!(chunk(8192, 64), 4);
    assert_eq!(chunk(2048, 1040), 16);
    assert_eq!(chunk(9, 64), 8);
}

#[test]
fn drafts_share_a_tile_until_tiles_of_one_row_occupy_the_device() {
    let tile_rows = |batch| {
        let step = Step { batch, rows: 4 * batch, max_seq_length: 4, ..DECODE };
        let plan = step.attend(&A100, ENDLESS).expect("a sound step");
        match plan.launches().next().map(|launch| launch.params) {
            Some(Params::Attend(params)) => params.tile_rows,
            _ => panic!("{plan:?}"),
        }
    };
    assert_eq!([1, 13, 14, 64].map(tile_rows), [4, 4, 1, 1]);
}

/// Tensor memory is what data-centre devices of 10.0 have alone.
#[test]
fn prefill_takes_the_instructions_that_a_device_has() {
    let step = Step { rows: 512, max_seq_length: 512, ..DECODE };
    let portable = [Kernel::IndexPrefill, Kernel::AttendPrefill];
    for (device, expected) in [
        (A100, portable),
        (H200, [Kernel::IndexPrefillHopper, Kernel::AttendPrefillHopper]),
        (B200, [Kernel::IndexPrefillBlackwell, Kernel::AttendPrefillBlackwell]),
        (RTX_5090, portable),
        (Device { capability: (12, 1), ..RTX_5090 }, portable),
        (Device { ptx: Ptx::SM_100, ..B200 }, portable),
        (Device { ptx: Ptx::SM_80, ..H200 }, portable),
    ] {
        let plans = [step.index(&device, ENDLESS), step.attend(&device, ENDLESS)];
        let first = plans.map(|plan| {
            let plan = plan.expect("a sound step");
            plan.launches().next().map(|launch| launch.kernel)
        });
        assert_eq!(first, expected.map(Some), "{device:?}");
    }
}

/// Lists of all pairs of a tile lie in shared memory beside the keys.
#[test]
fn lists_that_do_not_fit_are_selected_by_smaller_tiles() {
    let most = IndexParams::BLACKWELL_PREFILL_TOPK as usize;
    for topk in 1..=MAX_TOPK {
        let step = Step { rows: 512, max_seq_length: 512, topk, ..DECODE };
        let plan = step.index(&B200, ENDLESS).expect("a sound step");
        assert_sound(&plan, &step, &B200);
        let is_of_blackwell =
            plan.launches().any(|launch| launch.kernel == Kernel::IndexPrefillBlackwell);
        assert_eq!(is_of_blackwell, topk <= most, "{topk}");
    }
}

/// Whatever the contract permits fits where a block of threads has no more than 99 KiB of shared memory.
#[test]
fn every_list_length_fits_the_smallest_device() {
    for topk in 1..=MAX_TOPK {
        for max_seq_length in 1..=MAX_SPECULATIVE + 1 {
            for batch in [1, 1000] {
                let rows = batch * max_seq_length;
                let step = Step { batch, rows, max_seq_length, table_width: 8192, topk, ..DECODE };
                for plan in [step.index(&RTX_5090, ENDLESS), step.attend(&RTX_5090, ENDLESS)] {
                    assert_sound(&plan.expect("a sound step"), &step, &RTX_5090);
                }
            }
        }
    }
}

/// A grid has many more blocks in its first direction than in the others.
#[test]
fn any_number_of_requests_is_one_launch() {
    for (batch, max_seq_length) in [(70_000, 1), (20_000, 8), (300, 50_000)] {
        let step = Step { batch, rows: batch, max_seq_length, kv_heads: 4, ..DECODE };
        for plan in [step.index(&H200, ENDLESS), step.attend(&H200, ENDLESS)] {
            assert_sound(&plan.expect("a sound step"), &step, &H200);
        }
    }
}

#[test]
fn a_check_on_the_device_is_one_small_launch_and_its_report() {
    let check = DECODE.indexer().device_check().expect("sound operands");
    let report = Workspace { address: START, bytes: 256 };
    let plan = check.plan(&H200, report).expect("there is room");
    let launches: Vec<_> = plan.launches().collect();
    let [Launch { kernel: Kernel::CheckOperands, grid: [1, 1, 1], params, .. }] = launches[..]
    else {
        panic!("{plan:?}")
    };
    assert!(matches!(params, Params::Check(params) if params.report.address() == START));
    assert_as_described(launches[0], 1);
    assert_eq!(plan.workspace_bytes(), 256);
    assert!(check.plan(&H200, Workspace { bytes: 255, ..report }).is_err());
    let refused = IndexerOperands { layer_idx: 1, ..DECODE.indexer() }.device_check();
    assert!(matches!(refused, Err(Error::Value { operand: "layer_idx", .. })));
    // What no kernel has written is no report.
    let garbage = CheckReport { violation: 7, ..CheckReport::default() };
    assert!(matches!(check.verdict(&garbage), Err(Error::Value { operand: "violation", .. })));
    assert_eq!(check.verdict(&CheckReport::default()), Ok(()));
}

#[test]
fn a_merge_is_one_launch_that_has_every_row_and_head() {
    for (rows, heads, blocks) in [(1, 16, 2), (300, 64, 8), (5, 1, 1), (7, 9, 2)] {
        let operands = MergeStatesOperands {
            partial_output: somewhere([4, rows, heads, 128]),
            partial_lse: somewhere([4, rows, heads]).with_stride(0, 2 * rows * heads),
        };
        let refused = operands.plan(&merged(rows, heads), &H200).expect_err("a short buffer");
        assert!(matches!(refused, Error::BufferTooSmall { operand: "partial_lse", .. }));
        let operands = MergeStatesOperands { partial_lse: somewhere([4, rows, heads]), ..operands };
        let plan = operands.plan(&merged(rows, heads), &H200).expect("sound operands");
        let launches: Vec<_> = plan.launches().collect();
        let [Launch { kernel: Kernel::MergeStates, grid, threads: 128, params, .. }] = launches[..]
        else {
            panic!("{plan:?}")
        };
        assert_eq!(*grid, [rows as u32, blocks, 1]);
        let Params::MergeStates(params) = params else { panic!("{params:?}") };
        assert_eq!((params.shards, params.heads), (4, heads as u32));
        assert_eq!(params.output_shard_stride, (rows * heads * 128) as u64);
        assert_eq!((plan.route(), plan.workspace_bytes()), (Route::Decode, 0));
    }
    let operands = MergeStatesOperands {
        partial_output: somewhere([4, 0, 16, 128]),
        partial_lse: somewhere([4, 0, 16]),
    };
    let plan = operands.plan(&merged(0, 16), &H200).expect("nothing to do");
    assert_eq!((plan.launches().count(), plan.route()), (0, Route::Empty));
}

fn merged(rows: usize, heads: usize) -> AttentionResult {
    AttentionResult { output: somewhere([rows, heads, 128]), lse: None }
}

#[test]
fn nothing_to_do_is_nothing_to_launch() {
    for (batch, max_seq_length) in [(0, 1), (3, 0), (3, 5)] {
        let step = Step { batch, rows: 0, max_seq_length, ..DECODE };
        for plan in [step.index(&H200, Workspace::NONE), step.attend(&H200, Workspace::NONE)] {
            let plan = plan.expect("an empty step");
            assert_eq!((plan.launches().count(), plan.workspace_bytes()), (0, 0));
        }
    }
}
