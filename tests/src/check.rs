//! Whether a backend gave what it must, within the contract's tolerances.

use half::bf16;
use msa::trace::{BlockIds, Expected, Outcome, Tensor, Trace};
use msa::{HEAD_DIM, IdOrder, Selection};
use rayon::prelude::*;

use crate::oracle::{self, Attended};

/// Compares an outcome with the values that its trace says the step must give.
///
/// Where a row chose other blocks than the expected ones, as it may where scores are close, its choice
/// is judged by its scores, and its attention by what these blocks give.
///
/// # Errors
/// If the trace does not say what the step must give, or the outcome is another step's.
pub fn check(trace: &Trace, outcome: &Outcome) -> Result<Verdict, CheckError> {
    let expected = trace.expected.as_ref().ok_or(CheckError::NothingExpected("output"))?;
    if matches!(trace.block_ids, BlockIds::Indexer(_)) && expected.block_ids.is_none() {
        return Err(CheckError::NothingExpected("block_ids"));
    }
    same_shape("expected.output", expected.output.shape(), trace.q.shape())?;
    same_shape("expected.lse", expected.lse.shape(), query_heads(trace))?;
    if let Some(ids) = &expected.block_ids {
        same_shape("expected.block_ids", ids.shape(), outcome.block_ids.shape())?;
    }
    judge(trace, outcome, Some(expected), 0..trace.q.shape()[0])
}

/// Compares some rows of an outcome with the oracle: for steps too large to have expected values.
///
/// # Errors
/// If the outcome is another step's.
///
/// # Panics
/// If there is no such row.
pub fn check_rows(
    trace: &Trace,
    outcome: &Outcome,
    rows: impl IntoIterator<Item = usize>,
) -> Result<Verdict, CheckError> {
    judge(trace, outcome, None, rows)
}

/// How many of a step's lists of block ids, i32 `[index_heads, rows, topk]`, the contract does not allow, judged by the
/// oracle's scores.
///
/// # Panics
/// If they are another step's, or the step has no indexer's operands.
pub fn wrong_lists(trace: &Trace, ids: &Tensor<i32, 3>) -> usize {
    let [index_heads, rows, _] = ids.shape();
    let lists = (0..index_heads * rows).into_par_iter();
    let is_wrong = |at: &usize| {
        let (kv_head, row) = (at / rows, at % rows);
        !may_select(trace, row, kv_head, oracle::list(ids, kv_head, row))
    };
    lists.filter(is_wrong).count()
}

/// How far an outcome is from what it must be. A NaN where there must be none, or none where there must be one, makes
/// every figure that it enters NaN, and counts as wrong. So does an infinity, but that its figures are infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Lists of block ids that the contract does not allow.
    pub wrong_lists: usize,
    /// Elements of the output that are out of tolerance.
    pub wrong_outputs: usize,
    /// Elements of `lse` that are out of tolerance.
    pub wrong_lses: usize,
    /// The largest absolute error of the output.
    pub max_error: f64,
    /// `||error|| / ||expected||` over the output.
    pub relative_norm: f64,
    /// The largest absolute error of `lse`.
    pub lse_error: f64,
}

impl Verdict {
    /// The contract's bound on [`Verdict::relative_norm`].
    pub const MAX_RELATIVE_NORM: f64 = 4e-3;

    /// Whether everything is within the contract's tolerances.
    pub fn passed(&self) -> bool {
        let wrong = self.wrong_lists + self.wrong_outputs + self.wrong_lses;
        wrong == 0 && self.relative_norm <= Self::MAX_RELATIVE_NORM
    }
}

/// Why an outcome cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The trace does not say what must come out.
    #[error("tensor expected.{0} is missing: there is nothing to compare with")]
    NothingExpected(&'static str),
    /// A tensor has not the shape of the trace's step.
    #[error("tensor {name} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        name: &'static str,
        /// The step's shape.
        expected: Vec<usize>,
        /// Its own.
        got: Vec<usize>,
    },
}

