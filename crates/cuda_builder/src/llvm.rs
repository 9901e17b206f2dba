//! LLVM's tools. Each reads one module and writes another, through pipes.

use crate::{Arch, error::Error, ir::Module, toolchain::Toolchain};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

/// Loops over arrays must be unrolled completely before LLVM takes the arrays apart; what is left of
/// an array goes to local memory. The default, 300 instructions, is too little for 64 accumulators.
const UNROLL_THRESHOLD: &str = "-unroll-threshold=4000";

/// From sm_100 on LLVM packs two f32 into a register where it finds a pair. Without, all architectures get the same
/// instructions, and what was tested on one holds for the others.
const NO_PACKED_F32: &str = "-nvptx-no-f32x2";

impl Toolchain {
    /// Joins archives of bitcode, and drops what no kernel reaches.
    pub(crate) fn link(&self, archives: &[PathBuf]) -> Result<Module, Error> {
        let mut link = Command::new(&self.llvm_link);
        // An archive has Rust's metadata in it too.
        link.args(["--ignore-non-bitcode", "-S", "-o", "-"]).args(archives);
        let whole = run("llvm-link", &mut link, "")?;
        let kernels = Module::new(&whole).kernels();
        let names: Vec<&str> = kernels.iter().map(|kernel| kernel.name.as_str()).collect();
        // The markers of launch bounds survive: they are in `llvm.used`.
        let keep = format!("-internalize-public-api-list={}", names.join(","));
        self.passes(&whole, &["-passes=internalize,globaldce", &keep])
    }

    /// Inlines what must be inlined, and nothing else.
    pub(crate) fn inline_required(&self, module: &Module) -> Result<Module, Error> {
        self.passes(&module.to_string(), &["-passes=always-inline"])
    }

    /// Folds constants and removes what they make unreachable, by passes that copy nothing.
    pub(crate) fn fold_constants(&self, module: &Module) -> Result<Module, Error> {
        const FOLD: &str = "function(sroa,early-cse,instcombine<no-verify-fixpoint>,sccp,adce)";
        let passes = format!("-passes={FOLD},ipsccp,{FOLD},globaldce");
        self.passes(&module.to_string(), &[&passes])
    }

    pub(crate) fn optimise(&self, module: &Module, arch: Arch) -> Result<Module, Error> {
        let cpu = format!("-mcpu={arch}");
        let options = ["-passes=default<O3>", UNROLL_THRESHOLD, NO_PACKED_F32, &cpu];
        self.passes(&module.to_string(), &options)
    }

    pub(crate) fn generate(&self, module: &Module, arch: Arch) -> Result<String, Error> {
        let mut llc = Command::new(&self.llc);
        llc.args(["-O3", NO_PACKED_F32, &format!("-mcpu={arch}"), "-o", "-", "-"]);
        llc.args(arch.ptx_version());
        run("llc", &mut llc, &module.to_string())
    }

    fn passes(&self, ir: &str, arguments: &[&str]) -> Result<Module, Error> {
        let mut opt = Command::new(&self.opt);
        opt.args(arguments).args(["-S", "-o", "-", "-"]);
        Ok(Module::new(&run("opt", &mut opt, ir)?))
    }
}

/// Runs a tool on some text and returns what it makes of it.
fn run(tool: &'static str, command: &mut Command, input: &str) -> Result<String, Error> {
    let program = Path::new(command.get_program()).to_owned();
    let io = |source: io::Error| Error::Io { action: "run", path: program.clone(), source };
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(io)?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        // A tool that fails stops reading: its message is the error to report, not the broken pipe.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })
    .map_err(io)?;
    let message = || String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(Error::Tool { tool, crate_name: None, message: message() });
    }
    String::from_utf8(output.stdout).map_err(|error| Error::UnexpectedOutput {
        tool,
        expected: "text",
        got: error.to_string(),
    })
}
