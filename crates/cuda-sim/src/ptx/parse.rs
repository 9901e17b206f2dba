use super::lex::{Token, TokenKind, tokens};
use super::syntax::*;
use crate::error::LoadError;

/// A recursive-descent parser over a module's tokens.
pub(super) struct Parser<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    pub(super) fn new(source: &'a str) -> Result<Self, LoadError> {
        Ok(Self { source, tokens: tokens(source)?, at: 0 })
    }

    pub(super) fn module(mut self) -> Result<Module, LoadError> {
        self.expect_word(".version")?;
        let version = self.version()?;
        self.expect_word(".target")?;
        let target_line = self.line();
        let target = self.word()?.to_owned();
        while self.eat(',') {
            self.word()?; // `debug`, `texmode_independent`
        }
        let (variables, functions) = (Vec::new(), Vec::new());
        let mut module = Module { version, target, target_line, variables, functions };
        if self.eat_word(".address_size") && self.integer()? != 64 {
            return Err(self.error_before("an address has 64 bits"));
        }
        while let Some(token) = self.peek() {
            match token {
                TokenKind::Word(".file") => self.source_file()?,
                TokenKind::Word(".section") => self.skip_braces()?,
                _ => self.global_item(&mut module)?,
            }
        }
        Ok(module)
    }

    /// A function or a variable, with its linkage.
    fn global_item(&mut self, module: &mut Module) -> Result<(), LoadError> {
        let mut is_extern = false;
        loop {
            match self.word()? {
                ".extern" => is_extern = true,
                ".visible" | ".weak" | ".common" => {}
                ".entry" => break module.functions.push(self.function(true)?),
                ".func" => break module.functions.push(self.function(false)?),
                space => {
                    let space = self.space(space)?;
                    let mut variables = self.variables(space)?;
                    variables.iter_mut().for_each(|variable| variable.is_extern = is_extern);
                    break module.variables.extend(variables);
                }
            }
        }
        Ok(())
    }

    fn function(&mut self, is_kernel: bool) -> Result<Function, LoadError> {
        let results = if self.peek_is('(') { self.parameters()? } else { Vec::new() };
        let name = self.word()?.to_owned();
        let parameters = if self.peek_is('(') { self.parameters()? } else { Vec::new() };
        let mut function = Function {
            name,
            is_kernel,
            parameters,
            results,
            max_threads: None,
            min_blocks: None,
            required_threads: None,
            cluster: None,
            max_registers: None,
            body: None,
        };
        while let Some(TokenKind::Word(directive)) = self.peek() {
            self.at += 1;
            match directive {
                ".maxntid" => function.max_threads = Some(self.dimensions()?),
                ".reqntid" => function.required_threads = Some(self.dimensions()?),
                ".reqnctapercluster" => function.cluster = Some(self.dimensions()?),
                ".maxnreg" => function.max_registers = Some(self.unsigned()?),
                ".minnctapersm" => function.min_blocks = Some(self.unsigned()?),
                // A hint for the assembler's register allocation, which there is none of here.
                ".maxclusterrank" => drop(self.unsigned()?),
                ".explicitcluster" | ".noreturn" => {}
                ".pragma" => self.pragma()?,
                _ => return Err(self.error_before("unknown directive of a function")),
            }
        }
        if !self.eat(';') {
            function.body = Some(self.body()?);
        }
        Ok(function)
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>, LoadError> {
        self.expect('(')?;
        let mut parameters = Vec::new();
        while !self.eat(')') {
            let line = self.line();
            let is_register = match self.word()? {
                ".param" => false,
                ".reg" => true,
                _ => return Err(self.error_before("a parameter is .param or .reg")),
            };
            let mut align = None;
            let mut ty = None;
            let name = loop {
                match self.word()? {
                    ".align" => align = Some(self.unsigned()?),
                    ".ptr" => {
                        // What the pointer points to: `.global .align 16`, which nothing here needs.
                        while matches!(
                            self.peek(),
                            Some(TokenKind::Word(".global" | ".shared" | ".local" | ".const"))
                        ) {
                            self.at += 1;
                        }
                        if self.eat_word(".align") {
                            self.unsigned()?;
                        }
                    }
                    word if word.starts_with('.') => ty = Some(self.ty(word)?),
                    name => break name.to_owned(),
                }
            };
            let ty = ty.ok_or_else(|| self.error_before("a parameter has a type"))?;
            let count = self.extent()?.unwrap_or(1) as u32;
            let align = align.unwrap_or(ty.bytes());
            parameters.push(Parameter { name, ty, align, count, is_register, line });
            self.eat(',');
        }
        Ok(parameters)
    }

    /// `[n]`, several of them multiplied; `Some(0)` for `[]`, `None` where there is none.
    fn extent(&mut self) -> Result<Option<u64>, LoadError> {
        let mut extent = None;
        while self.eat('[') {
            let length = if self.peek_is(']') { 0 } else { self.unsigned()?.into() };
            self.expect(']')?;
            let product = extent.unwrap_or(1_u64).checked_mul(length);
            extent = Some(product.ok_or_else(|| self.error_before("too large"))?);
        }
        Ok(extent)
    }

    /// The rest of a declaration, after its space.
    fn variables(&mut self, space: Space) -> Result<Vec<Variable>, LoadError> {
        let mut align = None;
        let mut lanes = 1;
        let ty = loop {
            match self.word()? {
                ".align" => align = Some(self.unsigned()?),
                ".v2" => lanes = 2,
                ".v4" => lanes = 4,
                ".attribute" => {
                    while !self.eat(')') {
                        self.at += 1;
                        self.peek().ok_or_else(|| self.error_before("an attribute ends"))?;
                    }
                }
                word => break self.ty(word)?,
            }
        };
        let mut variables = Vec::new();
        loop {
            let line = self.line();
            let name = self.word()?.to_owned();
            let count = self.extent()?;
            let initializer = if self.eat('=') { Some(self.initializer()?) } else { None };
            variables.push(Variable {
                name,
                line,
                space,
                align: align.unwrap_or(lanes * ty.bytes()),
                ty,
                count: count.unwrap_or(1) * u64::from(lanes),
                is_extern: false,
                initializer,
            });
            if !self.eat(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(variables)
    }

    /// A value or nested braces of them, flattened.
    fn initializer(&mut self) -> Result<Vec<Initializer>, LoadError> {
        if self.eat('{') {
            let mut all = Vec::new();
            while !self.eat('}') {
                all.extend(self.initializer()?);
                self.eat(',');
            }
            return Ok(all);
        }
        let value = match self.peek() {
            Some(TokenKind::Single(bits)) => Initializer::Bits(bits.into()),
            Some(TokenKind::Double(bits)) => Initializer::Bits(bits),
            Some(TokenKind::Word(name)) => {
                self.at += 1;
                if let Some(inner) = (name == "generic").then(|| self.eat('(')) {
                    let name = if inner { self.word()? } else { name }.to_owned();
                    let offset = self.offset()?;
                    self.expect(')')?;
                    return Ok(vec![Initializer::Symbol(name, offset)]);
                }
                return Ok(vec![Initializer::Symbol(name.to_owned(), self.offset()?)]);
            }
            _ => return Ok(vec![Initializer::Bits(self.integer()? as u64)]),
        };
        self.at += 1;
        Ok(vec![value])
    }

    fn body(&mut self) -> Result<Vec<Statement>, LoadError> {
        self.expect('{')?;
        let mut depth = 1;
        let mut statements = Vec::new();
        while depth > 0 {
            let line = self.line();
            let kind = match self.peek() {
                None => return Err(self.error_before("a function's body ends with }")),
                Some(TokenKind::Punctuation('{')) => {
                    self.at += 1;
                    depth += 1;
                    StatementKind::Open
                }
                Some(TokenKind::Punctuation('}')) => {
                    self.at += 1;
                    depth -= 1;
                    StatementKind::Close
                }
                Some(TokenKind::Punctuation(';')) => {
                    self.at += 1;
                    continue;
                }
                Some(TokenKind::Word(".loc")) => {
                    self.location()?;
                    continue;
                }
                Some(TokenKind::Word(".pragma")) => {
                    self.at += 1;
                    self.pragma()?;
                    continue;
                }
                Some(TokenKind::Word(".reg")) => {
                    self.at += 1;
                    StatementKind::Registers(self.registers()?)
                }
                Some(TokenKind::Word(space @ (".shared" | ".local" | ".param" | ".global"))) => {
                    self.at += 1;
                    let space = self.space(space)?;
                    for variable in self.variables(space)? {
                        statements
                            .push(Statement { line, kind: StatementKind::Variable(variable) });
                    }
                    continue;
                }
                Some(TokenKind::Word(name))
                    if self.peek_at(1) == Some(TokenKind::Punctuation(':')) =>
                {
                    self.at += 2;
                    match self.peek() {
                        Some(TokenKind::Word(".branchtargets" | ".calltargets")) => {
                            self.at += 1;
                            let mut labels = vec![self.word()?.to_owned()];
                            while self.eat(',') {
                                labels.push(self.word()?.to_owned());
                            }
                            self.expect(';')?;
                            StatementKind::BranchTargets(name.to_owned(), labels)
                        }
                        Some(TokenKind::Word(".callprototype")) => {
                            // What is called by its address, which is refused where it is called.
                            while !self.eat(';') {
                                self.at += 1;
                                self.peek().ok_or_else(|| self.error_before("expected ;"))?;
                            }
                            continue;
                        }
                        _ => StatementKind::Label(name.to_owned()),
                    }
                }
                _ => self.instruction()?,
            };
            statements.push(Statement { line, kind });
        }
        statements.pop(); // the body's own brace
        Ok(statements)
    }

    fn registers(&mut self) -> Result<Vec<RegisterDecl>, LoadError> {
        let ty = self.word()?;
        let ty = self.ty(ty)?;
        let mut registers = Vec::new();
        loop {
            let name = self.word()?.to_owned();
            let count = if self.eat('<') {
                let count = self.unsigned()?;
                self.expect('>')?;
                Some(count)
            } else {
                None
            };
            registers.push(RegisterDecl { name, ty, count });
            if !self.eat(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(registers)
    }

    fn instruction(&mut self) -> Result<StatementKind, LoadError> {
        let guard = if self.eat('@') {
            let negated = self.eat('!');
            Some(Guard { predicate: self.word()?.to_owned(), negated })
        } else {
            None
        };
        let opcode = self.word()?.split('.').map(str::to_owned).collect();
        let mut operands = Vec::new();
        while !self.eat(';') {
            operands.push(self.operand()?);
            if !self.eat(',') {
                self.expect(';')?;
                break;
            }
        }
        Ok(StatementKind::Instruction { guard, opcode, operands })
    }

    fn operand(&mut self) -> Result<Operand, LoadError> {
        let operand = match self.peek() {
            Some(TokenKind::Punctuation('{')) => Operand::Vector(self.list('{', '}')?),
            Some(TokenKind::Punctuation('(')) => Operand::List(self.list('(', ')')?),
            Some(TokenKind::Punctuation('[')) => Operand::Address(self.address()?),
            Some(TokenKind::Punctuation('!')) => {
                self.at += 1;
                Operand::Not(self.word()?.to_owned())
            }
            Some(TokenKind::Word("_")) => {
                self.at += 1;
                Operand::Sink
            }
            Some(TokenKind::Word(name)) => {
                self.at += 1;
                match self.offset()? {
                    0 => Operand::Name(name.to_owned()),
                    offset => Operand::Offset(name.to_owned(), offset),
                }
            }
            Some(TokenKind::Single(bits)) => {
                self.at += 1;
                Operand::Single(bits)
            }
            Some(TokenKind::Double(bits)) => {
                self.at += 1;
                Operand::Double(bits)
            }
            Some(TokenKind::Punctuation('-')) => match self.peek_at(1) {
                Some(TokenKind::Single(bits)) => {
                    self.at += 2;
                    Operand::Single(bits ^ 1 << 31)
                }
                Some(TokenKind::Double(bits)) => {
                    self.at += 2;
                    Operand::Double(bits ^ 1 << 63)
                }
                _ => Operand::Integer(self.integer()?),
            },
            _ => Operand::Integer(self.integer()?),
        };
        if self.eat('|') {
            return Ok(Operand::Pair(Box::new([operand, self.operand()?])));
        }
        Ok(operand)
    }

    fn list(&mut self, open: char, close: char) -> Result<Vec<Operand>, LoadError> {
        self.expect(open)?;
        let mut operands = Vec::new();
        while !self.eat(close) {
            operands.push(self.operand()?);
            if !self.eat(',') {
                self.expect(close)?;
                break;
            }
        }
        Ok(operands)
    }

    fn address(&mut self) -> Result<Address, LoadError> {
        self.expect('[')?;
        let (base, offset) = match self.peek() {
            Some(TokenKind::Word(name)) => {
                self.at += 1;
                (Some(name.to_owned()), self.offset()?)
            }
            _ => (None, self.integer()?),
        };
        let mut coordinates = Vec::new();
        while self.eat(',') {
            coordinates.push(self.operand()?);
        }
        self.expect(']')?;
        Ok(Address { base, offset, coordinates })
    }

    /// `+ 8`, `+ -8` or `- 8`; 0 where there is none.
    fn offset(&mut self) -> Result<i64, LoadError> {
        if self.eat('+') || self.peek_is('-') { self.integer() } else { Ok(0) }
    }

    fn integer(&mut self) -> Result<i64, LoadError> {
        let negative = self.eat('-');
        match self.peek() {
            Some(TokenKind::Integer(value)) => {
                self.at += 1;
                Ok(if negative { (value as i64).wrapping_neg() } else { value as i64 })
            }
            _ => Err(self.error("expected a number")),
        }
    }

    fn unsigned(&mut self) -> Result<u32, LoadError> {
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| self.error_before("out of range"))
    }

    /// Up to three numbers; those left out are 1.
    fn dimensions(&mut self) -> Result<[u32; 3], LoadError> {
        let mut dimensions = [1; 3];
        for (index, dimension) in dimensions.iter_mut().enumerate() {
            if index > 0 && !self.eat(',') {
                break;
            }
            *dimension = self.unsigned()?;
        }
        Ok(dimensions)
    }

    /// A version such as 8.6, whose minor part has one digit.
    fn version(&mut self) -> Result<(u32, u32), LoadError> {
        let Some(TokenKind::Double(bits)) = self.peek() else {
            return Err(self.error("expected a version"));
        };
        self.at += 1;
        let tenths = (10.0 * f64::from_bits(bits)).round() as u32;
        Ok((tenths / 10, tenths % 10))
    }

    fn space(&self, name: &str) -> Result<Space, LoadError> {
        Ok(match name {
            // Constants are global memory that nobody stores to.
            ".global" | ".const" => Space::Global,
            ".shared" | ".shared::cta" => Space::Shared,
            ".local" => Space::Local,
            ".param" => Space::Param,
            _ => return Err(self.error_before("unknown directive")),
        })
    }

    fn ty(&self, word: &str) -> Result<Type, LoadError> {
        word.strip_prefix('.')
            .and_then(Type::from_name)
            .ok_or_else(|| self.error_before("expected a type"))
    }

    fn word(&mut self) -> Result<&'a str, LoadError> {
        match self.peek() {
            Some(TokenKind::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.error("expected a name")),
        }
    }

    fn expect_word(&mut self, word: &str) -> Result<(), LoadError> {
        if self.eat_word(word) { Ok(()) } else { Err(self.error(format!("expected {word}"))) }
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek() == Some(TokenKind::Word(word));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punctuation: char) -> Result<(), LoadError> {
        if self.eat(punctuation) {
            Ok(())
        } else {
            Err(self.error(format!("expected {punctuation}")))
        }
    }

    fn eat(&mut self, punctuation: char) -> bool {
        let found = self.peek_is(punctuation);
        self.at += usize::from(found);
        found
    }

    fn peek_is(&self, punctuation: char) -> bool {
        self.peek() == Some(TokenKind::Punctuation(punctuation))
    }

    fn peek(&self) -> Option<TokenKind<'a>> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<TokenKind<'a>> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    fn line(&self) -> u32 {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line)
    }

    /// Passes over the strings of a `.pragma`, which are hints.
    fn pragma(&mut self) -> Result<(), LoadError> {
        while let Some(TokenKind::String(_) | TokenKind::Punctuation(',')) = self.peek() {
            self.at += 1;
        }
        self.expect(';')
    }

    /// Passes over `.file 1 "name", time, size`.
    fn source_file(&mut self) -> Result<(), LoadError> {
        self.expect_word(".file")?;
        self.integer()?;
        let Some(TokenKind::String(_)) = self.peek() else {
            return Err(self.error("expected a file's name"));
        };
        self.at += 1;
        while self.eat(',') {
            self.integer()?;
        }
        Ok(())
    }

    /// Passes over `.loc 1 2 3, function_name label + 4, inlined_at 1 2 3`: faults tell the PTX's lines.
    fn location(&mut self) -> Result<(), LoadError> {
        self.expect_word(".loc")?;
        let place = |parser: &mut Self| (0..3).try_for_each(|_| parser.integer().map(drop));
        place(self)?;
        while self.eat(',') {
            match self.word()? {
                "function_name" => {
                    self.word()?;
                    self.offset()?;
                }
                "inlined_at" => place(self)?,
                _ => return Err(self.error_before("expected function_name or inlined_at")),
            }
        }
        Ok(())
    }

    /// Passes over `name { … }`: debug information.
    fn skip_braces(&mut self) -> Result<(), LoadError> {
        while !self.eat('{') {
            self.at += 1;
            self.peek().ok_or_else(|| self.error_before("expected {"))?;
        }
        while !self.eat('}') {
            self.at += 1;
            self.peek().ok_or_else(|| self.error_before("expected }"))?;
        }
        Ok(())
    }

    fn error(&self, reason: impl Into<String>) -> LoadError {
        self.error_at(self.at, reason)
    }

    /// An error about the token that was just taken.
    fn error_before(&self, reason: impl Into<String>) -> LoadError {
        self.error_at(self.at.saturating_sub(1), reason)
    }

    fn error_at(&self, token: usize, reason: impl Into<String>) -> LoadError {
        let line = self.tokens.get(token).or(self.tokens.last()).map_or(1, |token| token.line);
        let text = self.source.lines().nth(line as usize - 1).unwrap_or_default().trim();
        LoadError::new(line, reason, text)
    }
}

#[cfg(test)]
mod tests {
    use crate::ptx::{Initializer, Operand, Space, StatementKind, parse};

    /// The instructions of a kernel with this body: opcode and operands.
    fn instructions(body: &str) -> Vec<(String, Vec<Operand>)> {
        let source = format!(".version 8.0\n.target sm_80\n.entry k() {{\n{body}\n}}");
        let module = parse(&source).expect("it parses");
        let statements = module.functions[0].body.clone().expect("it has a body");
        let instructions = statements.into_iter().filter_map(|statement| match statement.kind {
            StatementKind::Instruction { opcode, operands, .. } => {
                Some((opcode.join("."), operands))
            }
            _ => None,
        });
        instructions.collect()
    }

    #[test]
    fn numbers_have_signs_and_radices() {
        let operands = &instructions("x -1, 017, 0x1F, -0x10, 1.5, -2.5e-1, 0f3F800000, -7U;")[0].1;
        assert_eq!(
            operands[..],
            [
                Operand::Integer(-1),
                Operand::Integer(15),
                Operand::Integer(31),
                Operand::Integer(-16),
                Operand::Double(1.5_f64.to_bits()),
                Operand::Double((-0.25_f64).to_bits()),
                Operand::Single(0x3f80_0000),
                Operand::Integer(-7),
            ]
        );
    }

    #[test]
    fn nothing_that_follows_a_directive_on_its_line_is_lost() {
        let body = ".pragma \"nounroll\"; a; .loc 1 2 3 b;\n\
             .loc 1 2 3, function_name $L__info+4, inlined_at 1 5 6 c;";
        let names: Vec<_> = instructions(body).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn variables_have_their_extents_and_values() {
        let source = ".version 8.0\n.target sm_80, debug\n.address_size 64\n\
             .file 1 \"a.rs\", 5, 6\n\
             .visible .const .align 8 .b8 table[2][3] = {1, {2, -1}};\n\
             .global .v2 .u32 pair;\n.extern .shared .align 16 .b8 dynamic[];\n\
             .global .u64 pointer = generic(table+2);\n.section .debug_str { .b8 1 }";
        let variables = parse(source).expect("it parses").variables;
        let extents: Vec<_> = variables.iter().map(|v| (v.space, v.count, v.is_extern)).collect();
        assert_eq!(
            extents,
            [
                (Space::Global, 6, false),
                (Space::Global, 2, false),
                (Space::Shared, 0, true),
                (Space::Global, 1, false),
            ]
        );
        let values = variables[0].initializer.as_ref().expect("it has one");
        assert!(matches!(values[..], [_, _, Initializer::Bits(u64::MAX)]));
        let pointer = variables[3].initializer.as_ref().expect("it has one");
        assert!(matches!(&pointer[..], [Initializer::Symbol(name, 2)] if name == "table"));
    }

    #[test]
    fn what_does_not_parse_is_refused_with_its_line() {
        for (source, line) in [
            (".target sm_80", 1),
            (".version 8.0\n.target sm_80\n.entry k() { add.u32 }", 3),
            (".version 8.0\n.target sm_80\n.entry k()\n.unknown 5 {}", 4),
            (".version 8.0\n.target sm_80\n.global .b31 x;", 3),
        ] {
            assert_eq!(parse(source).expect_err(source).line, line, "{source}");
        }
    }
}
