//! Has cargo compile a kernel crate, its dependencies and `core` to LLVM IR that no pass has touched.
//!
//! The objects of the target `nvptx64-nvidia-cuda` *are* LLVM bitcode, and a library of them needs no
//! linker. So the crate is compiled as a plain Rust library, whatever its manifest says, and what
//! cargo reports of it and of its dependencies is all there is to join.

use crate::{Arch, error::Error, toolchain::Toolchain};
use serde::Deserialize;
use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const TARGET: &str = "nvptx64-nvidia-cuda";

/// A crate, as cargo knows it.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder of its manifest.
    pub(crate) root: PathBuf,
    /// The target folder of its workspace.
    pub(crate) target: PathBuf,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct MetadataPackage {
    name: String,
    manifest_path: PathBuf,
}

/// A line of what `cargo --message-format=json` prints.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    target: Option<MessageTarget>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
}

impl Package {
    pub(crate) fn at(toolchain: &Toolchain, root: &Path) -> Result<Self, Error> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| Error::Io { action, path, source }
        };
        let root = root.canonicalize().map_err(io("find", root))?;
        let manifest = root.join("Cargo.toml");
        let mut cargo = command(toolchain, &root);
        cargo
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(&manifest);
        let printed = run(&mut cargo, &root, None)?;
        let metadata: Metadata = serde_json::from_str(&printed).map_err(|error| {
            let expected = "the metadata of a package";
            Error::UnexpectedOutput { tool: "cargo", expected, got: error.to_string() }
        })?;
        let package =
            metadata.packages.into_iter().find(|package| package.manifest_path == manifest);
        let package = package.ok_or_else(|| Error::UnexpectedOutput {
            tool: "cargo",
            expected: "a package among the workspace's",
            got: format!("none at {}", manifest.display()),
        })?;
        Ok(Self { name: package.name, root, target: metadata.target_directory })
    }

    /// Compiles the crate; returns the archives of bitcode, the crate's own first.
    ///
    /// Only the crate itself is told `arch`, so that it can ask for it by `cfg`; its dependencies are
    /// compiled once for all. What code is generated for is up to `llc`, for all of it.
    pub(crate) fn compile(
        &self,
        toolchain: &Toolchain,
        arch: Arch,
        target_dir: &Path,
    ) -> Result<Vec<PathBuf>, Error> {
        let mut cargo = command(toolchain, &self.root);
        cargo
            .args(["rustc", "--package", &self.name, "--lib", "--crate-type=rlib", "--release"])
            .args([
                "--target",
                TARGET,
                "-Zbuild-std=core",
                "--message-format=json-render-diagnostics",
            ])
            .arg("--target-dir")
            .arg(target_dir)
            .arg("--")
            .arg(format!("-Ctarget-cpu={arch}"))
            .env("CARGO_ENCODED_RUSTFLAGS", Self::flags(toolchain).join("\x1f"));
        for (option, value) in PROFILE {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{option}"), value);
        }

        let printed = run(&mut cargo, &self.root, Some(&self.name))?;
        let manifest = self.root.join("Cargo.toml");
        let mut archives = Vec::new();
        for message in printed.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok())
        {
            let is_ours = message.manifest_path == manifest;
            let Some(target) = message.target.filter(|_| message.reason == "compiler-artifact")
            else {
                continue;
            };
            let is_archive = |file: &PathBuf| {
                file.extension().is_some_and(|extension| extension == "rlib")
                    && file.components().any(|component| component.as_os_str() == TARGET)
            };
            archives.extend(
                message
                    .filenames
                    .into_iter()
                    .find(is_archive)
                    .map(|file| (!is_ours, target.name, file)),
            );
        }
        // Cargo reports them in the order in which they happened to be ready.
        archives.sort();
        Ok(archives.into_iter().map(|(_, _, file)| file).collect())
    }

    fn flags(toolchain: &Toolchain) -> Vec<String> {
        let mut flags = vec!["-Cno-prepopulate-passes".to_owned()];
        // Nothing of the output may depend on where things lie. Cargo names the files of the workspace
        // itself by their paths in it.
        let sources = toolchain.library.parent().unwrap_or(&toolchain.library);
        flags.push(format!("--remap-path-prefix={}=/rustc", sources.display()));
        let home = env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
        if let Some(home) = home {
            flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
        }
        flags
    }
}

/// What is compiled, whatever a workspace says in its `[profile.release]`.
const PROFILE: [(&str, &str); 8] = [
    // Not for rustc's passes, which do not run, but for what it writes into the IR.
    ("OPT_LEVEL", "3"),
    ("CODEGEN_UNITS", "1"),
    ("DEBUG", "0"),
    ("DEBUG_ASSERTIONS", "false"),
    ("INCREMENTAL", "false"),
    ("LTO", "off"),
    ("OVERFLOW_CHECKS", "false"),
    ("PANIC", "abort"),
];

/// Cargo of the toolchain, deaf to the cargo that may be running this program.
fn command(toolchain: &Toolchain, folder: &Path) -> Command {
    let mut cargo = Command::new(&toolchain.cargo);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let is_setting = text.starts_with("CARGO") || text.starts_with("RUST");
        let is_wanted = matches!(&*text, "CARGO_HOME" | "CARGO_NET_OFFLINE" | "RUST_BACKTRACE")
            || text.starts_with("CARGO_HTTP")
            || text.starts_with("CARGO_REGISTR");
        if is_setting && !is_wanted {
            cargo.env_remove(&name);
        }
    }
    // The unstable options are those of the compiler's own release, which is known to have them.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", &toolchain.rustc).current_dir(folder);
    cargo
}

fn run(cargo: &mut Command, folder: &Path, crate_name: Option<&str>) -> Result<String, Error> {
    let output = cargo.stdin(Stdio::null()).output().map_err(|source| Error::Io {
        action: "run cargo in",
        path: folder.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Tool {
        tool: "cargo",
        crate_name: crate_name.map(str::to_owned),
        message: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
