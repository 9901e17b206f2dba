//! The kernel `merge_states` on a simulated device, as it is planned.

use cuda_sim::counters::Counters;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Machine, Order};
use half::bf16;
use msa::HEAD_DIM;
use msa::gpu::{AttentionResult, DeviceTensor, MergeStatesOperands};
use msa::trace::Tensor;

use super::{load, planned_for};
use crate::partials::{Merged, Partials};

/// How partials lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Dense, as an all-gather leaves them.
    Dense,
    /// With something between shards, rows and heads that nothing has written.
    Strided,
}

/// Merges on a device with one file of `host/ptx`, and tells what it cost. Where a shard saw no key nothing has written its
/// output, so that to read it is a fault.
///
/// # Errors
/// If the kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device, or the host can refuse the operands already.
pub fn merge(
    partials: &Partials,
    layout: Layout,
    (file, device): (&str, &str),
    order: Order,
) -> Result<(Merged, Counters), Fault> {
    let (machine, kernel) = load(file, device, "merge_states");
    let [_, rows, heads] = partials.lse.shape();
    let operands = upload(&machine, partials, layout);
    let result = AttentionResult {
        output: allocate(&machine, [rows, heads, HEAD_DIM]),
        lse: Some(allocate(&machine, [rows, heads])),
    };
    let plan = operands.plan(&result, &planned_for(&machine)).expect("sound operands");
    let planned = plan.launches().next().expect("a launch");
    assert_eq!(planned.kernel.name(), kernel.name());
    let launch = Launch {
        grid: planned.grid,
        block: [planned.threads, 1, 1],
        dynamic_shared: planned.dynamic_shared,
        ..Launch::default()
    };
    let counters = machine.launch(&kernel, &launch, order, planned.params.as_bytes())?;
    let output = download(&machine, result.output.address(), rows * heads * HEAD_DIM);
    let lse = result.lse.expect("it was asked for").address();
    let merged = Merged {
        output: Tensor::<bf16, 3>::new([rows, heads, HEAD_DIM], output),
        lse: Tensor::new([rows, heads], download(&machine, lse, rows * heads)),
    };
    Ok((merged, counters))
}

fn upload(machine: &Machine, partials: &Partials, layout: Layout) -> MergeStatesOperands {
    let [shards, rows, heads] = partials.lse.shape();
    let more = if layout == Layout::Dense { 0 } else { 1 };
    let head = HEAD_DIM + 8 * more;
    let row = (heads + more) * head;
    let shard = (rows + more) * row;
    let output = allocate(machine, [shards, rows + more, heads + more, head]);
    let lse = allocate(machine, [shards, rows + more, heads + more]);
    let vectors = partials.output.data().chunks_exact(HEAD_DIM);
    for (line, (vector, value)) in vectors.zip(partials.lse.data()).enumerate() {
        let [s, r, h] = [line / heads / rows, line / heads % rows, line % heads];
        let at = (s * (rows + more) + r) * (heads + more) + h;
        write(machine, lse.address(), at, std::slice::from_ref(value));
        if *value != f32::NEG_INFINITY {
            write(machine, output.address(), s * shard + r * row + h * head, vector);
        }
    }
    let of_outputs: DeviceTensor<bf16, 4> = output.with_shape([shards, rows, heads, HEAD_DIM]);
    let of_lses: DeviceTensor<f32, 3> = lse.with_shape([shards, rows, heads]);
    MergeStatesOperands {
        partial_output: of_outputs.with_stride(0, shard).with_stride(1, row).with_stride(2, head),
        partial_lse: of_lses
            .with_stride(0, (rows + more) * (heads + more))
            .with_stride(1, heads + more),
    }
}

/// Writes some values as a tensor's from one of them on.
fn write<T: bytemuck::NoUninit>(machine: &Machine, address: u64, first: usize, values: &[T]) {
    let at = address + (first * size_of::<T>()) as u64;
    machine.write(at, bytemuck::cast_slice(values)).expect("the tensor has them");
}

fn allocate<T, const RANK: usize>(
    machine: &Machine,
    shape: [usize; RANK],
) -> DeviceTensor<T, RANK> {
    let len: usize = shape.iter().product();
    let address = machine.allocate((len * size_of::<T>()) as u64);
    DeviceTensor::contiguous(address, len, shape)
}

fn download<T: bytemuck::AnyBitPattern>(machine: &Machine, address: u64, len: usize) -> Vec<T> {
    let mut bytes = vec![0; len * size_of::<T>()];
    machine.read(address, &mut bytes).expect("it is allocated");
    bytes.chunks(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
}
