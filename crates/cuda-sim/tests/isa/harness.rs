//! One instruction at a time: a kernel around it, many operands, and what the manual defines.

use std::path::Path;

use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, serialize_to_file};
use sha2::{Digest, Sha256};

/// What hardware gave: `cargo xtask sim-conformance` writes it. Approximations are not in it, which are
/// within the manual's bounds there and here but not the same, nor forms that its assembler evaluates.
const HARDWARE: &str = include_str!("hardware.txt");

/// What an operand's bits are taken from: the edges of its type, and random ones.
#[derive(Clone, Copy)]
pub struct Kind {
    pub bits: u32,
    edges: &'static [u64],
}

const INTEGERS: &[u64] = &[
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    15,
    16,
    17,
    31,
    32,
    33,
    63,
    64,
    65,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0xff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0x8000_0001,
    0xffff_fffe,
    0xffff_ffff,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];
const HALVES: &[u64] = &[
    0, 0x8000, 1, 0x8001, 0x3ff, 0x400, 0x3c00, 0xbc00, 0x3c01, 0x3bff, 0x3800, 0x4248, 0x7bff,
    0xfbff, 0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xffff, 0x1400, 0x6400,
];
const BRAINS: &[u64] = &[
    0, 0x8000, 1, 0x8001, 0x7f, 0x80, 0x3f80, 0xbf80, 0x3f81, 0x3f7f, 0x3f00, 0x4049, 0x7f7f,
    0xff7f, 0x7f80, 0xff80, 0x7f81, 0x7fc0, 0xffff, 0x3300, 0x4b00,
];
const SINGLES: &[u64] = &[
    0,
    0x8000_0000,
    1,
    0x8000_0001,
    0x7f_ffff,
    0x80_0000,
    0x8080_0000,
    0x3f80_0000,
    0xbf80_0000,
    0x3f80_0001,
    0x3f7f_ffff,
    0x3f00_0000,
    0x3fc0_0000,
    0x4020_0000,
    0xc020_0000,
    0x4049_0fdb,
    0x7f7f_ffff,
    0xff7f_ffff,
    0x7f80_0000,
    0xff80_0000,
    0x7f80_0001,
    0x7fc0_0000,
    0xffff_ffff,
    0x3380_0000,
    0x3380_0001,
    0x4b80_0000,
    0x4f00_0000,
    0xcf00_0000,
    0x4f80_0000,
    0x5f80_0000,
    0x477f_f000,
    0x3880_0000,
    0x3300_0000,
    0x3f80_8000,
    0x3f81_8000,
    0x3f80_1000,
    0x3f80_3000,
    0x7f7f_8000,
];
const DOUBLES: &[u64] = &[
    0,
    1 << 63,
    1,
    0x3ff0_0000_0000_0000,
    0xbff0_0000_0000_0000,
    0x3ff8_0000_0000_0000,
    0x4004_0000_0000_0000,
    0xc004_0000_0000_0000,
    0x7fef_ffff_ffff_ffff,
    0x7ff0_0000_0000_0000,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0x41e0_0000_0000_0000,
    0xc1e0_0000_0000_0000,
    0x43e0_0000_0000_0000,
    0x43f0_0000_0000_0000,
    0x3810_0000_0000_0000,
    0x36a0_0000_0000_0000,
    0x3690_0000_0000_0001,
    0x47ef_ffff_f000_0000,
    0x3ff0_0000_1000_0000,
    0x3ff0_0000_3000_0000,
    0x000f_ffff_ffff_ffff,
    0x0010_0000_0000_0000,
];

pub const B8: Kind = Kind { bits: 8, edges: INTEGERS };
pub const B16: Kind = Kind { bits: 16, edges: INTEGERS };
pub const B32: Kind = Kind { bits: 32, edges: INTEGERS };
pub const B64: Kind = Kind { bits: 64, edges: INTEGERS };
pub const F16: Kind = Kind { bits: 16, edges: HALVES };
pub const BF16: Kind = Kind { bits: 16, edges: BRAINS };
pub const F32: Kind = Kind { bits: 32, edges: SINGLES };
pub const F64: Kind = Kind { bits: 64, edges: DOUBLES };

