//! `setmaxnreg`: registers change hands between the warps of a block. There are enough here whatever it says;
//! that warps ask for what they can get, together, is checked.
//!
//! ptxas ignores the instruction unless it can tell how many registers a thread has at the start: from
//! `.maxnreg`, or from `.minnctapersm` beside `.maxntid` or `.reqntid`. A kernel that says neither is refused.

use super::decode::Text;
use super::matrix::whole_warp;
use super::program::Source;
use crate::error::LoadError;
use crate::exec::{Cx, Event, Flow, Stop};
use crate::fault::FaultKind;
use crate::ptx::{Function, Type};

#[derive(Clone, Debug)]
pub(crate) struct SetMaxRegisters {
    increases: bool,
    /// Of each thread.
    to: u32,
}

/// Registers of a multiprocessor.
const REGISTERS: u32 = 65536;

/// Threads of a warpgroup: for so many at a time are registers set aside.
const WARPGROUP: u32 = 128;

/// Registers are given to threads by so many, and so many at least and at most.
const UNIT: u32 = 8;
const LEAST: u32 = 24;
const MOST: u32 = 256;

/// Registers of each thread when a kernel starts, if that is settled: as ptxas does it.
pub(super) fn at_entry(function: &Function) -> Option<u32> {
    if let Some(registers) = function.max_registers {
        return Some(registers.next_multiple_of(UNIT));
    }
    let axes = function.required_threads.or(function.max_threads)?;
    let threads = axes.iter().product::<u32>().max(1).next_multiple_of(WARPGROUP);
    let of_thread = REGISTERS / threads / function.min_blocks?.max(1);
    Some((of_thread / UNIT * UNIT).min(MOST))
}

impl SetMaxRegisters {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let increases = text.one_of(&[("inc", true), ("dec", false)]);
        let increases = increases.ok_or_else(|| text.refuse("expected .inc or .dec"))?;
        if !(text.eat("sync") && text.eat("aligned") && text.ty()? == Type::U32) {
            return Err(text.refuse("expected .sync.aligned.u32"));
        }
        text.finish(1)?;
        match text.source(0, Type::U32)? {
            Source::Immediate(to)
                if to.is_multiple_of(UNIT.into()) && (LEAST.into()..=MOST.into()).contains(&to) =>
            {
                Ok(Self { increases, to: to as u32 })
            }
            _ => Err(text.refuse("the number of registers is a multiple of 8 from 24 to 256")),
        }
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        whole_warp(mask)?;
        let refuse = |kind| Stop { lane: 0, kind };
        let (has, to) = (cx.warp.registers, self.to);
        let is_wrong_way = if self.increases { to < has } else { to > has };
        if is_wrong_way {
            let what = format!("from {has} registers to {to}");
            return Err(refuse(FaultKind::InvalidOperand { what }));
        }
        if self.increases && to - has > cx.block.spare_registers {
            return Ok(Flow::Until(Event::Registers { more: to - has }));
        }
        cx.step_of_warpgroup([0; 3]).map_err(refuse)?;
        cx.block.set_registers(cx.warp.index).map_err(refuse)?;
        cx.block.spare_registers = cx.block.spare_registers + has - to;
        cx.warp.registers = to;
        Ok(Flow::Next)
    }
}

#[cfg(test)]
mod tests {
    use super::at_entry;
    use crate::error::LoadError;
    use crate::isa::availability::Edition;
    use crate::isa::decode::Symbols;
    use crate::isa::program::{Kernel, kernel};
    use crate::ptx::parse;

    fn source(directives: &str, body: &str) -> String {
        format!(
            ".version 8.0\n.target sm_90a\n.address_size 64\n\
             .visible .entry kernel() {directives} {{\n{body}\nret; }}\n"
        )
    }

    /// What ptxas of CUDA 13.5 says that such kernels use, with 255 for 256.
    #[test]
    fn registers_at_entry_are_those_that_ptxas_gives() {
        for (directives, registers) in [
            ("", None),
            (".maxntid 384", None),
            (".reqntid 384", None),
            (".minnctapersm 1", None),
            (".maxntid 128 .minnctapersm 1", Some(256)),
            (".maxntid 256 .minnctapersm 1", Some(256)),
            (".maxntid 288 .minnctapersm 1", Some(168)),
            (".maxntid 384 .minnctapersm 1", Some(168)),
            (".reqntid 384 .minnctapersm 1", Some(168)),
            (".maxntid 384 .minnctapersm 2", Some(80)),
            (".maxntid 128 .minnctapersm 3", Some(168)),
            (".maxntid 640 .minnctapersm 1", Some(96)),
            (".maxntid 768 .minnctapersm 1", Some(80)),
            (".maxntid 1024 .minnctapersm 1", Some(64)),
            (".maxntid 384 .minnctapersm 1 .maxnreg 128", Some(128)),
            (".maxnreg 168", Some(168)),
        ] {
            let module = parse(&source(directives, "")).unwrap();
            assert_eq!(at_entry(&module.functions[0]), registers, "{directives}");
        }
    }

    fn load(directives: &str, body: &str) -> Result<Kernel, LoadError> {
        let module = parse(&source(directives, body)).unwrap();
        let edition = Edition { version: module.version, target: module.target };
        kernel(&module.functions[0], &module.functions, &Symbols::new(edition))
    }

    #[test]
    fn what_has_no_effect_is_refused() {
        let sets = "setmaxnreg.inc.sync.aligned.u32 232;";
        assert!(load(".maxnreg 168", sets).is_ok());
        for directives in ["", ".maxntid 384"] {
            let error = load(directives, sets).expect_err("it is refused");
            assert!(error.reason.contains(".minnctapersm") && error.line == 5, "{error}");
        }
        for (sets, reason) in [
            ("setmaxnreg.inc.sync.aligned.u32 41;", "multiple of 8"),
            ("setmaxnreg.inc.sync.aligned.u32 16;", "from 24"),
            ("setmaxnreg.inc.sync.aligned.u32 264;", "to 256"),
            ("setmaxnreg.sync.aligned.u32 64;", ".inc or .dec"),
            ("setmaxnreg.dec.sync.u32 64;", ".sync.aligned.u32"),
        ] {
            let error = load(".maxnreg 168", sets).expect_err("it is refused");
            assert!(error.reason.contains(reason), "{error}");
        }
    }
}
