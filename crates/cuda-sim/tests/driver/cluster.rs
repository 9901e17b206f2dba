use std::ffi::CString;

use crate::api::*;
use crate::launch::{attribute, config};
use crate::{Context, Kernels, at, download, expect, ok, upload};

/// `ranks` writes each block's rank in its cluster, and 100 times the cluster's size. `pairs` does so in
/// clusters of two.
const KERNELS: &str = "
.version 8.0
.target sm_90
.address_size 64
.visible .entry ranks(.param .u64 out)
{
    .reg .b32 r, n, b; .reg .b64 at;
    ld.param.u64 at, [out]; mov.u32 r, %cluster_ctarank; mov.u32 n, %cluster_nctarank;
    mov.u32 b, %ctaid.x; mad.wide.u32 at, b, 4, at; mad.lo.u32 r, n, 100, r; st.global.u32 [at], r; ret;
}
.visible .entry pairs(.param .u64 out) .reqnctapercluster 2, 1, 1
{
    .reg .b32 r, n, b; .reg .b64 at;
    ld.param.u64 at, [out]; mov.u32 r, %cluster_ctarank; mov.u32 n, %cluster_nctarank;
    mov.u32 b, %ctaid.x; mad.wide.u32 at, b, 4, at; mad.lo.u32 r, n, 100, r; st.global.u32 [at], r; ret;
}
";

pub fn load(ptx: &str) -> Kernels {
    let ptx = CString::new(ptx).expect("PTX has no zero");
    let mut module = 0;
    ok(cuModuleLoadData(&mut module, ptx.as_c_str().into()));
    Kernels(module)
}

/// Launches with attributes.
pub fn launch_with(
    function: Handle,
    grid: u32,
    stream: Handle,
    out: u64,
    attributes: &[LaunchAttribute],
) -> i32 {
    let config = LaunchConfig { stream, ..config(grid, attributes) };
    let parameters = [at(&out)];
    // SAFETY: The configuration and the parameters are alive.
    unsafe { cuLaunchKernelEx(&config, function, parameters.as_ptr(), std::ptr::null()) }
}

fn ranks_of(blocks: u32, cluster: u32) -> Vec<u32> {
    (0..blocks).map(|block| 100 * cluster + block % cluster).collect()
}

#[test]
fn blocks_are_launched_in_clusters() {
    let _context = Context::new();
    let ranks = load(KERNELS).get(c"ranks");
    let out = upload(&[0; 32]);
    let launch =
        |blocks, cluster: [u32; 3]| launch_with(ranks, blocks, 0, out, &[attribute(4, cluster)]);
    for (blocks, cluster) in [(6, 1), (6, 2), (6, 3), (16, 8)] {
        ok(launch(blocks, [cluster, 1, 1]));
        assert_eq!(download(out, blocks as usize), ranks_of(blocks, cluster));
    }
    expect(launch(2, [0, 1, 1]), INVALID_CLUSTER_SIZE);
    expect(launch(3, [2, 1, 1]), INVALID_CLUSTER_SIZE);
    expect(launch(2, [1, 2, 1]), INVALID_CLUSTER_SIZE);
    // More than 8 are not for every device, and so must be asked for.
    expect(launch(16, [16, 1, 1]), INVALID_CLUSTER_SIZE);
    ok(cuFuncSetAttribute(ranks, 14, 1));
    ok(launch(32, [16, 1, 1]));
    assert_eq!(download(out, 32), ranks_of(32, 16));
    expect(launch(32, [32, 1, 1]), INVALID_CLUSTER_SIZE);
}

#[test]
fn a_kernel_may_require_its_cluster() {
    let _context = Context::new();
    let pairs = load(KERNELS).get(c"pairs");
    let out = upload(&[0; 4]);
    ok(crate::launch(pairs, 4, 1, 0, &[at(&out)]));
    assert_eq!(download(out, 4), ranks_of(4, 2));
    ok(launch_with(pairs, 2, 0, out, &[attribute(4, [2, 1, 1])]));
    expect(launch_with(pairs, 4, 0, out, &[attribute(4, [4, 1, 1])]), INVALID_CLUSTER_SIZE);
    expect(crate::launch(pairs, 3, 1, 0, &[at(&out)]), INVALID_CLUSTER_SIZE);
    let attribute_of = |number| {
        let mut value = -1;
        ok(cuFuncGetAttribute(&mut value, number, pairs));
        value
    };
    assert_eq!([10, 11, 12, 13].map(attribute_of), [1, 2, 1, 1]);
    let mut clusters = 0;
    // SAFETY: The configuration is alive.
    ok(unsafe { cuOccupancyMaxActiveClusters(&mut clusters, pairs, &config(4, &[])) });
    assert_eq!(clusters, 132 * 32 / 2);
}

#[test]
fn a_graphs_nodes_keep_their_cluster() {
    let _context = Context::new();
    let ranks = load(KERNELS).get(c"ranks");
    let out = upload(&[0; 4]);
    let (mut stream, mut graph, mut executable) = (0, 0, 0);
    ok(cuStreamCreate(&mut stream, 1));
    ok(cuStreamBeginCapture_v2(stream, 2));
    ok(launch_with(ranks, 4, stream, out, &[attribute(4, [4, 1, 1]), attribute(6, [1, 0, 0])]));
    ok(cuStreamEndCapture(stream, &mut graph));
    ok(cuGraphInstantiateWithFlags(&mut executable, graph, 0));
    ok(cuGraphLaunch(executable, stream));
    assert_eq!(download(out, 4), ranks_of(4, 4));
    let (mut node, mut count, mut value) = (0, 1, [9; 16]);
    // SAFETY: There is room for one.
    ok(unsafe { cuGraphGetNodes(graph, &mut node, &mut count) });
    ok(cuGraphKernelNodeGetAttribute(node, 4, &mut value));
    assert_eq!(value[..3], [4, 1, 1]);
    ok(cuGraphKernelNodeGetAttribute(node, 6, &mut value));
    assert_eq!(value[0], 1);
    expect(cuGraphKernelNodeGetAttribute(node, 99, &mut value), NOT_SUPPORTED);
    value[..3].copy_from_slice(&[2, 1, 1]);
    ok(cuGraphKernelNodeSetAttribute(node, 4, &value));
    value[0] = 3;
    expect(cuGraphKernelNodeSetAttribute(node, 4, &value), INVALID_CLUSTER_SIZE);
    ok(cuGraphInstantiateWithFlags(&mut executable, graph, 0));
    ok(cuGraphLaunch(executable, stream));
    assert_eq!(download(out, 4), ranks_of(4, 2));
}
