//! Lists of blocks, by themselves.

use msa::IdOrder;

use super::Findings;
use super::lints::{
    FORCED_BLOCK_MISSING, ID_AFTER_GAP, ID_NEGATIVE, ID_PAST_BLOCKS, ID_PAST_HORIZON, ID_REPEATED,
    ORDER,
};
use crate::inspect::step::{List, Step};

pub fn look(step: &Step, findings: &mut Findings) {
    for list in step.lists() {
        look_at_ids(&list, findings);
        look_for_forced(step, &list, findings);
        // The order by score is seen where scores are.
        if step.trace.selection.id_order == IdOrder::Ascending {
            let ids: Vec<i32> = list.ids.iter().copied().filter(|id| *id >= 0).collect();
            if !ids.is_sorted() {
                findings.add(&ORDER, || format!("{}: {ids:?}", list.place()));
            }
        }
    }
}

fn look_at_ids(list: &List, findings: &mut Findings) {
    let mut seen: Vec<i32> = Vec::with_capacity(list.ids.len());
    let mut gap = false;
    for &id in list.ids {
        let place = || format!("{}: id {id}", list.place());
        let Ok(block) = usize::try_from(id) else {
            gap = true;
            if id < -1 {
                findings.add(&ID_NEGATIVE, place);
            }
            continue;
        };
        if gap {
            findings.add(&ID_AFTER_GAP, place);
            gap = false;
        }
        if block >= list.request.blocks() {
            findings.add(&ID_PAST_BLOCKS, || {
                format!("{} of {} blocks", place(), list.request.blocks())
            });
        } else if block >= list.horizon() {
            findings.add(&ID_PAST_HORIZON, || {
                format!("{}; the row is in block {}", place(), list.own_block())
            });
        }
        if seen.contains(&id) {
            findings.add(&ID_REPEATED, place);
        }
        seen.push(id);
    }
}

fn look_for_forced(step: &Step, list: &List, findings: &mut Findings) {
    let selection = &step.trace.selection;
    let first_local = list.horizon().saturating_sub(selection.local_blocks);
    // Initial blocks win where forced ones are too many; what is both is a local one.
    let initial = 0..selection.init_blocks.min(first_local);
    let forced = initial.chain(first_local..list.horizon()).take(selection.topk);
    let chosen = list.blocks();
    let missing: Vec<usize> = forced.filter(|block| chosen.binary_search(block).is_err()).collect();
    if let [first, ..] = missing[..] {
        findings.add(&FORCED_BLOCK_MISSING, || format!("{}: block {first}", list.place()));
    }
}
