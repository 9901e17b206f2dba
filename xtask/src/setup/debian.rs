//! Packages of Debian.

use super::compiler::run;
use anyhow::{Context, Result, bail};
use std::{env, process::Command};

/// Installs packages, as root or through sudo.
pub fn install(packages: &[&str]) -> Result<()> {
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
    as_root(&[&command[..], packages].concat())
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

/// Whether there is such a program.
pub fn exists(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
