//! The operators on a GPU, inside CUDA graphs, beside the GPU's own rates and the peers' kernels in the same run.

mod graph;
mod lines;
mod peers;
mod rate;
mod step;
mod suites;
mod work;

use std::path::Path;
use std::time::Instant;

use anyhow::{Error, Result};
use cust::error::CudaError;
use cust::stream::{Stream, StreamFlags};
use msa::cuda::{Cuda, Kernels};
use msa::gpu::Plan;

use self::graph::Graph;
use self::peers::Peers;
use self::step::{Random, Step};
use self::suites::cases;
use super::Suite;
use super::case::Case;
use super::report::{self, Card, Row, What};

/// Fewest calls of a graph.
const CALLS: usize = 20;

/// Runs a suite and prints tables; `json` gets a line for each row, before the peers run and after.
pub fn run(
    suite: Suite,
    only: &str,
    peers: Option<&Path>,
    json: Option<&Path>,
) -> Result<Vec<Row>> {
    let mut cases = cases(suite);
    cases.retain(|case| case.name().contains(only));
    let mut rows = measure(&cases)?;
    let write = |rows: &[Row]| json.map_or(Ok(()), |path| lines::write(rows, path));
    write(&rows)?;
    if let (Some(folder), Some(Row { card, .. })) = (peers, rows.first()) {
        cases.retain(|case| rows.iter().any(|row| row.case == *case));
        let peers = Peers::measure(folder, &cases, &card.device)?;
        rows.iter_mut().for_each(|row| row.peer = peers.fastest(row));
        write(&rows)?;
    }
    report::print_peers(&rows);
    Ok(rows)
}

/// Rows of our own; all memory is free again afterwards.
fn measure(cases: &[Case]) -> Result<Vec<Row>> {
    let cuda = Cuda::new()?;
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None)?;
    let card = rate::card(cuda.kernels(), &stream)?;
    report::print_header(&card);
    let bench = Bench { kernels: cuda.kernels(), stream, card, random: Random::new()? };
    let mut rows = Vec::new();
    for &case in cases {
        match bench.rows(case) {
            Ok(of_case) => {
                of_case.iter().for_each(|row| println!("{}", row.line()));
                rows.extend(of_case);
            }
            Err(error) if is_out_of_memory(&error) => println!("{:<27} does not fit", case.name()),
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

fn is_out_of_memory(error: &Error) -> bool {
    matches!(error.downcast_ref(), Some(CudaError::OutOfMemory))
}

struct Bench<'k> {
    kernels: &'k Kernels,
    stream: Stream,
    card: Card,
    random: Random,
}

impl Bench<'_> {
    fn rows(&self, case: Case) -> Result<Vec<Row>> {
        let device = self.kernels.device();
        let mut step = Step::new(case, device, &self.random)?;
        let index = step.index_plans(device)?;
        let selected = step.attend_selected_plans(device)?;
        let both: Vec<[&Plan; 2]> = index.iter().zip(&selected).map(|(a, b)| [a, b]).collect();
        let alone = |plans: &'_ [Plan]| -> Vec<[Plan; 1]> { plans.iter().map(|p| [*p]).collect() };

        let times = self.times(&alone(&index))?;
        let mut rows = vec![Row {
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
            bytes: case.index_bytes(),
            flops: case.index_flops(),
            ..self.row(case, What::Index, times)
        }];

        for &keep in case.overlaps() {
            let ids = step.set_lists(keep)?;
            let times = self.times(&alone(&step.attend_plans(device)?))?;
            rows.push(Row {
                keep: Some(keep),
                bytes: case.attend_bytes(&ids),
                flops: case.attend_flops(&ids),
                ..self.row(case, What::Attend, times)
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

        rows.push(Row {
            bytes: rows[0].bytes + rows[1].bytes,
            flops: rows[0].flops + rows[1].flops,
            ..self.row(case, What::Both, self.times(&both)?)
        });
        Ok(rows)
    }

    /// A row of which nothing but the times is known.
    fn row(&self, case: Case, what: What, [warm_us, cold_us]: [f64; 2]) -> Row {
        Row {
            case,
            what,
            keep: None,
            warm_us,
            cold_us,
            host_us: None,
            bytes: 0.0,
            flops: 0.0,
            peer: None,
            card: self.card.clone(),
        }
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
}
