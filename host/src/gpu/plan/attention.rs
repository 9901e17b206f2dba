use std::f32::consts::LOG2_E;

use msa_abi::{AttendParams, DevicePtr, HEAD_DIM};

use super::clusters::Clusters;
use super::fit::Fit;
use super::prefill_tile::Tiling;
use super::{grid, product, tuning};
use crate::gpu::attention::AttentionProblem;
use crate::gpu::workspace::{Parts, rounded};
use crate::gpu::{Device, Kernel, Launch, Params, Plan, Workspace};
use crate::{Error, Route};

impl AttentionProblem {
    pub(in crate::gpu) fn plan(
        &self,
        device: &Device,
        workspace: Workspace,
    ) -> Result<Plan, Error> {
        if self.batch.rows == 0 {
            return Ok(Plan::new(self.route, [None; 2], 0));
        }
        match self.route {
            Route::Empty | Route::Decode | Route::Speculative => self.decode(device, workspace),
            Route::Prefill => self.prefill(device, workspace),
        }
    }

    /// One launch, by clusters where the device has them; and another where it has not and blocks are split.
    fn decode(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let items = product([self.batch.batch, self.max_seq_length, self.kv_heads]);
        match Clusters::new(device, items, self.topk) {
            Some(clusters) => self.decode_by_clusters(device, workspace, clusters),
            None => self.decode_by_tiles(device, workspace),
        }
    }

    fn decode_by_clusters(
        &self,
        device: &Device,
        workspace: Workspace,
        Clusters { splits, stages }: Clusters,
    ) -> Result<Plan, Error> {
        let row_tiles = self.max_seq_length;
        let params = AttendParams { splits, row_tiles, stages, ..self.params() };
        let rows = product([self.batch.batch, row_tiles]);
        let attend = Launch {
            kernel: Kernel::AttendDecodeCluster,
            grid: grid([rows, self.kv_heads.into(), splits.into()]),
            cluster: splits,
            threads: AttendParams::THREADS,
            dynamic_shared: AttendParams::cluster_shared_bytes(splits, self.topk, stages),
            programmatic_stream_serialization: false,
            params: Params::Attend(params),
            planes: Some(self.planes),
        };
        let workspace_bytes = Parts::of(workspace).finish()?;
        Ok(Plan::new(self.route, [Some(attend.check(device)?), None], workspace_bytes))
    }

    fn decode_by_tiles(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let shared = |rows: u32, stages: u32| AttendParams::shared_bytes(rows, self.topk, stages);
        let tile_rows = self.tile_rows(device, |rows| shared(rows, tuning::DECODE_STAGES));
        let fit = Fit::new(
            Kernel::AttendDecode,
            device,
            tuning::ATTEND_BLOCKS,
            tuning::MIN_STAGES..=tuning::DECODE_STAGES,
            |stages| shared(tile_rows, stages),
        )?;
        let row_tiles = self.max_seq_length.div_ceil(tile_rows);
        let tiles = product([self.batch.batch, row_tiles]);
        let items = tiles.saturating_mul(self.kv_heads.into());
        let filling = u64::from(fit.resident(device)) / items;
        let splits = match filling < tuning::MIN_ATTEND_SPLITS.into() {
            true => 1,
            false => filling.min(product([self.topk, tile_rows])) as u32,
        };

        let mut parts = Parts::of(workspace);
        let (partial_values, partial_sums) = match splits {
            1 => (DevicePtr::from_address(0), DevicePtr::from_address(0)),
            _ => {
                let [values, sums] =
                    partials(self.batch.rows, self.kv_heads, self.topk, self.group);
                (parts.take(values), parts.take(sums))
            }
        };
        let workspace_bytes = parts.finish()?;

        let params = AttendParams {
            partial_values,
            partial_sums,
            splits,
            tile_rows,
            row_tiles,
            stages: fit.stages,
            ..self.params()
        };
        let attend = Launch {
            kernel: Kernel::AttendDecode,
            grid: grid([tiles, self.kv_heads.into(), splits.into()]),
            cluster: 1,
            threads: AttendParams::THREADS,
            dynamic_shared: shared(tile_rows, fit.stages),
            programmatic_stream_serialization: false,
            params: Params::Attend(params),
            planes: None,
        };
        let heads = product([self.kv_heads, self.group]);
        let heads_of_block = AttendParams::COMBINE_THREADS / 32;
        let combine = Launch {
            kernel: Kernel::AttendCombine,
            grid: grid([self.batch.rows.into(), heads.div_ceil(heads_of_block.into()), 1]),
            cluster: 1,
            threads: AttendParams::COMBINE_THREADS,
            dynamic_shared: 0,
            programmatic_stream_serialization: device.has_dependent_launches(),
            params: Params::Attend(params),
            planes: None,
        };
        let combine = if splits > 1 { Some(combine.check(device)?) } else { None };
        Ok(Plan::new(self.route, [Some(attend.check(device)?), combine], workspace_bytes))
    }

