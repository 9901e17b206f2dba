//! Refuses a PTX that can panic, or that calls what nothing defines.
//!
//! A kernel has nobody to tell about a panic, and what a panic would print is many kilobytes of code and
//! a stack. What calls into `core::panicking` after optimisation is a bounds check, an overflow
//! check, a division or an `unwrap` that LLVM could not rule out: the author must.

use crate::{error::Error, ptx};
use std::collections::BTreeMap;

/// Whether a function is one of `core`'s that panic, as [`crate::fixup`] writes its path or as rustc
/// does.
pub(crate) fn is_panic(name: &str) -> bool {
    ["core__panicking__", "_ZN4core9panicking"].iter().any(|prefix| name.starts_with(prefix))
        || name.starts_with("_R") && name.contains("4core9panicking")
}

pub(crate) fn check(ptx: &str, crate_name: &str) -> Result<(), Error> {
    let functions = ptx::functions(ptx);
    let calls: BTreeMap<&str, Vec<&str>> = functions
        .iter()
        .map(|function| {
            let callees = function.statements.iter().filter_map(callee).collect();
            (function.name.as_str(), callees)
        })
        .collect();
    let crate_name = crate_name.to_owned();
    for kernel in functions.iter().filter(|function| function.kernel) {
        if let Some(chain) = chain(&kernel.name, &calls, is_panic) {
            return Err(Error::Panics { crate_name, chain: chain.join(" -> ") });
        }
        let is_unresolved = |name: &str| !calls.contains_key(name) && !is_provided(name);
        if let Some(chain) = chain(&kernel.name, &calls, is_unresolved) {
            let function = chain.last().map(|name| (*name).to_owned()).unwrap_or_default();
            return Err(Error::Unresolved { crate_name, function, chain: chain.join(" -> ") });
        }
    }
    Ok(())
}

/// What the driver defines: the device-side `printf`, `malloc` and the like.
fn is_provided(name: &str) -> bool {
    matches!(name, "vprintf" | "malloc" | "free" | "__assertfail")
}

/// The function that a statement calls: `call.uni (retval0), NAME, (param0)`. A call through a
/// register has no name.
pub(crate) fn callee(statement: &ptx::Statement) -> Option<&str> {
    let is_call = matches!(statement.opcode(), "call" | "call.uni");
    let operands =
        statement.text.strip_prefix(statement.opcode()).filter(|_| is_call)?.trim_start();
    let name = match operands.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1.trim_start_matches([',', ' ', '\t']),
        None => operands,
    };
    let end = name.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(name.len());
    Some(&name[..end]).filter(|name| !name.is_empty() && !name.starts_with('%'))
}

/// A shortest chain of calls from a function to one that is looked for.
fn chain<'a>(
    from: &'a str,
    calls: &BTreeMap<&'a str, Vec<&'a str>>,
    wanted: impl Fn(&str) -> bool,
) -> Option<Vec<&'a str>> {
    let mut chains = vec![vec![from]];
    let mut seen = vec![from];
    let mut at = 0;
    while at < chains.len() {
        let chain = chains[at].clone();
        let last = *chain.last()?;
        if wanted(last) {
            return Some(chain);
        }
        for callee in calls.get(last).into_iter().flatten() {
            if !seen.contains(callee) {
                seen.push(callee);
                chains.push(chain.iter().copied().chain([*callee]).collect());
            }
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PTX: &str = ".func dep__inner()\n{\n\tcall.uni core__panicking__panic_fmt, (param0);\n}\n\
        .visible .entry k()\n{\n\tcall.uni (retval0), dep__inner, (param0);\n\tret;\n}\n";

    #[test]
    fn panics_are_refused_with_their_callers() {
        let error = check(PTX, "kernels").expect_err("it panics").to_string();
        assert!(error.contains("crate `kernels`"), "{error}");
        assert!(error.contains("k -> dep__inner -> core__panicking__panic_fmt"), "{error}");
    }

    #[test]
    fn unresolved_calls_are_refused() {
        let ptx = PTX.replace("core__panicking__panic_fmt", "memcmp");
        let error = check(&ptx, "kernels").expect_err("nothing defines it").to_string();
        assert!(
            error.contains("calls `memcmp`, which nothing defines: k -> dep__inner"),
            "{error}"
        );
    }

    #[test]
    fn provided_calls_pass() {
        check(&PTX.replace("core__panicking__panic_fmt", "vprintf"), "kernels")
            .expect("a driver's");
    }
}
