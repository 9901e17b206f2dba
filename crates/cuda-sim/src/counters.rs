//! What a launch cost, counted: the same on every run.

use std::collections::BTreeMap;

use serde::Serialize;

/// What the warps of a launch executed and moved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Instructions by kind, an instruction of a warp once.
    pub instructions: BTreeMap<String, u64>,
    /// Everything that is not counted by kind.
    #[serde(flatten)]
    pub totals: Totals,
    /// Floating-point operations of matrix multiplications, two for each product, by kind and shape.
    pub mma_flops: BTreeMap<String, u64>,
}

/// Counts of a launch as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Instructions, once for each lane that executed them.
    pub lane_instructions: u64,
    /// Instructions that only some of a warp's live lanes executed.
    pub divergent: u64,
    /// Arrivals of warps at barriers of their block.
    pub barriers: u64,
    /// Global memory that was loaded, atomics and asynchronous copies included.
    pub global_loads: Traffic,
    /// What of that was copied to shared memory asynchronously.
    pub global_copies: Traffic,
    /// Global memory that was stored to.
    pub global_stores: Traffic,
    /// Shared memory.
    pub shared: Banks,
    /// Bytes of shared memory that `wgmma` and `tcgen05.mma` read as operands: each operand once for each of them.
    pub operands: u64,
}

/// Accesses to global memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Bytes that lanes asked for.
    pub bytes: u64,
    /// Sectors of 32 bytes, once for each instruction of a warp that touched them.
    pub sectors: u64,
    /// Sectors that the launch touched at all.
    pub distinct_sectors: u64,
}

/// Accesses to shared memory, whose 32 banks are 4 bytes wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Banks {
    /// Accesses of warps.
    pub accesses: u64,
    /// Turns that the banks took for them.
    pub wavefronts: u64,
    /// Turns beyond those that as many bytes need without conflicts.
    pub conflicts: u64,
}

/// Counts while a launch runs, by the numbers of its kernel's kinds of instructions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    kinds: Vec<u64>,
    pub(crate) totals: Totals,
    mma_flops: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn new(kinds: usize) -> Self {
        Self { kinds: vec![0; kinds], ..Self::default() }
    }

    /// An instruction that some of a warp's live lanes executed.
    pub(crate) fn count(&mut self, kind: u16, lanes: u32, live: u32) {
        self.kinds[usize::from(kind)] += 1;
        self.totals.lane_instructions += u64::from(lanes.count_ones());
        self.totals.divergent += u64::from(lanes != 0 && lanes != live);
    }

    pub(crate) fn count_mma(&mut self, shape: &'static str, flops: u64) {
        *self.mma_flops.entry(shape).or_default() += flops;
    }

    /// An access of a warp's lanes to shared memory, `bytes` at each address.
    pub(crate) fn count_shared(
        &mut self,
        addresses: impl Iterator<Item = (usize, u64)>,
        bytes: u32,
    ) {
        // So many lanes as together have 128 bytes go at a time.
        let lanes = (128 / bytes.max(4)) as usize;
        let (mut wavefronts, mut phases) = (0, 0);
        let mut words = [0_u64; 64];
        let (mut phase, mut len) = (None, 0);
        for (lane, address) in addresses {
            if phase != Some(lane / lanes) {
                phase = Some(lane / lanes);
                phases += 1;
                wavefronts += turns(&mut words[..len]);
                len = 0;
            }
            for word in address / 4..(address + u64::from(bytes)).div_ceil(4) {
                words[len] = word;
                len += 1;
            }
        }
        wavefronts += turns(&mut words[..len]);
        let shared = &mut self.totals.shared;
        shared.accesses += 1;
        shared.wavefronts += wavefronts;
        shared.conflicts += wavefronts - phases;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (count, more) in self.kinds.iter_mut().zip(&other.kinds) {
            *count += more;
        }
        for (shape, flops) in &other.mma_flops {
            *self.mma_flops.entry(shape).or_default() += flops;
        }
        let (totals, more) = (&mut self.totals, &other.totals);
        totals.lane_instructions += more.lane_instructions;
        totals.divergent += more.divergent;
        totals.barriers += more.barriers;
        totals.global_loads.add(&more.global_loads);
        totals.global_copies.add(&more.global_copies);
        totals.global_stores.add(&more.global_stores);
        totals.operands += more.operands;
        totals.shared.accesses += more.shared.accesses;
        totals.shared.wavefronts += more.shared.wavefronts;
        totals.shared.conflicts += more.shared.conflicts;
    }

    /// The counts under the kinds' names.
    pub(crate) fn named(&self, kinds: &[String]) -> Counters {
        let counted = kinds.iter().cloned().zip(self.kinds.iter().copied());
        let flops = self.mma_flops.iter().map(|(shape, flops)| ((*shape).to_owned(), *flops));
        Counters {
            instructions: counted.filter(|(_, count)| *count > 0).collect(),
            totals: self.totals,
            mma_flops: flops.collect(),
        }
    }
}

impl Traffic {
    pub(crate) fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.sectors += other.sectors;
        self.distinct_sectors += other.distinct_sectors;
    }
}

/// How many turns the banks take for some words: as many as one bank has of them.
fn turns(words: &mut [u64]) -> u64 {
    if !words.is_sorted() {
        words.sort_unstable();
    }
    let mut of_bank = [0_u64; 32];
    for (index, word) in words.iter().enumerate() {
        if index == 0 || words[index - 1] != *word {
            of_bank[(word % 32) as usize] += 1;
        }
    }
    of_bank.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Tally;

    /// Wavefronts and conflicts of an access at `address(lane)`.
    fn wavefronts(lanes: usize, bytes: u32, address: impl Fn(u64) -> u64) -> (u64, u64) {
        let mut tally = Tally::default();
        tally.count_shared((0..lanes).map(|lane| (lane, address(lane as u64))), bytes);
        (tally.totals.shared.wavefronts, tally.totals.shared.conflicts)
    }

    #[test]
    fn a_bank_gives_one_word_at_a_time() {
        assert_eq!(wavefronts(32, 4, |lane| 4 * lane), (1, 0));
        assert_eq!(wavefronts(32, 4, |_| 64), (1, 0), "all read the same word");
        assert_eq!(wavefronts(32, 4, |lane| 8 * lane), (2, 1));
        assert_eq!(wavefronts(32, 4, |lane| 128 * lane), (32, 31));
        assert_eq!(wavefronts(32, 2, |lane| 2 * lane), (1, 0), "two lanes share a word");
    }

    #[test]
    fn wide_accesses_go_in_phases() {
        assert_eq!(wavefronts(32, 8, |lane| 8 * lane), (2, 0));
        assert_eq!(wavefronts(32, 16, |lane| 16 * lane), (4, 0));
        assert_eq!(wavefronts(8, 16, |lane| 16 * lane), (1, 0));
        assert_eq!(wavefronts(32, 16, |lane| 128 * lane), (32, 28), "eight rows of a matrix");
    }
}
