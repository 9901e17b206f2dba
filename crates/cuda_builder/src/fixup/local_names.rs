//! Gives what stays inside the module names that a reader knows and that never change by themselves.
//!
//! rustc's symbols carry hashes of the compiler's version and of crate identities; those would make
//! two equal programs differ. `_RNvCskzKYH9IaaHY_3dep3mix` becomes `dep__mix`, a constant without a
//! name of its own becomes `data__3`.

use crate::ir::{Module, symbols};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn apply(module: &mut Module) {
    let mut taken: BTreeSet<String> = BTreeSet::new();
    let mut local: Vec<String> = Vec::new();
    for line in module.lines.iter().filter(|line| is_definition(line)) {
        if let Some(symbol) = symbols(line).next() {
            if line.contains(" internal ") || line.contains(" private ") {
                local.push(symbol.name.to_owned());
            } else {
                taken.insert(symbol.name.to_owned());
            }
        }
    }

    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for old in local {
        let base = readable(&old);
        let mut new = base.clone();
        let mut count = 1;
        while !taken.insert(new.clone()) {
            count += 1;
            new = format!("{base}__{count}");
        }
        names.insert(old, new);
    }
    for line in module.lines.iter_mut().filter(|line| line.contains('@')) {
        *line = rename(line, &names);
    }
}

fn is_definition(line: &str) -> bool {
    line.starts_with("define ") || line.starts_with("declare ") || line.starts_with('@')
}

/// A PTX identifier for a symbol of rustc's.
fn readable(symbol: &str) -> String {
    let Ok(path) = rustc_demangle::try_demangle(symbol) else {
        return "data".to_owned();
    };
    let mut name = String::new();
    for piece in format!("{path:#}").split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if !piece.is_empty() {
            name.push_str(if name.is_empty() { "" } else { "__" });
            name.push_str(piece);
        }
    }
    name
}

fn rename(line: &str, names: &BTreeMap<String, String>) -> String {
    let mut renamed = String::with_capacity(line.len());
    let mut copied = 0;
    for symbol in symbols(line) {
        if let Some(name) = names.get(symbol.name) {
            renamed.push_str(&line[copied..symbol.span.start]);
            renamed.push('@');
            renamed.push_str(name);
            copied = symbol.span.end;
        }
    }
    renamed.push_str(&line[copied..]);
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_lose_their_hashes() {
        let mut module = Module::new(
            "@alloc_0123456789abcdef = private constant [1 x i8] zeroinitializer\n\
             @alloc_fedcba9876543210 = private constant [1 x i8] zeroinitializer\n\
             define ptx_kernel void @k() {\n\
             \x20 call i32 @_RNvCskzKYH9IaaHY_3dep3mix(ptr @alloc_fedcba9876543210)\n}\n\
             define internal i32 @_RNvCskzKYH9IaaHY_3dep3mix(ptr %0) {\n}\n\
             declare void @llvm.trap()",
        );
        apply(&mut module);
        let text = module.to_string();
        assert!(text.contains("call i32 @dep__mix(ptr @data__2)"), "{text}");
        assert!(text.contains("@data = private") && text.contains("@k()"), "{text}");
        assert!(text.contains("@llvm.trap()"), "{text}");
    }
}
