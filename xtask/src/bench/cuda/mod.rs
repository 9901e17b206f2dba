//! The operators on a GPU, inside CUDA graphs, beside the GPU's own copy rate and the peers' kernels in the same run.

mod case;
mod graph;
mod peers;
mod step;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use cust::event::{Event, EventFlags};
use cust::memory::{AsyncCopyDestination, DeviceBuffer};
use cust::stream::{Stream, StreamFlags};
use msa::cuda::{Cuda, Kernels};
use msa::gpu::Plan;
use serde::Serialize;

use self::case::{Case, cases};
use self::graph::Graph;
use self::peers::{Peers, Time};
use self::step::Step;
use super::Suite;

/// Fewest calls of a graph.
const CALLS: usize = 20;

/// Bytes of the copy that gives the GPU's own rate.
const COPIED: usize = 1 << 30;

/// Runs a suite and prints a table; `json` gets a line for each of its rows.
pub fn run(suite: Suite, only: &str, peers: Option<&Path>, json: Option<&Path>) -> Result<()> {
    let mut cases = cases(suite);
    cases.retain(|case| case.name().contains(only));
    let mut json = json.map(File::create).transpose().context("cannot create the file")?;
    let peers = match peers {
        Some(folder) => Peers::measure(folder, &cases)?,
        None => Peers::default(),
    };
    let cuda = Cuda::new()?;
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None)?;
    let bench = Bench { kernels: cuda.kernels(), stream };
    let copy_rate = bench.copy_rate()?;
    println!(
        "{}: copies {:.2} TB/s, read and written\n",
        bench.kernels.device_name(),
        copy_rate / 1e12
    );
    println!("{HEADER}");
    for case in cases {
        for row in bench.rows(case, &peers)? {
            println!("{}", row.line(copy_rate));
            if let Some(json) = &mut json {
                writeln!(json, "{}", serde_json::to_string(&row)?)?;
            }
        }
    }
    Ok(())
}

struct Bench<'k> {
    kernels: &'k Kernels,
    stream: Stream,
}

/// What was measured of an operator, or of both, on a case.
#[derive(Serialize)]
struct Row {
    case: String,
    what: &'static str,
    /// The overlap of neighbouring rows' lists, where they are made up.
    keep: Option<f64>,
    /// Microseconds of a call on the same operands, of which the second-level cache holds what it can.
    warm_us: f64,
    /// The same on operands that were not read for longer than the cache remembers.
    cold_us: f64,
    /// Microseconds of the host for a call on a stream: checks, plan, launches.
    host_us: Option<f64>,
    /// Keys and values that must be read.
    bytes: f64,
    /// Multiplications and additions that the result needs.
    flops: f64,
    /// The fastest of the peers, in the same run, warm.
    peer: Option<Time>,
}

