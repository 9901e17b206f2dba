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
    process::{Command, Output, Stdio},
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
    message: Option<Diagnostic>,
}

/// What the compiler says about the code.
#[derive(Deserialize)]
struct Diagnostic {
    rendered: Option<String>,
}

/// What cargo made of a crate.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    /// Archives of bitcode, the crate's own first.
    pub(crate) archives: Vec<PathBuf>,
    /// The compiler's warnings, as it would print them.
    pub(crate) warnings: String,
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
        let output = output(&mut cargo, &root)?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::Tool { tool: "cargo", crate_name: None, message });
        }
        let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(|error| {
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

    /// Compiles the crate.
    ///
    /// Only the crate itself is told `arch`, so that it can ask for it by `cfg`; its dependencies are
    /// compiled once for all. What code is generated for is up to `llc`, for all of it.
    pub(crate) fn compile(
        &self,
        toolchain: &Toolchain,
        arch: Arch,
        target_dir: &Path,
    ) -> Result<Compiled, Error> {
        let mut cargo = command(toolchain, &self.root);
        cargo
            .args(["rustc", "--package", &self.name, "--lib", "--crate-type=rlib", "--release"])
            .args(["--target", TARGET, "-Zbuild-std=core", "--message-format=json"])
            .arg("--target-dir")
            .arg(target_dir)
            .arg("--")
            .arg(format!("-Ctarget-cpu={}", arch.rustc_cpu()))
            .env("CARGO_ENCODED_RUSTFLAGS", Self::flags(toolchain).join("\x1f"));
        for (option, value) in PROFILE {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{option}"), value);
        }

        let output = output(&mut cargo, &self.root)?;
        let printed = String::from_utf8_lossy(&output.stdout);
        let messages = printed.lines().filter_map(|line| serde_json::from_str(line).ok());
        let messages: Vec<Message> = messages.collect();
        let said: String =
            messages.iter().filter_map(|said| said.message.as_ref()?.rendered.as_deref()).collect();
        if !output.status.success() {
            let progress = String::from_utf8_lossy(&output.stderr);
            return Err(Error::Tool {
                tool: "cargo",
                crate_name: Some(self.name.clone()),
                message: format!("{said}{progress}"),
            });
        }

        let manifest = self.root.join("Cargo.toml");
        let is_archive = |file: &PathBuf| {
            file.extension().is_some_and(|extension| extension == "rlib")
                && file.components().any(|component| component.as_os_str() == TARGET)
        };
        let built = messages.into_iter().filter(|message| message.reason == "compiler-artifact");
        let mut archives: Vec<_> = built
            .filter_map(|message| {
                let file = message.filenames.into_iter().find(is_archive)?;
                Some((message.manifest_path != manifest, message.target?.name, file))
            })
            .collect();
        // Cargo reports them in the order in which they happened to be ready.
        archives.sort();
        let archives = archives.into_iter().map(|(_, _, file)| file).collect();
        Ok(Compiled { archives, warnings: said })
    }

    fn flags(toolchain: &Toolchain) -> Vec<String> {
        let mut flags = vec!["-Cno-prepopulate-passes".to_owned(), NO_JUMP_THREADING.to_owned()];
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

/// rustc's own optimiser copies a block of code, calls of collectives among them, into the arms of a branch
/// whose condition is asked again behind it. It knows nothing of threads that have to come together, and
/// what it copies looks like two places of the source afterwards.
const NO_JUMP_THREADING: &str = "-Zmir-enable-passes=-JumpThreading";

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

fn output(cargo: &mut Command, folder: &Path) -> Result<Output, Error> {
    let path = folder.to_owned();
    let io = |source| Error::Io { action: "run cargo in", path, source };
    cargo.stdin(Stdio::null()).output().map_err(io)
}
