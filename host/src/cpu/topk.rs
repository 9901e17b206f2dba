//! Selection of a row's blocks from their scores.

use msa_abi::{INIT_SCORE, IdOrder, LOCAL_SCORE};

use crate::Selection;

/// A block that may be selected.
#[derive(Clone, Copy)]
struct Candidate {
    score: f32,
    block: i32,
}

/// Writes the ids of the best blocks to `ids`, -1 past the last. `scores` are those of the row's
/// whole horizon, not yet forced.
pub(super) fn select(
    scores: impl ExactSizeIterator<Item = f32>,
    selection: &Selection,
    ids: &mut [i32],
) {
    let first_local = scores.len().saturating_sub(selection.local_blocks);
    let mut candidates: Vec<Candidate> = scores
        .enumerate()
        .map(|(block, score)| {
            let score = if block >= first_local {
                LOCAL_SCORE
            } else if block < selection.init_blocks {
                INIT_SCORE
            } else {
                score + 0.0 // -0 becomes +0: the two are equal scores
            };
            Candidate { score, block: block as i32 }
        })
        .filter(|candidate| candidate.score > f32::NEG_INFINITY) // NaN is not
        .collect();

    let best_first =
        |a: &Candidate, b: &Candidate| b.score.total_cmp(&a.score).then(a.block.cmp(&b.block));
    if candidates.len() > ids.len() {
        candidates.select_nth_unstable_by(ids.len() - 1, best_first);
        candidates.truncate(ids.len());
    }
    match selection.id_order {
        IdOrder::Score => candidates.sort_unstable_by(best_first),
        IdOrder::Ascending => candidates.sort_unstable_by_key(|candidate| candidate.block),
    }
    ids.fill(-1);
    for (id, candidate) in ids.iter_mut().zip(candidates) {
        *id = candidate.block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected<const K: usize>(scores: &[f32], init: usize, local: usize) -> [i32; K] {
        let selection =
            Selection { topk: K, init_blocks: init, local_blocks: local, id_order: IdOrder::Score };
        let mut ids = [-2; K];
        select(scores.iter().copied(), &selection, &mut ids);
        ids
    }

    #[test]
    fn best_first_and_ties_to_the_smaller_id() {
        assert_eq!(selected(&[1.0, 3.0, 2.0, 3.0], 0, 0), [1, 3, 2]);
        assert_eq!(selected(&[-0.0, 0.0, -0.0], 0, 0), [0, 1]);
    }

    #[test]
    fn nan_and_minus_infinity_are_never_selected() {
        let scores = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -1e38];
        assert_eq!(selected(&scores, 0, 0), [2, 3, -1, -1]);
        assert_eq!(selected(&scores, 0, 3), [1, 2, 3, -1]);
    }

    #[test]
    fn initial_blocks_win_where_forced_ones_are_too_many() {
        assert_eq!(selected(&[0.0; 6], 2, 2), [0, 1, 4]);
        assert_eq!(selected(&[0.0; 3], 3, 1), [0, 1, 2]);
        assert_eq!(selected(&[5.0, 0.0], 9, 9), [0, 1, -1]);
    }

    #[test]
    fn ids_are_ascending_on_request() {
        let selection =
            Selection { topk: 3, init_blocks: 0, local_blocks: 1, id_order: IdOrder::Ascending };
        let mut ids = [-2; 3];
        select([4.0, 9.0, 7.0, 0.0].into_iter(), &selection, &mut ids);
        assert_eq!(ids, [1, 2, 3]);
    }
}
