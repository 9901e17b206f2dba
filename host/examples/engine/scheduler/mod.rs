//! Who runs, and what each step is made of.
//!
//! A step is planned, run, and then committed or undone: requests change in `commit` alone, so a step that fails leaves
//! them as they were, and may be tried again.

mod commit;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use half::bf16;
use msa::BLOCK;

use crate::config::Config;
use crate::device::{Device, Ran};
use crate::pages::Pages;
use crate::request::{Done, End, Request, Sequence};
use crate::step::Step;

pub struct Scheduler {
    config: Config,
    pages: Pages,
    waiting: VecDeque<Sequence>,
    /// The oldest first: it is the last that has to give its pages up.
    running: Vec<Sequence>,
    done: Vec<Done>,
    outputs: Vec<bf16>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    pub generating_rows: usize,
    pub prompt_rows: usize,
    /// How each batch was run, if it had rows: that which generates, and prompts.
    pub ran: [Option<Ran>; 2],
    /// Tokens that requests have got.
    pub generated: usize,
    pub drafted: usize,
    pub accepted: usize,
    pub admitted: usize,
    /// Tokens that admitted requests found in the prefix cache.
    pub shared_tokens: usize,
    pub preempted: usize,
    pub copied_pages: usize,
    /// Pages of the prefix cache that were given to others.
    pub evicted: usize,
}

impl Scheduler {
    pub fn new(config: Config) -> Self {
        Self {
            pages: Pages::new(config.pages),
            config,
            waiting: VecDeque::new(),
            running: Vec::new(),
            done: Vec::new(),
            outputs: Vec::new(),
        }
    }

    pub fn submit(&mut self, request: Request) {
        self.waiting.push_back(Sequence::new(request));
    }

    /// Ends a request wherever it is; one that is done stays as it is.
    pub fn cancel(&mut self, id: usize) {
        let is_it = |sequence: &Sequence| sequence.request.id == id;
        let running = self.running.iter().position(is_it).map(|index| self.running.remove(index));
        let sequence = running.or_else(|| {
            let index = self.waiting.iter().position(is_it)?;
            self.waiting.remove(index)
        });
        if let Some(mut sequence) = sequence {
            release_from(&mut self.pages, &mut sequence, 0);
            self.done.push(sequence.done(End::Cancelled));
        }
    }

    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// The requests that the engine was done with since the last call.
    pub fn take_done(&mut self) -> Vec<Done> {
        std::mem::take(&mut self.done)
    }

    /// Looks, between steps, whether every page is accounted for.
    ///
    /// # Errors
    /// If one is lost, or held by someone who does not count, or a request has other pages than its tokens need.
    pub fn check(&self) -> Result<()> {
        let sequences = self.running.iter().chain(&self.waiting);
        for Sequence { request, cached, pages, .. } in sequences.clone() {
            let (id, held) = (request.id, pages.len());
            ensure!(
                held == cached.div_ceil(BLOCK),
                "request {id} holds {held} pages for {cached} cached tokens"
            );
        }
        let held = sequences.map(|sequence| &sequence.pages[..]);
        let count = self.pages.check(held).map_err(anyhow::Error::msg);
        count.map(drop).context("pages are not accounted for")
    }

    /// Admits requests, and runs one step of all that run.
    ///
    /// # Errors
    /// If the device fails. Then nothing has changed for any request, and the step may be tried again.
    pub fn step(&mut self, device: &mut dyn Device) -> Result<Report> {
        let mut report = Report::default();
        let evicted = self.pages.evicted();
        self.admit(&mut report);
        let plan = self.plan(&mut report);
        report.evicted = self.pages.evicted() - evicted;
        match self.run(device, &plan.step, &mut report) {
            Ok(digests) => self.commit(plan, digests, &mut report),
            Err(error) => {
                self.undo(&plan);
                return Err(error);
            }
        }
        Ok(report)
    }

    /// Runs a step; returns the digests of the rows of both batches.
    fn run(
        &mut self,
        device: &mut dyn Device,
        step: &Step,
        report: &mut Report,
    ) -> Result<[Vec<u64>; 2]> {
        device.copy_pages(&step.copies)?;
        let mut digests = [Vec::new(), Vec::new()];
        for (index, batch) in [&step.generating, &step.prompts].into_iter().enumerate() {
            if batch.rows() > 0 {
                report.ran[index] = Some(device.run(batch, &mut self.outputs)?);
                digests[index] = self.config.model.digests(&self.outputs, batch.rows());
            }
        }
        Ok(digests)
    }
}

/// Gives up a request's pages from a block on, the last first: what comes late in a prompt is of use to fewer.
fn release_from(pages: &mut Pages, sequence: &mut Sequence, block: usize) {
    for page in sequence.pages.drain(block..).rev() {
        pages.release(page);
    }
}
