//! `st.async`: stores to shared memory of a block of the cluster that an mbarrier there counts.

use super::decode::{Target, Text};
use super::memory::{Location, addresses, eat_space};
use super::program::Source;
use crate::error::LoadError;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::memory::{Access, Proxy};
use crate::ptx::{Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct AsyncStore {
    to: Target,
    mbarrier: Target,
    space: Option<Space>,
    from: Vec<Source>,
    /// An element's type.
    ty: Type,
}

impl AsyncStore {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        text.eat("async");
        if text.eat("weak") {
            text.eat("cluster");
        }
        let space = eat_space(text);
        if !matches!(space, None | Some(Space::SharedCluster)) {
            return Err(text.refuse("expected .shared::cluster"));
        }
        text.eat("mbarrier::complete_tx::bytes");
        let elements = text.one_of(&[("v2", 2), ("v4", 4)]).unwrap_or(1);
        let ty = text.ty()?;
        text.finish(3)?;
        if !matches!(ty.bits(), 32 | 64) || elements * ty.bytes() > 16 {
            return Err(text.refuse("up to 16 bytes, in elements of 4 or 8, are stored"));
        }
        let from = text.vector(1)?.iter().map(|element| text.source_of(element, ty));
        let from: Vec<_> = from.collect::<Result<_, LoadError>>()?;
        if from.len() != elements as usize {
            return Err(text.refuse(format!("{} elements, expected {elements}", from.len())));
        }
        let (to, mbarrier) = (text.address(0, space)?, text.address(2, space)?);
        Ok(Self { to, mbarrier, space, from, ty })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let (to, mbarriers) =
            (addresses(cx, &self.to, mask)?, addresses(cx, &self.mbarrier, mask)?);
        let element = self.ty.bytes();
        let bytes = element * self.from.len() as u32;
        let mut values = Vec::new();
        for from in &self.from {
            values.push(cx.warp.double(*from, mask)?);
        }
        for lane in lanes(mask) {
            let stored = values
                .iter()
                .flat_map(|value| value[lane].to_le_bytes().into_iter().take(element as usize));
            let stored: Vec<u8> = stored.collect();
            self.store(cx, lane, to[lane], mbarriers[lane], &stored)
                .map_err(|kind| Stop { lane: lane as u32, kind })?;
        }
        cx.block.progress = true;
        cx.count_access(self.space, &to, mask, bytes, true);
        Ok(())
    }

    fn store(
        &self,
        cx: &mut Cx,
        lane: usize,
        to: u64,
        mbarrier: u64,
        from: &[u8],
    ) -> Result<(), FaultKind> {
        let [to, mbarrier] = [to, mbarrier].map(|address| cx.locate(self.space, address));
        for Location { space, address, .. } in [to, mbarrier] {
            if space != Space::Shared {
                let what = format!("{address:#x}, which is not in shared memory");
                return Err(FaultKind::InvalidOperand { what });
            }
        }
        if to.rank != mbarrier.rank {
            let what = format!(
                "a store to block {} of the cluster that an mbarrier of block {} counts",
                to.rank, mbarrier.rank
            );
            return Err(FaultKind::InvalidOperand { what });
        }
        let (shared, by) = cx.shared_of(to.rank, lane)?;
        let access = Access { address: to.address, bytes: from.len() as u32 };
        shared.check(access)?;
        let step = shared.mbarrier(mbarrier.address, Proxy::Generic, by)?.step();
        shared.write_async(access, from, (step, Proxy::Generic), by)?;
        let counted = shared.mbarrier(mbarrier.address, Proxy::Generic, by)?;
        counted.complete_bytes(access.bytes)
    }
}
