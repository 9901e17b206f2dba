use msa::Route;

use super::axis::Axis;
use super::figure::{Color, Figure, Look, Panel, Series};
use super::{SHARE, note, panel};
use crate::bench::case::Case;
use crate::bench::report::{Card, Row, What};

/// Keys of a request where the batch grows.
const CONTEXT: usize = 32_768;

const NOTE: &str =
    "16 query heads, 1 KV head; warm. Floors: keys, and keys and values, at the copy rate.";

/// Decode over the keys of a request, a panel for each of two batches.
pub fn by_context(rows: &[Row], card: &Card) -> Figure {
    let panels = [(1, "1 request"), (8, "8 requests")].into_iter().filter_map(|(batch, title)| {
        let rows = of(rows, |case| case.batch == batch);
        times(&rows, title.to_owned(), "keys of each request", |case| case.context() as f64)
    });
    let title = "Decode over the context".to_owned();
    Figure { title, note: note(card, NOTE), panels: panels.collect() }
}

/// Decode over the number of requests.
pub fn by_batch(rows: &[Row], card: &Card) -> Figure {
    let rows = of(rows, |case| case.context() == CONTEXT);
    let panel_title = format!("{CONTEXT} keys of each request");
    let panel = times(&rows, panel_title, "requests", |case| case.batch as f64);
    let title = "Decode over the batch".to_owned();
    Figure { title, note: note(card, NOTE), panels: panel.into_iter().collect() }
}

fn of(rows: &[Row], wanted: impl Fn(&Case) -> bool) -> Vec<&Row> {
    let decode = |case: &Case| case.route() == Route::Decode && case.heads == SHARE;
    rows.iter().filter(|row| decode(&row.case) && wanted(&row.case)).collect()
}

/// Times of both operators.
fn times(rows: &[&Row], title: String, label: &str, x: fn(&Case) -> f64) -> Option<Panel> {
    let mut series = Vec::new();
    for (what, color) in [(What::Index, Color::Blue), (What::Attend, Color::Orange)] {
        let mut rows: Vec<&Row> = rows.iter().copied().filter(|row| row.what == what).collect();
        rows.sort_by(|a, b| x(&a.case).total_cmp(&x(&b.case)));
        let line = |name: &str, look, us: fn(&Row) -> Option<f64>| Series {
            name: format!("{what}{name}"),
            color,
            look,
            points: rows.iter().filter_map(|row| Some((x(&row.case), us(row)?))).collect(),
        };
        series.extend([
            line(", ours", Look::Solid, |row| Some(row.warm_us)),
            line(", fastest peer", Look::Thin, Row::peer_us),
            line(", floor", Look::Dashed, |row| Some(row.floor_us())),
        ]);
    }
    let y = |us: &[f64]| Axis::one_two_five("us", us);
    panel(title, series, |values| Axis::powers_of_two(label, values), y)
}
