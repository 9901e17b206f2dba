use std::ptr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cust::event::{Event, EventFlags};
use cust::stream::Stream;
use cust::sys::{
    CUgraph, CUgraphExec, CUresult, CUstreamCaptureMode, cuGraphDestroy, cuGraphExecDestroy,
    cuGraphInstantiateWithFlags, cuGraphLaunch, cuStreamBeginCapture_v2, cuStreamEndCapture,
    cudaError_enum,
};

/// A graph of some calls, one after the other.
pub struct Graph {
    graph: CUgraph,
    ready: CUgraphExec,
    calls: usize,
}

/// Replays that are timed; the median counts.
const ROUNDS: usize = 7;

/// How long replays go on before any counts. The memory of the case before is given back meanwhile, which was seen to disturb
/// the first 10 ms.
const WARM_UP: Duration = Duration::from_millis(30);

impl Graph {
    /// Captures `calls` calls, of which each is told its number.
    pub fn capture(
        stream: &Stream,
        calls: usize,
        mut enqueue: impl FnMut(usize) -> Result<()>,
    ) -> Result<Self> {
        let (mut graph, mut ready) = (ptr::null_mut(), ptr::null_mut());
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is alive, and captures nothing yet.
        check("cuStreamBeginCapture", unsafe { cuStreamBeginCapture_v2(stream.as_inner(), mode) })?;
        let enqueued = (0..calls).try_for_each(&mut enqueue);
        // SAFETY: it captures, and the out-pointer is valid.
        let ended = unsafe { cuStreamEndCapture(stream.as_inner(), &mut graph) };
        enqueued?;
        check("cuStreamEndCapture", ended)?;
        let mut captured = Self { graph, ready, calls };
        // SAFETY: the graph was just captured, and the out-pointer is valid.
        let instantiated = unsafe { cuGraphInstantiateWithFlags(&mut ready, graph, 0) };
        check("cuGraphInstantiate", instantiated)?;
        captured.ready = ready;
        Ok(captured)
    }

    /// Microseconds of a call: the median of some replays, after some that do not count.
    pub fn time(&self, stream: &Stream) -> Result<f64> {
        let start = Instant::now();
        while start.elapsed() < WARM_UP {
            self.launch(stream)?;
            stream.synchronize()?;
        }
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let (start, end) = (Event::new(EventFlags::DEFAULT)?, Event::new(EventFlags::DEFAULT)?);
            start.record(stream)?;
            self.launch(stream)?;
            end.record(stream)?;
            end.synchronize()?;
            times.push(f64::from(end.elapsed_time_f32(&start)?) * 1e3 / self.calls as f64);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[ROUNDS / 2])
    }

    fn launch(&self, stream: &Stream) -> Result<()> {
        // SAFETY: what was captured is alive as long as the step is, and so are the graph and the stream.
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
