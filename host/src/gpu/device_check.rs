use msa_abi::{BatchParams, CacheParams, CheckParams, CheckReport, DevicePtr, Violation};

use super::batch::narrow;
use super::workspace::Parts;
use super::{Batch, Device, Kernel, Launch, Params, Plan, Workspace};
use crate::problem::CacheNames;
use crate::{Error, Route};

/// A check of what lies on the device, where the host cannot look: whether row offsets, cached lengths and a page table
/// are what an operator was promised. It takes a launch and a wait, so it is for finding mistakes, not for every step.
///
/// All blocks of requests that own rows must be on pages of the cache. That is what the indexer needs; attention follows
/// only blocks that rows have chosen.
///
/// Run the [`plan`](Self::plan), copy the [`CheckReport`] from the start of its workspace, and ask for the
/// [`verdict`](Self::verdict).
#[derive(Clone, Copy, Debug)]
pub struct DeviceCheck {
    pub(super) route: Route,
    pub(super) batch: BatchParams,
    pub(super) max_seq_length: u32,
    pub(super) cache: CacheParams,
    pub(super) pages: u32,
    pub(super) names: CacheNames,
}

impl DeviceCheck {
    /// Of a batch, and a cache that has been checked as far as the host can know it.
    pub(super) fn new(
        batch: &Batch,
        names: CacheNames,
        cache: CacheParams,
        pages: usize,
    ) -> Result<Self, Error> {
        Ok(Self {
            route: batch.route(),
            batch: batch.check()?,
            max_seq_length: narrow("max_seq_length", batch.max_seq_length)?,
            cache,
            pages: narrow(names.pages, pages)?,
            names,
        })
    }

    /// The launch that writes a [`CheckReport`] to the start of the workspace.
    ///
    /// # Errors
    /// A workspace that is too small (the error says how large it must be) or not a multiple of
    /// [`Workspace::ALIGNMENT`].
    pub fn plan(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let mut parts = Parts::of(workspace);
        let report: DevicePtr<CheckReport> = parts.take(1);
        let workspace_bytes = parts.finish()?;
        let check = Launch {
            kernel: Kernel::CheckOperands,
            grid: [1; 3],
            cluster: 1,
            threads: CheckParams::THREADS,
            dynamic_shared: 0,
            programmatic_stream_serialization: false,
            params: Params::Check(CheckParams {
                batch: self.batch,
                cache: self.cache,
                report,
                pages: self.pages,
                max_seq_length: self.max_seq_length,
            }),
            planes: None,
        };
        Ok(Plan::new(self.route, [Some(check.check(device)?), None], workspace_bytes))
    }

    /// What a report says.
    ///
    /// # Errors
    /// Whatever the report has found, as the backends for slices refuse it; or a report that is none.
    pub fn verdict(&self, report: &CheckReport) -> Result<(), Error> {
        let &CheckReport { violation, index, block, bound, got } = report;
        if violation == 0 {
            return Ok(());
        }
        let (index, operand) = (index as usize, self.names.table);
        let row_offsets = |expected| Error::RowOffsets { index, expected, bound, got };
        let found = Violation::ALL.into_iter().find(|known| *known as u32 == violation);
        Err(match found {
            Some(Violation::FirstOffset) => row_offsets("exactly"),
            Some(Violation::DecreasingOffset) => row_offsets("at least"),
            Some(Violation::LastOffset | Violation::TooManyRows) => row_offsets("at most"),
            Some(Violation::NarrowTable) => Error::PageTableTooNarrow {
                operand,
                request: index,
                needed: bound as usize,
                got: got as usize,
            },
            Some(Violation::NoSuchPage) => Error::NoSuchPage {
                operand,
                request: index,
                block: block as usize,
                got,
                pages: bound as usize,
            },
            None => Error::Value {
                operand: "violation",
                expected: "one that the kernel reports",
                got: violation.to_string(),
            },
        })
    }
}
