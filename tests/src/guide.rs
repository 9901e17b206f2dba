//! The guide's pages, whose code is compiled and run as documentation tests.

#[doc = include_str!("../../docs/guide/src/first-step.md")]
mod first_step {}
#[doc = include_str!("../../docs/guide/src/concepts.md")]
mod concepts {}
#[doc = include_str!("../../docs/guide/src/decode.md")]
mod decode {}
#[doc = include_str!("../../docs/guide/src/speculative.md")]
mod speculative {}
#[doc = include_str!("../../docs/guide/src/prefill.md")]
mod prefill {}
#[doc = include_str!("../../docs/guide/src/gpu.md")]
mod gpu {}
#[doc = include_str!("../../docs/guide/src/graphs.md")]
mod graphs {}
#[doc = include_str!("../../docs/guide/src/workspace.md")]
mod workspace {}
#[doc = include_str!("../../docs/guide/src/tiers.md")]
mod tiers {}
#[doc = include_str!("../../docs/guide/src/errors.md")]
mod errors {}
#[doc = include_str!("../../docs/guide/src/faq.md")]
mod faq {}
