//! What a launch cost, counted: the same on every run.

use std::collections::BTreeMap;

use serde::Serialize;

/// What the warps of a launch executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Instructions by kind, an instruction of a warp once.
    pub instructions: BTreeMap<&'static str, u64>,
    /// Instructions, once for each lane that executed them.
    pub lane_instructions: u64,
    /// Instructions that only some of a warp's live lanes executed.
    pub divergent: u64,
}

impl Counters {
    pub(crate) fn count(&mut self, kind: &'static str, lanes: u32, live: u32) {
        *self.instructions.entry(kind).or_default() += 1;
        self.lane_instructions += u64::from(lanes.count_ones());
        self.divergent += u64::from(lanes != live);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, count) in &other.instructions {
            *self.instructions.entry(kind).or_default() += count;
        }
        self.lane_instructions += other.lane_instructions;
        self.divergent += other.divergent;
    }
}
