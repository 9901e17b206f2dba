//! Launches: everything that can be wrong with one is said before anything runs.

use std::ffi::c_uint;
use std::sync::Arc;

use super::Driver;
use super::abi::{
    AttributeValue, Extra, In, KernelNode, LaunchAttribute, LaunchConfig, Parameters,
};
use super::device::{BLOCK_LIMITS, BLOCK_THREADS, GRID_LIMITS};
use super::error::{Code, Result};
use super::function::{Function, get as get_function};
use super::occupancy;
use super::stream::resolve;
use super::table::Handle;
use super::work::{Kernel, Work, enqueue};
use crate::Launch;

/// What a launch asks for beyond its shape.
pub(super) struct Special {
    cooperative: bool,
    /// Blocks of a cluster, if that is said.
    cluster: Option<[u32; 3]>,
    /// Whether it may begin before the launch before it has ended.
    early: bool,
}

const PLAIN: Special = Special { cooperative: false, cluster: None, early: false };

/// A launch's shape, as it was asked for.
pub(super) struct Shape {
    pub(super) grid: [u32; 3],
    pub(super) block: [u32; 3],
    pub(super) dynamic_shared: u32,
}

fn refuse<T>(story: String) -> Result<T> {
    Err(Code::InvalidValue.because(story))
}

/// Checks a launch against the device, and against what the kernel says of itself.
fn check(driver: &Driver, function: &Function, shape: &Shape) -> Result<Launch> {
    let &Shape { grid, block, dynamic_shared } = shape;
    let (code, device) = (&function.code, driver.machine.device());
    let name = code.name();
    let within = |extents: [u32; 3], limits: [u32; 3]| {
        extents.iter().zip(limits).all(|(extent, limit)| (1..=limit).contains(extent))
    };
    if !within(grid, GRID_LIMITS) {
        return refuse(format!(
            "{name}: a grid of {grid:?} blocks, the limits are {GRID_LIMITS:?}"
        ));
    }
    if grid.iter().try_fold(1, |blocks: u32, extent| blocks.checked_mul(*extent)).is_none() {
        let story = format!("{name}: a grid of {grid:?}: 2^32 blocks or more are not simulated");
        return Err(Code::NotSupported.because(story));
    }
    let threads = block.iter().map(|extent| u64::from(*extent)).product::<u64>();
    if !within(block, BLOCK_LIMITS) || threads > BLOCK_THREADS.into() {
        let limits = format!("the limits are {BLOCK_LIMITS:?} and {BLOCK_THREADS} in all");
        return refuse(format!("{name}: a block of {block:?} threads, {limits}"));
    }
    if threads > code.max_threads().into() {
        let bound = code.max_threads();
        return refuse(format!(
            "{name}: {threads} threads in a block, its launch bound is {bound}"
        ));
    }
    if let Some(required) = code.required_threads().filter(|required| *required != block) {
        return refuse(format!("{name}: a block of {block:?} threads, it requires {required:?}"));
    }
    let (fixed, limit) = (code.static_shared(), function.max_dynamic_shared());
    if dynamic_shared > limit {
        let asked = format!("{name}: {dynamic_shared} bytes of dynamic shared memory");
        let most = device.shared_per_block_optin.saturating_sub(fixed);
        return refuse(format!(
            "{asked}, its limit is {limit}; cuFuncSetAttribute raises that to {most}"
        ));
    }
    if fixed > device.shared_per_block {
        let limit = device.shared_per_block;
        return refuse(format!(
            "{name}: {fixed} bytes of static shared memory, the limit is {limit}"
        ));
    }
    Ok(Launch { grid, block, dynamic_shared, ..Launch::default() })
}

/// Checks what a launch asks for beyond its shape.
fn check_special(
    driver: &Driver,
    function: &Function,
    launch: &Launch,
    special: &Special,
) -> Result<()> {
    let name = function.code.name();
    if special.cooperative {
        let blocks = launch.grid.iter().product::<u32>();
        let threads = launch.block.iter().product();
        let at_a_time = occupancy::blocks(driver, function, threads, launch.dynamic_shared.into());
        let room = at_a_time * driver.machine.device().multiprocessors;
        if blocks > room {
            let story = format!("{name}: {blocks} blocks at a time, the device runs {room}");
            return Err(Code::CooperativeLaunchTooLarge.because(story));
        }
    }
    Ok(())
}

