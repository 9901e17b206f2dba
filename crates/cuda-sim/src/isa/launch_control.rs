//! Cluster launch control: a cluster that runs takes over the work of one of its grid that has not begun.
//!
//! `clusterlaunchcontrol.try_cancel` leaves an opaque response in shared memory, which an mbarrier counts like
//! a copy's bytes, and `query_cancel` says what is in it. NVIDIA's response is not public; this one is ours.

use super::bulk::Place;
use super::decode::{Target, Text};
use super::memory::{addresses, eat_space};
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::clock::Epoch;
use crate::exec::{Cx, LANES, Lanes, Stop, lanes, unflatten};
use crate::fault::FaultKind;
use crate::memory::{Access, Proxy};
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum LaunchControl {
    TryCancel {
        /// Shared memory of the block; `None` for generic addresses of it.
        space: Option<Space>,
        to: Target,
        mbarrier: Target,
        /// Whether all blocks of the cluster get the response.
        all: bool,
    },
    /// Whether the request has been granted.
    IsCanceled { to: Register, response: [Register; 2] },
    /// The position of the cluster's first block, and a fourth element that says nothing; no register for `_`.
    FirstBlock { to: [Option<Register>; 4], response: [Register; 2] },
}

/// Bytes of a response, and what its address is a multiple of.
const BYTES: u32 = 16;

/// The answer to a request: the first block of the cluster that will not begin, if it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Response(Option<[u32; 3]>);

impl Response {
    /// What is in the lower half: other bits are no response.
    const FAILED: u64 = u64::from_le_bytes(*b"notfound");
    const GRANTED: u64 = u64::from_le_bytes(*b"canceled");

    /// A grid has fewer than 2^31 blocks along x, and than 2^16 along the other axes.
    fn bits(self) -> [u64; 2] {
        match self.0 {
            None => [Self::FAILED, 0],
            Some([x, y, z]) => {
                [Self::GRANTED, u64::from(z) << 48 | u64::from(y) << 32 | u64::from(x)]
            }
        }
    }

    fn from_bits([low, high]: [u64; 2]) -> Option<Self> {
        match low {
            Self::FAILED if high == 0 => Some(Self(None)),
            Self::GRANTED => {
                Some(Self(Some([high as u32, (high >> 32) as u32 & 0xffff, (high >> 48) as u32])))
            }
            _ => None,
        }
    }
}

impl LaunchControl {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.eat("try_cancel") {
            return Self::decode_try(text);
        }
        if !text.eat("query_cancel") {
            return Err(text.refuse("expected .try_cancel or .query_cancel"));
        }
        if text.eat("is_canceled") {
            types(text, "pred")?;
            return Ok(Self::IsCanceled { to: text.predicate(0)?, response: response(text)? });
        }
        let mut to = [None; 4];
        let axes = ["get_first_ctaid::x", "get_first_ctaid::y", "get_first_ctaid::z"];
        if let Some(axis) = axes.iter().position(|axis| text.eat(axis)) {
            types(text, "b32")?;
            to[axis] = Some(text.destination(0, Type::B32)?);
            return Ok(Self::FirstBlock { to, response: response(text)? });
        }
        if !(text.eat("get_first_ctaid") && text.eat("v4")) {
            return Err(text.refuse("expected .is_canceled or .get_first_ctaid"));
        }
        types(text, "b32")?;
        let Operand::Vector(elements) = text.operand(0)? else {
            return Err(text.refuse("expected registers in braces"));
        };
        if elements.len() != to.len() || elements.iter().all(|element| *element == Operand::Sink) {
            return Err(text.refuse("expected 4 registers, of which some may be _"));
        }
        for (to, element) in to.iter_mut().zip(elements) {
            if *element != Operand::Sink {
                *to = Some(text.destination_of(element, Type::B32)?);
            }
        }
        Ok(Self::FirstBlock { to, response: response(text)? })
    }

    fn decode_try(text: &Text) -> Result<Self, LoadError> {
        if !text.eat("async") {
            return Err(text.refuse("expected .async"));
        }
        let is_own = text.peek() == Some("shared::cta");
        let space = if is_own { eat_space(text) } else { None };
        if !text.eat("mbarrier::complete_tx::bytes") {
            return Err(text.refuse("expected .shared::cta or .mbarrier::complete_tx::bytes"));
        }
        let all = text.eat("multicast::cluster::all");
        if !text.eat("b128") {
            return Err(text.refuse("expected .b128"));
        }
        text.finish(2)?;
        let (to, mbarrier) = (text.address(0, space)?, text.address(1, space)?);
        Ok(Self::TryCancel { space, to, mbarrier, all })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::TryCancel { space, to, mbarrier, all } => {
                let to = own(cx, *space, to, mask)?;
                let mbarriers = own(cx, *space, mbarrier, mask)?;
                for lane in lanes(mask) {
                    let place = Place::of_own(cx, *all, to[lane], mbarriers[lane]);
                    request(cx, lane, to[lane], &place)
                        .map_err(|kind| Stop { lane: lane as u32, kind })?;
                }
            }
            Self::IsCanceled { to, response } => {
                let responses = read(cx, *response, mask)?;
                let granted = lanes(mask).filter(|lane| responses[*lane].0.is_some());
                let granted = granted.fold(0, |granted, lane| granted | 1 << lane);
                cx.warp.set_predicate(*to, granted, mask);
            }
            Self::FirstBlock { to, response } => {
                let responses = read(cx, *response, mask)?;
                let mut first = [[0; LANES]; 3];
                for lane in lanes(mask) {
                    let Some(block) = responses[lane].0 else {
                        let what = "the first block of a request that has failed".to_owned();
                        let kind = FaultKind::InvalidOperand { what };
                        return Err(Stop { lane: lane as u32, kind });
                    };
                    first.iter_mut().zip(block).for_each(|(axis, position)| axis[lane] = position);
                }
                for (to, position) in to.iter().zip(&first) {
                    if let Some(to) = to {
                        cx.warp.set_word(*to, position, mask);
                    }
                }
                // Nobody says what it is.
                if let [.., Some(unspecified)] = to {
                    cx.warp.forget(*unspecified, mask);
                }
            }
        }
        Ok(())
    }
}

