//! Whether `host/ptx` is what the sources give.

use super::{
    ARCHS, Built, audit, build_all, fingerprint,
    manifest::{self, File, Manifest},
    read, scratch,
};
use anyhow::{Context, Result};
use cuda_builder::{
    audit::{Finding, collectives},
    toolchain,
};
use std::{collections::BTreeMap, path::Path};

const REBUILD: &str = "run `cargo xtask ptx` and look at the difference";

/// What is wrong, a line for each.
pub fn check(folder: &Path) -> Result<Vec<String>> {
    let text = read(&folder.join(manifest::NAME)).context(REBUILD)?;
    let recorded = Manifest::parse(&text)?;
    let checked_in = checked_in(folder)?;
    let (rebuilt, built) = build_all()?;

    let mut problems = Vec::new();
    if recorded.sources != rebuilt.sources {
        problems.push(format!(
            "{}: made from sources with fingerprint {}, which is now {}: {REBUILD}",
            manifest::NAME,
            recorded.sources,
            rebuilt.sources
        ));
    }
    problems.extend(strangers(folder)?);
    for Built { file, ptx, .. } in &checked_in {
        match recorded.files.iter().find(|recorded| recorded.name == file.name) {
            Some(recorded) => problems.extend(compare(recorded, file, ptx)),
            None => {
                problems.push(format!("{}: the manifest does not name it: {REBUILD}", file.name))
            }
        }
    }
    audit::print(&checked_in);
    problems.extend(audit::problems(&checked_in));

    if recorded.compiler.is_equivalent(&rebuilt.compiler) {
        for (old, new) in checked_in.iter().zip(&built) {
            problems.extend(first_difference(&old.file.name, &old.ptx, &new.ptx));
        }
    } else {
        println!(
            "note: made by {}, LLVM {}; here is {}, LLVM {}. So the PTX was not compared byte for byte, but \
             the sources' fingerprint was, and what this compiler makes of them is examined:",
            recorded.compiler.rustc,
            recorded.compiler.llvm,
            rebuilt.compiler.rustc,
            rebuilt.compiler.llvm
        );
        audit::print(&built);
        problems.extend(
            audit::problems(&built).into_iter().map(|problem| format!("rebuilt {problem}")),
        );
    }
    if problems.is_empty() {
        println!("host/ptx is what the sources give ({})", &fingerprint::of(text.as_bytes())[..12]);
    }
    Ok(problems)
}

/// The files that are checked in, examined.
fn checked_in(folder: &Path) -> Result<Vec<Built>> {
    let ptxas = toolchain::ptxas().context("run `cargo xtask setup`")?;
    let scratch = scratch()?;
    ARCHS
        .into_iter()
        .map(|arch| {
            let name = format!("msa_{arch}.ptx");
            let ptx = read(&folder.join(&name)).context(REBUILD)?;
            audit::examine(&name, ptx, arch, &ptxas, &scratch)
        })
        .collect()
}

/// PTX files that nothing builds.
fn strangers(folder: &Path) -> Result<Vec<String>> {
    let known: Vec<String> = ARCHS.iter().map(|arch| format!("msa_{arch}.ptx")).collect();
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names
        .filter(|name| name.ends_with(".ptx") && !known.contains(name))
        .map(|name| format!("{name}: nothing builds it"))
        .collect())
}

/// Compares a file with what the manifest says of it.
fn compare(recorded: &File, file: &File, ptx: &str) -> Vec<String> {
    let name = &file.name;
    let expected: BTreeMap<_, _> = recorded
        .kernels
        .iter()
        .map(|kernel| (kernel.name.clone(), kernel.collectives.clone()))
        .collect();
    let findings: Vec<Finding> = collectives(ptx, &expected);
    let mut problems: Vec<String> =
        findings.iter().map(|finding| format!("{name}: {finding}")).collect();
    if recorded.sha256 != file.sha256 {
        problems.push(format!(
            "{name}: expected the bytes with SHA-256 {}, got {}: {REBUILD}",
            recorded.sha256, file.sha256
        ));
    }
    problems
}

/// Where two texts differ.
fn first_difference(name: &str, old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let mut lines =
        (1..).zip(old.lines().map(Some).chain([None]).zip(new.lines().map(Some).chain([None])));
    let (line, (old, new)) = lines.find(|(_, (old, new))| old != new)?;
    Some(format!(
        "{name}: line {line}: expected `{}` from the sources, got `{}`: {REBUILD}",
        new.unwrap_or("the end").trim(),
        old.unwrap_or("the end").trim()
    ))
}
