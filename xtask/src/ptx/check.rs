//! Whether `host/ptx` is what the sources give.

use super::{
    ARCHS, Built, audit, build_all,
    manifest::{self, Manifest},
    read, scratch,
};
use anyhow::{Context, Result};
use cuda_builder::{audit::collectives, toolchain};
use std::{collections::BTreeMap, path::Path};

const REBUILD: &str = "run `cargo xtask ptx` and look at the difference";

/// What is wrong, a line for each.
pub fn check(folder: &Path) -> Result<Vec<String>> {
    let text = read(&folder.join(manifest::NAME))?;
    let recorded = Manifest::parse(&text)?;
    let checked_in = checked_in(folder)?;
    let (rebuilt, built) = build_all(None)?;

    audit::print(&checked_in);
    let mut problems = strangers(folder)?;
    problems.extend(differences(&recorded, &checked_in, &rebuilt, &built));
    problems.extend(audit::problems(&checked_in));
    if !recorded.compiler.is_equivalent(&rebuilt.compiler) {
        let [then, now] = [&recorded.compiler, &rebuilt.compiler];
        println!(
            "note: the PTX was made by {} and LLVM {}; here are {} and LLVM {}. So it was not compared \
             byte for byte, but the sources' fingerprint was, and this is what they give here:",
            then.rustc, then.llvm, now.rustc, now.llvm
        );
        audit::print(&built);
        problems.extend(audit::problems(&built).iter().map(|problem| format!("rebuilt {problem}")));
    }
    if problems.is_empty() {
        println!("host/ptx is what the sources give");
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
            let ptx = read(&folder.join(&name))?;
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

/// Where the manifest, the files beside it and what the sources give do not agree.
fn differences(
    recorded: &Manifest,
    checked_in: &[Built],
    rebuilt: &Manifest,
    built: &[Built],
) -> Vec<String> {
    let mut problems = Vec::new();
    if recorded.sources != rebuilt.sources {
        problems.push(format!(
            "{}: expected sources with the fingerprint {}, got {}: {REBUILD}",
            manifest::NAME,
            recorded.sources,
            rebuilt.sources
        ));
    }
    for Built { file, ptx, .. } in checked_in {
        let name = &file.name;
        let Some(expected) = recorded.files.iter().find(|recorded| &recorded.name == name) else {
            problems.push(format!("{name}: the manifest does not name it: {REBUILD}"));
            continue;
        };
        let counts: BTreeMap<_, _> = expected
            .kernels
            .iter()
            .map(|kernel| (kernel.name.clone(), kernel.collectives.clone()))
            .collect();
        problems.extend(collectives(ptx, &counts).iter().map(|found| format!("{name}: {found}")));
        if expected.sha256 != file.sha256 {
            let [expected, got] = [&expected.sha256, &file.sha256];
            problems.push(format!("{name}: expected SHA-256 {expected}, got {got}: {REBUILD}"));
        } else if expected != file && recorded.compiler.ptxas == rebuilt.compiler.ptxas {
            problems.push(format!("{name}: the manifest describes it wrongly: {REBUILD}"));
        }
        if recorded.compiler.is_equivalent(&rebuilt.compiler) {
            let fresh = built.iter().find(|built| &built.file.name == name);
            problems.extend(fresh.and_then(|fresh| first_difference(name, &fresh.ptx, ptx)));
        }
    }
    problems
}

/// Where a file is not what was expected.
fn first_difference(name: &str, expected: &str, got: &str) -> Option<String> {
    let expected = expected.split('\n').map(Some).chain([None]);
    let got = got.split('\n').map(Some).chain([None]);
    let mut pairs = (1..).zip(expected.zip(got));
    let (line, (expected, got)) = pairs.find(|(_, (expected, got))| expected != got)?;
    let [expected, got] = [expected, got].map(|line| line.unwrap_or("the end").trim());
    Some(format!(
        "{name}: line {line}: expected `{expected}` from the sources, got `{got}`: {REBUILD}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptx::manifest::{Compiler, File, Kernel};
    use cuda_builder::audit::{Resources, count_collectives};

    const PTX: &str =
        ".version 8.6\n.target sm_100\n.visible .entry k()\n{\n\tbar.sync 0;\n\tret;\n}\n";

    fn built(ptx: &str) -> Vec<Built> {
        let kernels = count_collectives(ptx)
            .into_iter()
            .map(|(name, counts)| Kernel::describe(&name, Resources::default(), counts))
            .collect();
        let file = File::describe("msa_sm_100.ptx", ptx, kernels).expect("a PTX");
        vec![Built { file, ptx: ptx.to_owned(), findings: Vec::new() }]
    }

    fn manifest(built: &[Built]) -> Manifest {
        let version = || "1".to_owned();
        Manifest {
            sources: "sources".to_owned(),
            compiler: Compiler {
                rustc: version(),
                rustc_llvm: version(),
                llvm: version(),
                cuda_builder: version(),
                ptxas: version(),
            },
            files: built.iter().map(|built| built.file.clone()).collect(),
        }
    }

    /// What is wrong where `PTX` was checked in, its manifest was changed, and the sources give `ptx`.
    fn problems(change: impl Fn(&mut Manifest), ptx: &str) -> Vec<String> {
        let (checked_in, built) = (built(PTX), built(ptx));
        let mut recorded = manifest(&checked_in);
        change(&mut recorded);
        differences(&recorded, &checked_in, &manifest(&built), &built)
    }

    #[track_caller]
    fn finds(problems: &[String], text: &str) {
        assert!(
            problems.iter().any(|problem| problem.contains(text)),
            "no `{text}` in {problems:#?}"
        );
    }

    #[test]
    fn what_agrees_has_no_problems() {
        assert_eq!(problems(|_| {}, PTX), [""; 0]);
    }

    #[test]
    fn other_sources_are_found() {
        let found = problems(|recorded| recorded.sources = "others".to_owned(), PTX);
        finds(&found, "manifest.toml: expected sources with the fingerprint others, got sources");
    }

    #[test]
    fn other_bytes_are_found() {
        let found = problems(|_| {}, &PTX.replace("bar.sync 0", "bar.sync 1"));
        finds(&found, "line 5: expected `bar.sync 1;` from the sources, got `bar.sync 0;`");
        finds(&problems(|_| {}, &format!("{PTX}more")), "line 8: expected `more`");
    }

    #[test]
    fn another_compiler_may_give_other_bytes() {
        let compiler = |recorded: &mut Manifest| recorded.compiler.rustc = "2".to_owned();
        assert_eq!(problems(compiler, &PTX.replace("bar.sync 0", "bar.sync 1")), [""; 0]);
    }

    #[test]
    fn a_manifest_of_other_files_is_found() {
        finds(&problems(|recorded| recorded.files.clear(), PTX), "the manifest does not name it");
        let hash = |recorded: &mut Manifest| recorded.files[0].sha256 = "0".to_owned();
        finds(&problems(hash, PTX), "msa_sm_100.ptx: expected SHA-256 0, got ");
        let registers = |recorded: &mut Manifest| recorded.files[0].kernels[0].registers = 9;
        finds(&problems(registers, PTX), "the manifest describes it wrongly");
        let count = |recorded: &mut Manifest| {
            recorded.files[0].kernels[0].collectives.insert("bar.sync".to_owned(), 2);
        };
        finds(
            &problems(count, PTX),
            "line 5: kernel `k`: collective count: expected 2 of `bar.sync`, got 1",
        );
    }
}
