use std::ffi::CStr;

use crate::api::*;
use crate::{Context, Kernels, at, download, expect, launch, launch_shared, ok, upload};

#[test]
fn a_kernel_computes_what_it_says() {
    let _context = Context::new();
    let add = Kernels::load().get(c"add");
    let n = 1000_u32;
    let a: Vec<u32> = (0..n).collect();
    let b: Vec<u32> = (0..n).map(|value| value * value).collect();
    let (a_at, b_at, out) = (upload(&a), upload(&b), upload(&vec![0; n as usize]));
    ok(launch(add, n.div_ceil(128), 128, 0, &[at(&a_at), at(&b_at), at(&out), at(&n)]));
    ok(cuCtxSynchronize());
    let expected: Vec<u32> = a.iter().zip(&b).map(|(a, b)| a + b + 100).collect();
    assert_eq!(download(out, n as usize), expected);
}

#[test]
fn parameters_may_come_in_one_buffer() {
    let _context = Context::new();
    let poke = Kernels::load().get(c"poke");
    let out = upload(&[0]);
    let mut buffer = [0_u8; 12];
    buffer[..8].copy_from_slice(&out.to_le_bytes());
    buffer[8..].copy_from_slice(&77_u32.to_le_bytes());
    let launch = |bytes: usize| {
        let extra = [
            std::ptr::without_provenance(1),
            at(&buffer),
            std::ptr::without_provenance(2),
            at(&bytes),
            std::ptr::null(),
        ];
        // SAFETY: The list ends in null, and its buffer has as many bytes as are said.
        unsafe { cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, std::ptr::null(), extra.as_ptr()) }
    };
    expect(launch(11), INVALID_VALUE);
    assert_eq!(download(out, 1), [0]);
    ok(launch(12));
    assert_eq!(download(out, 1), [77]);
}

#[test]
fn a_launch_that_cannot_be_is_refused_at_once_and_harms_nothing() {
    let _context = Context::new();
    let kernels = Kernels::load();
    let [bounded, exact] = [c"bounded", c"exact"].map(|name| kernels.get(name));
    let refused: [([u32; 3], [u32; 3]); 9] = [
        ([0, 1, 1], [1, 1, 1]),
        ([1, 1, 0], [1, 1, 1]),
        ([1 << 31, 1, 1], [1, 1, 1]),
        ([1, 1 << 16, 1], [1, 1, 1]),
        ([1, 1, 1], [0, 1, 1]),
        ([1, 1, 1], [1025, 1, 1]),
        ([1, 1, 1], [1, 1, 65]),
        ([1, 1, 1], [32, 32, 2]),
        // Past the kernel's own bound.
        ([1, 1, 1], [65, 1, 1]),
    ];
    for (grid, block) in refused {
        expect(launch_shared(bounded, grid, block, 0, 0, &[]), INVALID_VALUE);
    }
    ok(launch(bounded, 3, 64, 0, &[]));
    expect(launch(exact, 1, 64, 0, &[]), INVALID_VALUE);
    ok(launch_shared(exact, [1; 3], [32, 2, 1], 0, 0, &[]));
    expect(launch(0xdead, 1, 1, 0, &[]), INVALID_HANDLE);
    expect(launch(bounded, 1, 1, 0xdead, &[]), INVALID_HANDLE);
    ok(cuCtxSynchronize());
}

#[test]
fn missing_parameters_are_refused() {
    let _context = Context::new();
    let poke = Kernels::load().get(c"poke");
    let out = upload(&[5]);
    expect(launch(poke, 1, 1, 0, &[at(&out), std::ptr::null()]), INVALID_VALUE);
    // SAFETY: No parameters at all: null is all that is looked at.
    let none =
        unsafe { cuLaunchKernel(poke, 1, 1, 1, 1, 1, 1, 0, 0, std::ptr::null(), std::ptr::null()) };
    expect(none, INVALID_VALUE);
    assert_eq!(download(out, 1), [5]);
}

