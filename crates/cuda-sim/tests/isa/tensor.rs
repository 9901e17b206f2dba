//! Copies of boxes of tensors. What a tensor map is made of is our own, so hardware is not asked.

use cuda_sim::counters::Traffic;
use cuda_sim::device::Device;
use cuda_sim::tensor_map::TensorMap;
use cuda_sim::{Launch, Machine, Order};

use super::harness::{Edition, addresses};

/// What a launch leaves.
struct Left {
    /// Each thread's `d`.
    d: Vec<u32>,
    /// The tensor's words.
    tensor: Vec<u32>,
    loads: Traffic,
    stores: Traffic,
}

fn words(machine: &Machine, address: u64, count: usize) -> Vec<u32> {
    let mut bytes = vec![0; 4 * count];
    machine.read(address, &mut bytes).expect("it is allocated");
    bytes.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect()
}

/// Runs `code` in a cluster of so many blocks of 256 threads. `map` is the address of a tensor map in
/// parameters, and `x7` of the same in global memory; `w7` is the start of shared memory, `w6` an
/// mbarrier of one arrival, `w5` the thread's word of shared memory, and `p` holds in the first thread.
fn run(map: TensorMap, tensor: &[u32], blocks: u32, code: &str) -> Left {
    run_of(("8.6", "sm_90a", "sm_90"), map, tensor, blocks, code)
}

