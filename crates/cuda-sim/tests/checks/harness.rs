//! Kernels with a planted fault, and the same without.

use cuda_sim::device::Device;
use cuda_sim::fault::{Fault, FaultKind};
use cuda_sim::tensor_map::TensorMap;
use cuda_sim::{Launch, Machine, Order};

/// A kernel's body and how it is run.
pub struct Case<'a> {
    /// The device, and its architecture's own instructions.
    pub device: &'a str,
    /// Directives of the kernel.
    pub directives: &'a str,
    pub blocks: u32,
    /// Whether all blocks are one cluster.
    pub is_cluster: bool,
    pub threads: u32,
    /// `«a|b»` stands for `a` in the planted kernel and for `b` in the clean one.
    pub body: &'a str,
}

/// What kernels are for unless a case says otherwise.
pub const HOPPER: &str = "sm_90";

/// The body with the first or the second of each pair `«a|b»`.
fn choose(body: &str, second: usize) -> String {
    let mut chosen = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('«') {
        let (pair, after) = after.split_once('»').expect("it is closed");
        let (planted, clean) = pair.split_once('|').expect("there are two");
        chosen += before;
        chosen += if second == 0 { planted } else { clean };
        rest = after;
    }
    chosen + rest
}

/// Words of the buffer whose address the kernel has in `buffer`; another of one word is in `other`.
const WORDS: u64 = 1024;

/// The tensor map whose address the kernel has in `map`: the buffer as rows of 32 words, and boxes of 4 rows
/// of 8. It claims 8 rows more than there are.
const MAP: TensorMap = TensorMap {
    address: 0,
    data_type: 2,
    rank: 2,
    interleave: 0,
    swizzle: 0,
    l2_promotion: 0,
    fill: 0,
    extents: [32, 40, 0, 0, 0],
    strides: [128, 0, 0, 0],
    box_extents: [8, 4, 0, 0, 0],
    element_strides: [1, 1, 0, 0, 0],
};

fn run(case: &Case, variant: usize, order: Order) -> Result<u64, (u64, Fault)> {
    // The body starts in line 6.
    let ptx = format!(
        ".version 8.6\n.target {}a\n.address_size 64\n\
         .visible .entry planted(.param .u64 buffer_param, .param .u64 other_param, .param .align 64 .b8 \
         map_param[128]) {} {{ .shared .align 128 .b8 memory[4096]; .reg .pred p, q; .reg .b16 h; .reg .b32 a, b, c, d, thread, block, s; \
         .reg .b64 buffer, other, map, at, x; .reg .f32 f;\n\
         ld.param.u64 buffer, [buffer_param]; ld.param.u64 other, [other_param]; mov.u64 map, map_param; cvta.param.u64 map, \
         map; mov.u32 thread, %tid.x; \
         mov.u32 block, %ctaid.x; shl.b32 s, thread, 2; mad.wide.u32 at, thread, 4, buffer;\n\
         {}\nret; }}\n",
        case.device,
        case.directives,
        choose(case.body, variant)
    );
    let machine = Machine::new(Device::named(case.device).expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("planted").expect("it is there");
    let buffer = machine.allocate(4 * WORDS);
    let other = machine.allocate(4);
    machine.write(buffer, &vec![0; 4 * WORDS as usize / 2]).expect("half of it is written");
    machine.write(other, &[0; 4]).expect("it fits");
    let freed = machine.allocate(64);
    machine.free(freed).expect("it is allocated");
    let (grid, block) = ([case.blocks, 1, 1], [case.threads, 1, 1]);
    let cluster = if case.is_cluster { grid } else { [1; 3] };
    let launch = Launch { grid, cluster, block, ..Launch::default() };
    let map = TensorMap { address: buffer, ..MAP }.encode();
    // The map starts at the next multiple of 64.
    let words = [&[buffer, other][..], &[0; 6], &map].concat();
    let parameters: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    machine.launch(&function, &launch, order, &parameters).map_err(|fault| (buffer, fault))?;
    Ok(buffer)
}

/// What the planted kernel is caught at. The clean one runs in turn and in 20 random orders.
pub fn caught(blocks: u32, threads: u32, body: &str) -> (u64, Fault) {
    caught_as(&Case { device: HOPPER, directives: "", blocks, is_cluster: false, threads, body })
}

/// The same of a kernel that runs in the blocks of one cluster.
pub fn caught_in_cluster(blocks: u32, threads: u32, body: &str) -> (u64, Fault) {
    caught_as(&Case { device: HOPPER, directives: "", blocks, is_cluster: true, threads, body })
}

/// The same of any kernel.
pub fn caught_as(case: &Case) -> (u64, Fault) {
    let orders = (0..20).map(Order::Random).chain([Order::InTurn]);
    for order in orders {
        if let Err((_, fault)) = run(case, 1, order) {
            panic!("the clean kernel, {order:?}: {fault}");
        }
    }
    let (buffer, fault) = run(case, 0, Order::InTurn).expect_err("the planted fault is found");
    assert_eq!(fault.kernel, "planted");
    (buffer, fault)
}

/// The line of the body that a fault is in, from 0.
pub fn line(fault: &Fault) -> u32 {
    fault.line - 6
}

pub fn race(fault: &Fault) -> (&'static str, u64, &str, &str) {
    match &*fault.kind {
        FaultKind::Race { space, address, other, order } => (space, *address, other, order),
        other => panic!("no race: {other}"),
    }
}
