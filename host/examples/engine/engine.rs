//! The loop: requests come, steps run, clients cancel, until all are done.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::device::Device;
use crate::pages::Count;
use crate::request::{Done, End};
use crate::scheduler::{Report, Scheduler};
use crate::workload::Arrival;

/// Where the engine stands after a step.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    pub step: usize,
    pub report: Report,
    pub time: Duration,
    pub running: usize,
    pub waiting: usize,
    pub pages: Count,
    /// Requests that ended in the step.
    pub finished: usize,
    /// Requests that were cancelled before it.
    pub cancelled: usize,
}

/// What became of the requests, in the order of their ends, and of the pages.
#[derive(Debug)]
pub struct Served {
    pub done: Vec<Done>,
    pub pages: Count,
}

/// Serves requests that come in the order given, and tells of each step.
///
/// # Errors
/// If the device fails, or a page is lost.
pub fn serve(
    config: &Config,
    device: &mut dyn Device,
    arrivals: &[Arrival],
    mut tell: impl FnMut(&Status),
) -> Result<Served> {
    let mut scheduler = Scheduler::new(*config);
    let (mut done, mut coming) = (Vec::new(), arrivals.iter().peekable());
    let mut step = 0;
    while coming.peek().is_some() || !scheduler.is_idle() {
        while let Some(arrival) = coming.next_if(|arrival| arrival.step <= step) {
            scheduler.submit(arrival.request.clone());
        }
        for arrival in arrivals.iter().filter(|arrival| arrival.cancel == Some(step)) {
            scheduler.cancel(arrival.request.id);
        }
        let start = Instant::now();
        let report = scheduler.step(device).with_context(|| format!("step {step}"))?;
        scheduler.check().with_context(|| format!("after step {step}"))?;
        let ended = scheduler.take_done();
        let count = |end| ended.iter().filter(|done| done.end == end).count();
        tell(&Status {
            step,
            report,
            time: start.elapsed(),
            running: scheduler.running(),
            waiting: scheduler.waiting(),
            pages: scheduler.pages().count(),
            finished: count(End::Finished),
            cancelled: count(End::Cancelled),
        });
        done.extend(ended);
        step += 1;
    }
    Ok(Served { done, pages: scheduler.pages().count() })
}
