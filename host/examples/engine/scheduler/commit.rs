//! What a step's outcome means for the requests.

use msa::BLOCK;

use super::plan::{Part, Plan};
use super::{Report, Scheduler, release_from};
use crate::model::Model;
use crate::request::{End, Sequence};
use crate::step::PageCopy;

impl Scheduler {
    /// Takes a step back: originals instead of their copies, and no pages for new tokens.
    pub(super) fn undo(&mut self, plan: &Plan) {
        for (&PageCopy { from, to }, &(index, block)) in plan.step.copies.iter().zip(&plan.copied) {
            self.running[index].pages[block] = from;
            self.pages.release(to);
        }
        for sequence in &mut self.running {
            let blocks = sequence.cached.div_ceil(BLOCK);
            release_from(&mut self.pages, sequence, blocks);
        }
    }

    pub(super) fn commit(&mut self, plan: Plan, digests: [Vec<u64>; 2], report: &mut Report) {
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
