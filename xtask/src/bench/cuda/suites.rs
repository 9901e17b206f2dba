use msa::Route;

use crate::bench::Suite;
use crate::bench::case::Case;

/// The heads of one GPU of four.
const SHARE: (usize, usize) = (16, 1);

/// The cases of a suite.
pub fn cases(suite: Suite) -> Vec<Case> {
    let model = |route| model().into_iter().filter(move |case| case.route() == route).collect();
    match suite {
        Suite::Decode => model(Route::Decode),
        Suite::Speculative => model(Route::Speculative),
        Suite::Prefill => model(Route::Prefill),
        Suite::Scaling => scaling(),
        Suite::All => all(),
    }
}

/// Each once.
fn all() -> Vec<Case> {
    let mut cases = model().to_vec();
    let more = scaling().into_iter().filter(|case| !cases.contains(case));
    cases.extend(more.collect::<Vec<_>>());
    cases
}

/// The shapes of `peers-h200.md`.
fn model() -> [Case; 19] {
    let share = |batch, new_tokens, context: usize| Case {
        heads: SHARE,
        batch,
        new_tokens,
        cached: context - new_tokens,
    };
    let whole = |case: Case| Case { heads: (64, 4), ..case };
    [
        share(1, 1, 32_768),
        share(1, 1, 131_072),
        share(1, 1, 524_288),
        share(8, 1, 131_072),
        share(64, 1, 32_768),
        share(128, 1, 4096),
        whole(share(1, 1, 131_072)),
        whole(share(8, 1, 131_072)),
        whole(share(64, 1, 32_768)),
        whole(share(128, 1, 4096)),
        share(64, 4, 32_768),
        whole(share(64, 4, 32_768)),
        share(1, 8192, 8192),
        share(1, 8192, 8192 + 32_768),
        share(1, 2048, 2048 + 131_072),
        share(1, 512, 512 + 262_144),
        whole(share(1, 8192, 8192)),
        whole(share(1, 8192, 8192 + 32_768)),
        whole(share(1, 512, 512 + 262_144)),
    ]
}

/// Decode of 1 and of 8 requests of 4096 to 1048576 keys, and of 1 to 256 requests of 32768: the plots' steps.
fn scaling() -> Vec<Case> {
    let decode =
        |batch, context: usize| Case { heads: SHARE, batch, new_tokens: 1, cached: context - 1 };
    let contexts = |batch| (12..=20).map(move |power| decode(batch, 1 << power));
    let batches = (0..=8).map(|power| decode(1 << power, 32_768));
    let mut cases: Vec<Case> = contexts(1).chain(contexts(8)).collect();
    let more = batches.filter(|case| !cases.contains(case));
    cases.extend(more.collect::<Vec<_>>());
    cases
}
