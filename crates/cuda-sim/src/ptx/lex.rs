use crate::error::LoadError;

/// A token and the line it is on.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum TokenKind<'a> {
    /// A name with its dots and double colons: `%tid.x`, `ld.global.v4.b32`, `.reg`, `shared::cta`.
    Word(&'a str),
    /// An integer; its sign is a token of its own.
    Integer(u64),
    Single(u32),
    Double(u64),
    String(&'a str),
    Punctuation(char),
}

/// The tokens of a module, without comments.
pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, LoadError> {
    let mut lexer = Lexer { source, at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    Ok(tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, LoadError> {
        self.skip_blank()?;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let line = self.line;
        let kind = match first {
            '0'..='9' => self.number()?,
            '"' => self.string()?,
            '.' | '_' | '%' | '$' | 'a'..='z' | 'A'..='Z' => TokenKind::Word(self.word()),
            '{' | '}' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | ';' | ':' | '@' | '!' | '|'
            | '+' | '-' | '=' => {
                self.at += 1;
                TokenKind::Punctuation(first)
            }
            other => return Err(LoadError::new(line, "no token starts with this", other)),
        };
        Ok(Some(Token { kind, line }))
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn skip_blank(&mut self) -> Result<(), LoadError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.advance(blank);
            let rest = self.rest();
            if rest.starts_with("//") {
                self.advance(rest.find('\n').unwrap_or(rest.len()));
            } else if rest.starts_with("/*") {
                let end = rest
                    .find("*/")
                    .ok_or_else(|| LoadError::new(self.line, "comment without an end", "/*"))?;
                self.advance(end + 2);
            } else {
                return Ok(());
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.source[self.at..self.at + bytes];
        self.line += passed.matches('\n').count() as u32;
        self.at += bytes;
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = &rest[..rest.find(|c| !keep(c)).unwrap_or(rest.len())];
        self.at += taken.len();
        taken
    }

    /// Letters, digits, `_`, `$`, `%` and `.`, and `::` between two of them.
    fn word(&mut self) -> &'a str {
        let start = self.at;
        loop {
            self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '%' | '.'));
            let goes_on = |c: char| c.is_ascii_alphanumeric();
            if self.rest().strip_prefix("::").is_some_and(|after| after.starts_with(goes_on)) {
                self.at += 2;
            } else {
                return &self.source[start..self.at];
            }
        }
    }

    fn number(&mut self) -> Result<TokenKind<'a>, LoadError> {
        let text = self.take_while(|c| c.is_ascii_alphanumeric() || c == '.');
        let line = self.line;
        let refuse = || LoadError::new(line, "not a number", text);
        if let Some(hex) = text.strip_prefix("0f").or_else(|| text.strip_prefix("0F")) {
            return u32::from_str_radix(hex, 16).map(TokenKind::Single).map_err(|_| refuse());
        }
        if let Some(hex) = text.strip_prefix("0d").or_else(|| text.strip_prefix("0D")) {
            return u64::from_str_radix(hex, 16).map(TokenKind::Double).map_err(|_| refuse());
        }
        let is_hex = text.starts_with("0x") || text.starts_with("0X");
        if text.contains('.') || !is_hex && text.contains(['e', 'E']) {
            // `.version 8.6`, and decimal floats, which are double. An exponent may have a sign.
            let start = self.at - text.len();
            if text.ends_with(['e', 'E']) && self.rest().starts_with(['-', '+']) {
                self.at += 1;
                self.take_while(|c| c.is_ascii_digit());
            }
            let value: f64 = self.source[start..self.at].parse().map_err(|_| refuse())?;
            return Ok(TokenKind::Double(value.to_bits()));
        }
        let digits = text.trim_end_matches(['U', 'u']);
        let (digits, radix) = match digits.as_bytes() {
            [b'0', b'x' | b'X', ..] => (&digits[2..], 16),
            [b'0', b'b' | b'B', ..] => (&digits[2..], 2),
            [b'0', _, ..] => (&digits[1..], 8),
            _ => (digits, 10),
        };
        u64::from_str_radix(digits, radix).map(TokenKind::Integer).map_err(|_| refuse())
    }

    fn string(&mut self) -> Result<TokenKind<'a>, LoadError> {
        let rest = &self.rest()[1..];
        let end = rest
            .find('"')
            .ok_or_else(|| LoadError::new(self.line, "string without an end", "\""))?;
        self.advance(end + 2);
        Ok(TokenKind::String(&rest[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::TokenKind::*;
    use super::*;

    fn kinds(source: &str) -> Vec<TokenKind<'_>> {
        tokens(source).expect("it lexes").into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn words_hold_their_dots_and_double_colons() {
        assert_eq!(
            kinds("@%p1 cp.async.bulk.shared::cta.global [%r1], $L__x;"),
            [
                Punctuation('@'),
                Word("%p1"),
                Word("cp.async.bulk.shared::cta.global"),
                Punctuation('['),
                Word("%r1"),
                Punctuation(']'),
                Punctuation(','),
                Word("$L__x"),
                Punctuation(';')
            ]
        );
        assert_eq!(kinds("label: ret"), [Word("label"), Punctuation(':'), Word("ret")]);
    }

    #[test]
    fn numbers_come_in_every_radix() {
        assert_eq!(
            kinds("12 0x1F 017 0b101 7U 0f3F800000 0d3FF0000000000000 1.5 25.0e-2 0xE"),
            [
                Integer(12),
                Integer(31),
                Integer(15),
                Integer(5),
                Integer(7),
                Single(0x3f80_0000),
                Double(0x3ff0_0000_0000_0000),
                Double(1.5_f64.to_bits()),
                Double(0.25_f64.to_bits()),
                Integer(14)
            ]
        );
    }

    #[test]
    fn comments_are_passed_over_and_lines_counted() {
        let tokens = tokens("a // b\n/* c\n d */ e").expect("it lexes");
        assert_eq!(
            tokens.iter().map(|t| (t.kind, t.line)).collect::<Vec<_>>(),
            [(Word("a"), 1), (Word("e"), 3)]
        );
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_line() {
        let error = tokens("a\n  #").expect_err("# is no token");
        assert_eq!((error.line, error.text.as_str()), (2, "#"));
    }
}
