//! Which blocks each row chose, as an SVG picture: a panel a step, rows down, blocks across.

use std::fmt::Write;

use msa::trace::{Outcome, Trace};

/// One step's choices under its first KV head.
pub struct Panel {
    title: String,
    /// Blocks across.
    blocks: usize,
    /// `[rows]`: the ids that each row chose.
    rows: Vec<Vec<usize>>,
}

impl Panel {
    pub fn new(name: &str, trace: &Trace, outcome: &Outcome) -> Self {
        let topk = trace.selection.topk;
        let row_count = trace.q.shape()[0];
        let lists = outcome.block_ids.data().chunks(topk).take(row_count);
        let rows: Vec<Vec<usize>> = lists
            .map(|list| list.iter().filter_map(|&id| usize::try_from(id).ok()).collect())
            .collect();
        let blocks = rows.iter().flatten().max().map_or(0, |last| last + 1);
        Self {
            title: format!("{name}: {row_count} rows, {blocks} blocks, top {topk}"),
            blocks,
            rows,
        }
    }

    /// Picture units that a row is high: enough to be seen where rows are few.
    fn row_height(&self) -> usize {
        (160 / self.rows.len().max(1)).clamp(1, 12)
    }

    fn height(&self) -> usize {
        TITLE + self.rows.len() * self.row_height() + GAP
    }
}

const CAPTION: &str = "Rows down, blocks of 128 tokens across: the blocks that each row's first \
                       KV head chose. The last column is each row's own block, always chosen.";
const WIDTH: usize = 1024;
const MARGIN: usize = 24;
const TITLE: usize = 24;
const GAP: usize = 24;

/// The picture.
pub fn svg(panels: &[Panel]) -> String {
    let height = 2 * MARGIN + TITLE + panels.iter().map(Panel::height).sum::<usize>();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {height}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{MARGIN}\" y=\"{MARGIN}\">{CAPTION}</text>\n",
        WIDTH + 2 * MARGIN
    );
    let mut top = MARGIN + TITLE;
    for panel in panels {
        draw(&mut svg, panel, top);
        top += panel.height();
    }
    svg += "</svg>\n";
    svg
}

fn draw(svg: &mut String, panel: &Panel, top: usize) {
    let row_height = panel.row_height();
    let cell = WIDTH as f64 / panel.blocks.max(1) as f64;
    let mut path = String::new();
    for (row, blocks) in panel.rows.iter().enumerate() {
        for &block in blocks {
            let (x, y) = (block as f64 * cell, row * row_height);
            let _ = write!(path, "M{x:.1} {y}h{cell:.1}v{row_height}h-{cell:.1}z");
        }
    }
    let (title, body) = (top + TITLE - 8, top + TITLE);
    let height = panel.rows.len() * row_height;
    let _ = write!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{title}\">{}</text>\n\
         <g transform=\"translate({MARGIN} {body})\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#eef1f5\"/>\n\
         <path d=\"{path}\" fill=\"#1f5fa8\"/>\n</g>\n",
        panel.title
    );
}
