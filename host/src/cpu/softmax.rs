//! A row's softmax, block by block: the largest score, the sum of weights, the weighted values.

use super::matrix::{Row, WIDTH};

/// The running softmax of one query head.
#[derive(Clone)]
pub(super) struct Softmax {
    /// The largest score yet; -inf before the first.
    max: f32,
    /// The sum of `exp(score - max)`.
    sum: f32,
    /// The sum of `exp(score - max) * value`.
    values: Row,
}

impl Softmax {
    /// Nothing attended to.
    pub(super) const EMPTY: Self = Self { max: f32::NEG_INFINITY, sum: 0.0, values: [0.0; WIDTH] };

    /// Takes in a block that is listed `times` times: its weights and its weighted values.
    #[inline(always)]
    pub(super) fn merge(&mut self, block: &Weights, values: &Row, times: u32) {
        let max = self.max.max(block.max);
        let kept = exp(self.max - finite_or_zero(max));
        let added = exp(block.max - finite_or_zero(max)) * times as f32;
        self.max = max;
        self.sum = self.sum.mul_add(kept, block.sum * added);
        for (sum, value) in self.values.iter_mut().zip(values) {
            *sum = sum.mul_add(kept, value * added);
        }
    }

    /// The weighted mean of the values: 0 where nothing was attended to.
    pub(super) fn mean(&self) -> impl Iterator<Item = f32> {
        self.values.iter().map(|value| if self.sum == 0.0 { 0.0 } else { value / self.sum })
    }

    /// The natural log of the sum of `exp(score)`: -inf where nothing was attended to.
    pub(super) fn lse(&self) -> f32 {
        self.max + self.sum.ln()
    }
}

/// What one block weighs for one query head.
#[derive(Clone, Copy, Default)]
pub(super) struct Weights {
    /// The block's largest score.
    max: f32,
    /// The sum of `exp(score - max)` over the block.
    sum: f32,
}

impl Weights {
    /// Turns a head's dot products with a block's keys into weights `exp(scale * dot - max)`, of which
    /// those past the first `visible` are 0.
    #[inline(always)]
    pub(super) fn from_dots(dots: &mut Row, visible: usize, scale: f32) -> Self {
        for dot in &mut dots[..visible] {
            *dot *= scale;
        }
        dots[visible..].fill(f32::NEG_INFINITY);
        let max = max(dots);
        let shift = finite_or_zero(max);
        for score in dots.iter_mut() {
            *score = exp(*score - shift);
        }
        Self { max, sum: fold(dots, 0.0, |sum, weight| sum + weight) }
    }
}

/// The largest of the values, NaN passed over; -inf where there is none.
#[inline(always)]
pub(super) fn max(values: &Row) -> f32 {
    fold(values, f32::NEG_INFINITY, |max, value| if value > max { value } else { max })
}

/// Folds in an order that does not depend on the processor: 16 interleaved folds, then their results.
#[inline(always)]
fn fold(values: &Row, start: f32, combine: impl Fn(f32, f32) -> f32) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [start; LANES];
    for chunk in values.chunks_exact(LANES) {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, value);
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = combine(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// A shift that keeps `-inf - shift` from being NaN where every score is -inf.
#[inline(always)]
fn finite_or_zero(max: f32) -> f32 {
    if max == f32::NEG_INFINITY { 0.0 } else { max }
}

/// `exp(x)` for `x <= 0`.
#[inline(always)]
fn exp(x: f32) -> f32 {
    msa_abi::exp(x, f32::mul_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_attended_to_is_zero() {
        let mut softmax = Softmax::EMPTY;
        let mut dots = [f32::NEG_INFINITY; WIDTH];
        let dead = Weights::from_dots(&mut dots, 5, 0.5);
        softmax.merge(&dead, &[0.0; WIDTH], 1);
        assert!(softmax.mean().all(|value| value == 0.0));
        assert_eq!(softmax.lse(), f32::NEG_INFINITY);
    }

    #[test]
    fn a_block_listed_twice_counts_twice() {
        let mut dots = [0.0; WIDTH];
        let weights = Weights::from_dots(&mut dots, 64, 1.0);
        let mut softmax = Softmax::EMPTY;
        softmax.merge(&weights, &[64.0; WIDTH], 2);
        assert_eq!(softmax.lse(), 128_f32.ln());
        assert!(softmax.mean().all(|value| value == 1.0));
    }
}
