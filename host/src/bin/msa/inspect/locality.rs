//! How far from its own block a row reads.

use serde::Serialize;

use super::step::Step;

/// Where the chosen blocks are, over all lists.
#[derive(Debug, PartialEq, Serialize)]
pub struct Locality {
    /// Ids that attention reads.
    pub chosen: usize,
    /// Of these, each row's own block.
    pub own: usize,
    /// Of these, blocks that are forced as initial or local ones, the own block among them.
    pub forced: usize,
    /// The mean age of the blocks that are not forced, in blocks.
    pub mean_age: Option<f64>,
    /// By age, the youngest first.
    pub ages: Vec<Age>,
}

/// The blocks of some ages. A block's age is the number of blocks from it to the row's own block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Age {
    pub first: usize,
    pub last: usize,
    /// Chosen blocks of these ages.
    pub chosen: usize,
    /// All blocks of these ages in the rows' horizons.
    pub there: usize,
}

impl Locality {
    pub fn new(step: &Step) -> Self {
        let selection = &step.trace.selection;
        let oldest = step.lists().map(|list| list.own_block()).max();
        let mut ages: Vec<Age> = oldest.map(ages_to).unwrap_or_default();
        let (mut chosen, mut own, mut forced, mut free_ages) = (0, 0, 0, 0);
        for list in step.lists() {
            for block in list.read() {
                let age = list.own_block() - block;
                chosen += 1;
                own += usize::from(age == 0);
                if age < selection.local_blocks || block < selection.init_blocks {
                    forced += 1;
                } else {
                    free_ages += age;
                }
                ages[bucket(age)].chosen += 1;
            }
            for age in &mut ages[..=bucket(list.own_block())] {
                age.there += age.last.min(list.own_block()) + 1 - age.first;
            }
        }
        let free = chosen - forced;
        let mean_age = (free > 0).then(|| free_ages as f64 / free as f64);
        Self { chosen, own, forced, mean_age, ages }
    }
}

/// Ages 0, 1, 2 to 3, 4 to 7 and so on.
fn ages_to(oldest: usize) -> Vec<Age> {
    let first = |bucket: usize| if bucket == 0 { 0 } else { 1 << (bucket - 1) };
    let age = |bucket| Age {
        first: first(bucket),
        last: (first(bucket + 1) - 1).min(oldest),
        chosen: 0,
        there: 0,
    };
    (0..=bucket(oldest)).map(age).collect()
}

fn bucket(age: usize) -> usize {
    (usize::BITS - age.leading_zeros()) as usize
}
