//! Launches that begin before the one before them has ended.

use cuda_sim::device::Device;
use cuda_sim::fault::{Fault, FaultKind};
use cuda_sim::{Launch, Machine, Order, Stream};

const RELEASE: &str = "griddepcontrol.launch_dependents;\n";
const WAIT: &str = "griddepcontrol.wait;\n";
const WRITE: &str = "st.global.u32 [at], thread;\n";
const READ: &str = "ld.global.u32 a, [at];\n";

/// Launches one kernel after the other in one stream, the first plainly and the others early, with two
/// warps each. The buffer's words are a thread's each at `at`, and there is another of one word.
fn launches(bodies: &[String]) -> Result<(), Fault> {
    let kernels = bodies.iter().enumerate().map(|(index, body)| {
        format!(
            ".visible .entry k{index}(.param .u64 buffer_param, .param .u64 other_param) {{\n\
             .reg .pred p; .reg .b32 a, thread; .reg .b64 buffer, other, at;\n\
             ld.param.u64 buffer, [buffer_param]; ld.param.u64 other, [other_param];\n\
             mov.u32 thread, %tid.x; mad.wide.u32 at, thread, 4, buffer;\n{body}ret; }}\n"
        )
    });
    let kernels: String = kernels.collect();
    let machine = Machine::new(Device::named("sm_90").expect("it is known"));
    let ptx = format!(".version 8.0\n.target sm_90\n.address_size 64\n{kernels}");
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let (buffer, other) = (machine.allocate(256), machine.allocate(4));
    machine.write(buffer, &[0; 256]).expect("it fits");
    machine.write(other, &[0; 4]).expect("it fits");
    let parameters = [buffer, other].map(u64::to_le_bytes).concat();
    let mut stream = Stream::default();
    for index in 0..bodies.len() {
        let function = module.function(&format!("k{index}")).expect("it is there");
        let launch = Launch { block: [64, 1, 1], early: index > 0, ..Launch::default() };
        machine.launch_in(&mut stream, &function, &launch, Order::InTurn, &parameters)?;
    }
    Ok(())
}

/// What the last kernel is caught at, of which kernel before it.
#[track_caller]
fn caught(bodies: &[&[&str]]) -> (String, String) {
    let bodies: Vec<String> = bodies.iter().map(|parts| parts.concat()).collect();
    let fault = launches(&bodies).expect_err("the access is too early");
    assert_eq!(fault.kernel, format!("k{}", bodies.len() - 1), "{fault}");
    match *fault.kind {
        FaultKind::EarlyAccess { kernel, order, .. } => (kernel, order),
        other => panic!("{other}"),
    }
}

#[track_caller]
fn passes(bodies: &[&[&str]]) {
    let bodies: Vec<String> = bodies.iter().map(|parts| parts.concat()).collect();
    if let Err(fault) = launches(&bodies) {
        panic!("{fault}");
    }
}

fn of(kernel: &str, order: &str) -> (String, String) {
    (kernel.to_owned(), order.to_owned())
}

#[test]
fn what_the_launch_before_writes_or_reads_is_touched_before_the_wait() {
    for (before, after, order) in [
        (WRITE, READ, "read after write"),
        (WRITE, WRITE, "write after write"),
        (READ, WRITE, "write after read"),
    ] {
        assert_eq!(caught(&[&[RELEASE, before], &[after]]), of("k0", order));
        assert_eq!(caught(&[&[before, RELEASE], &[after, WAIT]]), of("k0", order));
        passes(&[&[RELEASE, before], &[WAIT, after]]);
        // It begins at the end of what does not let it begin earlier.
        passes(&[&[before], &[after]]);
    }
    passes(&[&[RELEASE, READ], &[READ]]);
    let other = "ld.global.u32 a, [other];\n";
    passes(&[&[RELEASE, WRITE], &[other, WAIT, READ]]);
}

#[test]
fn threads_may_learn_of_the_wait_from_others() {
    let one = "setp.eq.u32 p, thread, 0;\n@p griddepcontrol.wait;\n";
    passes(&[&[RELEASE, WRITE], &[one, "bar.sync 0;\n", READ]]);
    assert_eq!(caught(&[&[RELEASE, WRITE], &[one, READ]]), of("k0", "read after write"));
    // What a launch tells by flags of its own cannot be told to be wrong.
    let poll = "ld.acquire.gpu.global.u32 a, [other];\n";
    passes(&[&[RELEASE, WRITE, "st.release.gpu.global.u32 [other], 1;\n"], &[poll, READ]]);
}

#[test]
fn a_wait_is_for_the_launch_before_alone() {
    // The second one does not wait, so that the first may outlive it.
    assert_eq!(
        caught(&[&[RELEASE, WRITE], &[RELEASE], &[WAIT, READ]]),
        of("k0", "read after write")
    );
    passes(&[&[RELEASE, WRITE], &[RELEASE, WAIT], &[WAIT, READ]]);
    passes(&[&[RELEASE, WRITE], &[WAIT, RELEASE], &[WAIT, READ]]);
    // Whoever waits before it lets the third begin has ended the first for it.
    passes(&[&[RELEASE, WRITE], &[WAIT, RELEASE], &[READ, WAIT]]);
    passes(&[&[RELEASE, WRITE], &[WAIT], &[READ]]);
    assert_eq!(
        caught(&[&[RELEASE, WRITE], &[RELEASE, WAIT], &[READ, WAIT]]),
        of("k0", "read after write")
    );
    assert_eq!(caught(&[&[RELEASE, WRITE], &[], &[], &[WAIT, READ]]), of("k0", "read after write"));
}
