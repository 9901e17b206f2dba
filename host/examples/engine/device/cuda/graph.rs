use std::ptr;

use anyhow::{Result, ensure};
use cust::stream::Stream;
use cust::sys::{
    CUgraph, CUgraphExec, CUresult, CUstreamCaptureMode, cuGraphDestroy, cuGraphExecDestroy,
    cuGraphInstantiateWithFlags, cuGraphLaunch, cuStreamBeginCapture_v2, cuStreamEndCapture,
    cudaError_enum,
};

/// Launches that were captured once, to be replayed with whatever their operands hold then.
pub struct Graph {
    graph: CUgraph,
    ready: CUgraphExec,
}

impl Graph {
    /// Captures what is enqueued on the stream.
    pub fn capture(stream: &Stream, enqueue: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (mut graph, mut ready) = (ptr::null_mut(), ptr::null_mut());
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is alive, and captures nothing yet.
        check("cuStreamBeginCapture", unsafe { cuStreamBeginCapture_v2(stream.as_inner(), mode) })?;
        let enqueued = enqueue();
        // SAFETY: it captures, and the out-pointer is valid.
        let ended = unsafe { cuStreamEndCapture(stream.as_inner(), &mut graph) };
        enqueued?;
        check("cuStreamEndCapture", ended)?;
        let mut captured = Self { graph, ready };
        // SAFETY: the graph was just captured, and the out-pointer is valid.
        let instantiated = unsafe { cuGraphInstantiateWithFlags(&mut ready, graph, 0) };
        check("cuGraphInstantiate", instantiated)?;
        captured.ready = ready;
        Ok(captured)
    }

    /// # Safety
    /// What was captured is alive until the stream has been waited for, and nothing else touches it.
    pub unsafe fn launch(&self, stream: &Stream) -> Result<()> {
        // SAFETY: as promised; graph and stream are alive.
        check("cuGraphLaunch", unsafe { cuGraphLaunch(self.ready, stream.as_inner()) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: neither is used again, and no replay runs: each was waited for.
        unsafe {
            if !self.ready.is_null() {
                cuGraphExecDestroy(self.ready);
            }
            cuGraphDestroy(self.graph);
        }
    }
}

fn check(call: &str, result: CUresult) -> Result<()> {
    ensure!(result == cudaError_enum::CUDA_SUCCESS, "{call}: {result:?}");
    Ok(())
}
