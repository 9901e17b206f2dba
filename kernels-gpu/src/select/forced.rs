use msa_abi::{INIT_SCORE, LOCAL_SCORE};

/// Which blocks of a row's horizon have a score that does not depend on their keys.
#[derive(Clone, Copy)]
pub(crate) struct Forced {
    /// Blocks before this one are initial.
    init_end: u32,
    /// This block and those after it are local.
    local_start: u32,
}

impl Forced {
    /// In a horizon of `blocks` blocks. Either number may exceed it.
    pub(crate) const fn new(blocks: u32, init_blocks: u32, local_blocks: u32) -> Self {
        Self { init_end: init_blocks, local_start: blocks.saturating_sub(local_blocks) }
    }

    /// The score of block `id`, whose keys give it `raw`. A local block's prevails, though it is lower.
    pub(crate) const fn score(self, id: u32, raw: f32) -> f32 {
        if id >= self.local_start {
            LOCAL_SCORE
        } else if id < self.init_end {
            INIT_SCORE
        } else {
            raw
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Forced;

    fn scores(blocks: u32, init: u32, local: u32) -> Vec<f32> {
        let forced = Forced::new(blocks, init, local);
        (0..blocks)
            .map(|id| forced.score(id, f32::NAN))
            .map(|s| if s.is_nan() { 0.0 } else { s })
            .collect()
    }

    #[test]
    fn both_ends_are_forced() {
        assert_eq!(scores(5, 1, 2), [1e30, 0.0, 0.0, 1e29, 1e29]);
        assert_eq!(scores(3, 0, 0), [0.0; 3]);
    }

    #[test]
    fn local_prevails_where_they_overlap() {
        assert_eq!(scores(3, 2, 2), [1e30, 1e29, 1e29]);
        assert_eq!(scores(1, 1, 1), [1e29]);
    }

    #[test]
    fn either_may_exceed_the_horizon() {
        assert_eq!(scores(2, 7, 0), [1e30; 2]);
        assert_eq!(scores(2, 0, 7), [1e29; 2]);
        assert_eq!(scores(2, u32::MAX, u32::MAX), [1e29; 2]);
    }
}
