//! Selection on the device gives what the oracle selects, whatever the scores.

use cuda_sim::{Launch, Order};
use msa::{IdOrder, Selection};
use msa_abi::{BlockTopkParams, DevicePtr};
use msa_tests::oracle;

use crate::device::{FILES, download, load, upload};

/// Scores of some rows, and how to select from them.
#[derive(Clone, Debug)]
struct Case {
    /// Requests: new tokens, cached tokens.
    requests: Vec<(u32, u32)>,
    /// Rows of padding after those of the requests.
    padding: u32,
    index_heads: u32,
    selection: Selection,
    threads: u32,
    /// The score of a head, row and block.
    score: fn(u32) -> f32,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            requests: vec![(1, 130_000)],
            padding: 0,
            index_heads: 1,
            selection: Selection::MINIMAX_M3,
            threads: 256,
            score: spread,
        }
    }
}

/// A number for each index that looks like none of its neighbours.
fn scramble(index: u32) -> u32 {
    let mixed = index.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b;
    (mixed ^ mixed >> 15).wrapping_mul(0xc2b2_ae35)
}

/// Distinct scores of either sign.
fn spread(index: u32) -> f32 {
    scramble(index) as i32 as f32
}

/// Few different scores: most of them tie, also with -0.
fn ties(index: u32) -> f32 {
    [0.0, -0.0, 1.0, -1.0, 2.0][scramble(index) as usize % 5]
}

/// What must not be chosen, and what outranks everything, among numbers.
fn hostile(index: u32) -> f32 {
    let kinds =
        [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::MIN, 1e-45, -1e-45, 0.0];
    kinds[scramble(index) as usize % kinds.len()]
}

/// Nothing that could be chosen.
fn nothing(index: u32) -> f32 {
    if scramble(index).is_multiple_of(2) { f32::NAN } else { f32::NEG_INFINITY }
}

/// Scores that differ in their last bits alone: every step of a radix selection is needed.
fn close(index: u32) -> f32 {
    f32::from_bits(0x3f80_0000 | scramble(index) & 0xff)
}

impl Case {
    fn rows(&self) -> u32 {
        self.requests.iter().map(|(new, _)| new).sum::<u32>() + self.padding
    }

    /// The blocks in the horizon of each row that a request owns.
    fn horizons(&self) -> Vec<u32> {
        let of = |&(new, cached): &(u32, u32)| (0..new).map(move |t| (cached + t) / 128 + 1);
        self.requests.iter().flat_map(of).collect()
    }

    /// Runs the kernel of one file, warps in this order, and compares every list.
    fn check(&self, file: &str, device: &str, order: Order) {
        let (machine, kernel) = load(file, device, "block_topk");
        let (rows, topk) = (self.rows(), self.selection.topk as u32);
        let horizons = self.horizons();
        let max_blocks = horizons.iter().copied().max().unwrap_or(1);
        // One more than is needed: the last is never read, and NaN.
        let stride = max_blocks + 1;
        let lines = self.index_heads * rows;
        let scores: Vec<f32> = (0..lines * stride)
            .map(|at| if at % stride == max_blocks { f32::NAN } else { (self.score)(at) })
            .collect();
        let mut row_offsets = vec![0];
        row_offsets.extend(self.requests.iter().scan(0, |end, (new, _)| {
            *end += new;
            Some(*end)
        }));
        let cache_lengths: Vec<u32> = self.requests.iter().map(|(_, cached)| *cached).collect();
        let slots = (lines * topk) as usize;
        let block_ids = upload(&machine, &vec![-2; slots], i32::to_le_bytes);
        let params = BlockTopkParams {
            scores: DevicePtr::from_address(upload(&machine, &scores, f32::to_le_bytes)),
            row_offsets: DevicePtr::from_address(upload(&machine, &row_offsets, u32::to_le_bytes)),
            cache_lengths: DevicePtr::from_address(upload(
                &machine,
                &cache_lengths,
                u32::to_le_bytes,
            )),
            block_ids: DevicePtr::from_address(block_ids),
            rows,
            batch: self.requests.len() as u32,
            score_stride: stride,
            topk,
            init_blocks: self.selection.init_blocks as u32,
            local_blocks: self.selection.local_blocks as u32,
            id_order: self.selection.id_order,
            max_blocks,
        };
        let launch = Launch {
            grid: [rows, self.index_heads, 1],
            block: [self.threads, 1, 1],
            dynamic_shared: BlockTopkParams::shared_bytes(max_blocks, self.threads),
        };
        let ran = machine.launch(&kernel, &launch, order, &bytes_of(&params));
        ran.unwrap_or_else(|fault| panic!("{file}, {order:?}: {fault}\n{self:?}"));

        let ids = download(&machine, block_ids, slots);
        for (line, list) in ids.chunks(topk as usize).enumerate() {
            let row = line % rows as usize;
            let expected = match horizons.get(row) {
                None => vec![-1; topk as usize],
                Some(&blocks) => {
                    let first = line * stride as usize;
                    let scores = &scores[first..first + blocks as usize];
                    let scores: Vec<f64> = scores.iter().map(|&s| selectable(s)).collect();
                    oracle::select(&scores, &self.selection)
                }
            };
            assert_eq!(list, expected, "{file}, {order:?}, line {line} of {self:?}");
        }
    }

