use msa_abi::MergeStatesParams;

use super::grid;
use crate::Error;
use crate::gpu::merge_states::MergeStatesProblem;
use crate::gpu::{Device, Kernel, Launch, Params, Plan};

impl MergeStatesProblem {
    pub(in crate::gpu) fn plan(&self, device: &Device) -> Result<Plan, Error> {
        let &Self { route, rows, params } = self;
        if rows == 0 || params.heads == 0 {
            return Ok(Plan::new(route, [None; 2], 0));
        }
        let blocks_of_row = params.heads.div_ceil(MergeStatesParams::LINES);
        let merge = Launch {
            kernel: Kernel::MergeStates,
            grid: grid([rows.into(), blocks_of_row.into(), 1]),
            cluster: 1,
            threads: MergeStatesParams::THREADS,
            dynamic_shared: 0,
            programmatic_stream_serialization: false,
            params: Params::MergeStates(params),
            planes: None,
        };
        Ok(Plan::new(route, [Some(merge.check(device)?), None], 0))
    }
}
