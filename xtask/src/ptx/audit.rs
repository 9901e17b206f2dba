//! Examines PTX files: what `cuda_builder::audit` finds, with the file's name to it.

use super::{
    Built,
    manifest::{File, Kernel},
    write,
};
use anyhow::{Context, Result};
use cuda_builder::{Arch, audit};
use std::path::Path;

/// Examines a PTX and assembles it, in a scratch folder.
pub fn examine(name: &str, ptx: String, arch: Arch, ptxas: &Path, scratch: &Path) -> Result<Built> {
    let path = scratch.join(name);
    write(&path, &ptx)?;
    // The text first: where a call is unresolved, ptxas only says that it failed.
    let mut findings = audit::examine(&ptx);
    let counts = audit::count_collectives(&ptx);
    let assembled = match audit::assemble(ptxas, &path, arch) {
        Ok(assembled) => assembled,
        Err(error) if findings.is_empty() => {
            return Err(error).with_context(|| format!("cannot assemble {name}"));
        }
        Err(_) => audit::Assembled::default(),
    };
    findings.extend(assembled.findings);
    let kernels = assembled
        .kernels
        .into_iter()
        .map(|(name, resources)| {
            let collectives = counts.get(&name).cloned().unwrap_or_default();
            Kernel::describe(&name, resources, collectives)
        })
        .collect();
    Ok(Built { file: File::describe(name, &ptx, kernels)?, ptx, findings })
}

/// Prints a line for each kernel of each file.
pub fn print(built: &[Built]) {
    println!(
        "{:<17}{:<16}{:>10}{:>8}{:>7}{:>8}  collectives",
        "file", "kernel", "registers", "shared", "stack", "spills"
    );
    for Built { file, .. } in built {
        for kernel in &file.kernels {
            let Kernel { name, registers, shared, stack, spill_stores, spill_loads, .. } = kernel;
            let spills = spill_stores + spill_loads;
            let collectives: Vec<String> =
                kernel.collectives.iter().map(|(name, count)| format!("{name} {count}")).collect();
            println!(
                "{:<17}{name:<16}{registers:>10}{shared:>8}{stack:>7}{spills:>8}  {}",
                file.name,
                collectives.join(", ")
            );
        }
    }
}

/// What is wrong, a line for each.
pub fn problems(built: &[Built]) -> Vec<String> {
    let problem = |file: &File, finding| format!("{}: {finding}", file.name);
    built
        .iter()
        .flat_map(|Built { file, findings, .. }| {
            findings.iter().map(move |found| problem(file, found))
        })
        .collect()
}
