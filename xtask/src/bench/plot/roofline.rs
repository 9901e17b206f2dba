use msa::Route;

use super::axis::Axis;
use super::figure::{Color, Figure, Look, Mark, Series};
use super::{note, panel};
use crate::bench::report::{Card, Row, What};

const NOTE: &str = "All steps of each operator alone, cold. The upper line is the limit: both axes are logarithmic.";

/// What steps reach of the card's two rates, over the operations that they do for each byte.
pub fn of(rows: &[Row], card: &Card) -> Figure {
    let mut series = Vec::new();
    for (what, color) in [(What::Index, Color::Blue), (What::Attend, Color::Orange)] {
        for (route, mark) in [
            (Route::Decode, Mark::Circle),
            (Route::Speculative, Mark::Square),
            (Route::Prefill, Mark::Triangle),
        ] {
            let rows = rows.iter().filter(|row| row.what == what && row.case.route() == route);
            let point = |row: &Row| (row.intensity(), row.flops / row.cold_us * 1e-6);
            series.push(Series {
                name: format!("{what}, {route}"),
                color,
                look: Look::Marks(mark),
                points: rows.map(point).collect(),
            });
        }
    }
    // Room for marks at both ends, and for the ridge.
    let around = |row: &Row| [row.intensity() / 1.5, row.intensity() * 1.5];
    let intensities: Vec<f64> = rows.iter().flat_map(around).collect();
    let x = Axis::powers_of_two("operations for each byte", &intensities);
    for (name, share) in [("the card's rates", 1.0), ("half of these", 0.5)] {
        let roof = |x: f64| (x, share * card.matrix_rate.min(x * card.copy_rate) / 1e12);
        let (first, last) = x.ends();
        let ridge = (card.matrix_rate / card.copy_rate).clamp(first, last);
        series.push(Series {
            name: name.to_owned(),
            color: Color::Grey,
            look: Look::Dashed,
            points: [first, ridge, last].map(roof).to_vec(),
        });
    }
    let y = |rates: &[f64]| Axis::one_two_five("TFLOP/s", rates);
    let panel = panel(String::new(), series, |_| x, y);
    let title = "What steps reach of the card's copy rate and matrix rate".to_owned();
    Figure { title, note: note(card, NOTE), panels: panel.into_iter().collect() }
}
