//! What looks like a mistake. Each check tells where it found one of the [`lints`].

mod batch;
pub mod choice;
mod keys;
mod lints;
mod lists;
mod pages;

use serde::Serialize;

#[cfg(test)]
pub use self::lints::LINTS;
use self::lints::Lint;
use super::step::Step;

/// How sure it is that something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Allowed and ordinary in some engines; worth a look where results are off.
    Note,
    /// The operators run it, but no engine is likely to mean it.
    Warning,
    /// The operators refuse it.
    Error,
}

/// What was found of one lint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    pub lint: &'static str,
    pub level: Level,
    pub what: &'static str,
    pub why: &'static str,
    pub check: &'static str,
    /// How often it was found.
    pub count: usize,
    /// The first places.
    pub places: Vec<String>,
}

/// Places that are told.
const MOST_PLACES: usize = 4;

/// All that is found in a step, the worst first.
pub fn of(step: &Step, choices: choice::Choices) -> Vec<Warning> {
    let mut findings = Findings::default();
    batch::look(step, &mut findings);
    pages::look(step, &mut findings);
    keys::look(step, &mut findings);
    if step.has_own_lists() {
        lists::look(step, &mut findings);
        findings.merge(choices.findings);
    }
    findings.0.sort_by_key(|warning| std::cmp::Reverse(warning.level));
    findings.0
}

#[derive(Default)]
pub struct Findings(Vec<Warning>);

impl Findings {
    /// Takes in one more place where a lint was found.
    fn add(&mut self, lint: &Lint, place: impl FnOnce() -> String) {
        let index = self.0.iter().position(|warning| warning.lint == lint.name);
        let index = index.unwrap_or_else(|| {
            self.0.push(Warning {
                lint: lint.name,
                level: lint.level,
                what: lint.what,
                why: lint.why,
                check: lint.check,
                count: 0,
                places: Vec::new(),
            });
            self.0.len() - 1
        });
        let warning = &mut self.0[index];
        warning.count += 1;
        if warning.places.len() < MOST_PLACES {
            warning.places.push(place());
        }
    }

    /// Takes in what another check found, of other lints.
    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}
