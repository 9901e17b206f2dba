//! Plots of what a GPU took.

mod axis;
mod decode;
mod figure;
mod prefill;
mod roofline;

use std::path::Path;

use anyhow::{Context, Result};

use self::axis::Axis;
use self::figure::{Figure, Panel, Series};
use super::report::{Card, Row};

/// The heads of one GPU of four.
const SHARE: (usize, usize) = (16, 1);

/// Draws what the rows are enough for, each in a file of the folder.
pub fn draw(rows: &[Row], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    for (name, figure) in figures(rows) {
        let path = folder.join(name);
        std::fs::write(&path, figure.svg())
            .with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Those that have a panel, and the names of their files.
fn figures(rows: &[Row]) -> Vec<(&'static str, Figure)> {
    let Some(Row { card, .. }) = rows.first() else { return Vec::new() };
    let all = [
        ("decode-context.svg", decode::by_context(rows, card)),
        ("decode-batch.svg", decode::by_batch(rows, card)),
        ("prefill-overlap.svg", prefill::by_overlap(rows, card)),
        ("roofline.svg", roofline::of(rows, card)),
    ];
    all.into_iter().filter(|(_, figure)| !figure.panels.is_empty()).collect()
}

/// What a figure is of.
fn note(card: &Card, what: &str) -> String {
    format!("{}. {what}", card.device)
}

/// A panel of those series that have points, with axes for them; none if none has.
fn panel(
    title: String,
    mut series: Vec<Series>,
    x: impl FnOnce(&[f64]) -> Axis,
    y: impl FnOnce(&[f64]) -> Axis,
) -> Option<Panel> {
    series.retain(|series| !series.points.is_empty());
    let points = series.iter().flat_map(|series| series.points.iter().copied());
    let (xs, ys): (Vec<f64>, Vec<f64>) = points.unzip();
    (!xs.is_empty()).then(|| Panel { title, x: x(&xs), y: y(&ys), series })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::figures;
    use crate::bench::report;

    /// What a text of a picture says, in the fixture's figures.
    const SAID: [(&str, &[&str]); 4] = [
        (
            "decode-context.svg",
            &[
                "index, ours",
                "index, floor",
                "index, fastest peer",
                "attend, ours",
                "attend, floor",
                "4k",
                "8 requests",
            ],
        ),
        (
            "decode-batch.svg",
            &["index, ours", "attend, ours", "attend, fastest peer", "32768 keys of each request"],
        ),
        (
            "prefill-overlap.svg",
            &[
                "8192 after 32768, ours",
                "8192 after 32768, fastest peer",
                "512 after 262144",
                "matrix rate",
                "0.875",
            ],
        ),
        (
            "roofline.svg",
            &[
                "index, decode",
                "attend, decode",
                "attend, prefill",
                "the card's rates",
                "half of these",
            ],
        ),
    ];

    #[test]
    fn pictures_are_xml_and_name_all_series() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench/plot/fixture.jsonl");
        let rows = report::read(Path::new(file)).expect("it is a file of rows");
        let figures = figures(&rows);
        assert_eq!(figures.len(), SAID.len());
        for ((name, figure), (file, said)) in figures.iter().zip(SAID) {
            assert_eq!(*name, file);
            let svg = figure.svg();
            let picture = roxmltree::Document::parse(&svg).expect("it is XML");
            let texts: Vec<&str> = picture.descendants().filter_map(|node| node.text()).collect();
            let series = figure.panels.iter().flat_map(|panel| &panel.series);
            let names = series.map(|series| series.name.as_str()).chain(said.iter().copied());
            for wanted in names.chain(["made up, <not> measured & round"]) {
                assert!(texts.iter().any(|text| text.starts_with(wanted)), "{file}: {wanted}");
            }
        }
    }
}
