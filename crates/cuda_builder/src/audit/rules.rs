//! The rules that the text of a PTX shows.

use super::{Finding, Rule};
use crate::{
    collective::{count::count, name},
    panics::{callee, is_panic},
    ptx::{self, Function, Statement},
};
use std::collections::{BTreeMap, BTreeSet};

/// Finds local memory, calls that are unresolved or panic, and accesses without a state space.
pub fn examine(ptx: &str) -> Vec<Finding> {
    let functions = ptx::functions(ptx);
    let defined: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let mut findings = Vec::new();
    for function in &functions {
        for statement in &function.statements {
            if let Some(rule) = broken(statement, &defined) {
                findings.push(Finding {
                    rule,
                    kernel: function.name.clone(),
                    line: statement.line,
                    text: statement.text.clone(),
                });
            }
        }
    }
    findings
}

fn broken(statement: &Statement, defined: &BTreeSet<&str>) -> Option<Rule> {
    let mut modifiers = statement.opcode().split('.');
    let root = modifiers.next().unwrap_or_default();
    let is_access = matches!(root, "ld" | "ldu" | "st" | "atom" | "red");
    if let Some(callee) = callee(statement) {
        return match callee {
            _ if is_panic(callee) => Some(Rule::Panic),
            _ if !defined.contains(callee) => Some(Rule::Unresolved),
            _ => None,
        };
    }
    if statement.text.starts_with("//") {
        None
    } else if modifiers.clone().any(|modifier| modifier == "local") {
        Some(Rule::Local)
    } else if is_access && !modifiers.any(is_space) {
        Some(Rule::Generic)
    } else {
        None
    }
}

/// Whether a modifier says which memory is meant: `global`, `shared::cta`, ...
fn is_space(modifier: &str) -> bool {
    let space = modifier.split("::").next().unwrap_or_default();
    matches!(space, "global" | "shared" | "param" | "const" | "local")
}

/// How often each collective stands in each kernel.
pub fn count_collectives(ptx: &str) -> BTreeMap<String, BTreeMap<String, usize>> {
    let kernels = ptx::functions(ptx).into_iter().filter(|function| function.kernel);
    kernels.map(|kernel| (kernel.name.clone(), count(&kernel))).collect()
}

/// Compares how often each collective stands in each kernel with what is expected: one finding for
/// each that differs, and one for a kernel that is not there.
pub fn collectives(
    ptx: &str,
    expected: &BTreeMap<String, BTreeMap<String, usize>>,
) -> Vec<Finding> {
    let functions = ptx::functions(ptx);
    let mut findings = Vec::new();
    for (kernel, expected) in expected {
        let Some(function) = functions.iter().find(|function| &function.name == kernel) else {
            findings.push(Finding {
                rule: Rule::Collective,
                kernel: kernel.clone(),
                line: 1,
                text: "expected this kernel, got none".to_owned(),
            });
            continue;
        };
        let got = count(function);
        let names: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
        for collective in names {
            let [expected, got] =
                [expected, &got].map(|counts| counts.get(collective).copied().unwrap_or(0));
            if expected != got {
                findings.push(Finding {
                    rule: Rule::Collective,
                    kernel: kernel.clone(),
                    line: first(function, collective),
                    text: format!("expected {expected} of `{collective}`, got {got}"),
                });
            }
        }
    }
    findings
}

/// The line of a function's first collective of this name, or of the function.
fn first(function: &Function, collective: &str) -> usize {
    let is_it = |statement: &&Statement| name(statement.opcode()) == Some(collective);
    function.statements.iter().find(is_it).map_or(function.line, |statement| statement.line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel with this body, which begins at line 4.
    fn kernel(body: &str) -> String {
        format!(".visible .entry k(\n)\n{{\n{body}\n\tret;\n}}\n")
    }

    #[track_caller]
    fn finds(body: &str, rule: Rule) {
        let findings = examine(&kernel(body));
        assert_eq!(findings.len(), 1, "{findings:?}");
        let Finding { rule: found, kernel, line, .. } = &findings[0];
        assert_eq!((*found, kernel.as_str(), *line), (rule, "k", 4), "{findings:?}");
    }

    #[test]
    fn a_good_kernel_has_no_findings() {
        let body = "\tld.param.b64 \t%rd1, [k_param_0];\n\tld.global.nc.v4.b32 \t{%r1, %r2, %r3, %r4}, [%rd1];\n\
            \tst.shared::cta.b32 [%r1], %r2;\n\tatom.shared.add.u32 %r3, [%r1], 1;\n\tcall.uni helper;\n\
            \tld.relaxed.gpu.global.b32 %r1, [%rd1];\n\tld.const.b32 %r1, [table];\n// ld.b32 .local";
        let ptx = format!(".func helper()\n{{\n\tret;\n}}\n{}", kernel(body));
        assert_eq!(examine(&ptx), []);
    }

    #[test]
    fn local_memory_is_found() {
        finds("\t.local .align 8 .b8 \t__local_depot0[56];", Rule::Local);
        finds("\tst.local.b32 \t[%rd1], %r1;", Rule::Local);
        finds("\tcvta.to.local.u64 \t%rd1, %rd2;", Rule::Local);
    }

    #[test]
    fn unresolved_calls_are_found() {
        finds("\tcall.uni (retval0), memcmp, (param0);", Rule::Unresolved);
    }

    #[test]
    fn panics_are_found() {
        finds("\tcall.uni core__panicking__panic_bounds_check, (param0);", Rule::Panic);
        finds(
            "\tcall.uni _ZN4core9panicking9panic_fmt17h0123456789abcdefE, (param0);",
            Rule::Panic,
        );
    }

    #[test]
    fn generic_accesses_are_found() {
        finds("\tld.b32 \t%r1, [%rd1];", Rule::Generic);
        finds("\t@%p1 st.volatile.b32 \t[%rd1], %r1;", Rule::Generic);
        finds("\tatom.relaxed.gpu.add.u32 \t%r1, [%rd1], 1;", Rule::Generic);
        finds("\tred.add.u32 \t[%rd1], 1;", Rule::Generic);
    }

    #[test]
    fn collective_counts_are_compared() {
        let ptx = kernel("\tmov.u32 %r1, 1;\n\tbar.sync 0;\n\tbar.sync 0;");
        let expect = |counts: &[(&str, usize)]| {
            let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
            collectives(&ptx, &BTreeMap::from([("k".to_owned(), counts)]))
        };
        assert_eq!(expect(&[("bar.sync", 2)]), []);
        let findings = expect(&[("bar.sync", 1), ("shfl.sync", 1)]);
        assert_eq!(findings.len(), 2);
        assert_eq!(
            (findings[0].line, findings[0].text.as_str()),
            (5, "expected 1 of `bar.sync`, got 2")
        );
        assert_eq!(
            (findings[1].line, findings[1].text.as_str()),
            (1, "expected 1 of `shfl.sync`, got 0")
        );

        let other = BTreeMap::from([("other".to_owned(), BTreeMap::new())]);
        assert_eq!(collectives(&ptx, &other)[0].kernel, "other");
    }
}
