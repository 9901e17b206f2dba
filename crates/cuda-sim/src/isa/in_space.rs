//! `isspacep`: whether a generic address is in a space.

use super::decode::Text;
use super::memory::{Location, eat_space};
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Stop, lanes};
use crate::ptx::{Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct InSpace {
    space: Space,
    to: Register,
    from: Source,
}

impl InSpace {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.peek() == Some("const") {
            return Err(text.refuse("constants stand in global memory here"));
        }
        let space = eat_space(text).ok_or_else(|| text.refuse("expected a space"))?;
        text.finish(2)?;
        let from = match text.source(1, Type::U64) {
            Err(_) => text.source(1, Type::U32)?,
            from => from?,
        };
        Ok(Self { space, to: text.predicate(0)?, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let from = cx.warp.double(self.from, mask)?;
        let is_in = |address| {
            let Location { space, rank, .. } = cx.locate(None, address);
            match self.space {
                Space::SharedCluster => space == Space::Shared,
                Space::Shared => space == Space::Shared && rank == cx.rank(),
                other => space == other,
            }
        };
        let within = lanes(mask).filter(|lane| is_in(from[*lane]));
        let within = within.fold(0_u32, |within, lane| within | 1 << lane);
        cx.warp.set_predicate(self.to, within, mask);
        Ok(())
    }
}
