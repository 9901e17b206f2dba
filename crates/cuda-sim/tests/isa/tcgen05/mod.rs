//! Tensor memory, and what Blackwell's tensor cores do with it. Hardware has not been asked: what is expected is
//! written after the manual's tables and figures.

mod allocation;
mod copy;
mod forms;
mod multiply;
mod pipeline;
mod transfer;

use cuda_sim::device::Device;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Machine, Order};

/// Runs `body`, the code of a kernel for sm_100a, in blocks of so many threads that are one cluster. It has the
/// addresses of the inputs in `in0` and so on, that of as many `words` in `out`, which are given back, and the
/// number of its thread among all in `number`.
pub fn run(blocks: u32, threads: u32, words: usize, inputs: &[&[u32]], body: &str) -> Vec<u32> {
    run_in(Order::InTurn, (blocks, threads), words, inputs, body)
        .unwrap_or_else(|fault| panic!("{fault}"))
}

/// The same in an order, or what is wrong.
pub fn run_in(
    order: Order,
    (blocks, threads): (u32, u32),
    words: usize,
    inputs: &[&[u32]],
    body: &str,
) -> Result<Vec<u32>, Fault> {
    let names: Vec<String> = (0..inputs.len()).map(|index| format!("in{index}")).collect();
    let parameters: Vec<&str> =
        ["out"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let declared: Vec<String> =
        parameters.iter().map(|name| format!(".param .u64 {name}_param")).collect();
    let loaded: String = parameters
        .iter()
        .map(|name| format!(".reg .b64 {name}; ld.param.u64 {name}, [{name}_param];\n"))
        .collect();
    let ptx = format!(
        ".version 8.6\n.target sm_100a\n.address_size 64\n\
         .visible .entry test({})\n{{\n.shared .align 1024 .b8 memory[{MEMORY}];\n\
         .shared .align 8 .b8 words[64];\n\
         .reg .pred p, q; .reg .b32 thread, number, rank, warp, lane, base, i, w, to, r<128>; \
         .reg .b64 at, x, da, db;\n{loaded}\
         mov.u32 thread, %tid.x; mov.u32 rank, %cluster_ctarank; mov.u32 number, %ntid.x; \
         mad.lo.u32 number, number, rank, thread; shr.u32 warp, thread, 5; and.b32 lane, thread, 31;\n\
         {body}\nret;\n}}\n",
        declared.join(", "),
    );
    let machine = Machine::new(Device::named("sm_100").expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let out = machine.allocate(4 * words as u64);
    machine.write(out, &vec![0; 4 * words]).expect("it fits");
    let mut pointers = vec![out];
    for values in inputs {
        let at = machine.allocate(4 * values.len() as u64);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        machine.write(at, &bytes).expect("it fits");
        pointers.push(at);
    }
    let parameters: Vec<u8> = pointers.into_iter().flat_map(u64::to_le_bytes).collect();
    let (grid, block) = ([blocks, 1, 1], [threads, 1, 1]);
    let launch = Launch { grid, cluster: grid, block, ..Launch::default() };
    machine.launch(&function, &launch, order, &parameters)?;
    let mut bytes = vec![0; 4 * words];
    machine.read(out, &mut bytes).expect("it fits");
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
    Ok(bytes.chunks(4).map(word).collect())
}

/// Bytes of shared memory in `memory`, which starts at address 0.
pub const MEMORY: usize = 131_072;

/// Allocates columns of a block's tensor memory, whose address is then in `base`.
pub fn allocate(columns: u32) -> String {
    format!(
        "setp.ge.u32 p, thread, 32; @p bra allocated;\n\
         tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [words], {columns};\n\
         allocated: bar.sync 0;\nld.shared.u32 base, [words];\n"
    )
}

/// Gives them back.
pub fn deallocate(columns: u32) -> String {
    format!(
        "bar.sync 0;\n@p bra deallocated;\n\
         tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, {columns};\ndeallocated:\n"
    )
    .replace("@p bra", "setp.ge.u32 p, thread, 32; @p bra")
}

/// Puts the address of the first lane of the warp's own, in the first column, into `to`.
pub const OWN_LANES: &str = "and.b32 to, warp, 3; shl.b32 to, to, 21; add.u32 to, to, base;\n";

/// `{r0, r1, ...}`
pub fn registers(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|index| format!("r{index}")).collect();
    format!("{{{}}}", names.join(", "))
}

/// Loads or stores as many registers of each thread of a block in global memory at `array`, thread after thread.
pub fn moved(count: usize, access: &str, array: &str) -> String {
    let one = |i: usize| match access {
        "ld" => format!("ld.global.b32 r{i}, [at+{}];\n", 4 * i),
        _ => format!("st.global.b32 [at+{}], r{i};\n", 4 * i),
    };
    let all: String = (0..count).map(one).collect();
    format!("mad.wide.u32 at, number, {}, {array};\n{all}", 4 * count)
}
