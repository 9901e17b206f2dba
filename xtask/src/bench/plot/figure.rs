//! Lines and marks over axes, as SVG: readable at the width of a README, on a page of either colour.

use std::fmt::Write;

use super::axis::Axis;

/// Panels side by side under one legend.
pub struct Figure {
    pub title: String,
    /// What one has to know of all of it.
    pub note: String,
    pub panels: Vec<Panel>,
}

pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// Points, from left to right.
pub struct Series {
    pub name: String,
    pub color: Color,
    pub look: Look,
    pub points: Vec<(f64, f64)>,
}

/// A class of the style sheet, which has each for light pages and for dark ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Blue,
    Orange,
    Green,
    Purple,
    Grey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A line from mark to mark: our times.
    Solid,
    /// A thin one, with hollow marks: the peers'.
    Thin,
    /// A broken line: what nothing can pass.
    Dashed,
    /// Marks alone.
    Marks(Mark),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Circle,
    Square,
    Triangle,
}

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 20.0;
/// From a panel's edge to its axes.
const LEFT: f64 = 64.0;
const ABOVE: f64 = 28.0;
const BELOW: f64 = 52.0;
/// Of a panel's axes.
const HEIGHT: f64 = 300.0;
const LINE: f64 = 22.0;
/// Of a sign of the legend, and of a letter beside it.
const SIGN: f64 = 30.0;
const LETTER: f64 = 7.2;

/// A page of its own under the picture, since a viewer does not tell what colour it is shown on.
const STYLE: &str = "\
<style>
text { font-family: sans-serif; font-size: 14px; fill: #1f2328; }
.title { font-size: 17px; font-weight: bold; } .note { fill: #59636e; } .x { text-anchor: middle; } .y { text-anchor: end; }
.page { fill: #ffffff; } .grid { stroke: #d8dee4; } .frame { fill: none; stroke: #8c959f; }
path { fill: none; stroke-linejoin: round; } .solid { stroke-width: 2.5; } .thin { stroke-width: 1.5; }
.dashed { stroke-width: 1.5; stroke-dasharray: 6 4; } .hollow { fill: #ffffff; stroke-width: 1.5; }
.blue { stroke: #1f5fa8; } .orange { stroke: #bc5b13; } .green { stroke: #1d7f43; } .purple { stroke: #8044ad; } .grey { stroke: #6e7781; }
.full.blue { fill: #1f5fa8; } .full.orange { fill: #bc5b13; } .full.green { fill: #1d7f43; } .full.purple { fill: #8044ad; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .note { fill: #9198a1; } .page, .hollow { fill: #0d1117; } .grid { stroke: #2b323b; } .frame { stroke: #6e7681; }
.blue { stroke: #6cb0f5; } .orange { stroke: #f0a35e; } .green { stroke: #5fcb87; } .purple { stroke: #c798f0; } .grey { stroke: #9198a1; }
.full.blue { fill: #6cb0f5; } .full.orange { fill: #f0a35e; } .full.green { fill: #5fcb87; } .full.purple { fill: #c798f0; }
}
</style>
";

impl Figure {
    /// The picture.
    pub fn svg(&self) -> String {
        let mut body = String::new();
        text(&mut body, "title", MARGIN, MARGIN + 14.0, &self.title);
        text(&mut body, "note", MARGIN, MARGIN + 14.0 + LINE, &self.note);
        let top = self.draw_legend(&mut body, MARGIN + 14.0 + 2.2 * LINE) + LINE;
        let width = (WIDTH - 2.0 * MARGIN) / self.panels.len() as f64;
        for (number, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut body, MARGIN + number as f64 * width, top, width);
        }
        let height = top + ABOVE + HEIGHT + BELOW;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\">\n{STYLE}\
             <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{body}</svg>\n"
        )
    }

    /// Each name once, from a height on; returns that of the last line.
    fn draw_legend(&self, svg: &mut String, mut y: f64) -> f64 {
        let mut named: Vec<&Series> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !named.iter().any(|other| other.name == series.name) {
                named.push(series);
            }
        }
        let mut x = MARGIN;
        for series in named {
            let width = SIGN + 8.0 + LETTER * series.name.chars().count() as f64 + 18.0;
            if x + width > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + LINE);
            }
            series.draw(svg, &[(x, y - 5.0), (x + SIGN, y - 5.0)], &[(x + SIGN / 2.0, y - 5.0)]);
            text(svg, "", x + SIGN + 8.0, y, &series.name);
            x += width;
        }
        y
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, left: f64, top: f64, width: f64) {
        let (left, top, width) = (left + LEFT, top + ABOVE, width - LEFT - MARGIN);
        let x = |value: f64| left + width * self.x.place(value);
        let y = |value: f64| top + HEIGHT * (1.0 - self.y.place(value));
        text(svg, "", left, top - 10.0, &self.title);
        for tick in &self.x.ticks {
            let at = x(tick.value);
            line(svg, (at, top), (at, top + HEIGHT));
            text(svg, "x", at, top + HEIGHT + 18.0, &tick.text);
        }
        for tick in &self.y.ticks {
            let at = y(tick.value);
            line(svg, (left, at), (left + width, at));
            text(svg, "y", left - 8.0, at + 5.0, &tick.text);
        }
        text(svg, "x note", left + width / 2.0, top + HEIGHT + 40.0, &self.x.label);
        let (label_x, label_y) = (left - LEFT + 12.0, top + HEIGHT / 2.0);
        let _ = writeln!(
            svg,
            "<text class=\"x note\" transform=\"translate({label_x:.1} {label_y:.1}) rotate(-90)\">{}</text>",
            escaped(&self.y.label)
        );
        let _ = writeln!(
            svg,
            "<rect class=\"frame\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\"/>"
        );
        for series in &self.series {
            let points: Vec<_> =
                series.points.iter().map(|point| (x(point.0), y(point.1))).collect();
            series.draw(svg, &points, &points);
        }
    }
}

impl Series {
    fn draw(&self, svg: &mut String, along: &[(f64, f64)], marks: &[(f64, f64)]) {
        let color = self.color.class();
        let (stroke, mark, fill) = match self.look {
            Look::Solid => (Some("solid"), Some(Mark::Circle), "full"),
            Look::Thin => (Some("thin"), Some(Mark::Circle), "hollow"),
            Look::Dashed => (Some("dashed"), None, ""),
            Look::Marks(mark) => (None, Some(mark), "full"),
        };
        if let Some(stroke) = stroke {
            let mut path = String::new();
            for (number, (x, y)) in along.iter().enumerate() {
                let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
            }
            let _ = writeln!(svg, "<path class=\"{stroke} {color}\" d=\"{path}\"/>");
        }
        for &(x, y) in mark.iter().flat_map(|_| marks) {
            let shape = match mark {
                Some(Mark::Square) => format!(
                    "rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"",
                    x - 4.0,
                    y - 4.0
                ),
                Some(Mark::Triangle) => format!(
                    "polygon points=\"{x:.1},{:.1} {:.1},{:.1} {:.1},{:.1}\"",
                    y - 5.5,
                    x - 5.0,
                    y + 4.0,
                    x + 5.0,
                    y + 4.0
                ),
                _ => format!("circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
            };
            let _ = writeln!(svg, "<{shape} class=\"{fill} {color}\"/>");
        }
    }
}

impl Color {
    fn class(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Orange => "orange",
            Self::Green => "green",
            Self::Purple => "purple",
            Self::Grey => "grey",
        }
    }
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, text: &str) {
    let _ =
        writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(text));
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
