//! Numbers the collectives of a module, so that they can be found again in its PTX.

use crate::{
    collective::{self, is_collective},
    error::Error,
    ir::{AsmCall, Module, symbols},
};
use std::collections::BTreeMap;

/// What a tagged statement ends with, its number behind it. LLVM takes a comment there for no
/// instruction when it estimates what the assembly costs.
pub(super) const TAG: &str = "// cuda_builder.site ";

/// One inline-assembly statement with a collective, in the function that it was inlined into.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) number: usize,
    /// The kernel, or the function that said `#[inline(never)]`.
    pub(crate) function: String,
    /// The assembly.
    pub(crate) text: String,
}

impl Site {
    pub(super) fn error(&self, problem: &str) -> Error {
        Error::Collective {
            function: self.function.clone(),
            collective: self.text.clone(),
            problem: problem.to_owned(),
        }
    }
}

/// Gives every collective a number, in the module and in what is returned.
///
/// # Errors
/// If a collective is an intrinsic of LLVM, which can carry none.
pub(crate) fn tag(module: &mut Module) -> Result<Vec<Site>, Error> {
    let mut sites = Vec::new();
    for function in module.functions() {
        for line in &mut module.lines[function.body()] {
            if let Some(intrinsic) = collective_intrinsic(line) {
                return Err(Error::Collective {
                    function: function.name.clone(),
                    collective: intrinsic.to_owned(),
                    problem:
                        "is an intrinsic of LLVM, which could copy it unseen: write it in assembly"
                            .to_owned(),
                });
            }
            let Some(call) = AsmCall::find(line) else {
                continue;
            };
            let text = &line[call.text.clone()];
            if is_collective(text) {
                let number = sites.len();
                let (function, text) = (function.name.clone(), readable(text));
                sites.push(Site { number, function, text });
                line.insert_str(call.text.end, &format!("\\0A\\09{TAG}{number}"));
            }
        }
    }
    Ok(sites)
}

/// The intrinsic that a line calls, if threads execute it together.
fn collective_intrinsic(line: &str) -> Option<&str> {
    const PREFIX: &str = "llvm.nvvm.";
    let name = symbols(line).map(|symbol| symbol.name).find(|name| name.starts_with(PREFIX))?;
    collective::name(&name[PREFIX.len()..]).map(|_| name)
}

/// The sites that are still there once constants were folded. None may have become two by that.
pub(crate) fn reachable(module: &Module, sites: Vec<Site>) -> Result<Vec<Site>, Error> {
    let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
    for line in &module.lines {
        let tag = AsmCall::find(line).and_then(|call| {
            let text = &line[call.text];
            number(&text[text.rfind(TAG)?..])
        });
        if let Some(number) = tag {
            *copies.entry(number).or_default() += 1;
        }
    }
    let mut left = Vec::new();
    for site in sites {
        match copies.get(&site.number) {
            None => {}
            Some(1) => left.push(site),
            Some(_) => return Err(site.error("was copied while constants were folded")),
        }
    }
    Ok(left)
}

/// The number in a tag.
pub(super) fn number(text: &str) -> Option<usize> {
    text.strip_prefix(TAG)?.parse().ok()
}

/// Assembly of LLVM IR on one line, for a message.
fn readable(text: &str) -> String {
    let text = text.replace("\\0A", " ").replace("\\09", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const IR: &str = "define ptx_kernel void @k() {\n\
        \x20 call void asm sideeffect \"bar.sync 0;\", \"\"() convergent\n\
        \x20 call void asm sideeffect \"mov.u32 a, b;\", \"\"() convergent\n\
        \x20 call void asm sideeffect \"bar.sync\\0A\\091;\", \"\"() convergent\n}";

    #[test]
    fn collectives_are_numbered() {
        let mut module = Module::new(IR);
        let sites = tag(&mut module).expect("no intrinsics");
        let found: Vec<_> = sites.iter().map(|site| (site.number, site.text.as_str())).collect();
        assert_eq!(found, [(0, "bar.sync 0;"), (1, "bar.sync 1;")]);
        assert!(
            module.lines[1].contains("\"bar.sync 0;\\0A\\09// cuda_builder.site 0\""),
            "{module}"
        );
        assert!(!module.lines[2].contains("site"), "{module}");
    }

    #[test]
    fn intrinsics_are_refused() {
        for (intrinsic, is_refused) in [
            ("vote.ballot.sync", true),
            ("shfl.sync.idx.i32p", true),
            ("read.ptx.sreg.tid.x", false),
        ] {
            let call = format!("  %1 = call i32 @llvm.nvvm.{intrinsic}(i32 -1, i1 %0)");
            let mut module = Module::new(&format!("define ptx_kernel void @k() {{\n{call}\n}}"));
            assert_eq!(tag(&mut module).is_err(), is_refused, "{intrinsic}");
        }
    }

    #[test]
    fn folding_may_remove_but_not_copy() {
        let mut module = Module::new(IR);
        let sites = tag(&mut module).expect("no intrinsics");
        let mut folded = module.clone();
        folded.lines.remove(1);
        let left = reachable(&folded, sites.clone()).expect("one site is left");
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].number, 1);

        let copy = module.lines[1].clone();
        module.lines.insert(1, copy);
        let error = reachable(&module, sites).expect_err("copied").to_string();
        assert!(error.contains("`bar.sync 0;`"), "{error}");
    }
}
