//! What a client asks for, where the engine stands with it, and what became of it.

use crate::model::Model;
use crate::pages::PageId;

/// What a client asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: usize,
    pub prompt: Vec<u32>,
    /// Tokens to generate.
    pub new_tokens: usize,
    /// Sets apart requests of the same prompt, as the seed of a sampler does.
    pub salt: u64,
}

/// A request that waits or runs.
///
/// `tokens` are known, the first `cached` of them have keys and values in `pages`. Waiting: no pages. Prefill: several
/// tokens are not cached yet. Decode: only the last one is not.
#[derive(Debug)]
pub struct Sequence {
    pub request: Request,
    /// The prompt, and what was generated.
    pub tokens: Vec<u32>,
    /// The chain of each token.
    pub chains: Vec<u64>,
    /// Tokens that are cached.
    pub cached: usize,
    /// The pages of the blocks that these are in; while a step runs, of its new tokens too.
    pub pages: Vec<PageId>,
    /// The position and the digest of every row that was computed for this request, and accepted.
    pub digests: Vec<(usize, u64)>,
}

/// A request that the engine is done with.
#[derive(Debug)]
pub struct Done {
    pub request: Request,
    pub end: End,
    /// What was generated.
    pub generated: Vec<u32>,
    /// As in [`Sequence`].
    pub digests: Vec<(usize, u64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Finished,
    Cancelled,
}

impl Sequence {
    pub fn new(request: Request) -> Self {
        let mut sequence = Self {
            tokens: Vec::new(),
            chains: Vec::new(),
            cached: 0,
            pages: Vec::new(),
            digests: Vec::new(),
            request,
        };
        for index in 0..sequence.request.prompt.len() {
            sequence.push(sequence.request.prompt[index]);
        }
        sequence
    }

    pub fn push(&mut self, token: u32) {
        self.chains.push(Model::chain(self.last_chain(), token));
        self.tokens.push(token);
    }

    pub fn last_chain(&self) -> u64 {
        self.chains.last().copied().unwrap_or(Model::ROOT)
    }

    /// Tokens that are known and not cached: never none.
    pub fn pending(&self) -> usize {
        self.tokens.len() - self.cached
    }

    /// Tokens that are still to be generated.
    pub fn remaining(&self) -> usize {
        self.request.prompt.len() + self.request.new_tokens - self.tokens.len()
    }

    pub fn done(mut self, end: End) -> Done {
        let generated = self.tokens.split_off(self.request.prompt.len());
        Done { request: self.request, end, generated, digests: self.digests }
    }
}
