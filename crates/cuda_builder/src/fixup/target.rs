//! Removes the processor that rustc wrote on each function.
//!
//! The kernel crate is compiled for the architecture asked for, so that `cfg(target_feature = "sm_90")`
//! works in it, but `core` and the dependencies are compiled once, for the target's oldest one. LLVM
//! would refuse to inline between the two, and `llc` would prefer what a function says to its
//! `-mcpu`. With nothing on the functions, `-mcpu` decides for all of them.

use crate::ir::Module;
use regex::Regex;

pub(super) fn apply(module: &mut Module) {
    let attribute = Regex::new(r#" "target-(?:cpu|features)"="[^"]*""#).expect("a valid pattern");
    for line in &mut module.lines {
        if line.starts_with("attributes #") {
            *line = attribute.replace_all(line, "").into_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_is_removed() {
        let mut module = Module::new(
            r#"attributes #0 = { convergent "target-cpu"="sm_30" "target-features"="+ptx60" nounwind }"#,
        );
        apply(&mut module);
        assert_eq!(module.lines[0], "attributes #0 = { convergent nounwind }");
    }
}
