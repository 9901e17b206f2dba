//! The C++ example, compiled against the driver's own header and run on the simulated driver.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::library::Library;
use crate::setup::{self, debian};
use crate::workspace;

/// What the example prints of the blocks that it has selected.
const SELECTED: &str = "block_ids: 4 1\n";

/// Compiles the example, and has it load and launch a checked-in PTX.
pub fn test(library: &Library) -> Result<()> {
    let header = setup::file_of_wheel("nvidia-cuda-runtime")?;
    let include = header.parent().context("a header lies in a folder")?;
    if !debian::exists("c++") {
        debian::install(&["g++"]).context("there is no `c++` to compile the example with")?;
    }
    let program = library.root().join("block_topk");
    let mut compile = Command::new("c++");
    compile.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-isystem"]).arg(include);
    compile.arg(workspace::root().join("examples/cpp/block_topk.cpp")).arg("-o").arg(&program);
    compile.arg("-L").arg(library.folder()).arg("-lcuda");
    let compiled = compile.status().context("cannot run `c++`")?;
    ensure!(compiled.success(), "the C++ example does not compile");

    let mut run = Command::new(&program);
    run.arg(workspace::root().join("host/ptx/msa_sm_80.ptx")).env("CUDA_SIM_DEVICE", "sm_80");
    let output = library.load(&mut run)?.output().context("cannot run the C++ example")?;
    let (said, wrong) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(
        output.status.success() && said == SELECTED,
        "the C++ example printed `{said}`, expected `{SELECTED}`\n{wrong}"
    );
    println!("-- the C++ example: {said}");
    Ok(())
}