impl Kind {
    fn mask(self, value: u64) -> u64 {
        value & (u64::MAX >> (64 - self.bits))
    }

    fn edge(self, index: u64) -> u64 {
        self.mask(self.edges[(index % self.edges.len() as u64) as usize])
    }
}

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

const CASES: usize = 4096;

/// Every pair of edges, then edges and random bits mixed.
fn cases<const N: usize>(kinds: [Kind; N]) -> Vec<[u64; N]> {
    let mut random = Random(N as u64);
    let mut cases: Vec<[u64; N]> = Vec::with_capacity(CASES);
    for index in 0..CASES as u64 {
        let mut rest = index;
        let all_pairs = kinds.iter().take(2).map(|kind| kind.edges.len() as u64).product();
        cases.push(std::array::from_fn(|operand| {
            let kind = kinds[operand];
            if operand < 2 && index < all_pairs {
                let edge = kind.edge(rest);
                rest /= kind.edges.len() as u64;
                return edge;
            }
            match random.next() % 4 {
                0 | 1 => kind.edge(random.next()),
                2 => kind.mask(random.next()),
                // Close to an edge: what rounds and carries.
                _ => kind
                    .mask(kind.edge(random.next()).wrapping_add(random.next() % 5).wrapping_sub(2)),
            }
        }));
    }
    cases
}

/// A device, for the newest PTX of it.
pub fn machine() -> Machine {
    Machine::new(Device::named("sm_90").expect("it is known"))
}

/// The bytes of parameters that are all addresses.
pub fn addresses(addresses: &[u64]) -> Vec<u8> {
    addresses.iter().flat_map(|address| address.to_le_bytes()).collect()
}

/// Runs `code`, which computes `d` from `a`, `b` and `c`, and may use the predicates `p` and `q` and
/// the registers `w0`… and `x0`…, on many operands, and compares what it gives with `expected`.
pub fn check<const N: usize>(
    code: &str,
    result: Kind,
    operands: [Kind; N],
    expected: impl Fn([u64; N]) -> u64,
) {
    check_on(NEWEST, code, result, operands, expected);
}

