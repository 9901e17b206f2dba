//! What ptxas makes of a PTX.

use super::{Finding, Rule};
use crate::{Arch, error::Error, ptx};
use regex::Regex;
use std::{fs, path::Path, process::Command};

/// What a kernel takes of a multiprocessor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of shared memory of a block, without what a launch adds.
    pub shared: u32,
    /// Bytes of a thread's stack.
    pub stack: u32,
    /// Bytes that a thread stores because its registers do not suffice.
    pub spill_stores: u32,
    /// Bytes that a thread loads because its registers do not suffice.
    pub spill_loads: u32,
}

/// What ptxas reports of a PTX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembled {
    /// Each kernel's name and what it takes.
    pub kernels: Vec<(String, Resources)>,
    /// Spills, stack frames and warnings.
    pub findings: Vec<Finding>,
}

/// Assembles a PTX file for the architecture that it is for.
pub fn assemble(ptxas: &Path, file: &Path, arch: Arch) -> Result<Assembled, Error> {
    let io = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    };
    let ptx = fs::read_to_string(file).map_err(io("read", file))?;
    let nowhere = if cfg!(windows) { "NUL" } else { "/dev/null" };
    let arch = format!("-arch={arch}");
    let output = Command::new(ptxas)
        .args([&arch, "-v", "-o", nowhere])
        .arg(file)
        .output()
        .map_err(io("run", ptxas))?;
    // It reports on stderr, and on stdout in some releases.
    let report = [output.stdout, output.stderr].concat();
    let report = String::from_utf8_lossy(&report).into_owned();
    if !output.status.success() {
        return Err(Error::Tool { tool: "ptxas", crate_name: None, message: report });
    }
    parse(&report, &ptx)
}

/// The release that ptxas says it is: `13.5.37`.
pub fn ptxas_version(ptxas: &Path) -> Result<String, Error> {
    let io = |source| Error::Io { action: "run", path: ptxas.to_owned(), source };
    let output = Command::new(ptxas).arg("--version").output().map_err(io)?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = Regex::new(r"\bV(\d+(?:\.\d+)+)").expect("a valid pattern");
    match version.captures(&printed) {
        Some(found) => Ok(found[1].to_owned()),
        None => Err(Error::UnexpectedOutput { tool: "ptxas", expected: "a version", got: printed }),
    }
}

fn parse(report: &str, ptx: &str) -> Result<Assembled, Error> {
    let pattern = |text| Regex::new(text).expect("a valid pattern");
    let entry = pattern(r"Compiling entry function '([^']+)'");
    let registers = pattern(r"Used (\d+) registers");
    let shared = pattern(r"(\d+)(?:\+\d+)? bytes smem");
    let memory =
        pattern(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads");

    let mut kernels: Vec<(String, Resources)> = Vec::new();
    let mut warnings = Vec::new();
    for line in report.lines() {
        let number = |pattern: &Regex, group: usize| {
            pattern.captures(line).and_then(|found| found[group].parse::<u32>().ok())
        };
        if let Some(found) = entry.captures(line) {
            kernels.push((found[1].to_owned(), Resources::default()));
        }
        if line.contains("warning") || line.contains("(C7") {
            warnings.push(line.trim().to_owned());
        }
        let Some((_, resources)) = kernels.last_mut() else {
            continue;
        };
        // Properties of a function that the kernel calls come after its own: the largest counts.
        resources.registers = resources.registers.max(number(&registers, 1).unwrap_or(0));
        resources.shared = resources.shared.max(number(&shared, 1).unwrap_or(0));
        resources.stack = resources.stack.max(number(&memory, 1).unwrap_or(0));
        resources.spill_stores = resources.spill_stores.max(number(&memory, 2).unwrap_or(0));
        resources.spill_loads = resources.spill_loads.max(number(&memory, 3).unwrap_or(0));
    }

    let functions = ptx::functions(ptx);
    let mut findings = Vec::new();
    for function in functions.iter().filter(|function| function.kernel) {
        let Some((_, resources)) = kernels.iter().find(|(name, _)| *name == function.name) else {
            let expected = "a report of each kernel";
            let got = format!("none of `{}` in:\n{report}", function.name);
            return Err(Error::UnexpectedOutput { tool: "ptxas", expected, got });
        };
        let Resources { stack, spill_stores, spill_loads, .. } = *resources;
        let mut find = |rule, text| {
            let (kernel, line) = (function.name.clone(), function.line);
            findings.push(Finding { rule, kernel, line, text });
        };
        if stack > 0 {
            find(Rule::Stack, format!("{stack} bytes"));
        }
        if spill_stores > 0 || spill_loads > 0 {
            find(Rule::Spill, format!("{spill_stores} bytes stored, {spill_loads} bytes loaded"));
        }
    }
    let line = pattern(r"\bline (\d+)");
    findings.extend(warnings.into_iter().map(|text| {
        let named = |function: &&ptx::Function| text.contains(&format!("'{}'", function.name));
        let at = line.captures(&text).and_then(|found| found[1].parse::<usize>().ok());
        let function = functions.iter().find(named).or_else(|| {
            functions.iter().rev().find(|function| at.is_some_and(|at| function.line <= at))
        });
        Finding {
            rule: Rule::Warning,
            kernel: function.map(|function| function.name.clone()).unwrap_or_default(),
            line: at.or(function.map(|function| function.line)).unwrap_or(1),
            text,
        }
    }));
    Ok(Assembled { kernels, findings })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = ".visible .entry k(\n)\n{\n\tret;\n}\n";

    fn report(memory: &str) -> String {
        format!(
            "ptxas info    : 0 bytes gmem\n\
             ptxas info    : Compiling entry function 'k' for 'sm_100a'\n\
             ptxas info    : Function properties for k\n    {memory}\n\
             ptxas info    : Used 38 registers, used 1 barriers, 7696 bytes smem, 400 bytes cmem[0]\n"
        )
    }

    const CLEAN: &str = "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads";

    #[test]
    fn resources_are_read() {
        let assembled = parse(&report(CLEAN), PTX).expect("a whole report");
        let resources = Resources { registers: 38, shared: 7696, ..Resources::default() };
        assert_eq!(assembled.kernels, [("k".to_owned(), resources)]);
        assert_eq!(assembled.findings, []);
    }

    #[test]
    fn stack_and_spills_are_found() {
        let memory = "16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads";
        let findings = parse(&report(memory), PTX).expect("a whole report").findings;
        let found: Vec<_> = findings.iter().map(|found| (found.rule, found.line)).collect();
        assert_eq!(found, [(Rule::Stack, 1), (Rule::Spill, 1)]);
        assert_eq!(findings[1].text, "8 bytes stored, 4 bytes loaded");
    }

    #[test]
    fn warnings_are_found() {
        let report = format!(
            "{}ptxas info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored to maintain \
             minimum register requirements in function 'k'\n\
             ptxas x.ptx, line 4; warning : something\n",
            report(CLEAN)
        );
        let findings = parse(&report, PTX).expect("a whole report").findings;
        let found: Vec<_> = findings.iter().map(|f| (f.rule, f.kernel.as_str(), f.line)).collect();
        assert_eq!(found, [(Rule::Warning, "k", 1), (Rule::Warning, "k", 4)]);
    }

    #[test]
    fn missing_kernel_is_an_error() {
        let error = parse("", PTX).expect_err("no report").to_string();
        assert!(error.contains("none of `k`"), "{error}");
    }
}
