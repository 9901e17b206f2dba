use msa_tests::generate::{Recipe, Request};

/// The demo's steps: one GPU's share of MiniMax-M3 with tensor parallelism of four (16 query heads,
/// 1 KV head) on every route, then a step of the whole model (64 and 4).
pub fn recipes() -> Vec<(&'static str, Recipe)> {
    let share = |seed, requests| Recipe { seed, requests, ..Recipe::default() };
    let of = |count, new_tokens, cached| vec![Request::new(new_tokens, cached); count];
    vec![
        ("decode", share(1, of(8, 1, 32_767))),
        ("speculative decode", share(2, of(4, 4, 32_764))),
        ("chunked prefill", share(3, of(1, 512, 32_768))),
        ("whole model, decode", Recipe { heads: 64, kv_heads: 4, ..share(4, of(2, 1, 32_767)) }),
    ]
}
