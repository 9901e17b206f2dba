//! The project's chores: `cargo xtask --help`.

mod backend;
mod bench;
mod candle;
mod demo;
mod example;
mod guide;
mod inspect;
mod ptx;
mod setup;
mod sim;
mod test;
mod trace;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of MiniMax-M3 block-sparse attention for Rust")]
enum Task {
    /// Run MiniMax-M3-shaped steps, check them against float64, and draw which blocks rows chose.
    Demo(demo::Demo),
    /// Run everything that a machine without a GPU can test.
    Test(test::Test),
    /// Build the simulated driver for programs to link and load, and run its tests through `cust`.
    CudaSim(sim::apps::CudaSim),
    /// Run recorded steps (the example `replay`; its options are shown by `replay --help`).
    #[command(disable_help_flag = true)]
    Replay(example::Example),
    /// Serve made-up requests by both operators, each answer checked (the example `engine`; its options are shown by
    /// `engine --help`).
    #[command(disable_help_flag = true)]
    Engine(example::Example),
    /// Show which blocks recorded steps chose (the program `msa inspect`; its options are shown by `inspect --help`).
    #[command(disable_help_flag = true)]
    Inspect(inspect::Inspect),
    /// Draw pages of `msa inspect` in a browser, and see that they are all there.
    InspectPage(inspect::page::InspectPage),
    /// Make a trace of any shape from a seed, with its expected values.
    Trace(trace::MakeTrace),
    /// Measure the operators.
    Bench(bench::Bench),
    /// Count what the kernels cost, in the simulator.
    SimReport(sim::report::Report),
    /// Compare the simulator with a driver's device, instruction by instruction.
    SimConformance(sim::conformance::Conformance),
    /// Build the guide for authors of engines.
    Guide(guide::Guide),
    /// Find or install the tools that compile the kernels.
    Setup(setup::Setup),
    /// Rebuild the PTX that is checked in, or check it.
    Ptx(ptx::Ptx),
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::CudaSim(library) => library.run(),
        Task::Replay(options) => options.run("replay"),
        Task::Engine(options) => options.run("engine"),
        Task::Inspect(inspect) => inspect.run(),
        Task::InspectPage(page) => page.run(),
        Task::Trace(trace) => trace.run(),
        Task::Bench(bench) => bench.run(),
        Task::SimReport(report) => report.run(),
        Task::SimConformance(conformance) => conformance.run(),
        Task::Guide(guide) => guide.run(),
        Task::Setup(setup) => setup.run(),
        Task::Ptx(ptx) => ptx.run(),
    }
}
