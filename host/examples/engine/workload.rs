//! Requests from a seed: when they come, how they begin, and which are cancelled.

use crate::config::Config;
use crate::random::{Random, mix};
use crate::request::Request;

/// A request, and when its client does what, counted in steps.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub step: usize,
    pub request: Request,
    /// When it is cancelled, if it is not done by then.
    pub cancel: Option<usize>,
}

/// The requests in the order of their coming. Of four, two share only the beginning of their prompts, one shares nothing,
/// and one asks again what the one before it has asked: so pages are shared that are full, that differ in the end, and
/// that are not yet full.
pub fn workload(config: &Config) -> Vec<Arrival> {
    let model = &config.model;
    let mut random = Random::new(mix(model.seed, 0x000f_f1ce));
    let mut arrivals: Vec<Arrival> = Vec::new();
    let mut step = 0;
    for id in 0..config.requests {
        let prompt: Vec<u32> = match (id % 4, arrivals.last()) {
            (3, Some(last)) => last.request.prompt.clone(),
            (kind, _) => {
                let shared = if kind == 2 { 0 } else { config.shared };
                let own = 1 + random.below((config.prompt - shared).max(1));
                let own = own.min(config.prompt - shared);
                let prompt = model.prompt(0, shared).chain(model.prompt(1 + id as u64, own));
                prompt.collect()
            }
        };
        step += if id == 0 { 0 } else { random.below(3) };
        let cancel = random.percent(config.cancel).then(|| step + 1 + random.below(12));
        let request = Request { id, prompt, new_tokens: config.new_tokens, salt: random.word() };
        arrivals.push(Arrival { step, request, cancel });
    }
    arrivals
}
