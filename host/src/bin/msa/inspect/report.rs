//! All that is known of a step: plain data, for the views and for `--json`.

use serde::Serialize;

use super::facts::Facts;
use super::locality::Locality;
use super::margins::{Collector, Cut, Margins};
use super::overlap::{self, Overlap, WINDOWS};
use super::scores::{self, Scored};
use super::selection::Selection;
use super::step::Step;
use super::warnings::{self, Warning, choice::Choices};

#[derive(Serialize)]
pub struct Report {
    pub file: String,
    pub facts: Facts,
    /// The worst first.
    pub warnings: Vec<Warning>,
    pub selection: Selection,
    /// Rows of the windows of `overlap`.
    pub windows: [usize; WINDOWS.len()],
    /// `[heads]`
    pub overlap: Vec<Overlap>,
    pub locality: Locality,
    pub scored: Scored,
    pub margins: Option<Margins>,
}

impl Report {
    pub fn new(file: &str, step: &Step) -> Self {
        let mut selection = Selection::new(step);
        let (mut margins, mut choices) = (Collector::default(), Choices::default());
        let scored = scores::for_each(step, |list, scores| {
            let cut = Cut::new(step, list, scores);
            margins.add(cut);
            selection.add_scores(list, scores, cut);
            choices.add(step, list, scores, cut);
        });
        Self {
            file: file.to_owned(),
            facts: Facts::new(step),
            warnings: warnings::of(step, choices),
            selection,
            windows: WINDOWS,
            overlap: overlap::of_heads(step),
            locality: Locality::new(step),
            scored,
            margins: margins.finish(),
        }
    }
}