fn same_shape<const RANK: usize>(
    name: &'static str,
    got: [usize; RANK],
    expected: [usize; RANK],
) -> Result<(), CheckError> {
    if got == expected {
        return Ok(());
    }
    Err(CheckError::Shape { name, expected: expected.to_vec(), got: got.to_vec() })
}

/// `[rows, heads]`
fn query_heads(trace: &Trace) -> [usize; 2] {
    let [rows, heads, _] = trace.q.shape();
    [rows, heads]
}

fn judge(
    trace: &Trace,
    outcome: &Outcome,
    expected: Option<&Expected>,
    rows: impl IntoIterator<Item = usize>,
) -> Result<Verdict, CheckError> {
    let kv_heads = trace.kv_pages.shape()[4];
    let ids_shape = [kv_heads, trace.q.shape()[0], trace.selection.topk];
    same_shape("block_ids", outcome.block_ids.shape(), ids_shape)?;
    same_shape("output", outcome.output.shape(), trace.q.shape())?;
    same_shape("lse", outcome.lse.shape(), query_heads(trace))?;

    let lists: Vec<List> = rows
        .into_iter()
        .flat_map(|row| (0..kv_heads).map(move |kv_head| List { trace, outcome, row, kv_head }))
        .collect();
    let tallies: Vec<Tally> = lists.par_iter().map(|list| list.judge(expected)).collect();
    Ok(Tally::verdict(&tallies))
}

/// One row's list of block ids for one KV head, and what was made of it.
struct List<'a> {
    trace: &'a Trace,
    outcome: &'a Outcome,
    row: usize,
    kv_head: usize,
}

impl List<'_> {
    fn judge(&self, expected: Option<&Expected>) -> Tally {
        let &Self { trace, outcome, row, kv_head } = self;
        let ids = oracle::list(&outcome.block_ids, kv_head, row);
        let wanted = match &trace.block_ids {
            BlockIds::Given(given, _) => Some(given),
            BlockIds::Indexer(_) => expected.and_then(|expected| expected.block_ids.as_ref()),
        };
        let wanted = wanted.map(|lists| oracle::list(lists, kv_head, row));
        let as_given = matches!(trace.block_ids, BlockIds::Given(..));
        let right = match wanted {
            Some(wanted) if wanted == ids => true,
            Some(_) if as_given || trace.exact_scores => false,
            _ => may_select(trace, row, kv_head, ids),
        };

        let mut tally = Tally::default();
        tally.verdict.wrong_lists = usize::from(!right);
        // What is stored holds for the wanted list alone.
        let expected = expected.filter(|_| wanted == Some(ids));
        let group = oracle::group(trace);
        for head in kv_head * group..(kv_head + 1) * group {
            let query_head = row * trace.q.shape()[1] + head;
            let reference = match expected {
                Some(expected) => stored(expected, query_head),
                None => oracle::attend(trace, row, head, ids),
            };
            let output = &outcome.output.data()[query_head * HEAD_DIM..][..HEAD_DIM];
            tally.compare(output, outcome.lse.data()[query_head], &reference);
        }
        tally
    }
}

/// Whether the oracle's scores allow this list.
fn may_select(trace: &Trace, row: usize, kv_head: usize, ids: &[i32]) -> bool {
    let selection = &trace.selection;
    let scores = oracle::scores(trace, row, kv_head);
    if trace.exact_scores {
        ids == oracle::select(&scores, selection)
    } else {
        may_be_selected(&oracle::forced(&scores, selection), selection, ids)
    }
}

fn stored(expected: &Expected, query_head: usize) -> Attended {
    let output = &expected.output.data()[query_head * HEAD_DIM..][..HEAD_DIM];
    Attended {
        output: std::array::from_fn(|dim| f64::from(output[dim])),
        lse: f64::from(expected.lse.data()[query_head]),
    }
}

