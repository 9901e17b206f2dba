//! `cargo xtask setup`: finds the device toolchain, and installs what is missing of it.

mod compiler;
pub mod debian;
mod pins;
mod wheel;

use crate::workspace;
use anyhow::{Context, Result};
use pins::Pins;
use std::{path::PathBuf, process::ExitCode};

#[derive(clap::Args)]
pub struct Setup;

/// A line of the table that is printed.
struct Tool {
    name: String,
    /// Its version and where it is, or why it is not there and how to get it.
    found: Result<(String, String)>,
}

impl Setup {
    pub fn run(self) -> Result<ExitCode> {
        let pins = pins()?;
        let mut tools = compiler::find_or_install(&pins);
        for (name, wheel) in &pins.wheels {
            let found = wheel::find_or_unpack(name, wheel, &workspace::toolchain());
            tools.push(Tool { name: name.clone(), found });
        }
        Ok(if report(&tools) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The file that a wheel is there for, after it was unpacked if it has to be.
pub fn file_of_wheel(name: &str) -> Result<PathBuf> {
    let pins = pins()?;
    let wheel = pins.wheels.get(name).with_context(|| format!("toolchain.toml has no {name}"))?;
    let (_, file) = wheel::find_or_unpack(name, wheel, &workspace::toolchain())?;
    Ok(file.into())
}

fn pins() -> Result<Pins> {
    Pins::read(&workspace::root().join("toolchain.toml"))
}

/// Prints what there is and then what is missing; returns whether everything is there.
fn report(tools: &[Tool]) -> bool {
    println!("{:<24}{:<12}where", "tool", "version");
    for Tool { name, found } in tools {
        match found {
            Ok((version, place)) => println!("{name:<24}{version:<12}{place}"),
            Err(_) => println!("{name:<24}{:<12}-", "missing"),
        }
    }
    for Tool { name, found } in tools {
        if let Err(error) = found {
            eprintln!("\n{name} is missing: {error:#}");
        }
    }
    tools.iter().all(|tool| tool.found.is_ok())
}
