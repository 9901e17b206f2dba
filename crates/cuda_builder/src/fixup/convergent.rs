//! Marks every call of inline assembly `convergent`.
//!
//! A barrier or a shuffle must be executed by all threads of a block or a warp *together*. LLVM knows
//! that of its own intrinsics, but to it an `asm!` is an instruction like another: it may copy one
//! into both arms of the branch that follows, and then half of a warp waits at one copy and half at
//! the other. That happens in practice (see the test of the miscompiled collective). `convergent` is
//! LLVM's word for "make this call depend on no more control flow than it did".
//!
//! Every call is marked, not only those that look like collectives: an `asm!` that is none loses
//! little, and a list of what is one would have to be right for ever.

use crate::ir::{AsmCall, Module};

pub(super) fn apply(module: &mut Module) {
    for line in &mut module.lines {
        if let Some(call) = AsmCall::find(line) {
            line.insert_str(call.attributes, " convergent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_asm_call_is_marked() {
        let mut module = Module::new(
            "  %5 = call i32 asm sideeffect \"shfl.sync ${0}, ${1};\", \"=&r,r\"(i32 %4), !srcloc !3\n\
             \x20 call void asm \"bar.sync 2;\", \"\"() #8\n\
             \x20 call void @f()",
        );
        apply(&mut module);
        assert!(module.lines[0].ends_with("(i32 %4) convergent, !srcloc !3"), "{module}");
        assert!(module.lines[1].ends_with("\"\"() convergent #8"), "{module}");
        assert_eq!(module.lines[2], "  call void @f()");
    }
}
