//! Clusters of a grid that have not begun, and who may cancel their launch.
//!
//! The grid of a kernel that cancels launches is dealt out beforehand. Some clusters begin by themselves, and
//! each of these has a hand of others, which it may take one after the other; what it has not taken when it
//! ends begins then, with the rest of the hand. So each cluster begins once or is taken once, and it is the
//! same on every run, however many of the processor's cores take part.
//!
//! In turn, as many begin as there is room for, and the others are dealt round in ascending order. At random
//! a seed says how many begin and who has which; and a request may fail while there are clusters left, as
//! the CUDA programming guide has it for a kernel of higher priority that wants the multiprocessor: its
//! section on work stealing with cluster launch control.

use std::collections::VecDeque;

use super::Order;
use super::random::Random;

/// A cluster that begins, by its number, and those that it may take.
#[derive(Debug)]
pub(crate) struct Pending {
    clusters: VecDeque<u32>,
    /// What lets requests fail.
    chance: Option<Random>,
}

/// One of how many requests fails by chance.
const FAILING: usize = 8;

impl Pending {
    /// A cluster that nobody else is behind.
    pub(super) fn only(cluster: u32) -> Self {
        Self { clusters: [cluster].into(), chance: None }
    }

    /// All clusters of a grid, where there is room for some at a time.
    pub(super) fn deal(clusters: u32, room: u32, order: Order) -> Vec<Self> {
        match order {
            Order::InTurn => {
                let first = clusters.min(room.max(1));
                let hand = |cluster| (cluster..clusters).step_by(first as usize).collect();
                (0..first).map(|cluster| Self { clusters: hand(cluster), chance: None }).collect()
            }
            Order::Random(_) if clusters == 0 => Vec::new(),
            Order::Random(seed) => {
                let mut random = Random(!seed);
                let mut left: Vec<u32> = (0..clusters).collect();
                for end in (1..left.len()).rev() {
                    left.swap(end, random.below(end + 1));
                }
                let first = 1 + random.below(left.len());
                let others = left.split_off(first);
                let mut hands: Vec<VecDeque<u32>> =
                    left.iter().map(|first| [*first].into()).collect();
                for cluster in others {
                    let to = random.below(hands.len());
                    hands[to].push_back(cluster);
                }
                let hand = |clusters| Self { clusters, chance: Some(Random(random.draw())) };
                hands.into_iter().map(hand).collect()
            }
        }
    }

    /// The next cluster begins.
    pub(super) fn begin(&mut self) -> Option<u32> {
        self.clusters.pop_front()
    }

    /// Takes a cluster, which will not begin; none if the request fails.
    pub(crate) fn cancel(&mut self) -> Option<u32> {
        let fails = self.chance.as_mut().is_some_and(|chance| chance.below(FAILING) == 0);
        if fails { None } else { self.clusters.pop_front() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Order;
    use super::Pending;

    /// Who begins and takes which, if all ask until they fail.
    fn taken(clusters: u32, room: u32, order: Order) -> Vec<Vec<u32>> {
        let mut all = Vec::new();
        for mut pending in Pending::deal(clusters, room, order) {
            while let Some(first) = pending.begin() {
                let mut taken = vec![first];
                taken.extend(std::iter::from_fn(|| pending.cancel()));
                all.push(taken);
            }
        }
        all
    }

    #[test]
    fn in_turn_the_others_are_dealt_round() {
        assert_eq!(taken(7, 3, Order::InTurn), [vec![0, 3, 6], vec![1, 4], vec![2, 5]]);
        assert_eq!(taken(2, 3, Order::InTurn), [[0], [1]]);
        assert_eq!(taken(3, 0, Order::InTurn), [[0, 1, 2]]);
    }

    #[test]
    fn under_any_seed_each_cluster_is_there_once() {
        let mut some_fail = false;
        for seed in 0..64 {
            let order = Order::Random(seed);
            let all = taken(23, 4, order);
            assert_eq!(all, taken(23, 4, order), "the same on every run");
            some_fail |= all.len() > Pending::deal(23, 4, order).len();
            let mut each = all.concat();
            each.sort_unstable();
            assert!(each.into_iter().eq(0..23), "{seed}");
        }
        assert!(some_fail);
        let begin = |seed| Pending::deal(23, 4, Order::Random(seed)).len();
        let mut counts: Vec<usize> = (0..64).map(begin).collect();
        counts.sort_unstable();
        counts.dedup();
        assert!(counts.len() > 15, "{counts:?}");
    }
}
