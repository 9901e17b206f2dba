use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use super::block::Block;
use super::cluster::{self, Schedule, Stopped};
use super::pending::Pending;
use super::random::{GOLDEN, Random};
use super::stream::{Earlier, Steps, Stream};
use super::warp::{Warp, specials};
use super::{Launched, Place, unflatten};
use crate::counters::{Counters, Tally};
use crate::device::Device;
use crate::fault::Fault;
use crate::isa::Kernel;
use crate::memory::GlobalMemory;

/// How a kernel is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Blocks.
    pub grid: [u32; 3],
    /// Blocks of a cluster along each axis of the grid, whose extents are multiples of theirs.
    pub cluster: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// Whether it may begin before the launch before it in its [`Stream`] has ended: programmatic dependent
    /// launch. Until its threads have executed `griddepcontrol.wait` they must not touch what that launch
    /// writes, nor write what it reads, if it lets others begin (`griddepcontrol.launch_dependents`); nor
    /// what those before that one do, as far as it has not waited for them.
    pub early: bool,
}

impl Default for Launch {
    /// One thread.
    fn default() -> Self {
        Self { grid: [1; 3], cluster: [1; 3], block: [1; 3], dynamic_shared: 0, early: false }
    }
}

/// In what order the warps of a cluster have their turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// One after the other, each until it waits.
    #[default]
    InTurn,
    /// At random, and for a random time, under a seed.
    Random(u64),
}

/// Runs a kernel. `parameters` are its parameters' bytes, laid out as it declares them.
pub(crate) fn launch(
    kernel: &Kernel,
    device: &Device,
    global: &GlobalMemory,
    launch: &Launch,
    order: Order,
    parameters: &[u8],
    stream: &mut Stream,
) -> Result<Counters, Fault> {
    let clusters: [u32; 3] = std::array::from_fn(|axis| launch.grid[axis] / launch.cluster[axis]);
    let count: u32 = clusters.iter().product();
    static LAUNCHES: AtomicU32 = AtomicU32::new(1);
    let launched = Launched {
        number: LAUNCHES.fetch_add(1, Relaxed),
        multiprocessors: device.multiprocessors,
        parameters,
        releases: AtomicU32::new(0),
        unfenced: AtomicU32::new(0),
        progress: AtomicU32::new(0),
        overlap: stream.overlap(launch.early),
        steps: Steps::default(),
    };
    let hands: Box<dyn Iterator<Item = Pending> + Send> = match kernel.cancels {
        // Of a kernel that asks for clusters a multiprocessor has one block.
        true => {
            let room = device.multiprocessors / launch.cluster.iter().product::<u32>();
            Box::new(Pending::deal(count, room, order).into_iter())
        }
        false => Box::new((0..count).map(Pending::only)),
    };
    let hands = Mutex::new(hands.enumerate());
    let stop = AtomicBool::new(false);
    let total = Mutex::new(Tally::new(kernel.kinds.len()));
    // Of several faults the one of the first cluster is told: the same one on every run.
    let fault: Mutex<Option<(usize, Fault)>> = Mutex::new(None);
    let next = || hands.lock().expect("no panic under the lock").next();
    let work = || {
        while !stop.load(Relaxed)
            && let Some((index, mut pending)) = next()
        {
            while !stop.load(Relaxed)
                && let Some(cluster) = pending.begin()
            {
                let cluster = unflatten(cluster, clusters);
                match run_cluster(kernel, global, launch, order, &launched, cluster, &mut pending) {
                    Ok(tallies) => {
                        let mut total = total.lock().expect("no panic under the lock");
                        tallies.iter().for_each(|tally| total.add(tally));
                    }
                    Err(found) => {
                        stop.store(true, Relaxed);
                        let mut first = fault.lock().expect("no panic under the lock");
                        if first.as_ref().is_none_or(|(of, _)| index < *of) {
                            *first = Some((index, found));
                        }
                    }
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count as usize) {
            scope.spawn(work);
        }
        work();
    });
    let Launched { number, overlap, steps, .. } = launched;
    stream.ran(Earlier { number, kernel: kernel.name.clone() }, overlap, &steps);
    match fault.into_inner().expect("no panic under the lock") {
        Some((_, fault)) => Err(fault),
        None => Ok(total.into_inner().expect("no panic under the lock").named(&kernel.kinds)),
    }
}

fn run_cluster(
    kernel: &Kernel,
    global: &GlobalMemory,
    launch: &Launch,
    order: Order,
    launched: &Launched,
    cluster: [u32; 3],
    pending: &mut Pending,
) -> Result<Vec<Tally>, Fault> {
    let threads: u32 = launch.block.iter().product();
    let of_block = threads.div_ceil(32);
    let (mut blocks, mut warps) = (Vec::new(), Vec::new());
    for rank in 0..launch.cluster.iter().product() {
        let within = unflatten(rank, launch.cluster);
        let [x, y, z] =
            std::array::from_fn(|axis| cluster[axis] * launch.cluster[axis] + within[axis]);
        let place = Place {
            index: x + launch.grid[0] * (y + launch.grid[1] * z),
            grid: launch.grid,
            block: [x, y, z],
            cluster: launch.cluster,
            rank,
            dynamic_shared: launch.dynamic_shared,
            total_shared: kernel.static_shared + launch.dynamic_shared,
            multiprocessors: launched.multiprocessors,
            launch: launched.number,
        };
        warps.extend((0..of_block).map(|warp| {
            let lanes = match threads - 32 * warp {
                count @ 0..32 => (1 << count) - 1,
                _ => u32::MAX,
            };
            let warp = warp as usize;
            Warp::new(kernel, warp, lanes, specials(&place, warp, launch.block))
        }));
        blocks.push(Block::new(place, threads, rank * of_block, kernel.kinds.len()));
    }
    let first = u64::from(blocks[0].place.index);
    let schedule: &mut dyn Schedule = match order {
        Order::InTurn => &mut InTurn { turns: 0 },
        Order::Random(seed) => &mut Random(seed ^ first.wrapping_mul(GOLDEN)),
    };
    match cluster::run(&mut blocks, kernel, global, launched, warps, schedule, pending) {
        Ok(()) => {
            blocks.iter().for_each(|block| launched.steps.add(block.steps));
            Ok(blocks.into_iter().map(|block| block.tally).collect())
        }
        Err(Stopped { rank, warp, instruction, stop }) => {
            let instruction = &kernel.code[instruction as usize];
            Err(Fault {
                kernel: kernel.name.clone(),
                line: instruction.line,
                text: instruction.text.clone(),
                block: blocks[rank].place.block,
                thread: unflatten(32 * warp as u32 + stop.lane, launch.block),
                kind: Box::new(stop.kind),
            })
        }
    }
}

/// Each in turn, for so long that only waiting ends a turn, unless a warp spins.
struct InTurn {
    turns: usize,
}

impl Schedule for InTurn {
    fn next(&mut self, ready: usize) -> (usize, u32) {
        self.turns += 1;
        ((self.turns - 1) % ready, 1 << 16)
    }
}

impl Schedule for Random {
    fn next(&mut self, ready: usize) -> (usize, u32) {
        let drawn = self.draw();
        (drawn as u32 as usize % ready, 1 + (drawn >> 32) as u32 % 64)
    }
}
