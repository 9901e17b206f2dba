//! How many blocks run at a time, by the device's limits on threads, blocks and shared memory.
//!
//! Registers, which only the compiler of machine code knows, do not limit it here; nor does how
//! multiprocessors are grouped limit clusters. Hardware may run fewer.

use std::ffi::{c_int, c_uint};

use super::Driver;
use super::abi::{BlockToShared, In, LaunchConfig, Out};
use super::device::{BLOCK_THREADS, RESERVED_SHARED};
use super::error::{Code, Result};
use super::function::{Function, get};
use super::launch;
use super::table::Handle;

const WARP: u32 = 32;
/// What shared memory is given out in.
const SHARED_UNIT: u64 = 128;

/// Blocks that a multiprocessor runs at a time; 0 if it cannot run one.
pub(super) fn blocks(driver: &Driver, function: &Function, threads: u32, dynamic: u64) -> u32 {
    let device = driver.machine.device();
    let code = &function.code;
    let shared = (u64::from(code.static_shared()) + dynamic).next_multiple_of(SHARED_UNIT);
    if threads > code.max_threads() || shared > device.shared_per_block_optin.into() {
        return 0;
    }
    let by_threads = device.threads_per_multiprocessor / threads.next_multiple_of(WARP);
    let each = shared + u64::from(RESERVED_SHARED);
    let by_shared = u64::from(device.shared_per_multiprocessor) / each;
    by_threads.min(by_shared as u32).min(device.blocks_per_multiprocessor)
}

fn threads(count: c_int) -> Result<u32> {
    u32::try_from(count)
        .ok()
        .filter(|threads| (1..=BLOCK_THREADS).contains(threads))
        .ok_or_else(|| Code::InvalidValue.because(format!("a block of {count} threads")))
}

fn max_active_blocks(function: Handle, count: c_int, dynamic: usize) -> Result<c_int> {
    let (driver, function) = get(function)?;
    Ok(blocks(driver, &function, threads(count)?, dynamic as u64) as c_int)
}

/// The block that fills a multiprocessor best, the largest of such; and the blocks that fill the device.
fn potential_block(
    function: Handle,
    shared_of: BlockToShared,
    dynamic: usize,
    limit: c_int,
) -> Result<(u32, u32)> {
    let (driver, function) = get(function)?;
    let most = function.code.max_threads();
    // Zero is no limit, as is more than there can be.
    let limit = u32::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(most).min(most);
    let warps = (1..=limit / WARP).map(|warps| warps * WARP);
    let sizes = warps.chain((limit % WARP != 0).then_some(limit));
    let filled = sizes.map(|threads| {
        let dynamic = match shared_of {
            // SAFETY: The program gave us this function to be called with a number of threads.
            Some(shared_of) => unsafe { shared_of(threads as c_int) },
            None => dynamic,
        };
        (threads, blocks(driver, &function, threads, dynamic as u64))
    });
    // Of equals, this is the last, and so the largest.
    match filled.max_by_key(|(threads, blocks)| threads * blocks) {
        Some((threads, at_a_time)) if at_a_time > 0 => {
            Ok((threads, at_a_time * driver.machine.device().multiprocessors))
        }
        _ => Err(Code::InvalidValue.because("no block of this kernel fits a multiprocessor")),
    }
}

/// The most dynamic shared memory with which as many blocks run at a time.
fn available_shared(function: Handle, at_a_time: c_int, count: c_int) -> Result<usize> {
    let (driver, function) = get(function)?;
    let (device, threads) = (driver.machine.device(), threads(count)?);
    let wanted = u32::try_from(at_a_time).ok().filter(|blocks| *blocks > 0);
    let wanted = wanted.ok_or(Code::InvalidValue)?;
    if blocks(driver, &function, threads, 0) < wanted {
        let story = format!("{wanted} blocks of {threads} threads do not run at a time");
        return Err(Code::InvalidValue.because(story));
    }
    let each = device.shared_per_multiprocessor / wanted - RESERVED_SHARED;
    let each = each / SHARED_UNIT as u32 * SHARED_UNIT as u32;
    let room = each.min(device.shared_per_block_optin);
    Ok((room - function.code.static_shared()) as usize)
}

fn active_clusters(function: Handle, config: &LaunchConfig) -> Result<c_int> {
    let (driver, function) = get(function)?;
    let (shape, special) = launch::of_config(config)?;
    let cluster = launch::cluster(driver, &function, shape.grid, &special)?;
    let count = shape.block.iter().product::<u32>() as c_int;
    let at_a_time = blocks(driver, &function, threads(count)?, shape.dynamic_shared.into());
    let all = at_a_time * driver.machine.device().multiprocessors;
    Ok((all / cluster.iter().product::<u32>()) as c_int)
}

/// Clusters of powers of two, as large as a launch may have.
fn potential_cluster(function: Handle, config: &LaunchConfig) -> Result<c_int> {
    let (driver, function) = get(function)?;
    let (shape, _) = launch::of_config(config)?;
    let count = shape.block.iter().product::<u32>() as c_int;
    let fits = blocks(driver, &function, threads(count)?, shape.dynamic_shared.into()) > 0;
    let clusters = driver.machine.device().capability.0 >= 9;
    Ok(match (fits, clusters) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => function.max_cluster() as c_int,
    })
}

api! {
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        count: Out<c_int>, function: Handle, threads: c_int, dynamic: usize,
    ) {
        count.write(max_active_blocks(function, threads, dynamic)?)
    }

    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        count: Out<c_int>, function: Handle, threads: c_int, dynamic: usize, flags: c_uint,
    ) {
        if flags > 1 {
            return Err(Code::InvalidValue.because(format!("flags {flags:#x} of occupancy")));
        }
        count.write(max_active_blocks(function, threads, dynamic)?)
    }

    fn cuOccupancyMaxPotentialBlockSize(
        blocks: Out<c_int>, threads: Out<c_int>, function: Handle, shared_of: BlockToShared,
        dynamic: usize, limit: c_int,
    ) {
        let (best, all) = potential_block(function, shared_of, dynamic, limit)?;
        blocks.write(all as c_int)?;
        threads.write(best as c_int)
    }

    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        blocks: Out<c_int>, threads: Out<c_int>, function: Handle, shared_of: BlockToShared,
        dynamic: usize, limit: c_int, _flags: c_uint,
    ) {
        let (best, all) = potential_block(function, shared_of, dynamic, limit)?;
        blocks.write(all as c_int)?;
        threads.write(best as c_int)
    }

    fn cuOccupancyAvailableDynamicSMemPerBlock(
        bytes: Out<usize>, function: Handle, blocks: c_int, threads: c_int,
    ) {
        bytes.write(available_shared(function, blocks, threads)?)
    }

    fn cuOccupancyMaxActiveClusters(
        clusters: Out<c_int>, function: Handle, config: In<LaunchConfig>,
    ) {
        clusters.write(active_clusters(function, &config.read()?)?)
    }

    fn cuOccupancyMaxPotentialClusterSize(
        blocks: Out<c_int>, function: Handle, config: In<LaunchConfig>,
    ) {
        blocks.write(potential_cluster(function, &config.read()?)?)
    }
}