/// The cluster that a launch has: the one that is asked for, or that the kernel requires, or of one block.
pub(super) fn cluster(
    driver: &Driver,
    function: &Function,
    grid: [u32; 3],
    special: &Special,
) -> Result<[u32; 3]> {
    let name = function.code.name();
    let required = function.code.required_cluster();
    let cluster = special.cluster.or(required).unwrap_or([1; 3]);
    if let Some(required) = required.filter(|required| *required != cluster) {
        let story = format!("{name}: a cluster of {cluster:?} blocks, it requires {required:?}");
        return Err(Code::InvalidClusterSize.because(story));
    }
    let blocks = cluster.iter().map(|extent| u64::from(*extent)).product::<u64>();
    let limit = if driver.machine.device().capability.0 < 9 { 1 } else { function.max_cluster() };
    if !(1..=limit.into()).contains(&blocks) {
        let story = format!("{name}: a cluster of {cluster:?} blocks, the limit is {limit}");
        return Err(Code::InvalidClusterSize.because(story));
    }
    if grid.iter().zip(cluster).any(|(grid, cluster)| grid % cluster != 0) {
        let story =
            format!("{name}: clusters of {cluster:?} do not fill a grid of {grid:?} blocks");
        return Err(Code::InvalidClusterSize.because(story));
    }
    Ok(cluster)
}

/// The names of `extra`'s values.
const END: usize = 0;
const BUFFER: usize = 1;
const BUFFER_BYTES: usize = 2;

/// The bytes of a kernel's parameters, gathered from where the caller has them.
fn gather(function: &Function, each: Parameters, extra: Extra) -> Result<Vec<u8>> {
    let code = &function.code;
    let name = code.name();
    let total = code.parameter_bytes() as usize;
    if !each.is_null() && !extra.is_null() {
        return refuse(format!("{name}: its parameters are given twice"));
    }
    if !extra.is_null() {
        return packed(function, extra);
    }
    let mut bytes = vec![0; total];
    for (index, (at, len)) in code.parameters().iter().enumerate() {
        let slot = &mut bytes[*at as usize..][..*len as usize];
        let parameter = each.at(index).and_then(|parameter| parameter.all(slot.len()));
        let parameter = parameter.map_err(|_| {
            Code::InvalidValue.because(format!("{name}: parameter {index} is not given"))
        })?;
        slot.copy_from_slice(&parameter);
    }
    Ok(bytes)
}

/// Parameters in one buffer, laid out as the kernel has them.
fn packed(function: &Function, extra: Extra) -> Result<Vec<u8>> {
    let code = &function.code;
    let (mut buffer, mut len, mut at) = (None, None, 0);
    loop {
        match extra.cast::<usize>().at(at)? {
            END => break,
            BUFFER => buffer = Some(extra.at(at + 1)?),
            BUFFER_BYTES => len = Some(extra.at(at + 1)?.cast::<usize>().read()?),
            other => return refuse(format!("{}: unknown launch argument {other}", code.name())),
        }
        at += 2;
    }
    let total = code.parameter_bytes() as usize;
    match (buffer, len) {
        (Some(buffer), Some(len)) if len >= total => buffer.all(total),
        (_, len) => {
            let name = code.name();
            refuse(format!("{name}: {len:?} bytes of parameters are given, it takes {total}"))
        }
    }
}

fn prepare(
    driver: &Driver,
    function: Arc<Function>,
    shape: &Shape,
    special: &Special,
    (each, extra): (Parameters, Extra),
) -> Result<Kernel> {
    let launch = check(driver, &function, shape)?;
    let cluster = cluster(driver, &function, shape.grid, special)?;
    let launch = Launch { cluster, early: special.early, ..launch };
    check_special(driver, &function, &launch, special)?;
    let parameters = gather(&function, each, extra)?;
    Ok(Kernel { function, launch, parameters })
}

/// The launch that a node of a graph describes.
pub(super) fn of_node(driver: &Driver, node: &KernelNode) -> Result<Kernel> {
    let (_, function) = get_function(node.function)?;
    let shape = Shape { grid: node.grid, block: node.block, dynamic_shared: node.dynamic_shared };
    prepare(driver, function, &shape, &PLAIN, (node.parameters, node.extra))
}

