//! Graphs of work, from captures or node by node, and running them.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_uint};
use std::sync::{Arc, Mutex, OnceLock};

use super::abi::{AttributeValue, In, InOut, KernelNode, KernelNodeV2, Out};
use super::context::{Context, current};
use super::error::{Code, Result};
use super::launch;
use super::stream::resolve;
use super::table::Handle;
use super::work::{Kernel, Work, enqueue, execute};
use super::{Driver, driver, lock};
use crate::Stream;

/// A graph. A node depends only on nodes before it, so their order is one in which they can be done.
pub(super) struct Graph {
    pub(super) handle: Handle,
    nodes: Mutex<Vec<Node>>,
}

#[derive(Clone)]
struct Node {
    handle: Handle,
    work: Work,
    dependencies: Vec<usize>,
}

/// What a node's handle stands for.
pub(super) struct NodeOf {
    graph: Arc<Graph>,
    index: usize,
    /// Where a kernel's parameters are, once that was asked for.
    shown: OnceLock<Vec<usize>>,
}

/// A graph as it was when it was instantiated.
pub(super) struct Executable {
    pub(super) context: Arc<Context>,
    /// Each node's work, and the nodes before it that it depends on.
    work: Vec<(Work, Vec<usize>)>,
}

impl Graph {
    pub(super) fn create(driver: &Driver) -> Arc<Self> {
        driver.graphs.insert(|handle| Self { handle, nodes: Mutex::default() })
    }

    /// Adds a node; returns its number.
    pub(super) fn add(
        self: &Arc<Self>,
        driver: &Driver,
        work: Work,
        dependencies: Vec<usize>,
    ) -> usize {
        let mut nodes = lock(&self.nodes);
        let index = nodes.len();
        driver.nodes.insert(|handle| {
            nodes.push(Node { handle, work, dependencies });
            NodeOf { graph: self.clone(), index, shown: OnceLock::new() }
        });
        index
    }

    /// These nodes, and all that they depend on.
    pub(super) fn with_ancestors(&self, of: Vec<usize>) -> BTreeSet<usize> {
        let (nodes, mut open, mut found) = (lock(&self.nodes), of, BTreeSet::new());
        while let Some(node) = open.pop() {
            if found.insert(node) {
                open.extend(&nodes[node].dependencies);
            }
        }
        found
    }

    /// The handles of nodes.
    pub(super) fn handles(&self, of: &[usize]) -> Vec<Handle> {
        let nodes = lock(&self.nodes);
        of.iter().map(|index| nodes[*index].handle).collect()
    }

    pub(super) fn destroy(&self, driver: &Driver) -> Result<()> {
        driver.graphs.remove(self.handle)?;
        driver.nodes.retain(|node| node.graph.handle != self.handle);
        Ok(())
    }

    /// The edges: from a node to one that depends on it.
    fn edges(&self) -> Vec<(Handle, Handle)> {
        let nodes = lock(&self.nodes);
        let edges = nodes.iter().flat_map(|node| {
            node.dependencies.iter().map(|from| (nodes[*from].handle, node.handle))
        });
        edges.collect()
    }
}

impl Executable {
    /// Does all of it, up to the first thing that breaks the context.
    pub(super) fn run(&self, driver: &Driver, context: &Context) -> Result<()> {
        // What each node's launch was after, for one that depends on it alone and may begin before its end.
        let mut streams: Vec<Stream> = Vec::new();
        for (work, dependencies) in &self.work {
            if context.check().is_err() {
                break;
            }
            let mut stream = match dependencies.as_slice() {
                [before] => streams[*before].clone(),
                _ => Stream::default(),
            };
            execute(driver, context, work, &mut stream)?;
            streams.push(stream);
        }
        Ok(())
    }
}

/// `CUgraphNodeType`.
fn kind(work: &Work) -> c_uint {
    match work {
        Work::Kernel(_) => 0,
        Work::Copy { .. } => 1,
        Work::Set { .. } => 2,
        Work::Host(_) => 3,
        Work::Graph(_) => 4,
        Work::Nothing => 5,
    }
}

