//! Who is let in, and who gets how many rows of a step.

use msa::BLOCK;

use super::{Report, Scheduler, release_from};
use crate::model::Model;
use crate::request::Sequence;
use crate::step::{PageCopy, Step};

/// The part of a step that is a request's.
pub struct Part {
    /// Its place in `running`.
    pub index: usize,
    pub is_generating: bool,
    /// Its first row in its batch.
    pub first_row: usize,
    /// Rows of tokens that are known.
    pub known: usize,
    /// The tokens of the rows after these.
    pub drafts: Vec<u32>,
}

/// A step, and what to do when it has been run.
#[derive(Default)]
pub struct Plan {
    pub step: Step,
    pub parts: Vec<Part>,
    /// Whose block each of the step's copies is of: a place in `running`, and a block.
    pub copied: Vec<(usize, usize)>,
}

impl Scheduler {
    /// Lets requests in, first come first served, while there are pages for all tokens that they and those that run know
    /// by now. What they generate is not reckoned with: where it does not fit, the youngest is sent back.
    pub(super) fn admit(&mut self, report: &mut Report) {
        while self.running.len() < self.config.batch {
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            // The last token is computed in any case: what follows it is asked for.
            let known = sequence.tokens.len() - 1;
            (sequence.pages, sequence.cached) = self.pages.share(&sequence.chains[..known]);
            let all = self.running.iter().chain([&sequence]);
            let lacking: usize = all.map(|sequence| self.lacking(sequence)).sum();
            // One more for a copy of the last page that it shares.
            if self.pages.available() < lacking + 1 {
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

    /// Pages that a request lacks for the tokens that it knows and the drafts after them.
    fn lacking(&self, sequence: &Sequence) -> usize {
        let tokens = sequence.tokens.len() + self.config.drafts;
        tokens.div_ceil(BLOCK) - sequence.pages.len()
    }

    pub(super) fn plan(&mut self, report: &mut Report) -> Plan {
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
}
