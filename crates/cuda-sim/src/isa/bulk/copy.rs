//! Copies and reductions of bytes side by side.

use super::arrival::{Arrival, Place};
use super::{Groups, UNIT, expect, finish, read_own};
use crate::error::LoadError;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::memory::{Function, Update, addresses, eat_space, little_endian};
use crate::isa::program::Source;
use crate::memory::{Access, Proxy};
use crate::ptx::{Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct Copy {
    way: Way,
    from: Target,
    size: Source,
}

#[derive(Clone, Debug)]
enum Way {
    /// From global memory to shared memory.
    Load(Arrival),
    /// From the block's shared memory to another's, or to global memory: what is there is replaced, or
    /// updated by what comes.
    Across(Arrival, Option<Update>),
    Store(Target, Option<Update>),
    /// From global memory to a cache, which there is none of here.
    Prefetch,
}

impl Copy {
    pub(super) fn decode(text: &Text, reduces: bool) -> Result<Self, LoadError> {
        let ends = (eat_space(text), eat_space(text));
        let way = match ends {
            (Some(to @ (Space::Shared | Space::SharedCluster)), Some(Space::Global))
                if !reduces =>
            {
                expect(text, "mbarrier::complete_tx::bytes")?;
                let several = to == Space::SharedCluster && text.eat("multicast::cluster");
                finish(text, 4 + usize::from(several))?;
                Way::Load(Arrival::decode(text, to, 0, 3, several.then_some(4))?)
            }
            (Some(Space::SharedCluster), Some(Space::Shared)) => {
                expect(text, "mbarrier::complete_tx::bytes")?;
                let update = decode_update(text, reduces, Space::Shared)?;
                text.finish(4)?;
                Way::Across(Arrival::decode(text, Space::SharedCluster, 0, 3, None)?, update)
            }
            (Some(Space::Global), Some(Space::Shared)) => {
                expect(text, "bulk_group")?;
                // The hint comes before the function.
                let hinted = text.eat("L2::cache_hint");
                let update = decode_update(text, reduces, Space::Global)?;
                text.finish(3 + usize::from(hinted))?;
                if hinted {
                    text.source(3, Type::B64)?;
                }
                Way::Store(text.address(0, ends.0)?, update)
            }
            _ => return Err(text.refuse("not a way that is copied")),
        };
        Ok(Self { way, from: text.address(1, ends.1)?, size: text.source(2, Type::U32)? })
    }

    pub(super) fn decode_prefetch(text: &Text) -> Result<Self, LoadError> {
        expect(text, "L2")?;
        expect(text, "global")?;
        finish(text, 2)?;
        let from = text.address(0, Some(Space::Global))?;
        Ok(Self { way: Way::Prefetch, from, size: text.source(1, Type::U32)? })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        // What is moved of global memory.
        let mut runs = Vec::new();
        match &self.way {
            Way::Load(to) => {
                let places = to.places(cx, mask)?;
                self.each(cx, mask, |cx, lane, from| {
                    runs.push(from);
                    load(cx, lane, from, &places[lane])
                })?;
                cx.count_copies(&runs);
            }
            Way::Across(to, update) => {
                let places = to.places(cx, mask)?;
                self.each(cx, mask, |cx, lane, from| {
                    across(cx, lane, from, &places[lane], *update)
                })?;
            }
            Way::Store(to, update) => {
                let to = addresses(cx, to, mask)?;
                self.each(cx, mask, |cx, lane, from| {
                    let to = Access { address: to[lane], ..from };
                    runs.push(to);
                    store(cx, lane, from, to, *update)
                })?;
                cx.count_runs(&runs, true);
            }
            Way::Prefetch => self.each(cx, mask, |_, _, from| check("global", from))?,
        }
        Ok(())
    }

    /// Does something for each lane's source.
    fn each(
        &self,
        cx: &mut Cx,
        mask: u32,
        mut copy: impl FnMut(&mut Cx, usize, Access) -> Result<(), FaultKind>,
    ) -> Result<(), Stop> {
        let (from, size) = (addresses(cx, &self.from, mask)?, cx.warp.word(self.size, mask)?);
        for lane in lanes(mask) {
            let from = Access { address: from[lane], bytes: size[lane] };
            copy(cx, lane, from).map_err(|kind| Stop { lane: lane as u32, kind })?;
        }
        Ok(())
    }
}

fn load(cx: &mut Cx, lane: usize, from: Access, to: &Place) -> Result<(), FaultKind> {
    check("global", from)?;
    let read = cx.read_run(from)?;
    let run = Access { address: to.address, ..from };
    check("shared", run)?;
    to.arrive(cx, lane, from.bytes, |shared, writer, by| {
        shared.check_run(run)?;
        shared.write_async(run, &read, (writer, Proxy::Async), by)
    })
}

fn across(
    cx: &mut Cx,
    lane: usize,
    from: Access,
    to: &Place,
    update: Option<Update>,
) -> Result<(), FaultKind> {
    check("shared", from)?;
    let step = to.step_of_another(cx, lane)?;
    let read = read_own(cx, lane, from, step)?;
    let run = Access { address: to.address, ..from };
    check("shared", run)?;
    to.arrive(cx, lane, from.bytes, |shared, writer, by| {
        shared.check_run(run)?;
        let Some(update) = update else {
            return shared.write_async(run, &read, (writer, Proxy::Async), by);
        };
        for (access, value) in elements(run.address, &read, update.ty) {
            let f = |held| update.apply(Space::Shared, held, value, 0);
            shared.update_async(access, writer, by, f)?;
        }
        Ok(())
    })
}

fn store(
    cx: &mut Cx,
    lane: usize,
    from: Access,
    to: Access,
    update: Option<Update>,
) -> Result<(), FaultKind> {
    check("shared", from)?;
    check("global", to)?;
    let reader = Groups::step(cx, lane);
    let read = read_own(cx, lane, from, reader)?;
    match update {
        None => cx.write_run(to.address, &read),
        Some(update) => reduce(cx, lane, to.address, &read, update),
    }
}

/// Updates a run of global memory by values side by side.
pub(super) fn reduce(
    cx: &mut Cx,
    lane: usize,
    to: u64,
    by: &[u8],
    update: Update,
) -> Result<(), FaultKind> {
    for (access, value) in elements(to, by, update.ty) {
        let f = |space, held| update.apply(space, held, value, 0);
        cx.update(lane, Some(Space::Global), access, f)?;
    }
    Ok(())
}

/// The elements of a run that starts at an address: where each is, and its bits.
fn elements(start: u64, bytes: &[u8], ty: Type) -> impl Iterator<Item = (Access, u64)> {
    let addresses = (start..).step_by(ty.bytes() as usize);
    addresses
        .zip(bytes.chunks_exact(ty.bytes() as usize))
        .map(move |(address, bytes)| (Access { address, bytes: ty.bytes() }, little_endian(bytes)))
}

/// Refuses what is not in whole units.
fn check(space: &'static str, run: Access) -> Result<(), FaultKind> {
    if !run.bytes.is_multiple_of(UNIT) {
        let what = format!("a bulk copy of {} bytes, expected a multiple of {UNIT}", run.bytes);
        return Err(FaultKind::InvalidOperand { what });
    }
    run.check_alignment(space, UNIT)
}

/// The function and the type of a reduction, if it is one.
fn decode_update(text: &Text, reduces: bool, to: Space) -> Result<Option<Update>, LoadError> {
    if !reduces {
        return Ok(None);
    }
    let function = text.one_of(&Function::NAMES);
    let function = function.ok_or_else(|| text.refuse("expected a function"))?;
    let unflushed = text.eat("noftz");
    let update = Update { function, ty: text.ty()? };
    let adds_halves = function == Function::Add && matches!(update.ty, Type::F16 | Type::BF16);
    match is_known(update, to) && adds_halves == unflushed {
        true => Ok(Some(update)),
        false => Err(text.refuse("not a reduction of this type")),
    }
}

/// Whether there is a reduction to a space.
pub(super) fn is_known(Update { function, ty }: Update, to: Space) -> bool {
    use Type::{B32, B64, BF16, F16, F32, F64, S32, S64, U32, U64};
    let is_global = to == Space::Global;
    match function {
        Function::Add => {
            matches!(ty, U32 | S32 | U64) || is_global && matches!(ty, F32 | F64 | F16 | BF16)
        }
        Function::Min | Function::Max => {
            matches!(ty, U32 | S32) || is_global && matches!(ty, U64 | S64 | F16 | BF16)
        }
        Function::Increment | Function::Decrement => ty == U32,
        Function::And | Function::Or | Function::Xor => ty == B32 || is_global && ty == B64,
        Function::Exchange | Function::CompareAndSwap => false,
    }
}
