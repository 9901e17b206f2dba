//! A small serving engine over both operators: continuous batching on a paged cache with shared prefixes, chunked
//! prefill beside decode, and speculative decode. See `README.md` beside this file.
//!
//!     cargo run --release --example engine
//!
//! Exits with 1 if an answer is not that of the same request alone, and with 2 if it cannot run.

mod check;
mod config;
mod device;
mod engine;
mod model;
mod pages;
mod prefixes;
mod random;
mod request;
mod scheduler;
mod step;
mod table;
mod workload;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;

use crate::config::{Arguments, Config};
use crate::engine::serve;
use crate::request::End;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("engine: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Serves and checks; tells whether every answer was right.
fn run(arguments: &Arguments) -> Result<bool> {
    let config = Config::new(arguments)?;
    let mut device = device::open(&config)?;
    let shape = config.model.shape;
    println!(
        "{}; {} layers, {}/{} heads, {} pages\n\n{}",
        device.name(),
        shape.layers,
        shape.heads,
        shape.kv_heads,
        config.pages,
        table::heading()
    );
    let arrivals = workload::workload(&config);
    let (start, mut totals) = (Instant::now(), table::Totals::default());
    let served = serve(&config, device.as_mut(), &arrivals, |status| {
        totals.add(status);
        println!("{}", table::line(status));
    })?;
    println!("\n{}", totals.line(start.elapsed()));

    let mut wrong = 0;
    for done in &served.done {
        if let Some(difference) = check::difference(&config, device.as_mut(), done)? {
            println!("request {}: {difference}", done.request.id);
            wrong += 1;
        }
    }
    let count = |end| served.done.iter().filter(|done| done.end == end).count();
    let (finished, cancelled) = (count(End::Finished), count(End::Cancelled));
    let pages = served.pages;
    println!(
        "pages: {} free, {} in the prefix cache, {} in use",
        pages.free, pages.idle, pages.used
    );
    println!(
        "check: {finished} requests finished and {cancelled} cancelled of {}; {}",
        arrivals.len(),
        match wrong {
            0 => "all have the bits that they have alone".to_owned(),
            _ => format!("{wrong} have not the bits that they have alone"),
        }
    );
    Ok(wrong == 0 && pages.used == 0 && served.done.len() == arrivals.len())
}