/// [`check`] of a version, on the device that runs its target.
pub fn check_on<const N: usize>(
    (version, target, device): Edition,
    code: &str,
    result: Kind,
    operands: [Kind; N],
    expected: impl Fn([u64; N]) -> u64,
) {
    let names = ["a", "b", "c", "e"];
    let mut body = String::new();
    for (index, kind) in operands.iter().enumerate() {
        let (name, bits, offset) = (names[index], kind.bits, 8 * index);
        let register = bits.max(16);
        body += &format!(".reg .b{register} {name}; ld.global.b{bits} {name}, [from+{offset}];\n");
    }
    let register = result.bits.max(16);
    let (stride, bits) = (8 * N, result.bits);
    let ptx = format!(
        ".version {version}\n.target {target}\n.address_size 64\n\
         .visible .entry test(.param .u64 from_param, .param .u64 to_param)\n{{\n\
         .reg .pred p, q; .reg .b16 h<8>; .reg .b32 w<8>; .reg .b64 x<8>, from, to; .reg .b32 index, size;\n\
         .reg .b{register} d;\n\
         ld.param.u64 from, [from_param]; ld.param.u64 to, [to_param];\n\
         mov.u32 index, %ctaid.x; mov.u32 size, %tid.x; mad.lo.u32 index, index, 256, size;\n\
         mad.wide.u32 from, index, {stride}, from; mad.wide.u32 to, index, 8, to;\n\
         {body}{code}\nst.global.b{bits} [to], d;\nret;\n}}\n"
    );
    let cases = cases(operands);
    let machine = Machine::new(Device::named(device).expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let upload = |values: &[u64]| {
        let at = machine.allocate(8 * values.len() as u64);
        machine.write(at, &addresses(values)).expect("it fits");
        at
    };
    let from = upload(&cases.concat());
    let to = upload(&vec![0; CASES]);
    let launch =
        Launch { grid: [CASES as u32 / 256, 1, 1], block: [256, 1, 1], ..Launch::default() };
    machine
        .launch(&function, &launch, Order::InTurn, &addresses(&[from, to]))
        .unwrap_or_else(|fault| panic!("{fault}"));
    let mut got = vec![0; 8 * CASES];
    machine.read(to, &mut got).expect("it fits");
    let (operands, nothing) = (addresses(&cases.concat()), vec![0; 8 * CASES]);
    record(code, &ptx, &launch, &[&operands, &nothing], 1, &got);
    for (got, case) in got.chunks(8).zip(&cases) {
        let got = u64::from_le_bytes(got.try_into().expect("8 bytes"));
        let expected = result.mask(expected(*case));
        assert!(got == expected, "{code} of {case:x?}: got {got:#x}, expected {expected:#x}");
    }
}

/// What loading a kernel with this body is refused for.
pub fn refusal(body: &str) -> String {
    load(NEWEST, body).expect_err(body)
}

/// A version of the PTX ISA, a target, and the device that runs it.
pub type Edition = (&'static str, &'static str, &'static str);

/// What most tests are written for.
const NEWEST: Edition = ("8.6", "sm_90a", "sm_90");

/// Loads a kernel with this body, in a module of this edition.
pub fn load((version, target, device): Edition, body: &str) -> Result<(), String> {
    let ptx = format!(
        ".version {version}\n.target {target}\n.address_size 64\n.visible .entry test()\n{{\n\
         .reg .pred p, q; .reg .b16 h<8>; .reg .b32 w<8>; .reg .b64 x<8>;\n{body}\nret;\n}}\n"
    );
    let machine = Machine::new(Device::named(device).expect("it is known"));
    machine.load(&ptx).map(|_| ()).map_err(|error| error.to_string())
}

/// Runs `code` in one block. `inputs` are arrays in global memory under the names of registers that
/// hold their addresses; there are 16 KiB of shared memory. Gives each thread's `d`.
pub fn run_block(threads: u32, inputs: &[(&str, &[u32])], code: &str) -> Vec<u32> {
    run_block_of(NEWEST, threads, inputs, code)
}

/// [`run_block`] in a module of this edition.
pub fn run_block_of(
    edition: Edition,
    threads: u32,
    inputs: &[(&str, &[u32])],
    code: &str,
) -> Vec<u32> {
    let launch = Launch { block: [threads, 1, 1], ..Launch::default() };
    run(edition, &launch, inputs, code, "mov.u32 thread, %tid.x;")
}

/// Runs `code` as [`run_block`] does, in so many blocks, of which each few form a cluster. Gives each
/// thread's `d`, block after block.
pub fn run_clusters(
    blocks: u32,
    cluster: u32,
    threads: u32,
    inputs: &[(&str, &[u32])],
    code: &str,
) -> Vec<u32> {
    let [grid, cluster, block] = [blocks, cluster, threads].map(|extent| [extent, 1, 1]);
    let launch = Launch { grid, cluster, block, ..Launch::default() };
    let number = "mov.u32 thread, %ctaid.x; mov.u32 a, %ntid.x; mov.u32 l, %tid.x; \
                  mad.lo.u32 thread, thread, a, l;";
    run(NEWEST, &launch, inputs, code, number)
}

/// Runs `code`, whose thread `number` gives, for the place of its result.
fn run(
    (version, target, device): Edition,
    launch: &Launch,
    inputs: &[(&str, &[u32])],
    code: &str,
    number: &str,
) -> Vec<u32> {
    let threads = launch.grid[0] * launch.block[0];
    let names: Vec<&str> = inputs.iter().map(|(name, _)| *name).collect();
    let mut parameters = vec!["out".to_owned()];
    parameters.extend(names.iter().map(|name| (*name).to_owned()));
    let declared: Vec<String> =
        parameters.iter().map(|name| format!(".param .u64 {name}_param")).collect();
    let loaded: String = parameters
        .iter()
        .map(|name| format!(".reg .b64 {name}; ld.param.u64 {name}, [{name}_param];\n"))
        .collect();
    let ptx = format!(
        ".version {version}\n.target {target}\n.address_size 64\n\
         .visible .entry test({})\n{{\n.shared .align 16 .b8 memory[16384];\n\
         .reg .pred p, q; .reg .b16 h<8>; .reg .b32 w<8>, r<32>, a, d, l, thread; .reg .b64 x<8>, at;\n\
         {loaded}{code}\n\
         {number} mad.wide.u32 at, thread, 4, out; st.global.b32 [at], d;\nret;\n}}\n",
        declared.join(", ")
    );
    let inputs: Vec<&[u32]> = inputs.iter().map(|(_, values)| *values).collect();
    let machine = Machine::new(Device::named(device).expect("it is known"));
    run_kernel_on(&machine, code, &ptx, launch, threads as usize, &inputs)
}

/// Runs the kernel `test`. Its parameters are the address of as many `words`, which it
/// gives, and those of its inputs. `code` says in short what it does.
pub fn run_kernel(
    code: &str,
    ptx: &str,
    launch: &Launch,
    words: usize,
    inputs: &[&[u32]],
) -> Vec<u32> {
    run_kernel_on(&machine(), code, ptx, launch, words, inputs)
}

/// [`run_kernel`] on a machine.
fn run_kernel_on(
    machine: &Machine,
    code: &str,
    ptx: &str,
    launch: &Launch,
    words: usize,
    inputs: &[&[u32]],
) -> Vec<u32> {
    let module = machine.load(ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let out = machine.allocate(4 * words as u64);
    let mut pointers = vec![out];
    let mut contents = vec![vec![0; 4 * words]];
    for values in inputs {
        let at = machine.allocate(4 * values.len() as u64);
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        machine.write(at, &bytes).expect("it fits");
        pointers.push(at);
        contents.push(bytes);
    }
    machine
        .launch(&function, launch, Order::InTurn, &addresses(&pointers))
        .unwrap_or_else(|fault| panic!("{fault}"));
    let mut bytes = vec![0; 4 * words];
    machine.read(out, &mut bytes).expect("it fits");
    let contents: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    record(code, ptx, launch, &contents, 0, &bytes);
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
    bytes.chunks(4).map(word).collect()
}

/// Compares with what hardware gave for the same kernel and operands, if it was ever asked, and leaves
/// the form where `cargo xtask sim-conformance` finds it, if that asks for it: a kernel, the blocks of its
/// launch, of a cluster, and the threads of a block, the bytes behind each of its parameters, and what `result`, one of them, holds
/// in the end.
fn record(
    code: &str,
    ptx: &str,
    launch: &Launch,
    parameters: &[&[u8]],
    result: usize,
    gave: &[u8],
) {
    let mut question = Sha256::new().chain_update(ptx);
    parameters.iter().for_each(|bytes| question.update(bytes));
    if launch.cluster != [1; 3] {
        question.update(launch.cluster[0].to_le_bytes());
    }
    let question = format!("{:x}", question.finalize())[..16].to_owned();
    let known = HARDWARE.lines().find_map(|line| line.strip_prefix(&question));
    if let Some((answer, _)) = known.and_then(|line| line.trim().split_once(' ')) {
        let gave = format!("{:x}", Sha256::digest(gave));
        assert_eq!(&gave[..16], answer, "not what hardware gives: {code}");
    }

    let Some(folder) = std::env::var_os("CUDA_SIM_RECORD") else { return };
    let view = |name: String, bytes| {
        let tensor = TensorView::new(Dtype::U8, vec![<[u8]>::len(bytes)], bytes);
        (name, tensor.expect("as many bytes as it says"))
    };
    let mut tensors = vec![view("gave".to_owned(), gave)];
    let numbered = parameters.iter().enumerate();
    tensors.extend(numbered.map(|(index, bytes)| view(index.to_string(), bytes)));
    let metadata = [
        ("code", code.to_owned()),
        ("ptx", ptx.to_owned()),
        ("blocks", launch.grid[0].to_string()),
        ("cluster", launch.cluster[0].to_string()),
        ("threads", launch.block[0].to_string()),
        ("result", result.to_string()),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value)).into();
    let path = Path::new(&folder).join(format!("{question}.safetensors"));
    serialize_to_file(tensors, Some(metadata), &path).expect("the folder can be written");
}
