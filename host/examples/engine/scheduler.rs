//! Who runs, and what each step is made of.
//!
//! A step is planned, run, and then committed or undone: requests change in `commit` alone, so a step that fails leaves
//! them as they were, and may be tried again.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use half::bf16;
use msa::BLOCK;

use crate::config::Config;
use crate::device::{Device, Ran};
use crate::model::Model;
use crate::pages::Pages;
use crate::request::{Done, End, Request, Sequence};
use crate::step::{PageCopy, Step};

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
}

/// The part of a step that is a request's.
struct Part {
    /// Its place in `running`.
    index: usize,
    is_generating: bool,
    /// Its first row in its batch.
    first_row: usize,
    /// Rows of tokens that are known.
    known: usize,
    /// The tokens of the rows after these.
    drafts: Vec<u32>,
}

/// A step, and what to do when it has been run.
#[derive(Default)]
struct Plan {
    step: Step,
    parts: Vec<Part>,
    /// Whose block each of the step's copies is of: a place in `running`, and a block.
    copied: Vec<(usize, usize)>,
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

    /// Looks whether every page is accounted for.
    ///
    /// # Errors
    /// If one is lost, or held by someone who does not count.
    pub fn check(&self) -> Result<()> {
        let sequences = self.running.iter().chain(&self.waiting);
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
        self.admit(&mut report);
        let plan = self.plan(&mut report);
        match self.run(device, &plan.step, &mut report) {
            Ok(digests) => self.commit(plan, digests, &mut report),
            Err(error) => {
                self.undo(&plan);
                return Err(error);
            }
        }
        Ok(report)
    }

    /// Lets requests in, first come first served, while all pages that they need now could be had.
    fn admit(&mut self, report: &mut Report) {
        while self.running.len() < self.config.batch {
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            // The last token is computed in any case: what follows it is asked for.
            let known = sequence.tokens.len() - 1;
            (sequence.pages, sequence.cached) = self.pages.share(&sequence.chains[..known]);
            let needed = self.blocks_at_once(&sequence);
            if self.pages.available() < needed {
                release_from(&mut self.pages, &mut sequence, 0);
                sequence.cached = 0;
                self.waiting.push_front(sequence);
                return;
            }
            report.admitted += 1;
            report.shared_tokens += sequence.cached;
            self.running.push(sequence);
        }
    }

    /// Pages that a request lacks for all tokens that it knows and the drafts after them, and one for a copy.
    fn blocks_at_once(&self, sequence: &Sequence) -> usize {
        let tokens = sequence.tokens.len() + self.config.drafts;
        tokens.div_ceil(BLOCK) - sequence.pages.len() + 1
    }

    fn plan(&mut self, report: &mut Report) -> Plan {
        let (mut plan, mut budget, mut index) = (Plan::default(), self.config.chunk, 0);
        while index < self.running.len() {
            let sequence = &self.running[index];
            let is_generating = sequence.pending() == 1;
            let drafts = match is_generating {
                true => self.draft(sequence),
                false => Vec::new(),
            };
            let known = if is_generating { 1 } else { sequence.pending().min(budget) };
            if known == 0 || !self.make_room(index, known + drafts.len(), &mut plan, report) {
                index += 1;
                continue;
            }
            let sequence = &self.running[index];
            let mut chains = sequence.chains[sequence.cached..][..known].to_vec();
            for &draft in &drafts {
                chains.push(Model::chain(*chains.last().expect("a known token"), draft));
            }
            let step = &mut plan.step;
            let batch = if is_generating { &mut step.generating } else { &mut step.prompts };
            let first_row = batch.push(sequence.cached, &chains, &sequence.pages);
            if !is_generating {
                budget -= known;
            }
            plan.parts.push(Part { index, is_generating, first_row, known, drafts });
            index += 1;
        }
        let Step { copies, generating, prompts } = &plan.step;
        report.generating_rows = generating.rows();
        report.prompt_rows = prompts.rows();
        report.copied_pages = copies.len();
        plan
    }

    /// What the draft model foresees for a request: never more than it still wants beside the token that is certain.
    fn draft(&self, sequence: &Sequence) -> Vec<u32> {
        let count = self.config.drafts.min(sequence.remaining() - 1);
        let mut chain = sequence.last_chain();
        let draft = |_| {
            let token = self.config.model.draft(chain);
            chain = Model::chain(chain, token);
            token
        };
        (0..count).map(draft).collect()
    }

