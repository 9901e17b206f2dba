//! Operands may lie in memory as the engine likes: only the innermost axis is contiguous.

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Outcome, Tensor};
use msa::{AttentionOperands, Backend, IndexerOperands, View};
use msa_tests::generate::hostile_ids;
use msa_tests::run::{all_bits, run, run_attention, run_indexer};
use proptest::prelude::*;

use crate::steps::{cases, recipes};

proptest! {
    #![proptest_config(cases(32))]

    /// Padding after every row, head, token, layer, plane and page, and axes in any order in memory.
    #[test]
    fn padding_and_the_order_of_axes_do_not_matter(
        recipe in recipes(),
        padding in 0..300_usize,
        outer_first in any::<bool>(),
    ) {
        let mut trace = recipe.trace();
        let backend = Backend::default();
        let dense = run(&trace, &backend);
        let layout = Layout { padding, outer_first };

        let indexer = trace.indexer_operands().expect("the indexer's operands");
        let BlockIds::Indexer(IndexerInputs { index_q, index_k_pages, index_page_table, .. }) =
            &trace.block_ids
        else {
            panic!("a recipe leaves the choice of blocks to the indexer");
        };
        let index_q = layout.spread(index_q, bf16::NAN);
        let index_k_pages = layout.spread(index_k_pages, bf16::from_f32(1e4));
        let index_page_table = layout.spread(index_page_table, u32::MAX);
        let block_ids = run_indexer(
            &IndexerOperands {
                index_q: index_q.view(),
                index_k_pages: index_k_pages.view(),
                index_page_table: index_page_table.view(),
                ..indexer
            },
            &backend,
        );

        let attend = |lists: &Tensor<i32, 3>| {
            let spread_lists = layout.spread(lists, 0);
            let q = layout.spread(&trace.q, bf16::NAN);
            let kv_pages = layout.spread(&trace.kv_pages, bf16::NAN);
            let kv_page_table = layout.spread(&trace.kv_page_table, u32::MAX);
            let operands = AttentionOperands {
                q: q.view(),
                kv_pages: kv_pages.view(),
                kv_page_table: kv_page_table.view(),
                ..trace.attention_operands(spread_lists.view())
            };
            let (output, lse, dispatch) = run_attention(&operands, &backend);
            Outcome { block_ids: lists.clone(), output, lse, dispatch }
        };
        prop_assert_eq!(all_bits(&attend(&block_ids)), all_bits(&dense));

        let hostile = hostile_ids(&trace, recipe.seed);
        let spread = attend(&hostile);
        trace.block_ids = BlockIds::Given(hostile, None);
        prop_assert_eq!(all_bits(&spread), all_bits(&run(&trace, &backend)));
    }
}

/// How the outer axes of a tensor are laid out.
#[derive(Clone, Copy)]
struct Layout {
    /// Elements after each run of an axis.
    padding: usize,
    /// Whether the outermost axis varies fastest, as in `[heads, rows, 128]` for `[rows, heads, 128]`.
    outer_first: bool,
}

impl Layout {
    /// The tensor in this layout, with something else in the gaps.
    fn spread<T: Copy, const RANK: usize>(
        self,
        tensor: &Tensor<T, RANK>,
        gap: T,
    ) -> Spread<T, RANK> {
        let shape = tensor.shape();
        let mut axes: Vec<usize> = (0..RANK - 1).rev().collect();
        if self.outer_first {
            axes.reverse();
        }
        let mut strides = [1; RANK];
        let mut run = shape[RANK - 1] + self.padding;
        for axis in axes {
            strides[axis] = run;
            run = run * shape[axis] + self.padding;
        }
        let mut data = vec![gap; run];
        for (index, vector) in tensor.data().chunks_exact(shape[RANK - 1].max(1)).enumerate() {
            let mut rest = index;
            let mut start = 0;
            for axis in (0..RANK - 1).rev() {
                start += rest % shape[axis] * strides[axis];
                rest /= shape[axis];
            }
            data[start..start + vector.len()].copy_from_slice(vector);
        }
        Spread { data, shape, strides }
    }
}

/// A tensor that is not dense.
struct Spread<T, const RANK: usize> {
    data: Vec<T>,
    shape: [usize; RANK],
    strides: [usize; RANK],
}

impl<T, const RANK: usize> Spread<T, RANK> {
    fn view(&self) -> View<'_, T, RANK> {
        let dense = View::contiguous(&self.data, self.shape);
        (0..RANK).fold(dense, |view, axis| view.with_stride(axis, self.strides[axis]))
    }
}
