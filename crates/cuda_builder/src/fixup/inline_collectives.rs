//! Has every function that contains a collective inlined, before anything else is optimised.
//!
//! Two things need it. A function of that kind must become part of its kernel anyway: the hardware's
//! instructions for a warp take their operands in registers. And the check of [`crate::collective`]
//! counts from there: once everything is inlined, a copy of a collective is one that LLVM has made.
//!
//! `#[inline(never)]` is respected: such a function is checked as it stands, by itself.

use crate::{
    collective::is_collective,
    ir::{AsmCall, Function, Module, symbols},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn apply(module: &mut Module) {
    let never = never_inlined_groups(module);
    let functions = module.functions();
    let callers = callers(module, &functions);

    let mut pending: Vec<&str> = functions
        .iter()
        .filter(|function| has_collective(module, function))
        .map(|function| function.name.as_str())
        .collect();
    let mut reached = BTreeSet::new();
    while let Some(name) = pending.pop() {
        if reached.insert(name) {
            pending.extend(callers.get(name).into_iter().flatten().copied());
        }
    }

    for function in functions.iter().filter(|f| !f.kernel && reached.contains(f.name.as_str())) {
        let define = &mut module.lines[function.lines.start];
        let is_never =
            define.split_whitespace().any(|word| word == "noinline" || never.contains(word));
        if !is_never && let Some(brace) = define.rfind('{') {
            define.insert_str(brace, "alwaysinline ");
        }
    }
}

fn has_collective(module: &Module, function: &Function) -> bool {
    module.lines[function.body()]
        .iter()
        .any(|line| AsmCall::find(line).is_some_and(|call| is_collective(&line[call.text])))
}

/// Which functions name each function.
fn callers<'a>(module: &Module, functions: &'a [Function]) -> BTreeMap<String, Vec<&'a str>> {
    let mut callers: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for function in functions {
        for symbol in module.lines[function.body()].iter().flat_map(|line| symbols(line)) {
            callers.entry(symbol.name.to_owned()).or_default().push(&function.name);
        }
    }
    callers
}

/// The attribute groups (`#6`) that say `noinline`.
fn never_inlined_groups(module: &Module) -> BTreeSet<String> {
    module
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("attributes ")?.split_once(" = "))
        .filter(|(_, attributes)| attributes.split_whitespace().any(|word| word == "noinline"))
        .map(|(group, _)| group.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_of_collectives_are_inlined() {
        let mut module = Module::new(
            "define internal void @bar() #0 {\n  call void asm sideeffect \"bar.sync 0;\", \"\"()\n}\n\
             define internal void @outer() #0 {\n  call void @bar()\n}\n\
             define internal void @never() #1 {\n  call void @bar()\n}\n\
             define internal void @plain() #0 {\n  ret void\n}\n\
             define ptx_kernel void @k() #0 {\n  call void @outer()\n}\n\
             attributes #0 = { convergent }\n\
             attributes #1 = { convergent noinline }",
        );
        apply(&mut module);
        let inlined: Vec<_> = module
            .functions()
            .into_iter()
            .filter(|f| module.lines[f.lines.start].contains("alwaysinline"))
            .map(|f| f.name)
            .collect();
        assert_eq!(inlined, ["bar", "outer"]);
    }
}
