//! The kernels as engines load them: older ones on demand, and a look at what the host cannot see.

use cust::memory::DeviceBuffer;
use cust::stream::{Stream, StreamFlags};
use half::bf16;
use msa::cuda::Cuda;
use msa::gpu::{Batch, IndexerOperands, Ptx, Workspace};
use msa::{Backend, Error, Selection};
use msa_gpu_tests::{Owned, cuda};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, with_expected};

#[test]
fn every_file_that_the_device_runs_gives_what_it_must() {
    let (_alone, newest) = cuda();
    let capability = newest.kernels().device().capability;
    let requests = vec![Request::new(12, 700), Request::new(1, 300)];
    let prefill = with_expected(Recipe { requests, ..Recipe::default() }.trace());
    let decode = with_expected(Recipe::default().trace());
    for ptx in Ptx::ALL.into_iter().filter(|ptx| ptx.runs_on(capability)) {
        let cuda = Cuda::with_ptx(ptx).unwrap_or_else(|error| panic!("{}: {error}", ptx.name()));
        let backend = Backend::Cuda(cuda);
        for trace in [&prefill, &decode] {
            let outcome = trace.run(&backend).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(outcome.dispatch.tier, ptx.name());
            let verdict = check(trace, &outcome).expect("this step's outcome");
            assert!(verdict.passed(), "{}: {verdict:?}", ptx.name());
        }
    }
    let Some(alien) = Ptx::ALL.into_iter().find(|ptx| !ptx.runs_on(capability)) else { return };
    let refused = Cuda::with_ptx(alien).expect_err("another architecture's");
    assert!(matches!(refused, Error::UnsupportedDevice { ptx, .. } if ptx == alien.name()));
}

#[test]
fn what_the_host_cannot_see_is_looked_for_on_demand() {
    let (_alone, cuda) = cuda();
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None).expect("a stream");
    let queries = Owned::new(&vec![bf16::ONE; 3 * 128], [3, 1, 128]);
    let pages = Owned::new(&vec![bf16::ONE; 4 * 128 * 128], [4, 1, 1, 128, 1, 128]);
    let memory = DeviceBuffer::<u8>::zeroed(256).expect("room for a report");
    let verdict = |offsets: [u32; 3], lengths: [u32; 2], table: [u32; 4]| {
        let (offsets, lengths) = (Owned::new(&offsets, [3]), Owned::new(&lengths, [2]));
        let table = Owned::new(&table, [2, 2]);
        let operands = IndexerOperands {
            batch: Batch {
                row_offsets: offsets.tensor(),
                cache_lengths: lengths.tensor(),
                rows: 3,
                max_seq_length: 2,
            },
            index_q: queries.tensor(),
            index_k_pages: pages.tensor(),
            index_page_table: table.tensor(),
            layer_idx: 0,
            selection: Selection::MINIMAX_M3,
            scale: Recipe::SCALE,
        };
        let check = operands.device_check().expect("the host sees nothing wrong");
        let (workspace, stream) = (Workspace::from(&memory), stream.as_inner());
        // SAFETY: all of it outlives the call, which waits.
        unsafe { cuda.kernels().run_check(&check, workspace, stream) }
    };
    let sound = ([0, 1, 3], [200, 40], [0, 2, 1, u32::MAX]);
    assert_eq!(verdict(sound.0, sound.1, sound.2), Ok(()));
    assert!(matches!(
        verdict([0, 3, 1], sound.1, sound.2),
        Err(Error::RowOffsets { index: 2, bound: 3, got: 1, .. })
    ));
    assert!(matches!(
        verdict(sound.0, [256, 40], sound.2),
        Err(Error::PageTableTooNarrow { request: 0, needed: 3, got: 2, .. })
    ));
    assert!(matches!(
        verdict(sound.0, sound.1, [0, 4, 1, 0]),
        Err(Error::NoSuchPage { request: 0, block: 1, got: 4, pages: 4, .. })
    ));
}
