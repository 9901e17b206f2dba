//! The instruction set: what an instruction's text means, and what it does to a warp.
//!
//! A file is a family of instructions: their decoded form, how it is read from text, and how it is
//! executed. Whatever a family does not know is refused when the module is loaded.

mod async_store;
mod availability;
mod barrier;
mod bulk;
mod call;
mod carry;
mod cluster;
mod compare;
mod control;
mod convert;
mod data;
mod decode;
mod dependency;
mod float;
mod in_space;
mod integer;
mod lanewise;
mod launch_control;
mod link;
mod matrix;
mod mbarrier;
mod memory;
mod program;
mod registers;
mod rounding;
mod tcgen05;
mod warp_wide;
mod wgmma;

pub(crate) use availability::Edition;
pub(crate) use bulk::Groups;
pub(crate) use decode::Symbols;
pub(crate) use memory::Copies;
pub(crate) use program::{
    Activation, Class, Instruction, Kernel, Register, Source, Special, kernel,
};
pub(crate) use tcgen05::Steps as TensorSteps;
pub(crate) use wgmma::Groups as WgmmaGroups;

use crate::error::LoadError;
use crate::exec::{Cx, Flow, Stop};

use decode::Text;

/// A decoded instruction.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Integer(integer::Integer),
    Carry(carry::Carry),
    Float(float::Float),
    Compare(compare::Compare),
    Convert(convert::Convert),
    InSpace(in_space::InSpace),
    Data(data::Data),
    Memory(memory::Memory),
    Atomic(memory::Atomic),
    AsyncStore(async_store::AsyncStore),
    Copy(memory::Copy),
    Bulk(bulk::Bulk),
    Multiply(matrix::Multiply),
    Wgmma(wgmma::Wgmma),
    Tcgen05(tcgen05::Tcgen05),
    SetMaxRegisters(registers::SetMaxRegisters),
    Transfer(matrix::Transfer),
    Barrier(barrier::Barrier),
    Mbarrier(mbarrier::Mbarrier),
    Cluster(cluster::Cluster),
    LaunchControl(launch_control::LaunchControl),
    WarpWide(warp_wide::WarpWide),
    Dependency(dependency::Dependency),
    Control(control::Control),
    Call(call::Call),
}

