//! By how much the worst chosen block beat the best one that was left out.

use serde::Serialize;

use super::step::{List, Step};

/// The cut through one row's scores. Blocks that are forced are on neither side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Cut {
    /// The worst block among the chosen.
    pub chosen: usize,
    pub chosen_score: f32,
    /// The best block among those left out.
    pub left_out: usize,
    pub left_out_score: f32,
}

impl Cut {
    /// None where nothing that may be chosen is left out, or all that is chosen is forced.
    pub fn new(step: &Step, list: &List, scores: &[f32]) -> Option<Self> {
        let selection = &step.trace.selection;
        let free = selection.init_blocks..scores.len().saturating_sub(selection.local_blocks);
        let chosen = list.blocks();
        let score = |&block: &usize| scores[block];
        let worst = chosen.iter().copied().filter(|block| free.contains(block));
        // Of equal scores the one with the larger id is the worse.
        let worst = worst.rev().min_by(|a, b| score(a).total_cmp(&score(b)))?;
        let left = free.filter(|block| chosen.binary_search(block).is_err());
        let best = left.rev().max_by(|a, b| score(a).total_cmp(&score(b)))?;
        (scores[best] > f32::NEG_INFINITY).then_some(Self {
            chosen: worst,
            chosen_score: scores[worst],
            left_out: best,
            left_out_score: scores[best],
        })
    }

    pub fn margin(&self) -> f32 {
        self.chosen_score - self.left_out_score
    }

    /// The margin in units of the last place that the worst chosen score would have in bf16.
    pub fn ulps(&self) -> f32 {
        /// Bits of a bf16 number's fraction.
        const FRACTION: i32 = 7;
        let magnitude = self.chosen_score.abs().max(f32::MIN_POSITIVE);
        self.margin() / (magnitude.log2().floor() - FRACTION as f32).exp2()
    }

    /// Whether the contract would let a kernel choose either block.
    pub fn is_within_tolerance(&self) -> bool {
        self.margin() == 0.0 || self.margin().abs() <= tolerance(self.left_out_score)
    }

    /// Whether the indexer, given these very scores, would have made the same choice.
    pub fn is_in_order(&self) -> bool {
        let tie_goes_to_smaller = self.chosen < self.left_out;
        self.margin() > 0.0 || self.margin() == 0.0 && tie_goes_to_smaller
    }
}

/// How much worse than a score that is left out a chosen one may be, by the contract.
pub fn tolerance(score: f32) -> f32 {
    1e-3 + 1e-3 * score.abs()
}

/// The margins of all scored lists that have a cut.
#[derive(Serialize)]
pub struct Margins {
    /// Lists that were scored.
    pub lists: usize,
    /// Of these, lists with a cut.
    pub cuts: usize,
    /// Cuts between equal scores: the smaller id decides.
    pub ties: usize,
    /// Cuts where the contract would let a kernel choose either block, ties among them.
    pub within_tolerance: usize,
    pub quantiles: Vec<Quantile>,
    /// How many cuts are how many bf16 ulps wide.
    pub histogram: Vec<Bar>,
}

/// A share of the cuts is at most this wide.
#[derive(Serialize)]
pub struct Quantile {
    pub share: f64,
    pub margin: f32,
    pub ulps: f32,
}

#[derive(Serialize)]
pub struct Bar {
    pub label: String,
    pub cuts: usize,
}

/// The margins as they are found.
#[derive(Default)]
pub struct Collector {
    lists: usize,
    cuts: Vec<Cut>,
}

impl Collector {
    pub fn add(&mut self, cut: Option<Cut>) {
        self.lists += 1;
        self.cuts.extend(cut);
    }

    /// None where nothing was scored.
    pub fn finish(self) -> Option<Margins> {
        if self.lists == 0 {
            return None;
        }
        let sorted = |value: fn(&Cut) -> f32| {
            let mut values: Vec<f32> = self.cuts.iter().map(value).collect();
            values.sort_unstable_by(f32::total_cmp);
            values
        };
        let (margins, ulps) = (sorted(Cut::margin), sorted(Cut::ulps));
        let quantile = |share: f64| {
            let index = (share * margins.len().checked_sub(1)? as f64).round() as usize;
            Some(Quantile { share, margin: margins[index], ulps: ulps[index] })
        };
        Some(Margins {
            lists: self.lists,
            cuts: self.cuts.len(),
            ties: margins.iter().filter(|&&margin| margin == 0.0).count(),
            within_tolerance: self.cuts.iter().filter(|cut| cut.is_within_tolerance()).count(),
            quantiles: [0.0, 0.01, 0.1, 0.5, 0.9].into_iter().filter_map(quantile).collect(),
            histogram: histogram(&ulps),
        })
    }
}

/// Bars for margins below 0, of 0, up to 1/4, 1/2, 1, ... 64 ulps, and above.
fn histogram(ulps: &[f32]) -> Vec<Bar> {
    const BOUNDS: [f32; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
    let count = |is_in: &dyn Fn(f32) -> bool| ulps.iter().filter(|ulps| is_in(**ulps)).count();
    let bar = |label: String, cuts| Bar { label, cuts };
    let mut bars = vec![
        bar("below 0".to_owned(), count(&|ulps| ulps < 0.0)),
        bar("0 (tie)".to_owned(), count(&|ulps| ulps == 0.0)),
    ];
    let mut last = 0.0;
    for bound in BOUNDS {
        bars.push(bar(format!("≤ {bound}"), count(&|ulps| last < ulps && ulps <= bound)));
        last = bound;
    }
    bars.push(bar(format!("> {last}"), count(&|ulps| ulps > last)));
    bars
}
