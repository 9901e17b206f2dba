//! Runs of bytes of global memory, as copies move them.

use super::access::{little_endian, unwritten};
use crate::counters::Traffic;
use crate::exec::Cx;
use crate::fault::FaultKind;
use crate::memory::{Access, Proxy, SECTOR};

impl Cx<'_, '_> {
    /// Reads a run of bytes through the asynchronous proxy.
    pub(crate) fn read_run(&mut self, run: Access) -> Result<Vec<u8>, FaultKind> {
        let visit = self.visit(Proxy::Async);
        let allocation = self.allocation_of(run)?;
        let mut read = Vec::with_capacity(run.bytes as usize);
        for Access { address, bytes } in run.parts() {
            let at = address - allocation.start();
            allocation.note(at, bytes, &visit, false)?;
            if !allocation.is_written(at, bytes) {
                return Err(unwritten(allocation, at, bytes));
            }
            read.extend(&allocation.load(at, bytes).to_le_bytes()[..bytes as usize]);
        }
        Ok(read)
    }

    /// Writes a run of bytes through the asynchronous proxy.
    pub(crate) fn write_run(&mut self, address: u64, from: &[u8]) -> Result<(), FaultKind> {
        let run = Access { address, bytes: from.len() as u32 };
        let visit = self.visit(Proxy::Async);
        let allocation = self.allocation_of(run)?;
        for Access { address, bytes } in run.parts() {
            let at = address - allocation.start();
            allocation.note(at, bytes, &visit, true)?;
            let start = (address - run.address) as usize;
            allocation.store(at, bytes, little_endian(&from[start..start + bytes as usize]));
        }
        self.block.progress = true;
        Ok(())
    }

    /// Counts what an instruction of a warp loaded of global memory to copy it to shared memory, which was allowed.
    pub(crate) fn count_copies(&mut self, runs: &[Access]) {
        let copied = self.count_runs(runs, false);
        self.block.tally.totals.global_copies.add(&copied);
    }

    /// Counts what an instruction of a warp moved of global memory, which was allowed, and tells it.
    pub(crate) fn count_runs(&mut self, runs: &[Access], is_store: bool) -> Traffic {
        // An address in each.
        let mut sectors: Vec<u64> = Vec::new();
        let mut asked = 0;
        for Access { address, bytes } in runs {
            asked += u64::from(*bytes);
            let next = (address + 1).next_multiple_of(SECTOR);
            let end = address + u64::from(*bytes);
            let known = sectors.last().is_some_and(|last| last / SECTOR == address / SECTOR);
            sectors.extend((!known).then_some(address));
            sectors.extend((next..end).step_by(SECTOR as usize));
        }
        if sectors.is_empty() {
            return Traffic::default();
        }
        sectors.sort_unstable();
        sectors.dedup_by_key(|address| *address / SECTOR);
        let mut distinct = 0;
        for sector in &sectors {
            let access = Access { address: *sector, bytes: 1 };
            let launch = self.launch.number;
            if let Ok(allocation) = self.allocation_of(access) {
                let at = access.address - allocation.start();
                distinct += u64::from(allocation.is_new_sector(at, launch, is_store));
            }
        }
        let moved =
            Traffic { bytes: asked, sectors: sectors.len() as u64, distinct_sectors: distinct };
        let totals = &mut self.block.tally.totals;
        let traffic = if is_store { &mut totals.global_stores } else { &mut totals.global_loads };
        traffic.add(&moved);
        moved
    }
}