/// Asks for a cluster, and brings the answer where it is wanted.
fn request(cx: &mut Cx, lane: usize, to: u64, place: &Place) -> Result<(), FaultKind> {
    let run = Access { address: to, bytes: BYTES };
    run.check_alignment("shared", BYTES)?;
    if cx.cluster.knows_failure(cx.block) {
        return Err(FaultKind::RequestAfterFailure);
    }
    let crate::exec::Place { grid, cluster, .. } = cx.block.place;
    let clusters = std::array::from_fn(|axis| grid[axis] / cluster[axis]);
    let first = |taken| {
        let taken = unflatten(taken, clusters);
        std::array::from_fn(|axis| taken[axis] * cluster[axis])
    };
    let response = Response(cx.pending.cancel().map(first));
    let bytes = response.bits().map(u64::to_le_bytes).concat();
    let mut answered: Vec<Epoch> = Vec::new();
    place.arrive(cx, lane, BYTES, |shared, writer, by| {
        answered.push(writer);
        shared.check_run(run)?;
        shared.write_async(run, &bytes, (writer, Proxy::Async), by)
    })?;
    answered.into_iter().for_each(|step| cx.answer(lane, step, response.0.is_some()));
    Ok(())
}

/// Addresses in the block's own shared memory, for each lane.
fn own(cx: &Cx, space: Option<Space>, target: &Target, mask: u32) -> Result<Lanes<u64>, Stop> {
    let mut own = addresses(cx, target, mask)?;
    for lane in lanes(mask) {
        let at = cx.locate(space, own[lane]);
        if at.space != Space::Shared || at.rank != cx.rank() {
            let what = format!("{:#x}, which is not in the block's own shared memory", own[lane]);
            return Err(Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } });
        }
        own[lane] = at.address;
    }
    Ok(own)
}

/// The response that each lane has.
fn read(cx: &Cx, [low, high]: [Register; 2], mask: u32) -> Result<Lanes<Response>, Stop> {
    let [low, high] = [low, high].map(|half| cx.warp.double(Source::Register(half), mask));
    let (low, high) = (low?, high?);
    let mut responses = [Response(None); LANES];
    for lane in lanes(mask) {
        responses[lane] = Response::from_bits([low[lane], high[lane]]).ok_or_else(|| {
            let what =
                "16 bytes that are no response of clusterlaunchcontrol.try_cancel".to_owned();
            Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } }
        })?;
    }
    Ok(responses)
}

/// The types of the result and of the response, with two operands.
fn types(text: &Text, result: &str) -> Result<(), LoadError> {
    if !(text.eat(result) && text.eat("b128")) {
        return Err(text.refuse(format!("expected .{result}.b128")));
    }
    text.finish(2)
}

/// The register that holds the response.
fn response(text: &Text) -> Result<[Register; 2], LoadError> {
    text.wide(text.operand(1)?)
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn a_response_is_read_as_it_was_written_and_nothing_else_is_one() {
        for block in [None, Some([0, 0, 0]), Some([0x7fff_ffff, 0xffff, 0xfffe])] {
            assert_eq!(Response::from_bits(Response(block).bits()), Some(Response(block)));
        }
        assert_eq!(Response::from_bits([0, 0]), None);
        assert_eq!(Response::from_bits([Response::FAILED, 1]), None);
    }
}