fn instantiate(graph: Handle, flags: u64) -> Result<Handle> {
    let (driver, context) = current()?;
    // Freeing at launch, upload, launches from the device, and nodes' priorities: of these only the one
    // that the simulator cannot do is refused.
    if flags & !0xb != 0 {
        return Err(Code::NotSupported.because(format!("flags {flags:#x} of an executable graph")));
    }
    let graph = driver.graphs.get(graph)?;
    let nodes = lock(&graph.nodes);
    let work = nodes.iter().map(|node| (node.work.clone(), node.dependencies.clone())).collect();
    drop(nodes);
    let mut created = 0;
    driver.executables.insert(|handle| {
        created = handle;
        Executable { context, work }
    });
    Ok(created)
}

fn run(executable: Handle, stream: Handle) -> Result<()> {
    let (driver, target) = resolve(stream)?;
    let executable = driver.executables.get(executable)?;
    enqueue(driver, &target, Work::Graph(executable))
}

/// Writes a list whose length the caller asks for first, with no place for the list itself. What is
/// beyond its end is zero.
fn list(values: &[Handle], to: Out<Handle>, count: InOut<usize>) -> Result<()> {
    if to.is_null() {
        return count.output().write(values.len());
    }
    let room = count.input().read()?;
    to.write_all(values.iter().copied().chain(std::iter::repeat(0)).take(room))?;
    count.output().write(room.min(values.len()))
}

fn edges(graph: Handle, from: Out<Handle>, to: Out<Handle>, count: InOut<usize>) -> Result<()> {
    if from.is_null() != to.is_null() {
        return Err(Code::InvalidValue.because("room for one end of the edges alone"));
    }
    let edges = driver()?.graphs.get(graph)?.edges();
    let (sources, targets): (Vec<_>, Vec<_>) = edges.into_iter().unzip();
    if !from.is_null() {
        let room = count.input().read()?;
        from.write_all(sources.iter().copied().chain(std::iter::repeat(0)).take(room))?;
    }
    list(&targets, to, count)
}

fn add_kernel(
    graph: Handle,
    dependencies: In<Handle>,
    count: usize,
    node: In<KernelNode>,
) -> Result<Handle> {
    let (driver, _) = current()?;
    let graph = driver.graphs.get(graph)?;
    let node = node.read()?;
    let mut before = Vec::new();
    for handle in if count == 0 { Vec::new() } else { dependencies.all(count)? } {
        let node = driver.nodes.get(handle)?;
        if node.graph.handle != graph.handle {
            return Err(Code::InvalidValue.because("a dependency is a node of another graph"));
        }
        before.push(node.index);
    }
    let kernel = launch::of_node(driver, &node)?;
    let index = graph.add(driver, Work::Kernel(kernel), before);
    Ok(graph.handles(&[index])[0])
}

/// What a kernel node launches. Its parameters stay where they are for as long as the graph.
fn kernel_of(node: Handle) -> Result<KernelNode> {
    let node = driver()?.nodes.get(node)?;
    let nodes = lock(&node.graph.nodes);
    let Work::Kernel(Kernel { function, launch, parameters }) = &nodes[node.index].work else {
        return Err(Code::InvalidValue.because("the node is no kernel's"));
    };
    let places = node.shown.get_or_init(|| {
        let starts = function.code.parameters().iter().map(|(at, _)| *at as usize);
        starts.map(|at| parameters[at..].as_ptr().expose_provenance()).collect()
    });
    Ok(KernelNode {
        function: function.handle,
        grid: launch.grid,
        block: launch.block,
        dynamic_shared: launch.dynamic_shared,
        parameters: In::of(places).cast(),
        extra: In::null(),
    })
}

/// Gives what a kernel's node launches to a function.
fn with_kernel<T>(node: Handle, f: impl FnOnce(&Driver, &mut Kernel) -> Result<T>) -> Result<T> {
    let driver = driver()?;
    let node = driver.nodes.get(node)?;
    match &mut lock(&node.graph.nodes)[node.index].work {
        Work::Kernel(kernel) => f(driver, kernel),
        _ => Err(Code::InvalidValue.because("the node is no kernel's")),
    }
}