fn launch(
    function: Handle,
    shape: &Shape,
    stream: Handle,
    special: &Special,
    parameters: (Parameters, Extra),
) -> Result<()> {
    let (driver, target) = resolve(stream)?;
    let (_, function) = get_function(function)?;
    if target.context().handle != function.context.handle {
        return Err(Code::InvalidHandle.because("the function and the stream are of two contexts"));
    }
    let kernel = prepare(driver, function, shape, special, parameters)?;
    enqueue(driver, &target, Work::Kernel(kernel))
}

/// `CUlaunchAttributeID`
const COOPERATIVE: c_uint = 2;
const CLUSTER: c_uint = 4;
const EARLY: c_uint = 6;

impl Special {
    /// Takes an attribute of a launch.
    fn set(&mut self, id: c_uint, [x, y, z, ..]: AttributeValue) -> Result<()> {
        match id {
            COOPERATIVE => self.cooperative = x != 0,
            CLUSTER => self.cluster = Some([x, y, z]),
            EARLY => self.early = x != 0,
            // Nothing; windows of L2, waiting, the clusters' scheduling, priority, domains of fences, shared
            // memory's share: all without effect, as work is done one at a time.
            0 | 1 | 3 | 5 | 8..=10 | 14 => {}
            _ => {
                let story = format!("launch attribute {id} is not simulated");
                return Err(Code::NotSupported.because(story));
            }
        }
        Ok(())
    }
}

fn special(attributes: In<LaunchAttribute>, count: c_uint) -> Result<Special> {
    let mut special = PLAIN;
    for attribute in if count == 0 { Vec::new() } else { attributes.all(count as usize)? } {
        special.set(attribute.id, attribute.value)?;
    }
    Ok(special)
}

/// An attribute of a node's launch.
pub(super) fn attribute(kernel: &Kernel, id: c_uint) -> Result<AttributeValue> {
    let mut value = AttributeValue::default();
    match id {
        CLUSTER => value[..3].copy_from_slice(&kernel.launch.cluster),
        EARLY => value[0] = kernel.launch.early.into(),
        _ => {
            let story = format!("attribute {id} of a kernel's node is not simulated");
            return Err(Code::NotSupported.because(story));
        }
    }
    Ok(value)
}

/// Sets an attribute of a node's launch.
pub(super) fn set_attribute(
    driver: &Driver,
    kernel: &mut Kernel,
    id: c_uint,
    value: AttributeValue,
) -> Result<()> {
    let Launch { cluster: before, early, grid, .. } = kernel.launch;
    let mut special = Special { cooperative: false, cluster: Some(before), early };
    special.set(id, value)?;
    check_special(driver, &kernel.function, &kernel.launch, &special)?;
    kernel.launch.cluster = cluster(driver, &kernel.function, grid, &special)?;
    kernel.launch.early = special.early;
    Ok(())
}

/// What a configuration asks for.
pub(super) fn of_config(config: &LaunchConfig) -> Result<(Shape, Special)> {
    let LaunchConfig { grid, block, dynamic_shared, attributes, attribute_count, .. } = *config;
    Ok((Shape { grid, block, dynamic_shared }, special(attributes, attribute_count)?))
}

fn launch_as(config: &LaunchConfig, function: Handle, given: (Parameters, Extra)) -> Result<()> {
    let (shape, special) = of_config(config)?;
    launch(function, &shape, config.stream, &special, given)
}

api! {
    fn cuLaunchKernel(
        function: Handle,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        dynamic_shared: c_uint, stream: Handle, parameters: Parameters, extra: Extra,
    ) {
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        let shape = Shape { grid, block, dynamic_shared };
        launch(function, &shape, stream, &PLAIN, (parameters, extra))
    }

    fn cuLaunchCooperativeKernel(
        function: Handle,
        grid_x: c_uint, grid_y: c_uint, grid_z: c_uint,
        block_x: c_uint, block_y: c_uint, block_z: c_uint,
        dynamic_shared: c_uint, stream: Handle, parameters: Parameters,
    ) {
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        let shape = Shape { grid, block, dynamic_shared };
        let cooperative = Special { cooperative: true, ..PLAIN };
        launch(function, &shape, stream, &cooperative, (parameters, Extra::null()))
    }

    fn cuLaunchKernelEx(
        config: In<LaunchConfig>, function: Handle, parameters: Parameters, extra: Extra,
    ) {
        launch_as(&config.read()?, function, (parameters, extra))
    }
}
