use msa::Route;

use super::axis::Axis;
use super::figure::{Color, Figure, Look, Panel, Series};
use super::{SHARE, note, panel};
use crate::bench::report::{Card, Row, What};

const NOTE: &str =
    "New tokens after cached ones; warm. Operations are those that the rows' own lists need.";

const COLORS: [Color; 4] = [Color::Blue, Color::Orange, Color::Green, Color::Purple];

/// Rates of prefill's attention over what neighbouring rows' lists have in common, a panel for each number of heads.
pub fn by_overlap(rows: &[Row], card: &Card) -> Figure {
    let prefill = |row: &&Row| row.case.route() == Route::Prefill && row.what == What::Attend;
    let rows: Vec<&Row> = rows.iter().filter(prefill).collect();
    let mut keeps: Vec<f64> = rows.iter().filter_map(|row| row.keep).collect();
    keeps.sort_by(f64::total_cmp);
    keeps.dedup();
    let mut shapes: Vec<String> = Vec::new();
    for row in &rows {
        if !shapes.contains(&row.case.shape()) {
            shapes.push(row.case.shape());
        }
    }
    let panels = [SHARE, (64, 4)].into_iter().filter_map(|heads| {
        let rows: Vec<&Row> = rows.iter().copied().filter(|row| row.case.heads == heads).collect();
        rates(&rows, format!("{}/{} query and KV heads", heads.0, heads.1), &shapes, &keeps)
    });
    let title = "Prefill's attention over the overlap of neighbouring rows' lists".to_owned();
    Figure { title, note: note(card, NOTE), panels: panels.collect() }
}

fn rates(rows: &[&Row], title: String, shapes: &[String], keeps: &[f64]) -> Option<Panel> {
    let roof = rows.first()?.card.matrix_rate / 1e12;
    let mut series = Vec::new();
    for (shape, color) in shapes.iter().zip(COLORS.into_iter().cycle()) {
        let point = |row: &&Row, us: fn(&Row) -> Option<f64>| {
            let place = keeps.iter().position(|keep| Some(*keep) == row.keep)?;
            Some((place as f64, row.flops / us(row)? * 1e-6))
        };
        let line = |name: &str, look, us: fn(&Row) -> Option<f64>| {
            let rows = rows.iter().filter(|row| row.case.shape() == *shape);
            let points = rows.filter_map(|row| point(row, us)).collect();
            Series { name: format!("{shape}{name}"), color, look, points }
        };
        series.extend([
            line(", ours", Look::Solid, |row| Some(row.warm_us)),
            line(", fastest peer", Look::Thin, Row::peer_us),
        ]);
    }
    series.push(Series {
        name: "matrix rate".to_owned(),
        color: Color::Grey,
        look: Look::Dashed,
        points: (0..keeps.len()).map(|place| (place as f64, roof)).collect(),
    });
    let label = "keep: how much of its list a row has from the row before";
    let names = keeps.iter().map(f64::to_string);
    panel(title, series, |_| Axis::named(label, names), |rates| Axis::from_zero("TFLOP/s", rates))
}
