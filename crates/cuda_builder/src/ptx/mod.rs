//! PTX as text: its functions and their instructions.

mod flow;

pub(crate) use flow::Flow;

/// A function of a PTX module.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Whether the host can launch it.
    pub(crate) kernel: bool,
    /// Where it is named, counted from 1.
    pub(crate) line: usize,
    pub(crate) statements: Vec<Statement>,
}

/// An instruction, directive, label, scope bracket or comment of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// Where it begins, counted from 1.
    pub(crate) line: usize,
    /// Without its guard and its semicolon, with one space between words; a comment keeps its `//`.
    pub(crate) text: String,
    /// Whether it runs only where a predicate holds (`@%p1`).
    pub(crate) guarded: bool,
}

impl Statement {
    fn new(line: usize, text: &str) -> Self {
        let text = text.trim();
        let (guarded, text) = match text.strip_prefix('@') {
            Some(rest) => (true, rest.split_once(char::is_whitespace).map_or("", |(_, text)| text)),
            None => (false, text),
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        Self { line, text: words.join(" "), guarded }
    }

    /// The instruction with its modifiers, `ld.global.b32`; of anything else, its first word.
    pub(crate) fn opcode(&self) -> &str {
        self.text.split_whitespace().next().unwrap_or_default()
    }

    /// The label that this statement is, without its colon.
    pub(crate) fn label(&self) -> Option<&str> {
        self.text.strip_suffix(':')
    }
}

/// The functions that a PTX defines.
pub(crate) fn functions(ptx: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    let (mut header, mut header_line) = (String::new(), 0);
    let mut open: Option<(Function, Reader)> = None;
    for (index, line) in ptx.lines().enumerate() {
        let (code, comment) = match line.find("//") {
            Some(start) => line.split_at(start),
            None => (line, ""),
        };
        let code = if open.is_some() { code } else { code.trim() };
        if let Some((function, reader)) = &mut open {
            reader.line(index + 1, code, comment, &mut function.statements);
            if reader.scopes == 0 {
                functions.extend(open.take().map(|(function, _)| function));
            }
        } else if code == "{" {
            let (kernel, name) = declared(&header);
            let function = Function { name, kernel, line: header_line, statements: Vec::new() };
            open = Some((function, Reader::new()));
            header.clear();
        } else if code.ends_with(';') {
            header.clear();
        } else {
            if header.trim().is_empty() || code.contains(".entry") || code.contains(".func") {
                header_line = index + 1;
            }
            header.push_str(code);
            header.push(' ');
        }
    }
    functions
}

/// Cuts a function's text into statements.
struct Reader {
    /// The statement so far, and the line where it began.
    statement: String,
    began: usize,
    /// Braces open in the statement, around a vector's registers.
    vectors: usize,
    /// Braces open around statements.
    scopes: usize,
}

impl Reader {
    fn new() -> Self {
        Self { statement: String::new(), began: 0, vectors: 0, scopes: 1 }
    }

    fn line(&mut self, number: usize, code: &str, comment: &str, out: &mut Vec<Statement>) {
        let mut rest = code;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            let fresh = self.statement.trim().is_empty();
            if fresh {
                self.began = number;
            }
            match c {
                ';' => self.finish(out),
                '{' | '}' if fresh => {
                    self.scopes =
                        if c == '{' { self.scopes + 1 } else { self.scopes.saturating_sub(1) };
                    out.push(Statement::new(number, &c.to_string()));
                }
                '}' if self.vectors == 0 => {
                    // A last statement without its semicolon.
                    self.finish(out);
                    self.scopes = self.scopes.saturating_sub(1);
                    out.push(Statement::new(number, "}"));
                }
                ':' if self.is_label() && !rest.starts_with(':') => {
                    self.statement.push(':');
                    self.finish(out);
                }
                _ => {
                    match c {
                        '{' => self.vectors += 1,
                        '}' => self.vectors -= 1,
                        _ => {}
                    }
                    self.statement.push(c);
                }
            }
        }
        self.statement.push(' ');
        if !comment.is_empty() {
            out.push(Statement::new(number, comment));
        }
    }

    fn is_label(&self) -> bool {
        let text = self.statement.trim();
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))
    }

    fn finish(&mut self, out: &mut Vec<Statement>) {
        if !self.statement.trim().is_empty() {
            out.push(Statement::new(self.began, &self.statement));
        }
        self.statement.clear();
        self.vectors = 0;
    }
}

/// Whether a header is a kernel's, and the name that it gives.
fn declared(header: &str) -> (bool, String) {
    for (directive, kernel) in [(".entry", true), (".func", false)] {
        let Some((_, mut rest)) = header.split_once(directive) else {
            continue;
        };
        rest = rest.trim_start();
        if rest.starts_with('(') {
            // The result of a `.func` stands before its name.
            rest = rest.split_once(')').map_or("", |(_, rest)| rest).trim_start();
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(rest.len());
        return (kernel, rest[..end].to_owned());
    }
    (false, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWITCH: &str = include_str!("switch.ptx");

    #[test]
    fn statements_are_cut() {
        let functions = functions(SWITCH);
        assert_eq!(functions.len(), 2);
        let texts = |f: &Function| -> Vec<_> {
            f.statements.iter().map(|s| (s.line, s.text.clone(), s.guarded)).collect()
        };
        assert!(!functions[0].kernel && functions[0].name == "helper");
        assert!(functions[1].kernel && functions[1].name == "k" && functions[1].line == 14);
        let statements = texts(&functions[1]);
        for expected in [
            (21, "bra $L__BB0_7", true),
            (22, "$L_brx_0:", false),
            (31, "{", false),
            (31, ".reg .pred p", false),
            (32, "bar.sync 1", false),
            (32, "}", false),
            (34, "ld.global.v2.b32 {%r1, %r2}, [%rd1]", false),
        ] {
            let expected = (expected.0, expected.1.to_owned(), expected.2);
            assert!(statements.contains(&expected), "no {expected:?} in {statements:#?}");
        }
    }
}
