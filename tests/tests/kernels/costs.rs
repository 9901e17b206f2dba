//! What the library's launches cost, as the simulator counts it: bounds that a kernel or a plan must not leave.
//! `cargo xtask sim-report` prints the same figures for steps of real size.

use cuda_sim::Order;
use cuda_sim::device::Device;
use msa::gpu::Kernel;
use msa::trace::Tensor;
use msa_tests::costs::{self, Cost};
use msa_tests::generate::{Recipe, overlapping_ids};
use msa_tests::kernels::FILES;
use msa_tests::kernels::attend_decode::topk;
use msa_tests::kernels::index::{self, Split, prefill};

use crate::attention::requests;

/// With much and with little shared memory. Others give prefill the same tiles.
const PREFILL_DEVICES: [&str; 2] = ["sm_90", "sm_120"];

/// Requests of the same lengths, new tokens and cached keys; query heads are 16 times the KV heads.
fn alike(count: usize, new: usize, cached: usize, kv_heads: usize) -> Recipe {
    let requests = requests(&vec![(new, cached); count]);
    Recipe { requests, heads: 16 * kv_heads, kv_heads, ..Recipe::default() }
}

fn named(device: &str) -> Device {
    Device::named(device).expect("a device that is simulated")
}

fn indexer(recipe: &Recipe, device: &str) -> Vec<Cost> {
    costs::indexer(&recipe.trace(), &named(device))
        .unwrap_or_else(|error| panic!("{device}: {error}"))
}

fn attention(recipe: &Recipe, keep: f64, device: &str) -> Vec<Cost> {
    costs::attention(&recipe.trace(), &overlapping_ids(recipe, keep), &named(device))
        .unwrap_or_else(|error| panic!("{device}: {error}"))
}

fn kernels(costs: &[Cost]) -> Vec<Kernel> {
    costs.iter().map(|cost| cost.launch.kernel).collect()
}

#[test]
fn decode_reads_each_index_key_once_and_waits_for_no_bank() {
    let recipes = [alike(1, 1, 8000, 1), alike(3, 4, 3000, 1), alike(2, 4, 2000, 4)];
    for device in Device::names() {
        for recipe in &recipes {
            let costs = indexer(recipe, device);
            assert_eq!(kernels(&costs), [Kernel::IndexDecode, Kernel::BlockTopk]);
            let read = costs[0].cache_of_requests().expect("it reads keys");
            assert_eq!(read, 1.0, "{device}");
            assert_eq!(costs[0].conflicts_per_access(), 0.0);
            // Page tables and queries, once for each part of so few keys.
            let moved = costs[0].moved_of_fewest();
            assert!((1.0..=1.07).contains(&moved), "{device}: {moved}");
        }
    }
}

#[test]
fn decode_reads_each_key_and_value_once_and_waits_for_no_bank() {
    for device in Device::names() {
        // Blocks are split; not split; split, and shared by the rows of a tile.
        let split = [Kernel::AttendDecode, Kernel::AttendCombine];
        for (recipe, planned) in [
            (alike(1, 1, 8000, 1), &split[..]),
            (alike(24, 1, 700, 4), &split[..1]),
            (alike(2, 4, 5000, 1), &split[..]),
        ] {
            let costs = attention(&recipe, 0.875, device);
            let has_clusters = named(device).capability >= (9, 0);
            let read = if has_clusters {
                // Which have one row each.
                assert_eq!(kernels(&costs), [Kernel::AttendDecodeCluster], "{device}");
                costs[0].cache_of_tiles()
            } else {
                assert_eq!(kernels(&costs), planned, "{device}");
                costs[0].cache_of_requests()
            };
            let read = read.expect("it reads keys and values");
            assert!((1.0..=1.016).contains(&read), "{device}: {read}");
            assert!(costs.iter().all(|cost| cost.conflicts_per_access() == 0.0));
        }
    }
}

#[test]
fn prefill_of_the_indexer_multiplies_little_in_vain() {
    let kernels_of =
        [Kernel::IndexPrefillHopper, Kernel::IndexPrefill, Kernel::IndexPrefillBlackwell];
    let devices = PREFILL_DEVICES.into_iter().chain(["sm_100"]);
    for (device, kernel) in devices.zip(kernels_of) {
        for recipe in [alike(1, 128, 6000, 1), alike(1, 300, 3000, 1), alike(1, 64, 4000, 4)] {
            let costs = indexer(&recipe, device);
            assert_eq!(kernels(&costs), [kernel, Kernel::IndexMerge]);
            let useful = costs[0].useful_of_issued().expect("it multiplies");
            let read = costs[0].cache_of_tiles().expect("it reads keys");
            // The last tile of 300 rows has 44 pairs, for 128 that are multiplied, by Hopper's kernel with whole blocks; and
            // Blackwell's multiplies all of its tile's pairs with all blocks that the last one sees.
            let least = match (recipe.requests[0].new_tokens, kernel) {
                (300, Kernel::IndexPrefillBlackwell) => 0.735,
                (300, Kernel::IndexPrefillHopper) => 0.745,
                (300, _) => 0.92,
                _ => 0.98,
            };
            assert!((least..=1.0).contains(&useful), "{device}: {useful}");
            assert!((1.0..=1.012).contains(&read), "{device}: {read}");
        }
    }
}

