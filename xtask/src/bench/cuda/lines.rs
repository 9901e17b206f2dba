use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::bench::report::{Limit, Row};

/// A line of the file: a row, and what follows from it.
#[derive(Serialize)]
struct Line<'r> {
    case: String,
    #[serde(flatten)]
    row: &'r Row,
    floor_us: f64,
    limit: Limit,
    share: f64,
    times_as_fast: Option<f64>,
}

/// Writes a line of JSON for each row.
pub fn write(rows: &[Row], path: &Path) -> Result<()> {
    let mut file =
        File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    for row in rows {
        let line = Line {
            case: row.case.name(),
            row,
            floor_us: row.floor_us(),
            limit: row.limit(),
            share: row.share(),
            times_as_fast: row.times_as_fast(),
        };
        writeln!(file, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}
