//! What `wgmma` does to a warp. Each of the four warps of a warpgroup computes its own rows when it issues
//! the product, and nobody may tell until the product is waited for: its accumulators and registers of A
//! are in flight, and what it reads of shared memory is read asynchronously, as a step of the warp's groups.

use super::instruction::{Left, Multiply, ScaleD, Wgmma};

use crate::exec::clock::{Agent, Epoch};
use crate::exec::{Cx, Lanes, Role, Stop, WARPS};
use crate::fault::FaultKind;
use crate::isa::data::predicate;
use crate::isa::matrix::product::{M, ROW_BYTES};
use crate::isa::matrix::{Descriptor, count, operand, product, whole_warp};
use crate::isa::program::Source;
use crate::memory::Access;

/// The groups of a warp's products.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Whose time is the number of a group, from 1.
    agent: Option<Agent>,
    committed: u32,
}

/// Any lane: all of a warp execute it together.
const LANE: usize = 0;

fn refuse(kind: FaultKind) -> Stop {
    Stop { lane: LANE as u32, kind }
}

impl Wgmma {
    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        whole_warp(mask)?;
        match self {
            Self::Multiply(multiply) => return multiply.execute(cx),
            Self::Fence => cx.warp.fence_registers(),
            Self::Commit => cx.warp.wgmma.committed += 1,
            Self::Wait { but } => {
                let Groups { agent, committed } = cx.warp.wgmma;
                let time = committed.saturating_sub(*but);
                cx.warp.land(time);
                if let Some(agent) = agent {
                    cx.block.learn_of(cx.warp.index, Epoch { agent, time });
                }
            }
        }
        cx.step_of_warpgroup([0; 3]).map_err(refuse)
    }
}

impl Multiply {
    fn execute(&self, cx: &mut Cx) -> Result<(), Stop> {
        let adds = match self.scale_d {
            ScaleD::Constant(adds) => adds,
            ScaleD::Predicate(register, negated) => {
                match predicate(cx, (register, negated), u32::MAX)? {
                    0 => false,
                    u32::MAX => true,
                    mixed => {
                        let what =
                            format!("scale-d holds in lanes {mixed:#010x} of the warp alone");
                        return Err(refuse(FaultKind::InvalidOperand { what }));
                    }
                }
            }
        };
        let of_a = match self.a {
            Left::Registers(_) => 0,
            Left::Shared(source, _) => descriptor(cx, source)?,
        };
        let of_b = descriptor(cx, self.b.0)?;
        cx.step_of_warpgroup([of_a, of_b, u64::from(adds)]).map_err(refuse)?;

        let group = cx.warp.wgmma.committed + 1;
        let agent = *cx.warp.wgmma.agent.get_or_insert_with(|| cx.cluster.new_agent());
        let reader = Epoch { agent, time: group };
        for (place, register) in self.d.iter().enumerate() {
            let (columns, ty, first) = (self.columns, self.sum, self.d[0]);
            cx.warp.claim(*register, Role::Accumulator { columns, ty, place, first }, group)?;
        }
        let a = match &self.a {
            Left::Registers(sources) => {
                for source in sources {
                    if let Source::Register(register) = source {
                        cx.warp.claim(*register, Role::Fragment, group)?;
                    }
                }
                product::left(self.ty, &words(cx, sources)?)
            }
            Left::Shared(_, major) => {
                let rows = cx.warp.index % WARPS;
                let descriptor = decoded(of_a)?;
                operand::left(&descriptor, *major, self.ty, rows, |at| read(cx, at, reader))?
            }
        };
        let b = decoded(of_b)?;
        let b = operand::right(&b, self.b.1, self.ty, self.columns, |at| read(cx, at, reader))?;
        let d = if adds {
            let registers = self.d.iter().map(|register| Source::Register(*register));
            Some(words(cx, &registers.collect::<Vec<_>>())?)
        } else {
            None
        };
        let sums = self.compute(d.as_deref(), &a, &b);
        for (register, sums) in self.d.iter().zip(&sums) {
            cx.warp.set_in_flight(*register, sums);
        }
        if let Left::Registers(sources) = &self.a {
            for source in sources {
                if let Source::Register(register) = source {
                    cx.warp.take_off(*register);
                }
            }
        }
        // A warpgroup reads B once, and each of its warps 16 rows of A.
        let of_a = if matches!(self.a, Left::Shared(..)) { ROW_BYTES * M } else { 0 };
        let bytes = of_a + ROW_BYTES * self.columns / WARPS;
        count(cx, self.shape, self.products() / WARPS, bytes);
        Ok(())
    }
}

fn words(cx: &Cx, sources: &[Source]) -> Result<Vec<Lanes<u32>>, Stop> {
    sources.iter().map(|source| cx.warp.word(*source, u32::MAX)).collect()
}

/// The bits of a descriptor, which all lanes agree on.
fn descriptor(cx: &Cx, source: Source) -> Result<u64, Stop> {
    let bits = cx.warp.double(source, u32::MAX)?;
    match bits.iter().position(|other| *other != bits[LANE]) {
        None => Ok(bits[LANE]),
        Some(lane) => {
            let what = format!("descriptor {:#018x}, in lane 0 {:#018x}", bits[lane], bits[LANE]);
            Err(Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } })
        }
    }
}

fn decoded(bits: u64) -> Result<Descriptor, Stop> {
    let reserved = |error| refuse(FaultKind::InvalidOperand { what: format!("{error}") });
    Descriptor::decode(bits).map_err(reserved)
}

/// 16 bytes of shared memory, read as a step of the warp's groups.
fn read(cx: &mut Cx, address: u64, reader: Epoch) -> Result<[u8; 16], Stop> {
    let (shared, by) = cx.block.shared_by(cx.warp.index, LANE);
    let access = Access { address, bytes: 16 };
    let bytes = shared.check(access).and_then(|()| shared.read_async(access, reader, by));
    let mut chunk = [0; 16];
    chunk.copy_from_slice(bytes.map_err(refuse)?);
    Ok(chunk)
}