/// All that it waits for banks is when it writes its result.
#[test]
fn more_keys_are_no_more_conflicts_in_prefill_of_the_indexer() {
    let kernels_of =
        [(index::Kernel::Portable, 1), (index::Kernel::Hopper, 1), (index::Kernel::Blackwell, 3)];
    for (kernel, file) in kernels_of {
        let conflicts = [1000, 5000].map(|cached| {
            let split = Split { splits: 1, stages: 2 };
            let trace = alike(1, 128, cached, 1).trace();
            let selected = prefill(kernel, &trace, 0, FILES[file], split, Order::InTurn);
            selected.unwrap_or_else(|fault| panic!("{fault}")).counters[0].totals.shared.conflicts
        });
        assert_eq!(conflicts[0], conflicts[1], "{kernel:?}");
    }
}

#[test]
fn prefill_of_attention_multiplies_little_in_vain_where_lists_overlap() {
    // A product of Hopper's is of four rows, also where one of them alone has chosen the block; or where the tile has fewer,
    // as all have that do not fill the device. So there are many of them, with short lists.
    let many = Recipe { selection: topk(6), ..alike(1, 136, 2000, 4) };
    let hopper = [(0.875, 0.78, 1.16), (0.98, 0.91, 1.16), (0.0, 0.41, 1.16)];
    let hopper = (Kernel::AttendPrefillHopper, many, hopper);
    let few = alike(1, 40, 6000, 1);
    let portable = [0.875, 0.98, 0.0].map(|keep| (keep, 0.98, 1.1));
    let portable = (Kernel::AttendPrefill, few, portable);
    // And one of Blackwell's is of sixteen, of a pair of multiprocessors: it reads less, for more products in vain. Two rows share
    // exponentials: a warp has both.
    let more = Recipe { selection: topk(6), ..alike(1, 160, 2000, 4) };
    let blackwell = [(0.875, 0.5, 1.2), (0.98, 0.8, 1.12), (0.0, 0.33, 1.73)];
    let blackwell = (Kernel::AttendPrefillBlackwell, more, blackwell);
    let devices = PREFILL_DEVICES.into_iter().chain(["sm_100"]);
    for (device, (kernel, recipe, bounds)) in devices.zip([hopper, portable, blackwell]) {
        for (keep, least, most_powers) in bounds {
            let costs = attention(&recipe, keep, device);
            assert_eq!(kernels(&costs), [kernel]);
            let useful = costs[0].useful_of_issued().expect("it multiplies");
            let read = costs[0].cache_of_tiles().expect("it reads keys and values");
            assert!((least..=1.0).contains(&useful), "{device}, keep {keep}: {useful}");
            // One for each score, those of a row's last block that it does not see, and a few for each join.
            let powers = costs[0].exponentials_of_scores().expect("it has scores");
            assert!((1.0..=most_powers).contains(&powers), "{device}, keep {keep}: {powers}");
            // By a tensor map the request's last block is copied as a whole, of which a third is not written.
            // Blackwell's has the values of that one, and of one before it at times, in both multiprocessors: of some seven
            // different blocks in short lists.
            let most = match kernel {
                Kernel::AttendPrefill => 1.055,
                Kernel::AttendPrefillHopper => 1.076,
                _ => 1.14,
            };
            assert!((1.0..=most).contains(&read), "{device}, keep {keep}: {read}");
            // Lists have some: where they are sorted, or where several of their blocks have a word of the bitmap.
            let conflicts = costs[0].conflicts_per_access();
            // Where planes come by a tensor map, no access is a copy's.
            let most = match kernel {
                Kernel::AttendPrefill => 1e-3,
                Kernel::AttendPrefillHopper => 3.5e-2,
                _ => 5e-2,
            };
            assert!(conflicts < most, "{device}, keep {keep}: {conflicts}");
        }
    }
}

#[test]
fn the_least_is_what_the_contract_asks_for() {
    // One request of 300 keys, in 3 blocks; two rows, of which the first does not see the last key.
    let recipe = Recipe { selection: topk(3), ..alike(1, 2, 298, 1) };
    let least = indexer(&recipe, "sm_90").into_iter().map(|cost| cost.least);
    let [score, select] = least.collect::<Vec<_>>().try_into().expect("two launches");
    let (lengths, scores, ids) = (3 * 4, 2 * 3 * 4, 2 * 3 * 4);
    assert_eq!(score.cache_of_requests, 300 * 256);
    assert_eq!(score.cache_of_tiles, 300 * 256);
    assert_eq!(score.bytes, 300 * 256 + lengths + 3 * 4 + 2 * 256 + scores);
    assert_eq!(score.flops, 2 * 128 * (299 + 300));
    assert_eq!((select.bytes, select.flops), (lengths + scores + ids, 0));

    let ids = Tensor::new([1, 2, 3], vec![0, 2, -1, 2, 2, 9]);
    let costs = costs::attention(&recipe.trace(), &ids, &named("sm_80"));
    let least = costs.unwrap_or_else(|error| panic!("{error}")).into_iter().map(|cost| cost.least);
    let [attend, combine] = least.collect::<Vec<_>>().try_into().expect("two launches");
    // Block 0 and the 44 keys of block 2, keys and values; the second row has nothing but those 44, twice.
    let (cache, partials) = ((128 + 44) * 512, 16 * (6 * 8 + 4 * 512));
    assert_eq!((attend.cache_of_requests, attend.cache_of_tiles), (cache, cache));
    assert_eq!(attend.bytes, cache + lengths + 2 * 4 + 6 * 4 + 2 * 16 * 256 + partials);
    assert_eq!(attend.flops, 4 * 128 * 16 * (128 + 43 + 44));
    assert_eq!(attend.scores, 16 * (128 + 43 + 44));
    assert_eq!((combine.bytes, combine.flops), (partials + 2 * 16 * (256 + 4), 0));
}
