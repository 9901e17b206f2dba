//! What the table of kernels says of their launches, held to what is planned.

use msa::gpu::{FieldType, Launch, Threads};

/// A launch is what a caller computes who has nothing but the table and the parameters' bytes.
pub(crate) fn assert_as_described(launch: &Launch, index_heads: usize) {
    let abi = launch.kernel.abi();
    let params = launch.params.as_bytes();
    assert_eq!(params.len(), abi.params.size, "{launch:?}");
    assert_eq!(launch.planes.is_some(), abi.takes_planes, "{launch:?}");
    let is_allowed = match abi.threads {
        Threads::Exactly(threads) => launch.threads == threads,
        Threads::UpTo(most) => launch.threads.is_multiple_of(32) && launch.threads <= most,
    };
    assert!(is_allowed && launch.threads > 0, "{launch:?}");
    assert!(abi.follows_another || !launch.programmatic_stream_serialization, "{launch:?}");

    let number = |name: &str| match abi.params.field(name) {
        Some(field) => {
            assert_eq!(field.ty, FieldType::U32, "{name}");
            let bytes = params[field.offset..][..4].try_into().expect("four bytes");
            u32::from_ne_bytes(bytes).into()
        }
        None if name == "threads" => launch.threads.into(),
        None if name == "index_heads" => index_heads as i64,
        None => panic!("{} has no `{name}`", abi.params.name),
    };
    let value = |text: &'static str| Expression { rest: text, number: &number }.whole();
    let got = (launch.grid.map(i64::from), launch.cluster.into(), launch.dynamic_shared.into());
    assert_eq!(
        (abi.grid.map(value), value(abi.cluster), value(abi.dynamic_shared)),
        got,
        "{abi:?}"
    );
}

/// An expression of C: sums, products and quotients of whole numbers, names, parentheses, `min` and `max`.
struct Expression<'a> {
    /// What has not been read yet.
    rest: &'a str,
    /// What a name stands for.
    number: &'a dyn Fn(&str) -> i64,
}

impl<'a> Expression<'a> {
    fn whole(mut self) -> i64 {
        let value = self.sum();
        assert_eq!(self.rest.trim(), "", "something is left");
        value
    }

    fn sum(&mut self) -> i64 {
        let mut value = self.product();
        loop {
            if self.takes("+") {
                value += self.product();
            } else if self.takes("-") {
                value -= self.product();
            } else {
                return value;
            }
        }
    }

    fn product(&mut self) -> i64 {
        let mut value = self.factor();
        loop {
            if self.takes("*") {
                value *= self.factor();
            } else if self.takes("/") {
                value /= self.factor();
            } else {
                return value;
            }
        }
    }

    fn factor(&mut self) -> i64 {
        if self.takes("(") {
            let value = self.sum();
            self.expects(")");
            return value;
        }
        match self.word() {
            word @ ("min" | "max") => {
                self.expects("(");
                let first = self.sum();
                self.expects(",");
                let second = self.sum();
                self.expects(")");
                if word == "min" { first.min(second) } else { first.max(second) }
            }
            word => word.parse().unwrap_or_else(|_| (self.number)(word)),
        }
    }

    fn word(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        let is_of_word = |letter: char| letter.is_alphanumeric() || "._".contains(letter);
        let end = self.rest.find(|letter| !is_of_word(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn takes(&mut self, sign: &str) -> bool {
        match self.rest.trim_start().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expects(&mut self, sign: &str) {
        assert!(self.takes(sign), "`{}`, expected `{sign}`", self.rest);
    }
}

#[test]
fn expressions_are_those_of_c() {
    for (text, value) in [
        ("1", 1),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4 - 1", 19),
        ("(7 + 3) / 4 * 4", 8),
        ("10 - 3 - 2", 5),
        ("a.b * max(two, 1) + min(two - 1, 9)", 15),
    ] {
        let number = |name: &str| match name {
            "a.b" => 7,
            "two" => 2,
            _ => panic!("{name}"),
        };
        assert_eq!(Expression { rest: text, number: &number }.whole(), value, "{text}");
    }
}
