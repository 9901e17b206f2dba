//! The instructions that threads execute together, and the proof that each one of the source is in the
//! PTX once.
//!
//! A collective that a compiler copies into both arms of a branch is a deadlock, or a wrong result, on
//! a real GPU. The fix-up `convergent` keeps LLVM from it; this check finds out should it ever fail.
//!
//! "As often as in the source" needs care, since compilers legitimately inline functions and unroll
//! loops. So:
//!
//! 1. Every function that contains a collective is inlined first, with nothing else done
//!    ([`crate::fixup`]). From then on each inline-assembly statement that is left in a kernel is one
//!    place of the source, along one chain of calls: a **site**. [`sites::tag`] gives each a number,
//!    as a comment in its assembly, which LLVM carries through to the PTX.
//! 2. Constant folding removes sites that no thread can reach, and must not copy any
//!    ([`sites::reachable`]).
//! 3. In the PTX every remaining site must be there ([`check::check`]). Where it is there more than
//!    once, its copies must be steps of an unrolled loop, one after the other: **of any two copies,
//!    one must be reachable from the other without going round a loop.** Copies in two arms of a branch
//!    are not: whatever way a thread goes, it passes one of them only.
//!
//! Collectives that LLVM has intrinsics for could carry no number, and are refused. All are counted
//! ([`count::count`]), for a person to review.
//!
//! What rustc's own optimiser copies would be two sites: its pass that does so is switched off
//! ([`crate::cargo`]).

pub(crate) mod check;
pub(crate) mod count;
pub(crate) mod sites;

/// Whether inline assembly contains a collective.
pub(crate) fn is_collective(assembly: &str) -> bool {
    // In LLVM IR a newline and a tab in a string are `\0A` and `\09`.
    assembly
        .split([';', '{', '}'])
        .flat_map(|statement| statement.split("\\0A"))
        .filter_map(instruction)
        .any(|opcode| name(opcode).is_some())
}

/// The instruction of a statement in assembly, its label and its guard left out.
fn instruction(statement: &str) -> Option<&str> {
    statement
        .split_whitespace()
        .map(|word| word.trim_start_matches("\\09"))
        .find(|word| !word.is_empty() && !word.starts_with('@') && !word.ends_with(':'))
}

/// The collective that an instruction is, by the name to count it under: `shfl.sync` of
/// `shfl.sync.bfly.b32`.
pub(crate) fn name(opcode: &str) -> Option<&str> {
    let mut ends = opcode.match_indices('.').map(|(index, _)| index).chain([opcode.len()]);
    let (root, second) = (ends.next()?, ends.next());
    let two = &opcode[..second.unwrap_or(root)];
    match &opcode[..root] {
        "bar" | "barrier" | "shfl" | "vote" | "match" | "redux" | "mma" | "wmma" | "wgmma"
        | "ldmatrix" | "stmatrix" | "tcgen05" | "elect" | "mbarrier" | "activemask"
        | "setmaxnreg" => Some(two),
        // The copy itself is each thread's own; committing to it and waiting for it are not.
        "cp" if two == "cp.async" => {
            let third = &opcode[..ends.next().unwrap_or(opcode.len())];
            let shared = ["wait_group", "wait_all", "commit_group", "mbarrier", "bulk"];
            shared
                .iter()
                .any(|kind| third[two.len()..].strip_prefix('.') == Some(kind))
                .then_some(third)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collectives_have_names() {
        for (opcode, expected) in [
            ("bar.sync", Some("bar.sync")),
            ("shfl.sync.bfly.b32", Some("shfl.sync")),
            ("activemask.b32", Some("activemask.b32")),
            ("tcgen05.mma.cta_group::1.kind::f16", Some("tcgen05.mma")),
            ("cp.async.wait_group", Some("cp.async.wait_group")),
            ("cp.async.bulk.tensor.3d", Some("cp.async.bulk")),
            ("cp.async.cg.shared.global", None),
            ("ld.global.nc.b32", None),
            ("add.s32", None),
        ] {
            assert_eq!(name(opcode), expected, "{opcode}");
        }
    }

    #[test]
    fn collectives_are_found_in_assembly() {
        assert!(is_collective("bar.sync 0;"));
        assert!(is_collective("{ .reg .pred p;\\0A\\09@p bar.sync 0; }"));
        assert!(is_collective("mov.u32 a, b;\\0Ashfl.sync.idx.b32 a, b, 0, 31, -1;"));
        assert!(!is_collective("ld.global.nc.b32 $0, [$1]; // bar.sync"));
    }
}
