//! What is told by the feature `tracing`: choices at debug, and nothing for an operator that runs.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use half::bf16;
use msa::gpu::{self, DeviceTensor, Ptx, Workspace};
use msa::{AttentionOperands, AttentionResult, Backend, Batch, View};
use tracing_subscriber::fmt::MakeWriter;

/// Lines of a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What was told while something ran.
fn told(run: impl FnOnce()) -> String {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8(bytes.clone()).expect("text")
}

#[test]
fn the_processors_instructions_are_told_once() {
    let q = vec![bf16::ONE; 128];
    let kv = vec![bf16::ONE; 2 * 128 * 128];
    let operands = AttentionOperands {
        batch: Batch { row_offsets: &[0, 1], cache_lengths: &[3] },
        q: View::contiguous(&q, [1, 1, 128]),
        kv_pages: View::contiguous(&kv, [1, 2, 1, 128, 1, 128]),
        kv_page_table: View::contiguous(&[0], [1, 1]),
        layer_idx: 0,
        block_ids: View::contiguous(&[0], [1, 1, 1]),
        scale: 1.0,
    };
    let mut output = vec![bf16::ZERO; 128];
    let log = told(|| {
        let backend = Backend::default();
        for _ in 0..3 {
            let result = AttentionResult { output: &mut output, lse: None };
            backend.attention(&operands, result).expect("a sound step");
        }
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("DEBUG") && log.contains("cpu backend tier="), "{log}");
}

#[test]
fn a_plan_is_told_with_its_kernels_and_grids() {
    let device = gpu::Device {
        capability: (9, 0),
        ptx: Ptx::SM_90A,
        multiprocessors: 132,
        shared_per_block_optin: 227 << 10,
        shared_per_multiprocessor: 228 << 10,
        max_cluster: 16,
    };
    let (address, rows) = (1 << 40, 8);
    let operands = gpu::AttentionOperands {
        batch: gpu::Batch {
            row_offsets: DeviceTensor::contiguous(address, rows + 1, [rows + 1]),
            cache_lengths: DeviceTensor::contiguous(address, rows, [rows]),
            rows,
            max_seq_length: 1,
        },
        q: DeviceTensor::contiguous(address, rows * 16 * 128, [rows, 16, 128]),
        kv_pages: DeviceTensor::contiguous(address, 2 * 128 * 128, [1, 2, 1, 128, 1, 128]),
        kv_page_table: DeviceTensor::contiguous(address, rows, [rows, 1]),
        layer_idx: 0,
        block_ids: DeviceTensor::contiguous(address, rows * 16, [1, rows, 16]),
        scale: 1.0,
    };
    let output = DeviceTensor::contiguous(address, rows * 16 * 128, [rows, 16, 128]);
    let result = gpu::AttentionResult { output, lse: None };
    let log = told(|| {
        operands.plan(&result, &device, Workspace::NONE).expect("a sound step");
    });
    assert_eq!(log.lines().count(), 1, "{log}");
    let launches =
        "route=decode launches=[(AttendDecodeCluster, [8, 1, 16], 16)] workspace_bytes=0";
    assert!(log.contains(launches), "{log}");
}
