//! Looks for every site of a collective in the PTX.

use super::sites::{self, Site, TAG};
use crate::{
    error::Error,
    ptx::{self, Flow},
};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses a PTX in which a site is missing, or there in two arms of a branch.
pub(crate) fn check(ptx: &str, sites: &[Site]) -> Result<(), Error> {
    let mut found = BTreeSet::new();
    for function in ptx::functions(ptx) {
        let mut copies: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, statement) in function.statements.iter().enumerate() {
            if let Some(number) = sites::number(&statement.text) {
                copies.entry(number).or_default().push(index);
            }
        }
        found.extend(copies.keys().copied());
        copies.retain(|_, copies| copies.len() > 1);
        if copies.is_empty() {
            continue;
        }
        let flow = Flow::of(&function);
        let reach = flow.forward_reach();
        for (number, copies) in copies {
            let blocks: Vec<usize> = copies.iter().map(|index| flow.block(*index)).collect();
            let apart = pairs(&blocks).find(|(a, b)| !reach[*a][*b] && !reach[*b][*a]);
            if apart.is_some()
                && let Some(site) = sites.iter().find(|site| site.number == number)
            {
                let count = copies.len();
                let problem = format!("is in the PTX {count} times, in arms of a branch");
                return Err(site.error(&problem));
            }
        }
    }
    match sites.iter().find(|site| !found.contains(&site.number)) {
        Some(missing) => Err(missing.error("is not in the PTX")),
        None => Ok(()),
    }
}

/// The PTX without the sites' numbers.
pub(crate) fn strip(ptx: &str) -> String {
    let mut stripped = String::with_capacity(ptx.len());
    for line in ptx.lines().filter(|line| !line.trim_start().starts_with(TAG)) {
        stripped.push_str(line);
        stripped.push('\n');
    }
    stripped
}

fn pairs(items: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    items.iter().enumerate().flat_map(|(at, a)| items[at + 1..].iter().map(|b| (*a, *b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(number: usize) -> Site {
        Site { number, function: "k".into(), text: "bar.sync 0;".into() }
    }

    fn kernel(body: &str) -> String {
        format!(".visible .entry k(\n)\n{{\n{body}\n}}\n")
    }

    const BAR: &str =
        "\t// begin inline asm\n\t// cuda_builder.site 0\n\tbar.sync 0;\n\t// end inline asm\n";

    #[test]
    fn one_is_one() {
        let ptx = kernel(&format!("{BAR}\tret;"));
        check(&ptx, &[site(0)]).expect("it is there once");
        assert!(!strip(&ptx).contains("site"));
        assert!(strip(&ptx).contains("bar.sync 0;"));
    }

    #[test]
    fn missing_is_refused() {
        let error = check(&kernel("\tret;"), &[site(0)]).expect_err("not there").to_string();
        assert!(error.contains("`k`") && error.contains("is not in the PTX"), "{error}");
    }

    #[test]
    fn unrolled_is_allowed() {
        let ptx = kernel(&format!("{BAR}\t@%p1 bra $L_end;\n{BAR}{BAR}$L_end:\n\tret;"));
        check(&ptx, &[site(0)]).expect("one after the other");
    }

    #[test]
    fn arms_are_refused() {
        let ptx = kernel(&format!(
            "\t@%p1 bra $L_b;\n{BAR}\tbra.uni $L_end;\n$L_b:\n{BAR}$L_end:\n\tret;"
        ));
        let error = check(&ptx, &[site(0)]).expect_err("in two arms").to_string();
        assert!(error.contains("is in the PTX 2 times, in arms of a branch"), "{error}");
    }
}
