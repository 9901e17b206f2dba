//! Programmatic dependent launches.

use crate::api::*;
use crate::cluster::{launch_with, load};
use crate::launch::attribute;
use crate::{Context, download, expect, ok, upload};

const KERNELS: &str = "
.version 8.0
.target sm_90
.address_size 64
.visible .entry produce(.param .u64 out)
{
    .reg .b64 at;
    ld.param.u64 at, [out]; griddepcontrol.launch_dependents; st.global.u32 [at], 7; ret;
}
.visible .entry hasty(.param .u64 out)
{
    .reg .b64 at; .reg .b32 v;
    ld.param.u64 at, [out]; ld.global.u32 v, [at]; griddepcontrol.wait; add.u32 v, v, 1;
    st.global.u32 [at], v; ret;
}
.visible .entry patient(.param .u64 out)
{
    .reg .b64 at; .reg .b32 v;
    ld.param.u64 at, [out]; griddepcontrol.wait; ld.global.u32 v, [at]; add.u32 v, v, 1;
    st.global.u32 [at], v; ret;
}
";

fn stream() -> Handle {
    let mut handle = 0;
    ok(cuStreamCreate(&mut handle, 0));
    handle
}

/// Launches one kernel plainly and another early, with something between, and says how that went.
fn two(second: &std::ffi::CStr, between: impl FnOnce(Handle, u64), early: bool) -> (i32, u64) {
    two_in(stream(), second, between, early)
}

fn two_in(
    stream: Handle,
    second: &std::ffi::CStr,
    between: impl FnOnce(Handle, u64),
    early: bool,
) -> (i32, u64) {
    let kernels = load(KERNELS);
    let out = upload(&[0]);
    ok(launch_with(kernels.get(c"produce"), 1, stream, out, &[]));
    between(stream, out);
    let attributes = [attribute(6, [early.into(), 0, 0])];
    ok(launch_with(kernels.get(second), 1, stream, out, &attributes));
    (cuStreamSynchronize(stream), out)
}

#[test]
fn a_kernel_that_does_not_wait_for_the_one_before_is_caught() {
    for second in [c"patient", c"hasty"] {
        // Without the attribute the order is the stream's.
        let _context = Context::new();
        let (outcome, out) = two(second, |_, _| {}, false);
        ok(outcome);
        assert_eq!(download(out, 1), [8]);
    }
    let _context = Context::new();
    let (outcome, out) = two(c"patient", |_, _| {}, true);
    ok(outcome);
    assert_eq!(download(out, 1), [8]);
    expect(two(c"hasty", |_, _| {}, true).0, LAUNCH_FAILED);
}

#[test]
fn other_work_between_orders_launches() {
    type Between = fn(Handle, u64);
    let between: [Between; 5] = [
        |stream, _| ok(cuStreamSynchronize(stream)),
        |_, out| assert_eq!(download(out, 1), [7]),
        |stream, _| {
            let mut event = 0;
            ok(cuEventCreate(&mut event, 0));
            ok(cuEventRecord(event, stream));
            ok(cuStreamWaitEvent(stream, event, 0));
        },
        |_, _| ok(cuCtxSynchronize()),
        // The legacy stream waits for the others, and they for it.
        |_, out| ok(launch_with(load(KERNELS).get(c"patient"), 1, 0, out, &[])),
    ];
    for between in between {
        let _context = Context::new();
        ok(two(c"hasty", between, true).0);
    }
    // Another stream's launch does not.
    let _context = Context::new();
    let other: Between = |_, _| {
        let (stream, mut out) = (stream(), 0);
        ok(cuMemAlloc_v2(Some(&mut out), 4));
        ok(launch_with(load(KERNELS).get(c"produce"), 1, stream, out, &[]));
    };
    expect(two(c"hasty", other, true).0, LAUNCH_FAILED);
    // But between two of the legacy stream's it does.
    let _context = Context::new();
    expect(two_in(0, c"hasty", |_, _| {}, true).0, LAUNCH_FAILED);
    let _context = Context::new();
    ok(two_in(0, c"hasty", other, true).0);
}

#[test]
fn a_graphs_nodes_are_checked_as_well() {
    for (second, expected) in [(c"patient", SUCCESS), (c"hasty", LAUNCH_FAILED)] {
        let _context = Context::new();
        let kernels = load(KERNELS);
        let (out, stream) = (upload(&[0]), stream());
        let (mut graph, mut executable) = (0, 0);
        ok(cuStreamBeginCapture_v2(stream, 2));
        ok(launch_with(kernels.get(c"produce"), 1, stream, out, &[]));
        ok(launch_with(kernels.get(second), 1, stream, out, &[attribute(6, [1, 0, 0])]));
        ok(cuStreamEndCapture(stream, &mut graph));
        ok(cuGraphInstantiateWithFlags(&mut executable, graph, 0));
        ok(cuGraphLaunch(executable, stream));
        expect(cuStreamSynchronize(stream), expected);
    }
}
