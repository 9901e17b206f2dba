//! Writes the recorded steps again, after a change of the generator.

use msa_tests::generate::with_expected;
use msa_tests::recorded;

fn main() -> Result<(), msa::trace::TraceError> {
    for (name, trace) in recorded::steps() {
        with_expected(trace).write(recorded::folder().join(name))?;
    }
    Ok(())
}
