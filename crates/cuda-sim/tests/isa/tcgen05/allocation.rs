//! `tcgen05.alloc` and `tcgen05.dealloc`.

use super::*;

/// Allocations by one warp, whose addresses are `out`'s words.
fn addresses(steps: &[(&str, u32)]) -> Vec<u32> {
    let mut body = String::new();
    let mut taken = 0;
    for (step, value) in steps {
        body += &match *step {
            "alloc" => {
                taken += 1;
                format!(
                    "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [words+{}], {value}; \
                     ld.shared.u32 r{taken}, [words+{}]; st.global.u32 [out+{}], r{taken}; mov.u32 r{}, {value};\n",
                    4 * taken,
                    4 * taken,
                    4 * (taken - 1),
                    taken + 64,
                )
            }
            _ => format!(
                "tcgen05.dealloc.cta_group::1.sync.aligned.b32 r{value}, r{};\n",
                value + 64
            ),
        };
    }
    run(1, 32, taken as usize, &[], &body)
}

#[test]
fn columns_are_given_that_are_free() {
    let steps = [("alloc", 256), ("alloc", 128), ("alloc", 128), ("free", 2), ("alloc", 64)];
    let rest = [("alloc", 32), ("free", 1), ("free", 3), ("free", 4), ("free", 5)];
    let got = addresses(&[&steps[..], &rest].concat());
    // Of the highest free columns the first.
    assert_eq!(got, [256, 128, 0, 192, 160]);
}

#[test]
fn an_allocation_waits_for_columns_of_another_warp() {
    // One warp wants half of what the other has, and does not get it before the other gives it back.
    for holder in [0, 1] {
        let body = format!(
            "setp.ne.u32 p, warp, {holder}; @p bra other;\n\
             tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [words], 512; ld.shared.u32 base, [words];\n\
             bar.sync 0;\nmov.u32 i, 0; spin: add.u32 i, i, 1; setp.lt.u32 p, i, 99999; @p bra spin;\n\
             tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 512;\nret;\n\
             other: bar.sync 0;\n\
             tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [words+4], 256;\n\
             ld.shared.u32 base, [words+4];\n\
             setp.eq.u32 q, lane, 0; @q st.global.u32 [out], base;\n\
             tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 256;\n\
             tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;"
        );
        assert_eq!(run(1, 64, 1, &[], &body), [256]);
    }
}

#[test]
fn a_pair_of_blocks_allocates_together() {
    let body = "barrier.cluster.arrive; barrier.cluster.wait;\n\
        tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [words], 128; ld.shared.u32 base, [words];\n\
        mad.wide.u32 at, rank, 4, out; st.global.u32 [at], base;\n\
        tcgen05.relinquish_alloc_permit.cta_group::2.sync.aligned;\n\
        barrier.cluster.arrive; barrier.cluster.wait;\n\
        tcgen05.dealloc.cta_group::2.sync.aligned.b32 base, 128;";
    assert_eq!(run(4, 32, 4, &[], body), [384; 4]);
}