#[test]
fn more_than_48_kib_of_shared_memory_must_be_asked_for() {
    let _context = Context::new();
    let sharing = Kernels::load().get(c"sharing");
    let launch = |dynamic| launch_shared(sharing, [1; 3], [1; 3], dynamic, 0, &[]);
    // 1024 bytes are the kernel's own.
    let free = (47 << 10) as u32;
    ok(launch(free));
    expect(launch(free + 1), INVALID_VALUE);
    // MAX_DYNAMIC_SHARED_SIZE_BYTES
    let attribute = 8;
    let mut most = 0;
    ok(cuDeviceGetAttribute(&mut most, 97, 0));
    expect(cuFuncSetAttribute(sharing, attribute, most), INVALID_VALUE);
    expect(cuFuncSetAttribute(sharing, attribute, -1), INVALID_VALUE);
    ok(cuFuncSetAttribute(sharing, attribute, most - 1024));
    let mut value = 0;
    ok(cuFuncGetAttribute(&mut value, attribute, sharing));
    assert_eq!(value, most - 1024);
    ok(launch(most as u32 - 1024));
    expect(launch(most as u32 - 1023), INVALID_VALUE);
    ok(cuCtxSynchronize());
}

/// What a faulty kernel leaves behind.
#[track_caller]
fn breaks(kernel: &CStr, block: u32, address: impl FnOnce() -> u64, expected: i32) {
    let _context = Context::new();
    let kernels = Kernels::load();
    let (kernel, add) = (kernels.get(kernel), kernels.get(c"add"));
    let kept = upload(&[1]);
    let (address, value) = (address(), 1_u32);
    // The launch succeeds: the host learns of the fault later.
    ok(launch(kernel, 1, block, 0, &[at(&address), at(&value)]));
    expect(cuCtxSynchronize(), expected);
    // And then from every call.
    expect(cuStreamSynchronize(0), expected);
    expect(cuMemAlloc_v2(Some(&mut 0), 4), expected);
    expect(cuMemcpyDtoD_v2(kept, kept, 4), expected);
    expect(launch(add, 1, 1, 0, &[at(&kept), at(&kept), at(&kept), at(&0_u32)]), expected);
}

#[test]
fn a_fault_is_told_by_what_comes_after_and_stays() {
    let freed = || {
        let address = upload(&[0]);
        ok(cuMemFree_v2(address));
        address
    };
    breaks(c"poke", 1, || upload(&[0]) + 4, ILLEGAL_ADDRESS);
    breaks(c"poke", 1, freed, ILLEGAL_ADDRESS);
    breaks(c"poke", 1, || 0, ILLEGAL_ADDRESS);
    breaks(c"poke", 1, || upload(&[0, 0]) + 2, MISALIGNED_ADDRESS);
    breaks(c"stop", 1, || 0, LAUNCH_FAILED);
    breaks(c"hang", 64, || 0, LAUNCH_TIMEOUT);
    // Other contexts are sound.
    let _context = Context::new();
    ok(cuCtxSynchronize());
}

#[test]
fn reading_what_nothing_wrote_is_a_fault() {
    let _context = Context::new();
    let increase = Kernels::load().get(c"increase");
    let mut address = 0;
    ok(cuMemAlloc_v2(Some(&mut address), 4));
    ok(launch(increase, 1, 1, 0, &[at(&address), at(&1_u32)]));
    expect(cuCtxSynchronize(), LAUNCH_FAILED);
}

pub fn config(grid: u32, attributes: &[LaunchAttribute]) -> LaunchConfig {
    LaunchConfig {
        grid: [grid, 1, 1],
        block: [1, 1, 1],
        dynamic_shared: 0,
        stream: 0,
        attributes: attributes.as_ptr(),
        attribute_count: attributes.len() as u32,
    }
}

pub fn attribute(id: u32, values: [u32; 3]) -> LaunchAttribute {
    let mut value = [0; 16];
    value[..3].copy_from_slice(&values);
    LaunchAttribute { id, padding: 0, value }
}