/// Whether a row with these scores, forced ones included, may select this list of ids, when its own
/// scores are off by rounding errors.
fn may_be_selected(scores: &[f64], selection: &Selection, ids: &[i32]) -> bool {
    let selectable = |&block: &i32| scores[block as usize] > f64::NEG_INFINITY;
    let mut left_out: Vec<i32> = (0..scores.len() as i32).filter(selectable).collect();
    let (chosen, unused) = ids.split_at(ids.len().min(left_out.len()));
    for id in chosen {
        match left_out.iter().position(|block| block == id) {
            Some(index) => left_out.remove(index),
            None => return false, // chosen twice, or no block to choose
        };
    }
    let may_precede = |&a: &i32, &b: &i32| may_precede(scores, a as usize, b as usize);
    let in_order = match selection.id_order {
        IdOrder::Score => chosen.is_sorted_by(may_precede),
        IdOrder::Ascending => chosen.is_sorted(),
    };
    in_order
        && unused.iter().all(|&id| id == -1)
        && chosen.iter().all(|a| left_out.iter().all(|b| may_precede(a, b)))
}

/// Whether block `a` may be preferred to block `b`. Scores that cannot be off are compared as they are,
/// and ties among them go to the smaller id.
fn may_precede(scores: &[f64], a: usize, b: usize) -> bool {
    let (better, worse) = (scores[a], scores[b]);
    if worse.abs() >= oracle::LOCAL_SCORE {
        return better > worse || better == worse && a < b;
    }
    better >= worse - 1e-3 - 1e-3 * worse.abs()
}

/// What the lists of an outcome add up to.
#[derive(Default)]
struct Tally {
    /// All but the relative norm.
    verdict: Verdict,
    squared_error: f64,
    squared_norm: f64,
}

impl Tally {
    fn compare(&mut self, output: &[bf16], lse: f32, reference: &Attended) {
        let verdict = &mut self.verdict;
        for (element, wanted) in output.iter().zip(reference.output) {
            let error = distance(element.to_f32().into(), wanted);
            verdict.wrong_outputs += usize::from(!within(error, 2e-2 + 2e-2 * wanted.abs()));
            verdict.max_error = worse(verdict.max_error, error);
            self.squared_error += error * error;
            self.squared_norm += if wanted.is_finite() { wanted * wanted } else { 0.0 };
        }
        let error = distance(lse.into(), reference.lse);
        verdict.wrong_lses += usize::from(!within(error, 1e-3 + 1e-4 * reference.lse.abs()));
        verdict.lse_error = worse(verdict.lse_error, error);
    }

    fn verdict(tallies: &[Self]) -> Verdict {
        let mut total = Self::default();
        for Self { verdict, squared_error, squared_norm } in tallies {
            total.verdict.wrong_lists += verdict.wrong_lists;
            total.verdict.wrong_outputs += verdict.wrong_outputs;
            total.verdict.wrong_lses += verdict.wrong_lses;
            total.verdict.max_error = worse(total.verdict.max_error, verdict.max_error);
            total.verdict.lse_error = worse(total.verdict.lse_error, verdict.lse_error);
            total.squared_error += squared_error;
            total.squared_norm += squared_norm;
        }
        let relative_norm = match (total.squared_error / total.squared_norm).sqrt() {
            _ if total.squared_error == 0.0 => 0.0,
            norm => norm,
        };
        Verdict { relative_norm, ..total.verdict }
    }
}

/// How far a number is from the reference: not at all where both are the same infinity or both are NaN.
fn distance(number: f64, reference: f64) -> f64 {
    let same = number == reference || number.is_nan() && reference.is_nan();
    if same { 0.0 } else { (number - reference).abs() }
}

/// Whether there is no error, or one that is finite and within a tolerance: that is infinite or NaN where the reference
/// is.
fn within(error: f64, tolerance: f64) -> bool {
    error == 0.0 || error.is_finite() && error <= tolerance
}

/// The larger of two errors; NaN, the worst, is kept.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a >= b { a } else { b }
}
