use msa::Route;
use serde::{Deserialize, Serialize};

/// A step of `batch` equal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Query heads, and KV heads.
    pub heads: (usize, usize),
    pub batch: usize,
    /// Rows of each request.
    pub new_tokens: usize,
    /// Keys before these.
    pub cached: usize,
}

impl Case {
    /// Keys of each request, those of its own rows among them.
    pub fn context(&self) -> usize {
        self.cached + self.new_tokens
    }

    /// The route that the library chooses for it.
    pub fn route(&self) -> Route {
        Route::for_max_seq_length(self.new_tokens)
    }

    /// As `peers-h200.md` writes shapes.
    pub fn name(&self) -> String {
        let (heads, kv_heads) = self.heads;
        format!("{heads}/{kv_heads} {}", self.shape())
    }

    /// The same without the heads.
    pub fn shape(&self) -> String {
        let Self { batch, new_tokens, cached, .. } = self;
        match self.route() {
            Route::Empty | Route::Decode => format!("{batch} x {}", self.context()),
            Route::Speculative => format!("{batch} x {}, q = {new_tokens}", self.context()),
            Route::Prefill => format!("{new_tokens} after {cached}"),
        }
    }
}