/// [`run`] in a module of this edition.
fn run_of(
    (version, target, device): Edition,
    map: TensorMap,
    tensor: &[u32],
    blocks: u32,
    code: &str,
) -> Left {
    let ptx = format!(
        ".version {version}\n.target {target}\n.address_size 64\n\
         .const .align 64 .b8 constant[128];\n\
         .visible .entry test(.param .u64 out_param, .param .align 64 .b8 map_param[128], .param .u64 copy_param)\n\
         {{\n.shared .align 1024 .b8 memory[16384]; .reg .pred p, q; .reg .b16 h<4>; .reg .b32 w<8>, d, thread;\n\
         .reg .b64 x<8>, map, out, at;\n\
         ld.param.u64 out, [out_param]; ld.param.u64 x7, [copy_param]; mov.b64 map, map_param; cvta.param.u64 map, map;\n\
         mov.u32 w7, memory; add.u32 w6, w7, 16368; mov.u32 thread, %tid.x; shl.b32 w5, thread, 2;\n\
         add.u32 w5, w7, w5; setp.eq.u32 p, thread, 0;\n\
         @p mbarrier.init.shared::cta.b64 [w6], 1;\n@p fence.mbarrier_init.release.cluster;\n\
         st.shared.u32 [w5], 99; st.shared.u32 [w5+1024], 99; fence.proxy.async;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\n{code}\n\
         mov.u32 w0, %ctaid.x; mad.lo.u32 w0, w0, 256, thread; mad.wide.u32 at, w0, 4, out;\n\
         st.global.u32 [at], d;\nbarrier.cluster.arrive; barrier.cluster.wait;\nret;\n}}\n"
    );
    let machine = Machine::new(Device::named(device).expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let at = machine.allocate(4 * tensor.len() as u64);
    let bytes: Vec<u8> = tensor.iter().flat_map(|word| word.to_le_bytes()).collect();
    machine.write(at, &bytes).expect("it fits");
    let out = machine.allocate(4 * 256 * u64::from(blocks));
    let encoded = addresses(&TensorMap { address: at + map.address, ..map }.encode());
    let copy = machine.allocate(128);
    machine.write(copy, &encoded).expect("it fits");
    let (constant, _) = module.global("constant").expect("it is there");
    machine.write(constant, &encoded).expect("it fits");
    let mut parameters = vec![0; function.parameter_bytes() as usize];
    let places = function.parameters();
    for ((start, _), bytes) in
        places.iter().zip([&addresses(&[out])[..], &encoded, &addresses(&[copy])])
    {
        parameters[*start as usize..*start as usize + bytes.len()].copy_from_slice(bytes);
    }
    let grid = [blocks, 1, 1];
    let launch = Launch { grid, cluster: grid, block: [256, 1, 1], ..Launch::default() };
    let counters = machine
        .launch(&function, &launch, Order::InTurn, &parameters)
        .unwrap_or_else(|fault| panic!("{fault}"));
    Left {
        d: words(&machine, out, 256 * blocks as usize),
        tensor: words(&machine, at, tensor.len()),
        loads: counters.totals.global_loads,
        stores: counters.totals.global_stores,
    }
}

fn load(dimensions: u32, map: &str, coordinates: &str, bytes: u32) -> String {
    format!(
        "@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], {bytes};\n\
         @p cp.async.bulk.tensor.{dimensions}d.shared::cluster.global.tile.mbarrier::complete_tx::bytes \
         [w7], [{map}, {{{coordinates}}}], [w6];\n{WAIT}ld.shared.u32 d, [w5];"
    )
}

const WAIT: &str = "wait: mbarrier.try_wait.parity.shared::cta.b64 q, [w6], 0;\n@!q bra wait;\n";

fn store(instruction: &str, coordinates: &str) -> String {
    format!(
        "add.u32 d, thread, 1000; st.shared.u32 [w5], d;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n\
         @p {instruction}.bulk_group [map, {{{coordinates}}}], [w7];\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;\nbar.sync 0;"
    )
}

/// Rows of 13 words, 16 words apart, and a box of 8 words of 4 of them.
const ROWS: TensorMap = TensorMap {
    address: 0,
    data_type: 2,
    rank: 2,
    interleave: 0,
    swizzle: 0,
    l2_promotion: 0,
    fill: 0,
    extents: [13, 6, 0, 0, 0],
    strides: [64, 0, 0, 0],
    box_extents: [8, 4, 0, 0, 0],
    element_strides: [1, 1, 0, 0, 0],
};

/// What is at some coordinates of [`ROWS`], if anything, among words numbered from 5.
fn of_rows(x: i64, y: i64) -> Option<usize> {
    ((0..13).contains(&x) && (0..6).contains(&y)).then(|| (16 * y + x) as usize)
}

/// The words of a box of [`ROWS`], row by row.
fn box_at(x: i64, y: i64) -> impl Iterator<Item = Option<usize>> {
    (0..32).map(move |index| of_rows(x + index % 8, y + index / 8))
}

#[test]
fn a_box_is_loaded_and_what_is_outside_of_the_tensor_is_zero() {
    let tensor: Vec<u32> = (5..101).collect();
    for (x, y) in [(0, 0), (4, 2), (8, 4), (-4, -1), (12, 5), (100, 0), (0, -9)] {
        let left = run(ROWS, &tensor, 1, &load(2, "map", &format!("{x}, {y}"), 128));
        let expected: Vec<u32> = box_at(x, y).map(|at| at.map_or(0, |at| tensor[at])).collect();
        assert_eq!(left.d[..32], expected, "{x} {y}");
        assert!(left.d[32..].iter().all(|word| *word == 99), "nothing comes after it");
        let bytes = 4 * box_at(x, y).flatten().count() as u64;
        assert_eq!(left.loads.bytes, bytes);
    }
    // Each of its four rows is in two sectors.
    let left = run(ROWS, &tensor, 1, &load(2, "map", "4, 1", 128));
    assert_eq!(left.loads, Traffic { bytes: 128, sectors: 8, distinct_sectors: 8 });
}

#[test]
fn a_tensor_map_is_in_any_memory_that_is_not_shared() {
    let tensor: Vec<u32> = (5..101).collect();
    let here = "mov.b64 x0, constant; cvta.const.u64 x0, x0;\n";
    for code in [load(2, "x7", "0, 0", 128), here.to_owned() + &load(2, "x0", "0, 0", 128)] {
        let left = run(ROWS, &tensor, 1, &code);
        let expected: Vec<u32> = box_at(0, 0).flatten().map(|at| tensor[at]).collect();
        assert_eq!(left.d[..32], expected);
    }
}

#[test]
fn outside_of_a_tensor_of_floats_may_be_nan() {
    let map = TensorMap { data_type: 7, fill: 1, ..ROWS };
    let left = run(map, &(5..101).collect::<Vec<u32>>(), 1, &load(2, "map", "12, 5", 128));
    assert_eq!(left.d[0], 5 + 16 * 5 + 12);
    assert!(left.d[1..32].iter().all(|bits| f32::from_bits(*bits).is_nan()));
}

#[test]
fn a_box_has_up_to_five_dimensions() {
    // 8 x 3 x 4 x 2 x 2 words, of which every second one of the third dimension is taken.
    let extents = [8, 3, 4, 2, 2];
    let tensor: Vec<u32> = (0..extents.iter().product::<u64>() as u32).collect();
    for rank in 1..=5 {
        let mut map = TensorMap { rank, box_extents: [0; 5], strides: [0; 4], ..ROWS };
        (map.extents, map.element_strides) = ([0; 5], [0; 5]);
        let (mut stride, mut counts) = (4, [1; 5]);
        for axis in 0..usize::from(rank) {
            map.extents[axis] = extents[axis];
            map.box_extents[axis] = [4, 2, 4, 2, 1][axis];
            map.element_strides[axis] = [1, 1, 2, 1, 1][axis];
            counts[axis] = [4, 2, 2, 2, 1][axis];
            if axis > 0 {
                map.strides[axis - 1] = stride;
            }
            stride *= extents[axis];
        }
        let coordinates = ["4", "4, 1", "4, 1, 0", "4, 1, 0, 0", "4, 1, 0, 0, 1"];
        let from = [4, 1, 0, 0, 1];
        let count: u32 = counts.iter().product();
        let code = load(rank.into(), "map", coordinates[usize::from(rank) - 1], 4 * count);
        let left = run(map, &tensor, 1, &code);
        for index in 0..count {
            let (mut rest, mut at, mut step) = (index, 0, 1);
            for axis in 0..usize::from(rank) {
                let within = rest % counts[axis] * u32::from(map.element_strides[axis]);
                at += (from[axis] + within) * step;
                (rest, step) = (rest / counts[axis], step * extents[axis] as u32);
            }
            assert_eq!(left.d[index as usize], tensor[at as usize], "rank {rank}: {index}");
        }
        assert_eq!(left.d[count as usize], 99);
    }
}

/// Rows of 32 words, and a box of 8 of them whose chunks trade places.
const SWIZZLED: TensorMap = TensorMap {
    swizzle: 3,
    extents: [32, 8, 0, 0, 0],
    strides: [128, 0, 0, 0],
    box_extents: [32, 8, 0, 0, 0],
    ..ROWS
};

fn swizzled(index: usize) -> usize {
    let (row, chunk) = (index / 32, index / 4 % 8);
    32 * row + 4 * (chunk ^ row) + index % 4
}

#[test]
fn chunks_of_rows_trade_places() {
    let tensor: Vec<u32> = (0..256).collect();
    let left = run(SWIZZLED, &tensor, 1, &load(2, "map", "0, 0", 1024));
    let expected: Vec<u32> = (0..256).map(|index| tensor[swizzled(index)]).collect();
    assert_eq!(left.d, expected);
    // And back.
    let code = store("cp.async.bulk.tensor.2d.global.shared::cta.tile", "0, 0");
    let left = run(SWIZZLED, &tensor, 1, &code);
    let expected: Vec<u32> = (0..256).map(|index| 1000 + swizzled(index) as u32).collect();
    assert_eq!(left.tensor, expected);
}

#[test]
fn a_box_is_loaded_by_several_blocks() {
    let tensor: Vec<u32> = (5..101).collect();
    // The second block of three starts it for itself and the third.
    let code = format!(
        "@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 128;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
         mov.u32 w0, %cluster_ctarank; setp.eq.and.u32 q, w0, 1, p; mov.b16 h0, 6; mov.b64 x0, 0;\n\
         @q cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster.L2::cache_hint \
         [w7], [map, {{4, 1}}], [w6], h0, x0;\nsetp.eq.u32 q, w0, 0;\n@q bra end;\n{WAIT}end: ld.shared.u32 d, [w5];"
    );
    let left = run(ROWS, &tensor, 3, &code);
    let expected: Vec<u32> = box_at(4, 1).flatten().map(|at| tensor[at]).collect();
    assert_eq!([left.d[0], left.d[31]], [99, 99]);
    assert_eq!(left.d[256..288], expected);
    assert_eq!(left.d[512..544], expected);
    assert_eq!(left.loads.bytes, 128, "once for all blocks");
}

#[test]
fn a_box_is_stored_without_what_is_outside_of_the_tensor() {
    let tensor: Vec<u32> = (5..101).collect();
    for (x, y) in [(0, 0), (8, 4), (-4, -1), (100, 0)] {
        let code = store("cp.async.bulk.tensor.2d.global.shared::cta", &format!("{x}, {y}"));
        let code = code.replace("[map", "[x7");
        let left = run(ROWS, &tensor, 1, &code);
        let mut expected = tensor.clone();
        for (index, at) in box_at(x, y).enumerate() {
            if let Some(at) = at {
                expected[at] = 1000 + index as u32;
            }
        }
        assert_eq!(left.tensor, expected, "{x} {y}");
        assert_eq!(left.stores.bytes, 1024 + 4 * box_at(x, y).flatten().count() as u64);
    }
}

#[test]
fn a_box_is_added_to_what_is_there() {
    let tensor: Vec<u32> = (5..101).collect();
    type Function = fn(u32, u32) -> u32;
    let add: Function = |held, by| held + by;
    let cases: [(&str, u8, Function); 6] = [
        ("add", 2, add),
        ("add", 3, add),
        ("min", 3, |held, by| held.min(by)),
        ("max", 2, |held, by| held.max(by)),
        ("xor", 3, |held, by| held ^ by),
        ("inc", 2, |held, by| if held >= by { 0 } else { held + 1 }),
    ];
    for (function, data_type, f) in cases {
        let code = store(
            &format!("cp.reduce.async.bulk.tensor.2d.global.shared::cta.{function}.tile"),
            "8, 4",
        );
        let left = run(TensorMap { data_type, ..ROWS }, &tensor, 1, &code);
        let mut expected = tensor.clone();
        for (index, at) in box_at(8, 4).enumerate() {
            if let Some(at) = at {
                expected[at] = f(expected[at], 1000 + index as u32);
            }
        }
        assert_eq!(left.tensor, expected, "{function}");
    }
}

/// Blackwell with what only its family has, and without.
const BLACKWELL: Edition = ("8.6", "sm_100a", "sm_100");
const ANY_BLACKWELL: Edition = ("8.6", "sm_100", "sm_100");

/// [`ROWS`] with a box of one row.
const SINGLE: TensorMap = TensorMap { box_extents: [8, 1, 0, 0, 0], ..ROWS };

/// The words of 8 columns from `x` on of four of the tensor's rows.
fn of_four(x: i64, rows: [i64; 4]) -> impl Iterator<Item = Option<usize>> {
    rows.into_iter().flat_map(move |y| (x..x + 8).map(move |x| of_rows(x, y)))
}

fn gather(to: &str, coordinates: &str, bytes: u32) -> String {
    format!(
        "@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], {bytes};\n\
         @p cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes \
         [{to}], [map, {{{coordinates}}}], [w6];\n{WAIT}ld.shared.u32 d, [w5];"
    )
}

#[test]
fn four_rows_are_gathered_and_what_is_outside_of_the_tensor_is_zero() {
    let tensor: Vec<u32> = (5..101).collect();
    for (x, rows) in [
        (0, [3, 0, 5, 1]),
        (8, [2, 2, -1, 4]),
        (-4, [6, 5, i64::from(i32::MIN), i64::from(i32::MAX)]),
        (100, [0, 1, 2, 3]),
    ] {
        let [a, b, c, d] = rows;
        let code = gather("w7", &format!("{x}, {a}, {b}, {c}, {d}"), 128);
        let expected: Vec<u32> = of_four(x, rows).map(|at| at.map_or(0, |at| tensor[at])).collect();
        let of_cluster = code.replace("shared::cta.global", "shared::cluster.global");
        let with_group = of_cluster.replace("tx::bytes ", "tx::bytes.cta_group::1 ");
        for (edition, code) in
            [(ANY_BLACKWELL, &code), (BLACKWELL, &of_cluster), (BLACKWELL, &with_group)]
        {
            let left = run_of(edition, SINGLE, &tensor, 1, code);
            assert_eq!(left.d[..32], expected, "{x} {rows:?}");
            assert!(left.d[32..].iter().all(|word| *word == 99), "nothing comes after it");
            assert_eq!(left.loads.bytes, 4 * of_four(x, rows).flatten().count() as u64);
        }
    }
}

/// Where a byte of unswizzled rows in shared memory is with a swizzle, by its number: bits 4 and on are
/// exchanged by those three above.
fn swizzle_of(swizzle: u8, address: usize) -> usize {
    address ^ (address >> 3 & [0, 0x10, 0x30, 0x70][usize::from(swizzle)])
}

#[test]
fn gathered_rows_are_swizzled_as_those_of_a_box() {
    let tensor: Vec<u32> = (0..256).collect();
    for swizzle in 0..4 {
        // Rows as wide as the swizzle's span, at a place where it is not at its start.
        let words = [32, 8, 16, 32][usize::from(swizzle)];
        let map = TensorMap {
            swizzle,
            box_extents: [words, 1, 0, 0, 0],
            ..TensorMap { extents: [32, 8, 0, 0, 0], strides: [128, 0, 0, 0], ..ROWS }
        };
        let words = usize::from(words);
        let code =
            format!("add.u32 w4, w7, 384;\n{}", gather("w4", "0, 6, 1, 1, 3", 16 * words as u32));
        let left = run_of(BLACKWELL, map, &tensor, 1, &code);
        for (index, row) in [6, 1, 1, 3].into_iter().enumerate() {
            for column in 0..words {
                let at = swizzle_of(swizzle, 384 + 4 * (words * index + column)) / 4;
                assert_eq!(left.d[at], tensor[32 * row + column], "{swizzle}: {index} {column}");
            }
        }
        // And back, to other rows.
        let code =
            store("cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4", "0, 7, 0, 2, 5");
        let left = run_of(BLACKWELL, map, &tensor, 1, &code);
        let mut expected = tensor.clone();
        for (index, row) in [7, 0, 2, 5].into_iter().enumerate() {
            for column in 0..words {
                let at = swizzle_of(swizzle, 4 * (words * index + column)) / 4;
                expected[32 * row + column] = 1000 + at as u32;
            }
        }
        assert_eq!(left.tensor, expected, "{swizzle}");
    }
}

#[test]
fn four_rows_are_scattered_without_what_is_outside_of_the_tensor() {
    let tensor: Vec<u32> = (5..101).collect();
    for (x, rows) in [(0, [3, 0, 5, 1]), (8, [-1, 4, -1, 6]), (-4, [9, 5, 0, 2])] {
        let [a, b, c, d] = rows;
        let code = store(
            "cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4",
            &format!("{x}, {a}, {b}, {c}, {d}"),
        );
        let left = run_of(BLACKWELL, SINGLE, &tensor, 1, &code);
        let mut expected = tensor.clone();
        for (index, at) in of_four(x, rows).enumerate() {
            if let Some(at) = at {
                expected[at] = 1000 + index as u32;
            }
        }
        assert_eq!(left.tensor, expected, "{x} {rows:?}");
        assert_eq!(left.stores.bytes, 1024 + 4 * of_four(x, rows).flatten().count() as u64);
    }
}

/// Of pairs of blocks the ones with odd ranks have the mbarriers that count.
#[test]
fn mbarriers_of_one_block_of_each_pair_count_for_both() {
    let tensor: Vec<u32> = (5..101).collect();
    let gather =
        "cp.async.bulk.tensor.2d.shared::cluster.global.tile::gather4.mbarrier::complete_tx::bytes";
    let expected: Vec<u32> = of_four(4, [1, 5, 0, 2]).flatten().map(|at| tensor[at]).collect();
    // To blocks 0, 2 and 3, by the mbarriers of 1 and of 3, which wait for all that comes to their pairs.
    let several = format!(
        "mov.u32 w0, %cluster_ctarank; setp.eq.and.u32 q, w0, 1, p;\n\
         @q mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 128;\n setp.eq.and.u32 q, w0, 3, p;\n\
         @q mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 256;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
         setp.eq.and.u32 q, w0, 0, p; mov.b16 h0, 13; mov.b64 x0, 0; mapa.shared::cluster.u32 w1, w6, 1;\n\
         @q {gather}.multicast::cluster.cta_group::2.L2::cache_hint \
         [w7], [map, {{4, 1, 5, 0, 2}}], [w1], h0, x0;\n\
         and.b32 w0, w0, 1; setp.eq.u32 q, w0, 0;\n@q bra end;\n{WAIT}end: \
         barrier.cluster.arrive; barrier.cluster.wait; ld.shared.u32 d, [w5];"
    );
    let left = run_of(BLACKWELL, SINGLE, &tensor, 4, &several);
    for block in [0, 2, 3] {
        assert_eq!(left.d[256 * block..256 * block + 32], expected, "{block}");
    }
    assert_eq!([left.d[256], left.d[256 + 31]], [99, 99]);
    assert_eq!(left.loads.bytes, 128, "once for all blocks");
    // Block 2 fills the third's shared memory, or its own, and 3 is told.
    let one = |to: &str| {
        format!(
            "mov.u32 w0, %cluster_ctarank; setp.eq.and.u32 q, w0, 3, p;\n\
             @q mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 128;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
             setp.eq.and.u32 q, w0, 2, p; mapa.shared::cluster.u32 w1, w6, 3; mapa.shared::cluster.u32 w2, w7, 3;\n\
             @q {gather}.cta_group::2 [{to}], [map, {{4, 1, 5, 0, 2}}], [w1];\n\
             setp.ne.u32 q, w0, 3;\n@q bra end;\n{WAIT}end: \
             barrier.cluster.arrive; barrier.cluster.wait; ld.shared.u32 d, [w5];"
        )
    };
    for (to, block) in [("w7", 2), ("w2", 3)] {
        let left = run_of(BLACKWELL, SINGLE, &tensor, 4, &one(to));
        assert_eq!(left.d[256 * block..256 * block + 32], expected, "{block}");
        assert_eq!(left.d.iter().filter(|word| **word != 99).count(), 32);
    }
}

#[test]
fn prefetches_change_nothing() {
    let code = "cp.async.bulk.prefetch.tensor.2d.L2.global.tile [map, {0, 0}];\n\
        prefetch.tensormap [map]; prefetch.param.tensormap [map_param];\nmov.b32 d, 1;";
    let left = run(ROWS, &[5; 96], 1, code);
    assert_eq!((left.d[0], left.loads), (1, Traffic::default()));
    let code = "cp.async.bulk.prefetch.tensor.2d.L2.global.tile::gather4 [map, {0, 3, 1, 9, 0}];\n\
        mov.b32 d, 1;";
    let left = run_of(BLACKWELL, SINGLE, &[5; 96], 1, code);
    assert_eq!((left.d[0], left.loads), (1, Traffic::default()));
}

#[test]
fn other_modes_are_refused_by_name() {
    for (modifier, reason) in [
        ("tile::gather4", "needs PTX ISA 8.6 and sm_100a"),
        ("im2col", ".im2col is of convolutions"),
        ("im2col::w::128", ".im2col::w is Blackwell's"),
        ("mbarrier::complete_tx::bytes.cta_group::2", "needs PTX ISA 8.6 and sm_100a"),
    ] {
        let body = format!(
            "cp.async.bulk.tensor.2d.shared::cluster.global.{modifier}.mbarrier::complete_tx::bytes \
             [w0], [x0, {{w1, w2}}], [w3];"
        );
        let refusal = super::harness::refusal(&body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
    for (body, reason) in [
        (
            "cp.async.bulk.tensor.2d.tile::scatter4.global.shared::cta.bulk_group [x0, {w0, w1, w2, w3, w4}], [w5];",
            "needs PTX ISA 8.6 and sm_100a",
        ),
        (
            "cp.async.bulk.tensor.3d.global.shared::cta.im2col_no_offs.bulk_group [x0, {w0, w1, w2}], [w5];",
            ".im2col_no_offs is of convolutions",
        ),
        (
            "cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [x0, {w0, w1}], [w5];",
            "expected 3 coordinates",
        ),
        (
            "cp.async.bulk.tensor.1d.global.shared::cta.bulk_group [x0], [w5];",
            "expected coordinates",
        ),
    ] {
        let refusal = super::harness::refusal(body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
}

/// The answers are those of ptxas 13.5.
#[test]
fn rows_are_of_blackwell_and_of_matrices() {
    let load = |edition, form: &str| super::harness::load(edition, form).err().unwrap_or_default();
    let gather = "cp.async.bulk.tensor.2d.shared::cluster.global.tile::gather4.mbarrier::complete_tx::bytes \
        [w0], [x0, {w1, w2, w3, w4, w5}], [w6];";
    let own = gather.replace("cluster.global", "cta.global");
    let scatter = "cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4.bulk_group \
        [x0, {w1, w2, w3, w4, w5}], [w6];";
    let prefetch =
        "cp.async.bulk.prefetch.tensor.2d.L2.global.tile::gather4 [x0, {w1, w2, w3, w4, w5}];";
    let group = "cp.async.bulk.tensor.2d.shared::cta.global.tile.mbarrier::complete_tx::bytes.cta_group::1 \
        [w0], [x0, {w1, w2}], [w6];";
    let editions = [
        ("8.6", "sm_90a", "sm_90"),
        ANY_BLACKWELL,
        BLACKWELL,
        ("8.8", "sm_100f", "sm_100"),
        ("8.8", "sm_120a", "sm_120"),
    ];
    for (answers, form) in [
        ("00110", gather),
        ("01111", &own),
        ("00110", scatter),
        ("00110", prefetch),
        ("00110", group),
    ] {
        for (answer, edition) in answers.chars().zip(editions) {
            let refusal = load(edition, form);
            let expected = if answer == '1' { "" } else { "needs PTX ISA 8.6 and sm_100" };
            assert!(
                refusal.contains(expected) && refusal.is_empty() == (answer == '1'),
                "{edition:?}: {refusal}"
            );
        }
    }
    for (form, reason) in [
        (gather.replace("2d", "3d"), "rows are of a tensor of .2d"),
        (gather.replace(", w5", ""), "expected 5 coordinates"),
        (scatter.replace("scatter4", "gather4"), "expected .bulk_group"),
        (
            scatter.replace("cp.", "cp.reduce.").replace("cta.tile", "cta.add.tile"),
            "reductions of single rows are not simulated",
        ),
        (gather.replace("gather4", "scatter4"), "expected .mbarrier::complete_tx::bytes"),
        (scatter.replace("bulk_group", "bulk_group.cta_group::1"), "unknown modifier .cta_group::1"),
        (
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.cta_group::1 [w0], [x0], 16, [w1];".to_owned(),
            "unknown modifier .cta_group::1",
        ),
    ] {
        let refusal = load(BLACKWELL, &form);
        assert!(refusal.contains(reason), "{form}: {refusal}");
    }
}
