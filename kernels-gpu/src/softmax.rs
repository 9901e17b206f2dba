//! A row's softmax, block by block: what is kept of the blocks so far, and how the next one joins them.
//!
//! A block's weights are relative to its own maximum. Blocks join one after the other by ascending id, in one
//! place or another by the same arithmetic, so that a row's result does not depend on how its blocks are split
//! over the GPU.

use cuda_std::ptx;

/// What a softmax knows of some keys, whose logits are to base 2.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sums {
    /// The largest logit; -inf where there is no key.
    pub(crate) max: f32,
    /// The sum of the weights: `2^(logit - max)`.
    pub(crate) sum: f32,
}

/// What the values of two sets of keys are multiplied by when the sets join.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scales {
    pub(crate) kept: f32,
    pub(crate) added: f32,
}

/// What weights are relative to where the largest logit is `max`: that, or where no key has a logit any number, to which all
/// weights are zero then.
#[inline(always)]
pub(crate) fn reference(max: f32) -> f32 {
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}

/// What products of queries and keys are multiplied by to give logits to base 2. Its sign is that of the queries in shared
/// memory ([`QueryCopy`](crate::queries::QueryCopy)), so that the largest product has the largest logit; and it is not
/// zero, so that -inf, which stands for no key, stays that.
#[inline(always)]
pub(crate) fn magnitude(scale_log2: f32) -> f32 {
    scale_log2.abs().max(f32::MIN_POSITIVE)
}

/// The weight of a key, by the product with it, relative to that [`reference`].
#[inline(always)]
pub(crate) fn weight(product: f32, magnitude: f32, reference: f32) -> f32 {
    ptx::ex2_approx_ftz_f32(ptx::fma_rn_f32(product, magnitude, -reference))
}

impl Scales {
    /// The value of both sets.
    #[inline(always)]
    pub(crate) fn join(self, kept: f32, added: f32) -> f32 {
        ptx::fma_rn_f32(added, self.added, kept * self.kept)
    }
}

impl Sums {
    /// Of no key.
    pub(crate) const NONE: Self = Self { max: f32::NEG_INFINITY, sum: 0.0 };

    /// Of these keys and, after them, of others.
    #[inline(always)]
    pub(crate) fn join(self, others: Self) -> (Self, Scales) {
        let max = self.max.max(others.max);
        // Where there is no key yet, or none comes, the difference would be that of two infinities.
        let weight = |of: f32| {
            if of == f32::NEG_INFINITY { 0.0 } else { ptx::ex2_approx_ftz_f32(of - max) }
        };
        let scales = Scales { kept: weight(self.max), added: weight(others.max) };
        (Self { max, sum: scales.join(self.sum, others.sum) }, scales)
    }

    /// What the weighted sum of the values is multiplied by to give their mean; 0 where there is no key.
    #[inline(always)]
    pub(crate) fn normaliser(self) -> f32 {
        if self.max > f32::NEG_INFINITY { 1.0 / self.sum } else { 0.0 }
    }

    /// The natural logarithm of the softmax's denominator; -inf where there is no key.
    #[inline(always)]
    pub(crate) fn lse(self) -> f32 {
        (self.max + ptx::lg2_approx_ftz_f32(self.sum)) * core::f32::consts::LN_2
    }
}
