//! LLVM IR as text.
//!
//! The fix-ups need little of it: where a function begins and ends, which symbols a line names, and
//! where the strings are. LLVM prints one instruction a line, and this module relies on that.

use std::{fmt, ops::Range};

/// A module of LLVM IR, line by line.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) lines: Vec<String>,
}

/// A function that a [`Module`] defines.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Whether the host can launch it.
    pub(crate) kernel: bool,
    /// Its lines: the first is the `define`, the last the closing brace.
    pub(crate) lines: Range<usize>,
}

impl Function {
    /// The lines between the braces.
    pub(crate) fn body(&self) -> Range<usize> {
        self.lines.start + 1..self.lines.end - 1
    }
}

impl Module {
    pub(crate) fn new(text: &str) -> Self {
        Self { lines: text.lines().map(str::to_owned).collect() }
    }

    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions = Vec::new();
        let mut open: Option<(usize, String)> = None;
        for (index, line) in self.lines.iter().enumerate() {
            if line.starts_with("define ") {
                open = symbols(line).next().map(|symbol| (index, symbol.name.to_owned()));
            } else if line == "}"
                && let Some((start, name)) = open.take()
            {
                let kernel = self.lines[start].contains(" ptx_kernel ");
                functions.push(Function { name, kernel, lines: start..index + 1 });
            }
        }
        functions
    }

    pub(crate) fn kernels(&self) -> Vec<Function> {
        self.functions().into_iter().filter(|function| function.kernel).collect()
    }
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A global name in a line: `@name` or `@"any name"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol<'a> {
    pub(crate) name: &'a str,
    /// Its bytes in the line, with the `@` and the quotes.
    pub(crate) span: Range<usize>,
}

/// The global names in a line, strings and comments left out.
pub(crate) fn symbols(line: &str) -> impl Iterator<Item = Symbol<'_>> {
    let bytes = line.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            match bytes[at] {
                b';' => at = bytes.len(),
                b'"' => at = string_end(line, at),
                b'@' if bytes.get(at + 1) == Some(&b'"') => {
                    let span = at..string_end(line, at + 1);
                    at = span.end;
                    return Some(Symbol { name: &line[span.start + 2..span.end - 1], span });
                }
                b'@' => {
                    let name = &line[at + 1..];
                    let length = name.find(|c| !is_name(c)).unwrap_or(name.len());
                    let span = at..at + 1 + length;
                    at = span.end;
                    return Some(Symbol { name: &line[span.start + 1..span.end], span });
                }
                _ => at += 1,
            }
        }
        None
    })
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.' | '-')
}

/// The index after the string that opens at `start`. LLVM writes a quote in a string as `\22`.
pub(crate) fn string_end(line: &str, start: usize) -> usize {
    match line[start + 1..].find('"') {
        Some(length) => start + length + 2,
        None => line.len(),
    }
}

/// The index after the parenthesis that closes the one at `start`.
pub(crate) fn paren_end(line: &str, start: usize) -> Option<usize> {
    let bytes = line.as_bytes();
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(line, at);
                continue;
            }
            b'(' => depth += 1,
            b')' if depth == 1 => return Some(at + 1),
            b')' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The pieces of a call of inline assembly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AsmCall {
    /// The assembly, without its quotes.
    pub(crate) text: Range<usize>,
    /// The index after the arguments' closing parenthesis, where the call's attributes stand.
    pub(crate) attributes: usize,
}

impl AsmCall {
    /// The call in this line, if it is one.
    pub(crate) fn find(line: &str) -> Option<Self> {
        let code = line.trim_start();
        if code.starts_with(';') {
            return None;
        }
        // ` asm ` occurs in no other instruction outside of a string.
        let keyword = code.find(" asm ")?;
        if code[..keyword].contains('"') || !code[..keyword].contains("call") {
            return None;
        }
        let keyword = keyword + line.len() - code.len();
        let open = keyword + line[keyword..].find('"')?;
        let close = string_end(line, open);
        let constraints = close + line[close..].find('"')?;
        let arguments = string_end(line, constraints);
        (line.as_bytes().get(arguments) == Some(&b'(')).then_some(())?;
        Some(Self { text: open + 1..close - 1, attributes: paren_end(line, arguments)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_lines() {
        let module = Module::new(
            "@a = global i8 0\n\
             define ptx_kernel void @k(ptr %0) #0 {\n  ret void\n}\n\
             declare void @f()\n\
             define internal i32 @\"a b\"() {\n  ret i32 0\n}\n",
        );
        let functions = module.functions();
        assert_eq!(functions.len(), 2);
        assert_eq!((functions[0].name.as_str(), functions[0].kernel), ("k", true));
        assert_eq!(module.lines[functions[0].body()], ["  ret void"]);
        assert_eq!((functions[1].name.as_str(), functions[1].kernel), ("a b", false));
    }

    #[test]
    fn symbols_skip_strings() {
        let line = r#"call void asm "@p bra x;", "r"(ptr @"q r", ptr @s.1) ; @t"#;
        let names: Vec<_> = symbols(line).map(|symbol| symbol.name).collect();
        assert_eq!(names, ["q r", "s.1"]);
    }

    #[test]
    fn asm_call_is_taken_apart() {
        let line = r#"  %5 = call i32 asm sideeffect "x (${0};", "=r,r"(ptr getelementptr (i8, ptr @a)) #3"#;
        let call = AsmCall::find(line).expect("an asm call");
        assert_eq!(&line[call.text], "x (${0};");
        assert_eq!(&line[call.attributes..], " #3");
        assert_eq!(AsmCall::find("  call void @f(i32 0)"), None);
        assert_eq!(AsmCall::find(r#"module asm ".extern .shared""#), None);
    }
}
