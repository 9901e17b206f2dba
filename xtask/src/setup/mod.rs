//! `cargo xtask setup`: finds the device toolchain, and installs what is missing of it.

mod compiler;
pub mod debian;
mod pins;
mod wheel;

use crate::workspace;
use anyhow::Result;
use pins::Pins;
use std::process::ExitCode;

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
        let pins = Pins::read(&workspace::root().join("toolchain.toml"))?;
        let mut tools = compiler::find_or_install(&pins);
        for (name, wheel) in &pins.wheels {
            let found = wheel::find_or_unpack(name, wheel, &workspace::toolchain());
            tools.push(Tool { name: name.clone(), found });
        }
        Ok(if report(&tools) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
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