    /// On every device: in turn, and in one random order.
    fn check_everywhere(&self) {
        for (seed, (file, device)) in (0..).zip(FILES) {
            self.check(file, device, Order::InTurn);
            self.check(file, device, Order::Random(seed));
        }
    }
}

/// A score as the oracle knows it, which hears of NaN no more.
fn selectable(score: f32) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score.into() }
}

/// The parameters as a launch hands them over, each field where `#[repr(C)]` puts it.
fn bytes_of(params: &BlockTopkParams) -> Vec<u8> {
    let pointers = [
        params.scores.address(),
        params.row_offsets.address(),
        params.cache_lengths.address(),
        params.block_ids.address(),
    ];
    let numbers = [
        params.rows,
        params.batch,
        params.score_stride,
        params.topk,
        params.init_blocks,
        params.local_blocks,
        params.id_order as u32,
        params.max_blocks,
    ];
    let pointers = pointers.into_iter().flat_map(u64::to_le_bytes);
    pointers.chain(numbers.into_iter().flat_map(u32::to_le_bytes)).collect()
}

fn selection(topk: usize, init_blocks: usize, local_blocks: usize, id_order: IdOrder) -> Selection {
    Selection { topk, init_blocks, local_blocks, id_order }
}

#[test]
fn a_long_row_is_right_on_every_device() {
    Case::default().check_everywhere();
}

#[test]
fn ties_nan_and_infinities_are_ordered_as_the_contract_says() {
    for score in [ties, hostile, nothing, close] {
        for id_order in [IdOrder::Score, IdOrder::Ascending] {
            let selection = selection(16, 0, 1, id_order);
            let requests = vec![(1, 40_000), (1, 100)];
            Case { selection, score, requests, ..Case::default() }.check_everywhere();
        }
    }
}

#[test]
fn forced_blocks_may_overlap_and_exceed_the_horizon() {
    for (init, local) in [(2, 2), (5, 0), (0, 9), (300, 300)] {
        let selection = selection(4, init, local, IdOrder::Score);
        let requests = vec![(1, 0), (2, 126), (1, 700), (1, 5000)];
        Case { selection, requests, ..Case::default() }.check_everywhere();
    }
}

#[test]
fn ragged_batches_with_padding_and_several_heads_are_right() {
    let requests = vec![(3, 0), (0, 77), (1, 12_800), (40, 1000), (0, 0), (5, 127)];
    Case { requests, padding: 3, index_heads: 4, ..Case::default() }.check_everywhere();
}

#[test]
fn every_number_of_blocks_and_of_slots_is_right() {
    let (file, device) = FILES[1];
    for (blocks, topk) in [(1, 1), (1, 64), (31, 16), (32, 32), (33, 16), (64, 64), (65, 64)]
        .into_iter()
        .chain([(127, 1), (128, 64), (129, 16), (1025, 33), (8192, 64), (8192, 1)])
    {
        for score in [spread, ties] {
            let selection = selection(topk, 0, 1, IdOrder::Score);
            let requests = vec![(1, 128 * blocks - 1)];
            let case = Case { selection, requests, score, ..Case::default() };
            case.check(file, device, Order::InTurn);
        }
    }
}

#[test]
fn the_launch_width_and_the_order_of_warps_do_not_matter() {
    let (file, device) = FILES[1];
    for threads in [32, 64, 96, 128, 512] {
        for seed in 0..4 {
            let requests = vec![(1, 70_000), (2, 3000)];
            let selection = selection(16, 1, 1, IdOrder::Ascending);
            let case = Case { requests, threads, selection, score: ties, ..Case::default() };
            case.check(file, device, Order::Random(seed));
        }
    }
}