impl Bench<'_> {
    fn rows(&self, case: Case, peers: &Peers) -> Result<Vec<Row>> {
        let device = self.kernels.device();
        let mut step = Step::new(case, device)?;
        let index = step.index_plans(device)?;
        let selected = step.attend_selected_plans(device)?;
        let both: Vec<[&Plan; 2]> = index.iter().zip(&selected).map(|(a, b)| [a, b]).collect();
        let alone = |plans: &'_ [Plan]| -> Vec<[Plan; 1]> { plans.iter().map(|p| [*p]).collect() };

        let (bytes, flops) = (case.index_bytes(), case.index_flops());
        let [warm_us, cold_us] = self.times(&alone(&index))?;
        let mut rows = vec![Row {
            case: case.name(),
            what: "index",
            keep: None,
            warm_us,
            cold_us,
            host_us: Some(self.host_time(|| {
                let operands = step.first_index_operands();
                let stream = self.stream.as_inner();
                // SAFETY: all of it is the step's, which outlives the launches: they are waited for.
                let run = unsafe {
                    self.kernels.enqueue_indexer(
                        &operands,
                        &step.selected(),
                        step.workspace(),
                        stream,
                    )
                };
                run.map(drop)
            })?),
            bytes,
            flops,
            peer: peers.index(&case),
        }];

        for &keep in case.overlaps() {
            let ids = step.set_lists(keep)?;
            let [warm_us, cold_us] = self.times(&alone(&step.attend_plans(device)?))?;
            rows.push(Row {
                case: case.name(),
                what: "attend",
                keep: Some(keep),
                warm_us,
                cold_us,
                host_us: None,
                bytes: case.attend_bytes(&ids),
                flops: case.attend_flops(&ids),
                peer: peers.attend(&case, keep),
            });
        }
        rows[1].host_us = Some(self.host_time(|| {
            let operands = step.first_attention_operands();
            let stream = self.stream.as_inner();
            // SAFETY: as above.
            let run = unsafe {
                self.kernels.enqueue_attention(&operands, &step.result(), step.workspace(), stream)
            };
            run.map(drop)
        })?);

        let [warm_us, cold_us] = self.times(&both)?;
        let sum = |a: &Time, b: &Time| (format!("{}, {}", a.0, b.0), a.1 + b.1);
        rows.push(Row {
            case: case.name(),
            what: "both",
            keep: None,
            warm_us,
            cold_us,
            host_us: None,
            bytes: rows[0].bytes + rows[1].bytes,
            flops: rows[0].flops + rows[1].flops,
            peer: rows[0].peer.as_ref().zip(rows[1].peer.as_ref()).map(|(a, b)| sum(a, b)),
        });
        Ok(rows)
    }

    /// Microseconds of a call that enqueues some plans: always the same ones, and different ones in turn.
    fn times<const N: usize>(
        &self,
        plans: &[[impl std::borrow::Borrow<Plan>; N]],
    ) -> Result<[f64; 2]> {
        let time = |sets: usize| {
            let calls = CALLS.next_multiple_of(sets);
            let graph = Graph::capture(&self.stream, calls, |call| {
                for plan in &plans[call % sets] {
                    // SAFETY: the plans' operands are the step's, which outlives the graph.
                    unsafe { self.kernels.enqueue(plan.borrow(), self.stream.as_inner())? };
                }
                Ok(())
            })?;
            graph.time(&self.stream)
        };
        Ok([time(1)?, time(plans.len())?])
    }

    /// Microseconds of the host for a call: the median of some, of which few wait in the stream at a time.
    fn host_time(&self, mut enqueue: impl FnMut() -> Result<(), msa::Error>) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..20 {
            for _ in 0..CALLS {
                let start = Instant::now();
                enqueue()?;
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
            self.stream.synchronize()?;
        }
        times.sort_by(f64::total_cmp);
        Ok(times[times.len() / 2])
    }

    /// Bytes a second that a copy within the GPU's memory reads and writes.
    fn copy_rate(&self) -> Result<f64> {
        let from = DeviceBuffer::from_slice(&vec![1_u8; COPIED])?;
        // SAFETY: nothing reads it.
        let mut to = unsafe { DeviceBuffer::<u8>::uninitialized(COPIED)? };
        let mut copy = || -> Result<f64> {
            let (start, end) = (Event::new(EventFlags::DEFAULT)?, Event::new(EventFlags::DEFAULT)?);
            start.record(&self.stream)?;
            // SAFETY: both buffers outlive the copy: it is waited for.
            unsafe { to.async_copy_from(&from, &self.stream)? };
            end.record(&self.stream)?;
            end.synchronize()?;
            Ok(f64::from(end.elapsed_time_f32(&start)?) * 1e-3)
        };
        let mut times = (0..20).map(|_| copy()).collect::<Result<Vec<f64>>>()?;
        times.sort_by(f64::total_cmp);
        Ok(2.0 * COPIED as f64 / times[times.len() / 2])
    }
}

const HEADER: &str = "\
case                        what    keep    warm us    cold us   host us     TB/s  of copy  TFLOP/s  fastest peer, us     times as fast";

impl Row {
    /// Rates are those of cold calls; the peers' times are warm ones.
    fn line(&self, copy_rate: f64) -> String {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let rate = self.bytes / (self.cold_us * 1e-6);
        format!(
            "{:<27} {:<7} {:<6} {:>8.1} {:>10.1} {:>9} {:>8.2} {:>7.0}% {:>8.0}  {:<20} {:>10}",
            self.case,
            self.what,
            or_dash(self.keep.map(|keep| keep.to_string())),
            self.warm_us,
            self.cold_us,
            or_dash(self.host_us.map(|us| format!("{us:.1}"))),
            rate / 1e12,
            100.0 * rate / copy_rate,
            self.flops / (self.cold_us * 1e-6) / 1e12,
            or_dash(self.peer.as_ref().map(|(peer, us)| format!("{us:.1} ({peer})"))),
            or_dash(self.peer.as_ref().map(|(_, us)| format!("{:.2}", us / self.warm_us))),
        )
    }
}
