//! Hazards: each step that is known to go wrong elsewhere is right on the GPU, of both operators and on every route.

use msa::Backend;
use msa_gpu_tests::cuda;
use msa_tests::check::check;
use msa_tests::generate::with_expected;
use msa_tests::hazards;
use msa_tests::run::run;

#[test]
fn no_hazard_harms_the_gpu() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    for hazard in hazards::all() {
        for (nth, trace) in (hazard.steps)().into_iter().enumerate() {
            let trace = with_expected(trace);
            let outcome = run(&trace, &backend);
            let verdict = check(&trace, &outcome).expect("the step has expected values");
            assert!(verdict.passed(), "{}, step {nth}: {verdict:?}", hazard.name);
        }
    }
}
