use std::fmt;

use msa_abi::MAX_SPECULATIVE;

/// How a step is run, chosen from the largest number of new tokens that any request has.
///
/// A route is about speed alone: every route gives the same numbers for the same row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// No request has a new token: the operator returns at once.
    Empty,
    /// One new token a request at the most. The work depends on the batch alone.
    Decode,
    /// Up to 8 new tokens a request (draft tokens under verification, or a short prefill).
    Speculative,
    /// More than 8 new tokens in some request.
    Prefill,
}

impl Route {
    /// The route for a step whose longest request has this many new tokens.
    pub fn for_max_seq_length(max_seq_length: usize) -> Self {
        match max_seq_length {
            0 => Self::Empty,
            1 => Self::Decode,
            2..=MAX_SPECULATIVE => Self::Speculative,
            _ => Self::Prefill,
        }
    }

    /// The route for rows each of which is work of its own.
    pub(crate) fn of_rows(rows: usize) -> Self {
        Self::for_max_seq_length(rows.min(1))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Empty => "none",
            Self::Decode => "decode",
            Self::Speculative => "speculative",
            Self::Prefill => "prefill",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Route::{self, *};

    #[test]
    fn the_longest_request_chooses_the_route() {
        let routes = [0, 1, 2, 8, 9, 8192].map(Route::for_max_seq_length);
        assert_eq!(routes, [Empty, Decode, Speculative, Speculative, Prefill, Prefill]);
    }
}
