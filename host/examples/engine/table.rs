//! A line for each step.

use std::time::Duration;

use crate::engine::Status;
use crate::scheduler::Report;

/// The names of the columns.
pub fn heading() -> String {
    format!(
        "{:>5} {:>9} {:>8} {:>7} {:>7} {:>7} {:>16} {:<29}  {}",
        "step",
        "time",
        "tokens/s",
        "running",
        "waiting",
        "rows",
        "used+idle of all",
        "route",
        "drafts, events"
    )
}

pub fn line(status: &Status) -> String {
    let report = &status.report;
    let seconds = status.time.as_secs_f64();
    let rows = report.generating_rows + report.prompt_rows;
    // Rows of drafts that were wrong are work, and no tokens.
    let kept = rows - (report.drafted - report.accepted);
    let routes = report.ran.iter().flatten().map(|ran| {
        let graph = if ran.is_replay { " (graph)" } else { "" };
        format!("{}{graph}", ran.route)
    });
    let routes: Vec<String> = routes.collect();
    let pages = status.pages;
    let all = pages.used + pages.idle + pages.free;
    let mut events = Vec::new();
    if report.drafted > 0 {
        events.push(format!("{}/{} right", report.accepted, report.drafted));
    }
    let counts = [
        (report.admitted, "admitted"),
        (report.shared_tokens, "tokens shared"),
        (report.copied_pages, "pages copied"),
        (report.evicted, "pages evicted"),
        (report.preempted, "preempted"),
        (status.finished, "finished"),
        (status.cancelled, "cancelled"),
    ];
    events.extend(counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    format!(
        "{:>5} {:>6.1} ms {:>8.0} {:>7} {:>7} {rows:>7} {:>16} {:<29}  {}",
        status.step,
        seconds * 1e3,
        kept as f64 / seconds,
        status.running,
        status.waiting,
        format!("{}+{} of {all}", pages.used, pages.idle),
        routes.join(" + "),
        events.join(", "),
    )
}

/// What all steps did together.
#[derive(Default)]
pub struct Totals {
    steps: usize,
    rows: usize,
    report: Report,
}

impl Totals {
    pub fn add(&mut self, status: &Status) {
        let (all, report) = (&mut self.report, &status.report);
        self.steps += 1;
        self.rows += report.generating_rows + report.prompt_rows;
        all.generated += report.generated;
        all.drafted += report.drafted;
        all.accepted += report.accepted;
        all.shared_tokens += report.shared_tokens;
        all.copied_pages += report.copied_pages;
        all.evicted += report.evicted;
        all.preempted += report.preempted;
    }

    pub fn line(&self, time: Duration) -> String {
        let all = &self.report;
        format!(
            "{} steps in {:.1} s: {} rows, {} tokens generated, {} of {} drafts right, {} tokens shared, {} pages copied, {} pages \
             evicted, {} preempted",
            self.steps,
            time.as_secs_f64(),
            self.rows,
            all.generated,
            all.accepted,
            all.drafted,
            all.shared_tokens,
            all.copied_pages,
            all.evicted,
            all.preempted
        )
    }
}