    /// Rows of a tile of decode: one where these occupy the device, and else as many as have room.
    fn tile_rows(&self, device: &Device, shared: impl Fn(u32) -> u32) -> u32 {
        let single = product([self.batch.batch, self.max_seq_length, self.kv_heads]);
        if single >= u64::from(device.multiprocessors / tuning::BUSY) {
            return 1;
        }
        let available = device.shared_for_each_of(tuning::ATTEND_BLOCKS);
        let most = self.max_seq_length.min(tuning::MAX_TILE_ROWS);
        (1..=most).rev().find(|&rows| shared(rows) <= available).unwrap_or(1)
    }

    fn prefill(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        type Shared = fn(u32, u32) -> u32;
        let (hopper, blackwell) = (Kernel::AttendPrefillHopper, Kernel::AttendPrefillBlackwell);
        let (kernel, threads, shared): (_, _, Shared) = if device.has(blackwell) {
            let threads = AttendParams::BLACKWELL_PREFILL_THREADS;
            (blackwell, threads, AttendParams::blackwell_prefill_shared_bytes)
        } else if device.has(hopper) {
            let threads = AttendParams::HOPPER_PREFILL_THREADS;
            (hopper, threads, AttendParams::hopper_prefill_shared_bytes)
        } else {
            let threads = AttendParams::PREFILL_THREADS;
            (Kernel::AttendPrefill, threads, AttendParams::prefill_shared_bytes)
        };
        let shared = |stages| shared(self.topk, stages);
        let stages = tuning::MIN_STAGES..=AttendParams::MAX_STAGES;
        let fit = Fit::new(kernel, device, tuning::ATTEND_BLOCKS, stages, shared)?;
        let tile_rows = |tiling: Tiling| {
            tiling.tile_rows(device.multiprocessors, self.topk, |rows| self.prefill_tiles(rows))
        };
        let (tile_rows, cluster) = match kernel {
            Kernel::AttendPrefillBlackwell => (tile_rows(Tiling::BLACKWELL), 2),
            Kernel::AttendPrefillHopper => (tile_rows(Tiling::HOPPER), 1),
            _ => (AttendParams::PREFILL_ROWS, 1),
        };
        let row_tiles = self.max_seq_length.div_ceil(tile_rows);
        let params = AttendParams { tile_rows, row_tiles, stages: fit.stages, ..self.params() };
        let attend = Launch {
            kernel,
            grid: grid([
                product([self.batch.batch, row_tiles]),
                self.kv_heads.into(),
                cluster.into(),
            ]),
            cluster,
            threads,
            dynamic_shared: shared(fit.stages),
            programmatic_stream_serialization: false,
            params: Params::Attend(params),
            planes: (kernel != Kernel::AttendPrefill).then_some(self.planes),
        };
        let workspace_bytes = Parts::of(workspace).finish()?;
        Ok(Plan::new(self.route, [Some(attend.check(device)?), None], workspace_bytes))
    }

    /// Most tiles of so many rows that have something to do. The grid may have more: a request may be shorter than the
    /// longest.
    fn prefill_tiles(&self, rows: u32) -> u64 {
        let of_grid = product([self.batch.batch, self.max_seq_length.div_ceil(rows)]);
        let of_rows = u64::from(self.batch.rows / rows) + u64::from(self.batch.batch);
        of_grid.min(of_rows).saturating_mul(self.kv_heads.into())
    }

    /// What does not depend on how the work is split.
    fn params(&self) -> AttendParams {
        AttendParams {
            batch: self.batch,
            cache: self.cache,
            q: self.q,
            q_row_stride: self.q_row_stride,
            q_head_stride: self.q_head_stride,
            block_ids: self.block_ids,
            ids_head_stride: self.ids_head_stride,
            ids_row_stride: self.ids_row_stride,
            output: self.output,
            lse: self.lse,
            partial_values: DevicePtr::from_address(0),
            partial_sums: DevicePtr::from_address(0),
            scale_log2: self.scale * LOG2_E,
            kv_heads: self.kv_heads,
            group: self.group,
            topk: self.topk,
            splits: 1,
            tile_rows: 1,
            row_tiles: 1,
            stages: 0,
        }
    }
}

/// Floats of the weighted sums and of the sums of weights that parts of a row's blocks leave for one another.
fn partials(rows: u32, kv_heads: u32, topk: u32, group: u32) -> [u64; 2] {
    [HEAD_DIM as u32, 2].map(|each| product([rows, kv_heads, topk, group, each]))
}

/// Bytes of them in a workspace.
pub(in crate::gpu) fn partial_bytes(rows: u32, kv_heads: u32, topk: u32, group: u32) -> u64 {
    partials(rows, kv_heads, topk, group)
        .into_iter()
        .fold(0, |bytes, floats| bytes.saturating_add(rounded::<f32>(floats)))
}
