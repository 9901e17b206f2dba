//! The Rust compiler for GPUs and LLVM's tools: from Debian, or else from rustup.

use super::{Tool, debian, pins::Pins};
use anyhow::{Context, Result, anyhow, bail};
use cuda_builder::Toolchain;
use std::{
    path::Path,
    process::{Command, Stdio},
};

pub fn find_or_install(pins: &Pins) -> Vec<Tool> {
    let toolchain = Toolchain::discover().or_else(|missing| {
        eprintln!("{}: {}", missing.tool, missing.reason);
        install(pins)?;
        Toolchain::discover().map_err(anyhow::Error::from)
    });
    let toolchain = match toolchain {
        Ok(toolchain) => toolchain,
        Err(error) => return vec![Tool { name: "rustc and LLVM".to_owned(), found: Err(error) }],
    };
    let versions = toolchain.versions();
    let rustc = versions.rustc.split_whitespace().nth(1).unwrap_or("?");
    let pinned = |package: &str| pins.debian.get(package).map_or("?", String::as_str);
    for (tool, package, version) in
        [("rustc", "rustc-web", rustc), ("LLVM", "llvm-22", versions.llvm.as_str())]
    {
        if version != pinned(package) {
            println!(
                "note: {tool} is {version}, the pinned one is {}: `cargo xtask ptx --check` will compare \
                 the sources' fingerprint instead of the PTX byte for byte",
                pinned(package)
            );
        }
    }
    let tool = |name: &str, version: &str, place: &Path| Tool {
        name: name.to_owned(),
        found: Ok((version.to_owned(), place.display().to_string())),
    };
    vec![
        tool("rustc", rustc, toolchain.rustc()),
        tool("cargo", rustc, toolchain.cargo()),
        tool("library sources", rustc, toolchain.library()),
        tool(
            "opt, llc, llvm-link",
            &versions.llvm,
            toolchain.opt().parent().unwrap_or(toolchain.opt()),
        ),
    ]
}

fn install(pins: &Pins) -> Result<()> {
    if !Path::new("/etc/debian_version").exists() {
        return install_by_rustup(pins);
    }
    let packages: Vec<&str> = pins.debian.keys().map(String::as_str).collect();
    debian::install(&packages).or_else(|debian| {
        install_by_rustup(pins).map_err(|rustup| anyhow!("{debian:#}\nrustup: {rustup:#}"))
    })
}

fn install_by_rustup(pins: &Pins) -> Result<()> {
    if !debian::exists("rustup") {
        bail!("there is neither rustup nor a Debian that has the packages");
    }
    let mut arguments =
        vec!["rustup", "toolchain", "install", &pins.rustup.channel, "--profile", "minimal"];
    arguments.extend(pins.rustup.components.iter().flat_map(|name| ["--component", name.as_str()]));
    run(&arguments)
}

/// Runs a command, showing it and what it prints.
pub fn run(command: &[&str]) -> Result<()> {
    let shown = command.join(" ");
    eprintln!("+ {shown}");
    let [program, arguments @ ..] = command else { bail!("an empty command") };
    let status = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::inherit())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if status.success() { Ok(()) } else { bail!("`{shown}` failed") }
}
