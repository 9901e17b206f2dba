//! The report as text, 100 columns wide.

use std::fmt::Write;

use super::report::Report;
use super::selection::{Row, sample};
use super::warnings::Warning;

const COLUMNS: usize = 100;

/// Cells of a row's strip of blocks.
const CELLS: usize = 72;

/// Rows whose strips are shown, for each head.
const STRIPS: usize = 12;

/// Heads whose strips are shown.
const HEADS: usize = 4;

/// Requests that are listed.
const REQUESTS: usize = 16;

/// Cells of a bar.
const BAR: usize = 40;

pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let parts =
        [header, requests, strips, overlap, margins, locality, warnings].map(|part| part(report));
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text += part;
        text.push('\n');
    }
    text
}

fn header(report: &Report) -> String {
    let facts = &report.facts;
    let index = |value: Option<String>| {
        value.map_or("no index cache".to_owned(), |value| format!("index {value}"))
    };
    // A file's name may hold anything: escapes for the terminal too.
    let file = report.file.escape_debug();
    let scored = match (&report.scored.absent, report.scored.rows) {
        (Some(why), _) => format!("none: {why}"),
        (None, rows) if rows == facts.rows => "of all rows, computed now".to_owned(),
        (None, rows) => format!("of {rows} of {} rows, computed now", facts.rows),
    };
    let operands = match &facts.operands[..] {
        [] => "none of the optional tensors".to_owned(),
        operands => operands.join(", "),
    };
    format!(
        "{file}\n\
         \x20 step      {}, {} of {}, {} on {}, layer {} of {}\n\
         \x20 choice    top {} a row, {} initial and {} local blocks forced, listed by {}\n\
         \x20 caches    {} pages; {}\n\
         \x20 scales    {}; {}\n\
         \x20 in file   {operands}\n\
         \x20 lists     {}\n\
         \x20 scores    {scored}\n",
        facts.route,
        counted(facts.rows, "row"),
        counted(facts.requests.len(), "request"),
        counted(facts.heads, "query head"),
        counted(facts.kv_heads, "KV head"),
        facts.layer,
        facts.layers,
        facts.topk,
        facts.init_blocks,
        facts.local_blocks,
        facts.id_order,
        facts.pages,
        index(facts.index_pages.map(|pages| format!("{pages} pages"))),
        facts.scale,
        index(facts.index_scale.map(|scale| scale.to_string())),
        facts.lists,
    )
}

fn requests(report: &Report) -> String {
    let requests = &report.facts.requests;
    let mut text =
        String::from("request  first row     rows    cached   blocks   chosen of them   kept\n");
    for (index, request) in requests.iter().enumerate().take(REQUESTS) {
        let _ = writeln!(
            text,
            "{index:>7} {:>10} {:>8} {:>9} {:>8} {:>8} {:>7}   {:>4}",
            request.first_row,
            request.rows,
            request.cached,
            request.blocks,
            request.chosen,
            percent(request.chosen, request.blocks),
            request.keep.map_or("-".to_owned(), |keep| format!("{keep:.2}")),
        );
    }
    if requests.len() > REQUESTS {
        let _ = writeln!(text, "... and {} more requests", requests.len() - REQUESTS);
    }
    text + "kept: the share of a row's blocks, its own aside, that the row before chose as well\n"
}

fn strips(report: &Report) -> String {
    let selection = &report.selection;
    let per_cell = selection.blocks.div_ceil(CELLS).max(1);
    let mut text = String::new();
    for head in 0..report.facts.kv_heads.min(HEADS) {
        let rows: Vec<&Row> =
            sample(selection.rows.len(), STRIPS).map(|index| &selection.rows[index]).collect();
        let _ = writeln!(
            text,
            "Chosen blocks: head {head} of {}, {} of {} rows; a column is {per_cell} of {} blocks, · is not chosen",
            report.facts.kv_heads,
            rows.len(),
            report.facts.rows,
            selection.blocks,
        );
        for row in rows {
            let strip = strip(row, head, per_cell);
            let _ = writeln!(text, "row {:>6} of request {:>4} {strip}", row.row, row.request);
        }
    }
    text
}

