//! Clusters that take over the work of others of their grid.

use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};

use super::harness::{addresses, load};

/// What a grid of tiles has left, a word for each tile.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    /// How often it was done.
    done: Vec<u32>,
    /// One more than the number of the block that it was done by.
    by: Vec<u32>,
    sums: Vec<u32>,
}

/// The orders that everything is tried in.
fn orders() -> impl Iterator<Item = Order> {
    (0..32).map(Order::Random).chain([Order::InTurn])
}

/// The value of a thread of a tile.
fn value(tile: u32, thread: u32) -> u32 {
    tile * 1000 + thread * thread
}

/// Runs a kernel whose blocks do a tile, ask for a further one, and so on until there is none. `ask` is what
/// the first thread of each block does to ask, `read` what gets the tile from the response in `r`, and `meet`
/// what all do before they ask again.
fn run(launch: &Launch, order: Order, [ask, read, meet]: [&str; 3]) -> Left {
    let ptx = format!(
        ".version 8.6\n.target sm_100a\n.address_size 64\n\
         .visible .entry test(.param .u64 from_param, .param .u64 done_param, .param .u64 by_param, .param .u64 sums_param)\n\
         {{\n.shared .align 16 .b8 response[16]; .shared .align 8 .b64 full; .reg .pred p, q; .reg .b128 r;\n\
         .reg .b32 x, y, z, w<8>, thread, parity, tile, own; .reg .b64 from, done, by, sums, at, x<4>;\n\
         ld.param.u64 from, [from_param]; ld.param.u64 done, [done_param]; ld.param.u64 by, [by_param]; ld.param.u64 sums, [sums_param];\n\
         mov.u32 thread, %tid.x; setp.eq.u32 p, thread, 0; mov.u32 x, %ctaid.x; mov.u32 y, %ctaid.y; mov.u32 z, %ctaid.z;\n\
         mov.u32 w0, %nctaid.x; mov.u32 w1, %nctaid.y; mad.lo.u32 own, w1, z, y; mad.lo.u32 own, w0, own, x; add.u32 own, own, 1;\n\
         @p mbarrier.init.shared::cta.b64 [full], 1;\n@p fence.mbarrier_init.release.cluster;\nmov.u32 parity, 0;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\n\
         next:\n@!p bra work;\nmbarrier.arrive.expect_tx.shared::cta.b64 _, [full], 16;\n{ask}\n\
         work:\nmad.lo.u32 tile, w1, z, y; mad.lo.u32 tile, w0, tile, x;\n\
         mad.lo.u32 w2, tile, 64, thread; mad.wide.u32 at, w2, 4, from; ld.global.u32 w3, [at];\n\
         mad.wide.u32 at, tile, 4, sums; red.global.add.u32 [at], w3;\n@!p bra wait;\n\
         mad.wide.u32 at, tile, 4, done; red.global.add.u32 [at], 1; mad.wide.u32 at, tile, 4, by; st.global.u32 [at], own;\n\
         wait:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 q, [full], parity;\n@!q bra wait;\n\
         {read}\nxor.b32 parity, parity, 1;\n{meet}\nbra next;\nend:\nret;\n}}\n"
    );
    let machine = Machine::new(Device::named("sm_100").expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let tiles: u32 = launch.grid.iter().product();
    let values: Vec<u8> = (0..tiles)
        .flat_map(|tile| (0..64).flat_map(move |thread| value(tile, thread).to_le_bytes()))
        .collect();
    let from = machine.allocate(values.len() as u64);
    machine.write(from, &values).expect("it fits");
    let bytes = 4 * tiles as usize;
    let results = [(); 3].map(|()| {
        let at = machine.allocate(bytes as u64);
        machine.write(at, &vec![0; bytes]).expect("it fits");
        at
    });
    let parameters = addresses(&[&[from][..], &results].concat());
    machine
        .launch(&function, launch, order, &parameters)
        .unwrap_or_else(|fault| panic!("{order:?}: {fault}"));
    let [done, by, sums] = results.map(|at| {
        let mut read = vec![0; bytes];
        machine.read(at, &mut read).expect("it fits");
        let word = |word: &[u8]| u32::from_le_bytes(word.try_into().expect("4 bytes"));
        read.chunks(4).map(word).collect::<Vec<u32>>()
    });
    Left { done, by, sums }
}

/// Each tile is done once, and wholly.
fn check(left: &Left, order: Order) {
    assert!(left.done.iter().all(|count| *count == 1), "{order:?}: {left:?}");
    for (tile, sum) in (0..).zip(&left.sums) {
        assert_eq!(
            *sum,
            (0..64).map(|thread| value(tile, thread)).sum::<u32>(),
            "{order:?}: {tile}"
        );
    }
}

/// How many tiles blocks have done that are not theirs.
fn taken(left: &Left) -> usize {
    (1..).zip(&left.by).filter(|(own, by)| *own != **by).count()
}

const QUERY: &str = "clusterlaunchcontrol.query_cancel";
const TRY: &str = "clusterlaunchcontrol.try_cancel.async";

/// The response from shared memory, and whether there is a tile in it.
fn read(position: &str) -> String {
    format!(
        "ld.shared.b128 r, [response];\n{QUERY}.is_canceled.pred.b128 q, r;\n@!q bra end;\n{position}"
    )
}

#[test]
fn blocks_take_over_others_until_there_are_none() {
    let launch = Launch { grid: [5, 3, 2], block: [64, 1, 1], ..Launch::default() };
    let ask = format!("{TRY}.shared::cta.mbarrier::complete_tx::bytes.b128 [response], [full];");
    let vector = read(&format!("{QUERY}.get_first_ctaid.v4.b32.b128 {{x, y, z, _}}, r;"));
    let generic = format!(
        "mov.u64 x0, response; cvta.shared.u64 x0, x0; mov.u64 x1, full; cvta.shared.u64 x1, x1;\n\
         {TRY}.mbarrier::complete_tx::bytes.b128 [x0], [x1];"
    );
    let single = read(&format!(
        "mov.b128 {{x2, x3}}, r; mov.b128 r, {{x2, x3}};\n{QUERY}.get_first_ctaid::x.b32.b128 x, r;\n\
         {QUERY}.get_first_ctaid::y.b32.b128 y, r;\n{QUERY}.get_first_ctaid::z.b32.b128 z, r;"
    ));
    let mut counts = Vec::new();
    for order in orders() {
        let left = run(&launch, order, [&ask, &vector, "bar.sync 0;"]);
        check(&left, order);
        counts.push(taken(&left));
        for code in [[&generic, &single[..], "bar.sync 0;"], [&ask, &vector, "bar.sync 0;"]] {
            assert_eq!(run(&launch, order, code), left, "the same on every run");
        }
    }
    // In turn, the last order, there is room for all.
    assert_eq!(counts.pop(), Some(0));
    counts.sort_unstable();
    assert!(counts[0] < 5 && counts[31] > 20, "{counts:?}");
}

#[test]
fn in_turn_blocks_take_what_finds_no_multiprocessor() {
    let launch = Launch { grid: [400, 1, 1], block: [64, 1, 1], ..Launch::default() };
    let ask = format!("{TRY}.shared::cta.mbarrier::complete_tx::bytes.b128 [response], [full];");
    let vector = read(&format!("{QUERY}.get_first_ctaid.v4.b32.b128 {{x, _, z, _}}, r;"));
    let left = run(&launch, Order::InTurn, [&ask, &vector, "bar.sync 0;"]);
    check(&left, Order::InTurn);
    assert!((0..400).map(|tile| 1 + tile % 148).eq(left.by));
}

#[test]
fn blocks_that_ask_once_leave_others_to_begin() {
    let launch = Launch { grid: [30, 1, 1], block: [64, 1, 1], ..Launch::default() };
    let ask = format!(
        "setp.eq.u32 q, parity, 0;\n\
         @q {TRY}.shared::cta.mbarrier::complete_tx::bytes.b128 [response], [full];\n\
         @!q mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [full], 16;"
    );
    // The second time they ask for nothing, and end.
    let first = format!(
        "setp.ne.u32 q, parity, 0;\n@q bra end;\n{}",
        read(&format!("{QUERY}.get_first_ctaid::x.b32.b128 x, r;"))
    );
    for order in orders() {
        let left = run(&launch, order, [&ask, &first, "bar.sync 0;"]);
        check(&left, order);
        assert!(taken(&left) <= 15, "{order:?}");
    }
}

#[test]
fn clusters_take_over_others_together() {
    // The first block asks for all, and waits with them until they have read what it got.
    let ask = format!(
        "mov.u32 w4, %cluster_ctarank; setp.eq.u32 q, w4, 0;\n\
         @q {TRY}.shared::cta.mbarrier::complete_tx::bytes.multicast::cluster::all.b128 [response], [full];"
    );
    let position = "mov.u32 w4, %cluster_ctaid.x; mov.u32 w5, %cluster_ctaid.y; add.u32 x, x, w4; add.u32 y, y, w5;";
    let read = read(&format!("{QUERY}.get_first_ctaid.v4.b32.b128 {{x, y, z, _}}, r;\n{position}"));
    let meet = "barrier.cluster.arrive; barrier.cluster.wait;";
    for (cluster, size) in [([2, 1, 1], 2), ([1, 2, 1], 2), ([2, 2, 1], 4)] {
        let launch = Launch { grid: [6, 4, 2], cluster, block: [64, 1, 1], ..Launch::default() };
        let mut most = 0;
        for order in orders() {
            let left = run(&launch, order, [&ask, &read, meet]);
            check(&left, order);
            most = most.max(taken(&left));
            // Whoever does a cluster's first block's tile is the first of its own.
            let first = |tile: usize| left.by[tile] as usize - 1;
            let [width, height] = [cluster[0] as usize, cluster[1] as usize];
            for tile in 0..48 {
                let (x, y) = (tile % 6 % width, tile / 6 % height);
                assert_eq!(first(tile), first(tile - x - 6 * y) + x + 6 * y, "{order:?}: {tile}");
            }
        }
        assert!(most > 24 && most % size == 0, "{most}");
    }
}

/// The answers are those of ptxas 13.5.
#[test]
fn forms_are_taken_as_ptxas_takes_them() {
    let editions = [
        ("8.6", "sm_90a", "sm_90"),
        ("8.6", "sm_100", "sm_100"),
        ("8.6", "sm_100a", "sm_100"),
        ("8.8", "sm_100f", "sm_100"),
        ("8.8", "sm_120", "sm_120"),
        ("8.7", "sm_120a", "sm_120"),
    ];
    let tx = "mbarrier::complete_tx::bytes";
    for (answers, form) in [
        ("011111", format!("{TRY}.shared::cta.{tx}.b128 [w0], [w1];")),
        ("011111", format!("{TRY}.{tx}.b128 [x0], [x1];")),
        ("001101", format!("{TRY}.{tx}.multicast::cluster::all.b128 [x0], [x1];")),
        ("011111", format!(".reg .b128 r; {QUERY}.is_canceled.pred.b128 p, r;")),
        ("011111", format!(".reg .b128 r; {QUERY}.get_first_ctaid::z.b32.b128 w0, r;")),
    ] {
        for (answer, edition) in answers.chars().zip(editions) {
            let refusal = load(edition, &form).err().unwrap_or_default();
            let expected = if answer == '1' { "" } else { ": needs PTX ISA 8.6 and sm_100" };
            let is_taken = refusal.is_empty() == (answer == '1');
            assert!(is_taken && refusal.contains(expected), "{edition:?}: {form}: {refusal}");
        }
    }
    for (form, reason) in [
        (format!("{TRY}.shared.{tx}.b128 [w0], [w1];"), "expected .shared::cta or"),
        (format!("{TRY}.shared::cluster.{tx}.b128 [w0], [w1];"), "expected .shared::cta or"),
        (format!("{QUERY}.is_canceled.pred.b128 p, x0;"), "x0 is no register of 128 bits"),
        (format!("{QUERY}.is_canceled.b128 p, r;"), "expected .pred.b128"),
        (format!("{QUERY}.get_first_ctaid.v4.b32.b128 {{w0, w1, w2}}, r;"), "expected 4 registers"),
        (format!("{QUERY}.get_first_ctaid.v4.b32.b128 {{_, _, _, _}}, r;"), "expected 4 registers"),
        (format!("{QUERY}.get_first_ctaid.b32.b128 w0, r;"), "expected .is_canceled or"),
        (format!("{QUERY}.get_first_ctaid::w.b32.b128 w0, r;"), "expected .is_canceled or"),
        (format!("{QUERY}.get_first_ctaid::x.b32.b128 x0, r;"), "a register of 64 bits where 32"),
    ] {
        let form = format!(".reg .b128 r; {form}");
        let refusal = load(("8.6", "sm_100a", "sm_100"), &form).expect_err(&form);
        assert!(refusal.contains(reason), "{form}: {refusal}");
    }
}