api! {
    fn cuGraphCreate(graph: Out<Handle>, flags: c_uint) {
        if flags != 0 {
            return Err(Code::InvalidValue.because("flags must be 0"));
        }
        graph.write(Graph::create(driver()?).handle)
    }

    fn cuGraphDestroy(graph: Handle) {
        let driver = driver()?;
        driver.graphs.get(graph)?.destroy(driver)
    }

    fn cuGraphGetNodes(graph: Handle, nodes: Out<Handle>, count: InOut<usize>) {
        let graph = driver()?.graphs.get(graph)?;
        let handles: Vec<_> = lock(&graph.nodes).iter().map(|node| node.handle).collect();
        list(&handles, nodes, count)
    }

    fn cuGraphGetEdges(graph: Handle, from: Out<Handle>, to: Out<Handle>, count: InOut<usize>) {
        edges(graph, from, to, count)
    }

    fn cuGraphGetEdges_v2(
        graph: Handle, from: Out<Handle>, to: Out<Handle>, data: Out<u64>, count: InOut<usize>,
    ) {
        if !data.is_null() {
            return Err(Code::NotSupported.because("data of edges is not simulated"));
        }
        edges(graph, from, to, count)
    }

    fn cuGraphNodeGetType(node: Handle, to: Out<c_uint>) {
        let node = driver()?.nodes.get(node)?;
        to.write(kind(&lock(&node.graph.nodes)[node.index].work))
    }

    fn cuGraphAddKernelNode(
        node: Out<Handle>, graph: Handle, dependencies: In<Handle>, count: usize,
        kernel: In<KernelNode>,
    ) {
        node.write(add_kernel(graph, dependencies, count, kernel)?)
    }

    fn cuGraphAddKernelNode_v2(
        node: Out<Handle>, graph: Handle, dependencies: In<Handle>, count: usize,
        kernel: In<KernelNode>,
    ) {
        node.write(add_kernel(graph, dependencies, count, kernel)?)
    }

    fn cuGraphKernelNodeGetParams(node: Handle, kernel: Out<KernelNode>) {
        kernel.write(kernel_of(node)?)
    }

    fn cuGraphKernelNodeGetParams_v2(node: Handle, kernel: Out<KernelNodeV2>) {
        // There are no kernels apart from modules, and the node's context is the function's.
        kernel.write(KernelNodeV2 { first: kernel_of(node)?, kernel: 0, context: 0 })
    }

    fn cuGraphKernelNodeGetAttribute(node: Handle, id: c_uint, value: Out<AttributeValue>) {
        value.write(with_kernel(node, |_, kernel| launch::attribute(kernel, id))?)
    }

    fn cuGraphKernelNodeSetAttribute(node: Handle, id: c_uint, value: In<AttributeValue>) {
        let value = value.read()?;
        with_kernel(node, |driver, kernel| launch::set_attribute(driver, kernel, id, value))
    }

    fn cuGraphInstantiateWithFlags(executable: Out<Handle>, graph: Handle, flags: u64) {
        executable.write(instantiate(graph, flags)?)
    }

    fn cuGraphInstantiate_v2(
        executable: Out<Handle>, graph: Handle, failed: Out<Handle>, log: Out<c_char>, room: usize,
    ) {
        failed.write_if_wanted(0);
        if room > 0 {
            log.write_if_wanted(0);
        }
        executable.write(instantiate(graph, 0)?)
    }

    fn cuGraphInstantiateWithParams(
        _executable: Out<Handle>, _graph: Handle, _parameters: In<u8>,
    ) {
        Err(Code::NotSupported.because("use cuGraphInstantiateWithFlags"))
    }

    fn cuGraphUpload(executable: Handle, stream: Handle) {
        let (driver, target) = resolve(stream)?;
        driver.executables.get(executable)?;
        enqueue(driver, &target, Work::Nothing)
    }

    fn cuGraphLaunch(executable: Handle, stream: Handle) {
        run(executable, stream)
    }

    fn cuGraphExecDestroy(executable: Handle) {
        driver()?.executables.remove(executable).map(drop)
    }
}