/// A row's horizon, a character for so many blocks: the more of them are chosen the fuller it is.
fn strip(row: &Row, head: usize, per_cell: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let horizon = row.position / msa::BLOCK + 1;
    let mut blocks = row.lists[head].ids.clone();
    blocks.sort_unstable();
    blocks.dedup();
    let cell = |first: usize| {
        let cell = first..horizon.min(first + per_cell);
        let is_in = |id: &&i32| usize::try_from(**id).is_ok_and(|block| cell.contains(&block));
        match blocks.iter().filter(is_in).count() {
            0 => '·',
            chosen => LEVELS[(chosen * LEVELS.len()).div_ceil(cell.len()) - 1],
        }
    };
    (0..horizon).step_by(per_cell).map(cell).collect()
}

fn overlap(report: &Report) -> String {
    let mut text =
        String::from("Overlap: different blocks that neighbouring rows choose together\n");
    text += "rows together";
    report.windows.iter().for_each(|rows| text += &format!("{rows:>9}"));
    text += "     kept\n";
    for (head, overlap) in report.overlap.iter().enumerate() {
        let _ = write!(text, "head {head:<8}");
        let number =
            |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
        for value in overlap.distinct.iter().chain([&overlap.keep]) {
            let _ = write!(text, "{:>9}", number(*value));
        }
        text.push('\n');
    }
    text
}

fn margins(report: &Report) -> String {
    let title =
        "Margins at the cut: the worst chosen block's score less the best one's that is left out\n";
    let Some(margins) = &report.margins else {
        return format!("{title}unknown: there are no scores\n");
    };
    let mut text = format!(
        "{title}{} of {} scored lists leave out a block that they could choose; {} of these tie, {} are within\n\
         the contract's tolerance\n",
        margins.cuts, margins.lists, margins.ties, margins.within_tolerance
    );
    if margins.cuts > 0 {
        text += "share of the cuts     margin    in bf16 ulps of the score\n";
        for quantile in &margins.quantiles {
            let share = match quantile.share {
                0.0 => "smallest".to_owned(),
                share => format!("{:.0} %", 100.0 * share),
            };
            let _ = writeln!(text, "{share:<17} {:>10.4} {:>15.2}", quantile.margin, quantile.ulps);
        }
    }
    text
}

fn locality(report: &Report) -> String {
    let locality = &report.locality;
    let mut text = format!(
        "Locality: how many blocks before the row's own a chosen block is\n\
         {} chosen: {} the row's own, {} forced; the others' mean age is {}\n\
         \x20           age    chosen  of those there\n",
        locality.chosen,
        percent(locality.own, locality.chosen),
        percent(locality.forced, locality.chosen),
        locality.mean_age.map_or("unknown".to_owned(), |age| format!("{age:.1} blocks")),
    );
    for age in &locality.ages {
        let share = age.chosen as f64 / age.there.max(1) as f64;
        let ages = match age.first == age.last {
            true => age.first.to_string(),
            false => format!("{} to {}", age.first, age.last),
        };
        let bar = "█".repeat((share.min(1.0) * BAR as f64).round() as usize);
        let _ = writeln!(
            text,
            "{ages:>15} {:>9} {:>8} {bar}",
            age.chosen,
            percent(age.chosen, age.there)
        );
    }
    text
}

fn warnings(report: &Report) -> String {
    if report.warnings.is_empty() {
        return "Nothing looks like a mistake.\n".to_owned();
    }
    report.warnings.iter().map(warning).collect()
}

fn warning(warning: &Warning) -> String {
    let level = format!("{:?}", warning.level).to_lowercase();
    let mut text = format!("{level}[{}]: {}\n", warning.lint, warning.what);
    for place in &warning.places {
        text += &wrapped("  at     ", place);
    }
    let more = warning.count - warning.places.len();
    if more > 0 {
        let _ = writeln!(text, "         and {more} more");
    }
    text + &wrapped("  why    ", warning.why) + &wrapped("  check  ", warning.check)
}

/// Lines no wider than the terminal, the first after a label, the others as far to the right.
fn wrapped(label: &str, words: &str) -> String {
    let mut text = String::new();
    let mut line = label.to_owned();
    for word in words.split(' ') {
        if line.len() > label.len() && line.chars().count() + word.chars().count() > COLUMNS {
            text += line.trim_end();
            text.push('\n');
            line = " ".repeat(label.len());
        }
        line += word;
        line.push(' ');
    }
    text + line.trim_end() + "\n"
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn percent(part: usize, whole: usize) -> String {
    match whole {
        0 => "-".to_owned(),
        whole => format!("{:.1} %", 100.0 * part as f64 / whole as f64),
    }
}
