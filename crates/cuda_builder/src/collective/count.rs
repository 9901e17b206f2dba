//! Counts the collectives of a PTX.

use super::name;
use crate::ptx;
use std::collections::BTreeMap;

/// How often each collective is in each function, by the names of [`name`].
pub(crate) fn count(function: &ptx::Function) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for statement in &function.statements {
        if let Some(name) = name(statement.opcode()) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_are_counted() {
        let ptx = ".visible .entry k()\n{\n\t// bar.sync 3;\n\tbar.sync 0;\n\t@%p1 bar.sync 1;\n\
                   \t{ .reg .pred p; shfl.sync.idx.b32 %r1|p, %r2, 0, 31, -1; }\n\tret;\n}\n";
        let counts = count(&ptx::functions(ptx)[0]);
        assert_eq!(
            counts,
            BTreeMap::from([("bar.sync".to_owned(), 2), ("shfl.sync".to_owned(), 1)])
        );
    }
}