impl Op {
    fn decode(text: &Text) -> Result<Self, LoadError> {
        availability::check(text)?;
        Ok(match text.mnemonic() {
            "addc" | "subc" | "madc" => Self::Carry(carry::Carry::decode(text)?),
            "add" | "sub" | "mad" if text.has("cc") => Self::Carry(carry::Carry::decode(text)?),
            "add" | "sub" | "mul" | "mad" | "min" | "max" | "abs" | "neg" if text.is_integer() => {
                Self::Integer(integer::Integer::decode(text)?)
            }
            "div" | "rem" if text.is_integer() => Self::Integer(integer::Integer::decode(text)?),
            "and" | "or" | "xor" | "not" if text.is_of_predicates() => {
                Self::Data(data::Data::decode_logic(text)?)
            }
            "and" | "or" | "xor" | "not" | "cnot" | "shl" | "shr" | "shf" | "lop3" | "popc"
            | "clz" | "bfind" | "brev" | "bfe" | "bfi" | "prmt" | "mul24" | "mad24" | "sad"
            | "dp4a" => Self::Integer(integer::Integer::decode(text)?),
            "add" | "sub" | "mul" | "mad" | "fma" | "div" | "min" | "max" | "abs" | "neg"
            | "rcp" | "sqrt" | "rsqrt" | "sin" | "cos" | "lg2" | "ex2" | "tanh" | "copysign" => {
                Self::Float(float::Float::decode(text)?)
            }
            "setp" | "set" | "selp" | "slct" | "testp" => {
                Self::Compare(compare::Compare::decode(text)?)
            }
            "cvt" | "cvta" => Self::Convert(convert::Convert::decode(text)?),
            "isspacep" => Self::InSpace(in_space::InSpace::decode(text)?),
            "mov" => Self::Data(data::Data::decode(text)?),
            "st" if text.peek() == Some("async") => {
                Self::AsyncStore(async_store::AsyncStore::decode(text)?)
            }
            "ld" | "st" | "prefetch" => Self::Memory(memory::Memory::decode(text)?),
            "atom" | "red" => Self::Atomic(memory::Atomic::decode(text)?),
            "cp" if text.has("bulk") => Self::Bulk(bulk::Bulk::decode(text)?),
            "cp" => Self::Copy(memory::Copy::decode(text)?),
            "mma" => Self::Multiply(matrix::Multiply::decode(text)?),
            "setmaxnreg" => Self::SetMaxRegisters(registers::SetMaxRegisters::decode(text)?),
            "tcgen05" => Self::Tcgen05(tcgen05::Tcgen05::decode(text)?),
            "wgmma" => Self::Wgmma(wgmma::Wgmma::decode(text)?),
            "ldmatrix" | "stmatrix" | "movmatrix" => {
                Self::Transfer(matrix::Transfer::decode(text)?)
            }
            "mapa" | "getctarank" => Self::Cluster(cluster::Cluster::decode(text)?),
            "barrier" if text.peek() == Some("cluster") => {
                Self::Cluster(cluster::Cluster::decode(text)?)
            }
            "clusterlaunchcontrol" => {
                Self::LaunchControl(launch_control::LaunchControl::decode(text)?)
            }
            "mbarrier" => Self::Mbarrier(mbarrier::Mbarrier::decode(text)?),
            "bar" | "barrier" | "membar" | "fence" => {
                Self::Barrier(barrier::Barrier::decode(text)?)
            }
            "shfl" | "vote" | "match" | "redux" | "activemask" | "elect" => {
                Self::WarpWide(warp_wide::WarpWide::decode(text)?)
            }
            "griddepcontrol" => Self::Dependency(dependency::Dependency::decode(text)?),
            "call" => Self::Call(call::Call::decode(text)?),
            "ret" if text.is_in_function() => Self::Call(call::Call::decode_return(text)?),
            "bra" | "brx" | "ret" | "exit" | "trap" | "nanosleep" => {
                Self::Control(control::Control::decode(text)?)
            }
            _ => return Err(text.refuse("unknown instruction")),
        })
    }

    /// Whether it cancels launches of clusters.
    fn cancels(&self) -> bool {
        matches!(self, Self::LaunchControl(launch_control::LaunchControl::TryCancel { .. }))
    }

    /// Executes the instruction for some lanes of a warp.
    pub(crate) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Integer(op) => op.execute(cx, mask)?,
            Self::Carry(op) => op.execute(cx, mask)?,
            Self::Float(op) => op.execute(cx, mask)?,
            Self::Compare(op) => op.execute(cx, mask)?,
            Self::Convert(op) => op.execute(cx, mask)?,
            Self::InSpace(op) => op.execute(cx, mask)?,
            Self::Data(op) => op.execute(cx, mask)?,
            Self::Memory(op) => op.execute(cx, mask)?,
            Self::Atomic(op) => op.execute(cx, mask)?,
            Self::AsyncStore(op) => op.execute(cx, mask)?,
            Self::Copy(op) => op.execute(cx, mask)?,
            Self::Bulk(op) => op.execute(cx, mask)?,
            Self::Multiply(op) => op.execute(cx, mask)?,
            Self::Wgmma(op) => op.execute(cx, mask)?,
            Self::Transfer(op) => op.execute(cx, mask)?,
            Self::WarpWide(op) => op.execute(cx, mask)?,
            Self::LaunchControl(op) => op.execute(cx, mask)?,
            Self::Dependency(op) => op.execute(cx),
            Self::SetMaxRegisters(op) => return op.execute(cx, mask),
            Self::Tcgen05(op) => return op.execute(cx, mask),
            Self::Barrier(op) => return op.execute(cx, mask),
            Self::Mbarrier(op) => return op.execute(cx, mask),
            Self::Cluster(op) => return op.execute(cx, mask),
            Self::Control(op) => return op.execute(cx, mask),
            Self::Call(op) => return op.execute(cx, mask),
        }
        Ok(Flow::Next)
    }
}
