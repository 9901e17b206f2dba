//! The scheduler on a device that fails.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use clap::Parser;
use half::bf16;

use super::Scheduler;
use crate::check::difference;
use crate::config::{Arguments, Config};
use crate::device::{self, Device, Ran};
use crate::pages::Count;
use crate::random::Random;
use crate::request::{Done, End, Request};
use crate::step::{Batch, PageCopy};
use crate::workload::workload;

/// The processor, but some of its calls fail, before or after they have done their work.
struct Unreliable {
    device: Box<dyn Device>,
    random: Random,
    failures: usize,
}

impl Unreliable {
    fn fails(&mut self) -> Result<()> {
        if self.random.percent(10) {
            self.failures += 1;
            bail!("the launch failed");
        }
        Ok(())
    }
}

impl Device for Unreliable {
    fn name(&self) -> String {
        self.device.name()
    }

    fn copy_pages(&mut self, copies: &[PageCopy]) -> Result<()> {
        self.fails()?;
        self.device.copy_pages(copies)?;
        self.fails()
    }

    fn run(&mut self, batch: &Batch, outputs: &mut Vec<bf16>) -> Result<Ran> {
        self.fails()?;
        let ran = self.device.run(batch, outputs)?;
        self.fails()?;
        Ok(ran)
    }
}

fn config(options: &[&str]) -> Config {
    let always = ["engine", "--small", "--heads", "2", "--layers", "1", "--topk", "2"];
    let arguments = Arguments::try_parse_from(always.iter().chain(options));
    Config::new(&arguments.expect("options that exist")).expect("a sound configuration")
}

/// Serves a workload, and tries again whatever fails; returns what became of it, and how many steps failed.
fn serve_unreliably(config: &Config) -> (Vec<Done>, Count, usize) {
    let device = device::open(config).expect("the processor is there");
    let random = Random::new(config.model.seed);
    let mut device = Unreliable { device, random, failures: 0 };
    let mut scheduler = Scheduler::new(*config);
    let (mut done, arrivals) = (Vec::new(), workload(config));
    let mut step = 0;
    while step <= arrivals.last().expect("requests").step || !scheduler.is_idle() {
        for arrival in arrivals.iter().filter(|arrival| arrival.step == step) {
            scheduler.submit(arrival.request.clone());
        }
        for arrival in arrivals.iter().filter(|arrival| arrival.cancel == Some(step)) {
            scheduler.cancel(arrival.request.id);
        }
        // What failed is tried again in the next round, beside what has come by then.
        let _: Result<_> = scheduler.step(&mut device);
        scheduler.check().expect("every page is accounted for");
        done.append(&mut scheduler.take_done());
        step += 1;
        assert!(step < 10_000, "no end");
    }
    (done, scheduler.pages().count(), device.failures)
}

#[test]
fn steps_that_fail_lose_nothing_and_answer_nothing_wrongly() {
    let mut failures = 0;
    for seed in 0..24 {
        let seed = seed.to_string();
        let config =
            config(&["--seed", &seed, "--requests", "10", "--pages", "6", "--cancel", "20"]);
        let (done, pages, failed) = serve_unreliably(&config);
        failures += failed;
        assert_eq!((done.len(), pages.used), (config.requests, 0), "seed {seed}");
        let mut device = device::open(&config).expect("the processor is there");
        for done in &done {
            let difference = difference(&config, device.as_mut(), done).expect("it runs");
            assert_eq!(difference, None, "request {} of seed {seed}", done.request.id);
        }
    }
    assert!(failures > 100, "only {failures} failures");
}

/// Runs requests to their end.
fn answers(scheduler: &mut Scheduler, device: &mut dyn Device) -> BTreeMap<usize, Vec<u32>> {
    while !scheduler.is_idle() {
        scheduler.step(device).expect("the processor does not fail");
        scheduler.check().expect("every page is accounted for");
    }
    let done = scheduler.take_done().into_iter();
    done.map(|done| (done.request.id, done.generated)).collect()
}

#[test]
fn requests_part_on_a_page_that_they_share() {
    let config = config(&["--new-tokens", "9", "--pages", "16"]);
    let mut device = device::open(&config).expect("the processor is there");
    let mut scheduler = Scheduler::new(config);
    let prompt: Vec<u32> = (0..200).collect();
    let request = |id, salt| Request { id, prompt: prompt.clone(), new_tokens: 9, salt };
    scheduler.submit(request(0, 0));
    // Its prompt takes some steps; then two others find it.
    while scheduler.running.first().is_none_or(|first| first.tokens.len() == prompt.len()) {
        scheduler.step(device.as_mut()).expect("the processor does not fail");
    }
    scheduler.submit(request(1, 1));
    scheduler.submit(request(2, 0));
    let report = scheduler.step(device.as_mut()).expect("the processor does not fail");
    assert_eq!((report.admitted, report.shared_tokens), (2, 2 * 199));
    assert_eq!(report.copied_pages, 3, "each has the last page for itself");
    let answers = answers(&mut scheduler, device.as_mut());
    assert_eq!(answers[&0], answers[&2], "the same request");
    assert_ne!(answers[&0], answers[&1], "of another salt");
}

#[test]
fn a_cancelled_request_gives_its_pages_back() {
    let config = config(&["--pages", "16"]);
    let mut device = device::open(&config).expect("the processor is there");
    let mut scheduler = Scheduler::new(config);
    for id in 0..5 {
        let prompt = (0..100 + id as u32).rev().collect();
        scheduler.submit(Request { id, prompt, new_tokens: 5, salt: 0 });
    }
    scheduler.step(device.as_mut()).expect("the processor does not fail");
    assert_eq!((scheduler.running(), scheduler.waiting()), (3, 2));
    assert_eq!(scheduler.running[0].pages.len(), 1);
    // One that runs, one that waits, and nobody.
    [0, 4, 17].into_iter().for_each(|id| scheduler.cancel(id));
    scheduler.check().expect("every page is accounted for");
    let done = scheduler.take_done();
    let ends: Vec<_> = done.iter().map(|done| (done.request.id, done.end)).collect();
    assert_eq!(ends, [(0, End::Cancelled), (4, End::Cancelled)]);
    assert_eq!(answers(&mut scheduler, device.as_mut()).len(), 3);
    assert_eq!(scheduler.pages().count().used, 0);
}
