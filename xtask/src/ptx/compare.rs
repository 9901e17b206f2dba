//! `cargo xtask ptx --compare ARCH`: what ptxas makes of the PTX of either code generator.

use super::{scratch, write};
use crate::workspace;
use anyhow::{Context, Result, ensure};
use cuda_builder::audit::{self, Assembled, Resources};
use cuda_builder::{Arch, Backend, CudaBuilder, toolchain};
use std::{collections::BTreeMap, path::Path, process::Command};

/// Instructions that tell how well a kernel's loops came out, by the start of their names: matrix products of any
/// generation, copies to shared memory, moves between registers, branches.
const CLASSES: [(&str, &[&str]); 5] = [
    ("products", &["HMMA", "HGMMA", "UTC"]),
    ("copies", &["LDGSTS", "UBLKCP", "UTMA"]),
    ("float", &["F", "MUFU"]),
    ("moves", &["MOV", "R2UR", "SEL"]),
    ("branches", &["BRA", "BSYNC", "BSSY"]),
];

/// How often each instruction stands in a kernel, by its name without modifiers.
type Listing = BTreeMap<String, usize>;

/// Builds the kernels for `arch` by both, and prints a line for each kernel and code generator.
pub fn print(arch: Arch) -> Result<()> {
    let columns: Vec<String> = CLASSES.iter().map(|(class, _)| format!("{class:>10}")).collect();
    println!(
        "{:<25}{:<10}{:>10}{:>8}{:>14}{}",
        "kernel",
        "by",
        "registers",
        "spills",
        "instructions",
        columns.join("")
    );
    let [llvm, nvvm] = [Backend::Llvm, Backend::LibNvvm].map(|backend| built(arch, backend));
    let (llvm, nvvm) = (llvm?, nvvm?);
    for (name, resources, listing) in &llvm {
        print_line(name, "LLVM", *resources, listing);
        if let Some((_, resources, listing)) = nvvm.iter().find(|(other, ..)| other == name) {
            print_line(name, "libNVVM", *resources, listing);
        }
    }
    Ok(())
}

fn print_line(name: &str, by: &str, resources: Resources, listing: &Listing) {
    let Resources { registers, spill_stores, spill_loads, .. } = resources;
    let of = |starts: &[&str]| {
        let is_one = |name: &str| starts.iter().any(|start| name.starts_with(start));
        listing.iter().filter(|(name, _)| is_one(name)).map(|(_, count)| count).sum::<usize>()
    };
    let counts = CLASSES.map(|(_, starts)| format!("{:>10}", of(starts)));
    let (spills, all) = (spill_stores + spill_loads, listing.values().sum::<usize>());
    println!("{name:<25}{by:<10}{registers:>10}{spills:>8}{all:>14}{}", counts.join(""));
}

/// Each kernel with what it takes and its instructions.
fn built(arch: Arch, backend: Backend) -> Result<Vec<(String, Resources, Listing)>> {
    let path = scratch()?.join(format!("{backend:?}_{arch}.ptx"));
    let output = CudaBuilder::new(workspace::root().join("kernels-gpu"))
        .arch(arch)
        .backend(backend)
        .build()
        .with_context(|| format!("{backend:?} does not build the kernels for {arch}"))?;
    write(&path, &output.ptx)?;
    let ptxas = toolchain::ptxas()?;
    let Assembled { kernels, .. } = audit::assemble(&ptxas, &path, arch)?;
    let mut listings = listings(&ptxas, &path, arch)?;
    let with_listing = kernels.into_iter().map(|(name, resources)| {
        let listing = listings.remove(&name).with_context(|| format!("no listing of {name}"))?;
        Ok((name, resources, listing))
    });
    with_listing.collect()
}

/// The instructions of each kernel of a PTX file.
fn listings(ptxas: &Path, path: &Path, arch: Arch) -> Result<BTreeMap<String, Listing>> {
    let cubin = path.with_extension("cubin");
    let mut assemble = Command::new(ptxas);
    assemble.arg(format!("-arch={arch}")).arg("-o").arg(&cubin).arg(path);
    run(&mut assemble)?;
    let listing = run(Command::new(toolchain::nvdisasm()?).arg("-c").arg(&cubin))?;

    let mut kernels: BTreeMap<String, Listing> = BTreeMap::new();
    let mut kernel = None;
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix(".text.").and_then(|line| line.strip_suffix(':')) {
            kernel = Some(kernels.entry(name.to_owned()).or_default());
        } else if let (Some(kernel), Some(name)) = (&mut kernel, instruction(line)) {
            *kernel.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(kernels)
}

/// The name of the instruction on a line such as `/*0040*/   @P0 UISETP.NE.U32 …`, but for what only fills the kernel's end.
fn instruction(line: &str) -> Option<&str> {
    let (address, rest) = line.trim_start().strip_prefix("/*")?.split_once("*/")?;
    u32::from_str_radix(address, 16).ok()?;
    let name = rest.split_whitespace().find(|word| !word.starts_with('@'))?;
    let name = name.split(['.', ';']).next()?;
    (name != "NOP").then_some(name)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed:\n{said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::instruction;

    #[test]
    fn instructions_are_told_from_other_lines() {
        for (line, name) in [
            (
                "        /*0040*/                   UISETP.NE.U32.AND UP0, UPT, UR4, 0x1, UPT ;",
                Some("UISETP"),
            ),
            ("        /*00a0*/              @!P0 BRA `(.L_x_0) ;", Some("BRA")),
            ("        /*0b00*/                   NOP;", None),
            (".L_x_0:", None),
            ("        /* 0x000fe400 */", None),
        ] {
            assert_eq!(instruction(line), name, "{line}");
        }
    }
}
