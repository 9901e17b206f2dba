//! The Rust compiler for GPUs and LLVM's tools: from Debian, or else from rustup.

use super::{Tool, pins::Pins};
use anyhow::{Context, Result, anyhow, bail};
use cuda_builder::Toolchain;
use std::{
    env,
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
    install_by_apt(pins).or_else(|debian| {
        install_by_rustup(pins).map_err(|rustup| anyhow!("{debian:#}\nrustup: {rustup:#}"))
    })
}

fn install_by_apt(pins: &Pins) -> Result<()> {
    let packages: Vec<&str> = pins.debian.keys().map(String::as_str).collect();
    let command = ["apt-get", "install", "--yes", "--no-install-recommends"];
    let by_hand = format!("run as root: {} {}", command.join(" "), packages.join(" "));
    let prefix: &[&str] = match (is_root(), exists("sudo")) {
        (true, _) => &[],
        (false, true) => &["sudo"],
        (false, false) => bail!("there is no sudo; {by_hand}"),
    };
    let as_root = |arguments: &[&str]| run(&[prefix, arguments].concat()).context(by_hand.clone());
    if !packages.iter().all(|package| is_known(package)) {
        as_root(&["apt-get", "update"])?;
    }
    if let Some(unknown) = packages.iter().find(|package| !is_known(package)) {
        bail!("this Debian has no package {unknown}");
    }
    as_root(&[&command[..], &packages].concat())
}

fn install_by_rustup(pins: &Pins) -> Result<()> {
    if !exists("rustup") {
        bail!("there is neither rustup nor a Debian that has the packages");
    }
    let mut arguments =
        vec!["rustup", "toolchain", "install", &pins.rustup.channel, "--profile", "minimal"];
    arguments.extend(pins.rustup.components.iter().flat_map(|name| ["--component", name.as_str()]));
    run(&arguments)
}

/// Whether apt can install the package: it names a candidate for it.
fn is_known(package: &str) -> bool {
    let output = Command::new("apt-cache").args(["show", "--no-all-versions", package]).output();
    output.is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn exists(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
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
