//! What a row may not see has no influence on it: neither the keys after its own, nor blocks that it
//! does not list.

use std::collections::HashSet;

use half::bf16;
use msa::Backend;
use msa::trace::Trace;
use msa_tests::memory::{index_key, main_token, tokens};
use msa_tests::run::{all_bits, bits, run};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::steps::{cases, recipes};

proptest! {
    #![proptest_config(cases(48))]

    /// Keys that are large, infinite or NaN, right after a row's own.
    #[test]
    fn a_row_does_not_see_past_its_own_key(recipe in recipes(), at in any::<Index>()) {
        let mut trace = recipe.trace();
        let rows = trace.q.shape()[0];
        prop_assume!(rows > 0);
        let row = at.index(rows);
        let before = run(&trace, &Backend::default());

        let request = request_of(&trace, row);
        let first = trace.row_offsets[request] as usize;
        let position = trace.cache_lengths[request] as usize + row - first;
        let mut hidden = tokens(&trace);
        hidden.retain(|&(of, token)| of == request && token > position);
        for (index, (_, token)) in hidden.into_iter().enumerate() {
            let poison = [1e4, -1e4, f32::NAN, f32::INFINITY][index % 4];
            index_key(&mut trace, request, token).fill(bf16::from_f32(poison));
            main_token(&mut trace, 0, request, token).fill(bf16::from_f32(poison));
            main_token(&mut trace, 1, request, token).fill(bf16::from_f32(poison));
        }
        let after = run(&trace, &Backend::default());
        prop_assert_eq!(bits(&after, first..row + 1), bits(&before, first..row + 1));
    }

    /// Pages whose blocks nobody selected hold NaN alone.
    #[test]
    fn nobody_sees_a_block_that_is_not_listed(recipe in recipes()) {
        let mut trace = recipe.trace();
        let before = run(&trace, &Backend::default());

        let table = &trace.kv_page_table;
        let page = |request: usize, block: i32| {
            table.data()[request * table.shape()[1] + block as usize] as usize
        };
        let [_, rows, topk] = before.block_ids.shape();
        let listed: HashSet<usize> = before
            .block_ids
            .data()
            .iter()
            .enumerate()
            .filter(|&(_, &block)| block >= 0)
            .map(|(slot, &block)| page(request_of(&trace, slot / topk % rows), block))
            .collect();
        let [pages, ..] = trace.kv_pages.shape();
        let page_len = trace.kv_pages.data().len() / pages.max(1);
        for page in (0..pages).filter(|page| !listed.contains(page)) {
            trace.kv_pages.data_mut()[page * page_len..][..page_len].fill(bf16::NAN);
        }
        prop_assert_eq!(all_bits(&run(&trace, &Backend::default())), all_bits(&before));
    }
}

fn request_of(trace: &Trace, row: usize) -> usize {
    let request = trace.row_offsets.iter().rposition(|&first| first as usize <= row);
    request.expect("offsets start at 0")
}
