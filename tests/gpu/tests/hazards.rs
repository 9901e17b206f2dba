//! Hazards: each step that is known to go wrong elsewhere is right on the GPU, of both operators and on every route.

use msa::Backend;
use msa_gpu_tests::cuda;
use msa_tests::hazards;

#[test]
fn no_hazard_harms_the_gpu() {
    let (_alone, cuda) = cuda();
    let harms = hazards::harms(&Backend::Cuda(cuda));
    assert!(harms.is_empty(), "{harms:#?}");
}