#[test]
fn a_launch_may_have_attributes() {
    let _context = Context::new();
    let poke = Kernels::load().get(c"poke");
    let out = upload(&[0]);
    let launch = |grid, value: u32, attributes: &[LaunchAttribute]| {
        let parameters = [at(&out), at(&value)];
        // SAFETY: The configuration and the parameters are alive.
        unsafe {
            cuLaunchKernelEx(&config(grid, attributes), poke, parameters.as_ptr(), std::ptr::null())
        }
    };
    ok(launch(1, 7, &[]));
    assert_eq!(download(out, 1), [7]);
    // Programmatic serialization, a priority, and a cluster of one block.
    let plain = [attribute(6, [1, 0, 0]), attribute(8, [0; 3]), attribute(4, [1; 3])];
    ok(launch(1, 8, &plain));
    assert_eq!(download(out, 1), [8]);
    expect(launch(1, 9, &[attribute(99, [0; 3])]), NOT_SUPPORTED);
    assert_eq!(download(out, 1), [8]);
}

#[test]
fn a_cooperative_launch_must_fit_the_device() {
    let _context = Context::new();
    let bounded = Kernels::load().get(c"bounded");
    let mut at_a_time = 0;
    ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut at_a_time, bounded, 64, 0));
    let mut multiprocessors = 0;
    ok(cuDeviceGetAttribute(&mut multiprocessors, 16, 0));
    let fits = (at_a_time * multiprocessors) as u32;
    let launch = |blocks| {
        // SAFETY: The kernel has no parameters.
        unsafe {
            cuLaunchCooperativeKernel(bounded, blocks, 1, 1, 64, 1, 1, 0, 0, std::ptr::null())
        }
    };
    ok(launch(fits));
    expect(launch(fits + 1), COOPERATIVE_LAUNCH_TOO_LARGE);
    ok(cuCtxSynchronize());
}

#[test]
fn occupancy_follows_the_limits() {
    let _context = Context::new();
    let kernels = Kernels::load();
    let [add, sharing, bounded] = [c"add", c"sharing", c"bounded"].map(|name| kernels.get(name));
    let blocks = |function, threads, dynamic| {
        let mut blocks = 0;
        ok(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut blocks, function, threads, dynamic));
        blocks
    };
    // sm_90: 2048 threads, 32 blocks, 228 KiB, of which the system takes 1 KiB a block.
    assert_eq!(blocks(add, 1024, 0), 2);
    assert_eq!(blocks(add, 33, 0), 32);
    assert_eq!(blocks(add, 128, 75 << 10), 3);
    assert_eq!(blocks(sharing, 128, 74 << 10), 3);
    assert_eq!(blocks(sharing, 128, 75 << 10), 2);
    assert_eq!(blocks(add, 128, 228 << 10), 0);
    assert_eq!(blocks(bounded, 128, 0), 0);
    expect(cuOccupancyMaxActiveBlocksPerMultiprocessor(&mut 0, add, 0, 0), INVALID_VALUE);

    let (mut grid, mut block) = (0, 0);
    ok(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, add, None, 0, 0));
    assert_eq!((grid, block), (2 * 132, 1024));
    ok(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, bounded, None, 0, 0));
    assert_eq!((grid, block), (32 * 132, 64));
    unsafe extern "C" fn shared_of(threads: i32) -> usize {
        threads as usize * 512
    }
    // 227 KiB are room for 454 threads: 14 warps, once.
    ok(cuOccupancyMaxPotentialBlockSize(&mut grid, &mut block, add, Some(shared_of), 0, 0));
    assert_eq!((grid, block), (132, 448));

    let mut bytes = 0;
    ok(cuOccupancyAvailableDynamicSMemPerBlock(&mut bytes, add, 2, 1024));
    assert_eq!(bytes, 113 << 10);
    expect(cuOccupancyAvailableDynamicSMemPerBlock(&mut bytes, add, 3, 1024), INVALID_VALUE);

    let clusters = |attributes: &[LaunchAttribute]| {
        let mut clusters = 0;
        let mut config = config(8, attributes);
        config.block = [1024, 1, 1];
        // SAFETY: The configuration is alive.
        (unsafe { cuOccupancyMaxActiveClusters(&mut clusters, add, &config) }, clusters)
    };
    assert_eq!(clusters(&[attribute(4, [8, 1, 1])]), (SUCCESS, 264 / 8));
    assert_eq!(clusters(&[attribute(4, [16, 1, 1])]).0, INVALID_CLUSTER_SIZE);
}
