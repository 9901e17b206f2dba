//! What a GPU took, as rows of a file and of tables.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::case::Case;

/// What a card is able to, whatever it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Its name, as its driver tells it.
    pub device: String,
    /// Bytes a second that a copy within its memory reads and writes.
    pub copy_rate: f64,
    /// Multiplications and additions a second of matrices of bf16.
    pub matrix_rate: f64,
    /// The instruction that multiplied them.
    pub matrix_instruction: String,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Index,
    Attend,
    /// The indexer, and attention to what it selects.
    Both,
}

/// A peer, and microseconds of a call inside a graph.
pub type Time = (String, f64);

/// What was measured of an operator, or of both, on a case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub case: Case,
    pub what: What,
    /// The overlap of neighbouring rows' lists, where they are made up.
    pub keep: Option<f64>,
    /// Microseconds of a call on the same operands, of which the second-level cache holds what it can.
    pub warm_us: f64,
    /// The same on operands that were not read for longer than the cache remembers.
    pub cold_us: f64,
    /// Microseconds of the host for a call on a stream: checks, plan, launches.
    pub host_us: Option<f64>,
    /// Keys and values that must be read.
    pub bytes: f64,
    /// Multiplications and additions that the result needs.
    pub flops: f64,
    /// The fastest of the peers, in the same run, warm.
    pub peer: Option<Time>,
    /// The card, in the same run.
    #[serde(flatten)]
    pub card: Card,
}

/// Which of a card's rates bounds a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Limit {
    Copy,
    Matrix,
}

impl Row {
    /// Microseconds to read the bytes at the copy rate.
    fn copy_us(&self) -> f64 {
        self.bytes / self.card.copy_rate * 1e6
    }

    /// Microseconds of the operations at the matrix rate.
    fn matrix_us(&self) -> f64 {
        self.flops / self.card.matrix_rate * 1e6
    }

    /// The fewest microseconds that the card can take: what it reads and what it multiplies may overlap.
    pub fn floor_us(&self) -> f64 {
        self.copy_us().max(self.matrix_us())
    }

    pub fn limit(&self) -> Limit {
        match self.copy_us() > self.matrix_us() {
            true => Limit::Copy,
            false => Limit::Matrix,
        }
    }

    /// The part of a cold call that the card cannot do without.
    pub fn share(&self) -> f64 {
        self.floor_us() / self.cold_us
    }

    /// Microseconds of the fastest peer.
    pub fn peer_us(&self) -> Option<f64> {
        self.peer.as_ref().map(|(_, us)| *us)
    }

    /// How many times as fast as the fastest peer, both warm.
    pub fn times_as_fast(&self) -> Option<f64> {
        self.peer_us().map(|us| us / self.warm_us)
    }

    /// Operations for each byte.
    pub fn intensity(&self) -> f64 {
        self.flops / self.bytes
    }

    /// A row of the first table. Rates are those of cold calls.
    pub fn line(&self) -> String {
        let rate = match self.limit() {
            Limit::Copy => format!("{:.2} TB/s", self.bytes / self.cold_us * 1e-6),
            Limit::Matrix => format!("{:.0} TFLOP/s", self.flops / self.cold_us * 1e-6),
        };
        format!(
            "{:<27} {:<7} {:<6} {:>8.1} {:>10.1} {:>9} {:>13} {:>10.1} {:>9.0}%",
            self.case.name(),
            self.what,
            or_dash(self.keep),
            self.warm_us,
            self.cold_us,
            or_dash(self.host_us.map(|us| format!("{us:.1}"))),
            rate,
            self.floor_us(),
            100.0 * self.share(),
        )
    }

    /// A row of the second table.
    fn peer_line(&self) -> String {
        format!(
            "{:<27} {:<7} {:<6} {:>8.1}  {:<24} {:>13}",
            self.case.name(),
            self.what,
            or_dash(self.keep),
            self.warm_us,
            or_dash(self.peer.as_ref().map(|(peer, us)| format!("{us:.1} ({peer})"))),
            or_dash(self.times_as_fast().map(|times| format!("{times:.2}"))),
        )
    }
}

/// What [`Row::line`] has.
const HEADER: &str = "\
case                        what    keep    warm us    cold us   host us    rate, cold   floor us  floor/cold";

const PEERS: &str = "
The peers' kernels ran right after ours, on the same card, by the same command: theirs are medians of replays of a graph of
20 calls, always on the same operands, as \"warm us\" is.

case                        what    keep         us  fastest peer, us         times as fast";

/// Prints what comes before the rows.
pub fn print_header(card: &Card) {
    println!(
        "{}: copies {:.2} TB/s, read and written; multiplies matrices at {:.0} TFLOP/s, by {}\n\n\
         The floor is the longer of the time to read the bytes at the first rate and to do the operations at the second.\n\n\
         {HEADER}",
        card.device,
        card.copy_rate / 1e12,
        card.matrix_rate / 1e12,
        card.matrix_instruction,
    );
}

/// Prints what a run has printed.
pub fn print(rows: &[Row]) {
    if let Some(row) = rows.first() {
        print_header(&row.card);
    }
    rows.iter().for_each(|row| println!("{}", row.line()));
    print_peers(rows);
}

/// Prints all rows beside the peers, if there are any.
pub fn print_peers(rows: &[Row]) {
    if rows.iter().any(|row| row.peer.is_some()) {
        println!("{PEERS}");
        rows.iter().for_each(|row| println!("{}", row.peer_line()));
    }
}

/// Reads a line of JSON for each row.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let row = serde_json::from_str(&line?);
        rows.push(row.with_context(|| format!("line {} of {}", number + 1, path.display()))?);
    }
    ensure!(!rows.is_empty(), "{} has no rows", path.display());
    Ok(rows)
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Index => "index",
            Self::Attend => "attend",
            Self::Both => "both",
        })
    }
}