    /// Gives a request pages for its next rows, and a copy of the first that it writes if that is shared. Where pages
    /// run out, the youngest requests give up theirs and wait again; false if it is this one.
    fn make_room(
        &mut self,
        index: usize,
        rows: usize,
        plan: &mut Plan,
        report: &mut Report,
    ) -> bool {
        loop {
            let sequence = &mut self.running[index];
            let (block, slot) = (sequence.cached / BLOCK, sequence.cached % BLOCK);
            let shared = sequence.pages.get(block).copied();
            let shared = shared.filter(|&page| !self.pages.may_write(page, slot));
            let blocks = (sequence.cached + rows).div_ceil(BLOCK);
            let needed = blocks - sequence.pages.len() + usize::from(shared.is_some());
            if needed <= self.pages.available() {
                let mut take = || self.pages.take().expect("it is available");
                if let Some(from) = shared {
                    let to = take();
                    sequence.pages[block] = to;
                    // Its user keeps the original until the step has been run.
                    plan.step.copies.push(PageCopy { from, to });
                    plan.copied.push((index, block));
                }
                sequence.pages.resize_with(blocks, take);
                return true;
            }
            let mut youngest = self.running.pop().expect("this one runs");
            release_from(&mut self.pages, &mut youngest, 0);
            youngest.cached = 0;
            self.waiting.push_front(youngest);
            report.preempted += 1;
            if index == self.running.len() {
                return false;
            }
        }
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

    /// Takes a step back: originals instead of their copies, and no pages for new tokens.
    fn undo(&mut self, plan: &Plan) {
        for (&PageCopy { from, to }, &(index, block)) in plan.step.copies.iter().zip(&plan.copied) {
            self.running[index].pages[block] = from;
            self.pages.release(to);
        }
        for sequence in &mut self.running {
            let blocks = sequence.cached.div_ceil(BLOCK);
            release_from(&mut self.pages, sequence, blocks);
        }
    }

    fn commit(&mut self, plan: Plan, digests: [Vec<u64>; 2], report: &mut Report) {
        for PageCopy { from, .. } in plan.step.copies {
            self.pages.release(from);
        }
        let [of_generating, of_prompts] = &digests;
        for part in &plan.parts {
            let digests = if part.is_generating { of_generating } else { of_prompts };
            self.accept(part, &digests[part.first_row..], report);
        }
        let (ended, running) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|sequence: &Sequence| sequence.remaining() == 0);
        self.running = running;
        for mut sequence in ended {
            release_from(&mut self.pages, &mut sequence, 0);
            self.done.push(sequence.done(End::Finished));
        }
    }

    /// Takes over what a request's rows gave: the next token, where all known ones are cached now, and the one after each
    /// draft that was right. Drafts behind the first that was wrong are rolled back: their keys and values stay in the
    /// page, past the request's length, and the next step writes over them.
    fn accept(&mut self, part: &Part, digests: &[u64], report: &mut Report) {
        let sequence = &mut self.running[part.index];
        let before = sequence.cached;
        sequence.cached += part.known;
        if sequence.pending() == 0 {
            let mut drafts = part.drafts.iter();
            loop {
                let chain = sequence.last_chain();
                let digest = digests[sequence.cached - before - 1];
                let token = self.config.model.next_token(chain, digest, sequence.request.salt);
                sequence.push(token);
                report.generated += 1;
                if drafts.next() != Some(&token) {
                    break;
                }
                sequence.cached += 1;
                report.accepted += 1;
            }
            report.drafted += part.drafts.len();
        }
        sequence.digests.extend((before..sequence.cached).zip(digests.iter().copied()));
        release_from(&mut self.pages, sequence, sequence.cached.div_ceil(BLOCK));
        for (block, chains) in sequence.chains[..sequence.cached].chunks(BLOCK).enumerate() {
            if (block + 1) * BLOCK > before {
                let parent = match block {
                    0 => Model::ROOT,
                    _ => sequence.chains[block * BLOCK - 1],
                };
                self.pages.publish(sequence.pages[block], parent, chains);
            }
        }
    }
}

/// Gives up a request's pages from a block on, the last first: what comes late in a prompt is of use to fewer.
fn release_from(pages: &mut Pages, sequence: &mut Sequence, block: usize) {
    for page in sequence.pages.drain(block..).rev() {
        pages.release(page);
    }
}
