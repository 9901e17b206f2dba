use crate::{
    Arch,
    cargo::Package,
    collective::count::count,
    error::Error,
    pipeline::Pipeline,
    ptx,
    toolchain::{Toolchain, Versions},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
};

/// What makes PTX of LLVM IR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// LLVM's own NVPTX code generator. It writes the oldest PTX version that the architecture allows,
    /// which older drivers accept.
    #[default]
    Llvm,
    /// NVIDIA's libNVVM, for compute_100 and later: those of its code generators that read the LLVM
    /// IR of today's rustc.
    LibNvvm,
}

/// Builds a kernel crate. See the [crate]'s documentation for an example and for what it does.
#[derive(Clone, Debug)]
pub struct CudaBuilder {
    path_to_crate: PathBuf,
    arch: Option<Arch>,
    backend: Backend,
    copy_to: Option<PathBuf>,
    target_dir: Option<PathBuf>,
}

/// What was built.
#[derive(Clone, Debug)]
pub struct Output {
    /// The PTX. The same sources, toolchain, architecture and backend give the same bytes.
    pub ptx: String,
    /// The kernels in it, in the order in which they stand there.
    pub kernels: Vec<Kernel>,
    /// What it was built with.
    pub versions: Versions,
    /// What the compiler warned of in the crates of the workspace, as it would print it.
    pub warnings: String,
}

/// A kernel of a PTX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The name to load it by.
    pub name: String,
    /// How often each collective instruction stands in it, unrolled loops counted out.
    pub collectives: BTreeMap<String, usize>,
}

impl CudaBuilder {
    /// A builder for the crate in this folder.
    pub fn new(path_to_crate: impl AsRef<Path>) -> Self {
        Self {
            path_to_crate: path_to_crate.as_ref().to_owned(),
            arch: None,
            backend: Backend::default(),
            copy_to: None,
            target_dir: None,
        }
    }

    /// The architecture to compile for. There is no default: what a PTX can use and where it runs
    /// depend on it. In the kernel crate, `cfg(target_feature = "sm_90")` is whether it is that one or
    /// a later one.
    pub fn arch(mut self, arch: Arch) -> Self {
        self.arch = Some(arch);
        self
    }

    /// What makes PTX of LLVM IR.
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// Where to write the PTX.
    pub fn copy_to(mut self, path: impl AsRef<Path>) -> Self {
        self.copy_to = Some(path.as_ref().to_owned());
        self
    }

    /// Where cargo keeps what it has compiled. By default that is the folder `cuda-builder` in the
    /// target folder of the crate's workspace.
    pub fn target_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.target_dir = Some(path.as_ref().to_owned());
        self
    }

    /// Builds the crate.
    pub fn build(self) -> Result<Output, Error> {
        let arch = self.arch.ok_or(Error::NoArch)?;
        let toolchain = Toolchain::discover()?;
        let package = Package::at(&toolchain, &self.path_to_crate)?;
        let target_dir = match self.target_dir {
            Some(path) => path,
            None => package.target.join("cuda-builder"),
        };

        let (module, warnings) = {
            let _lock = lock(&target_dir)?;
            let compiled = package.compile(&toolchain, arch, &target_dir)?;
            (toolchain.link(&compiled.archives)?, compiled.warnings)
        };
        if module.kernels().is_empty() {
            return Err(Error::NoKernels { crate_name: package.name });
        }
        let crate_name = &package.name;
        let backend = self.backend;
        let ptx = Pipeline { toolchain: &toolchain, arch, backend, crate_name }.run(module)?;
        if let Some(path) = &self.copy_to {
            fs::write(path, &ptx).map_err(io("write", path))?;
        }
        Ok(Output { kernels: kernels(&ptx), ptx, versions: toolchain.versions().clone(), warnings })
    }
}

fn kernels(ptx: &str) -> Vec<Kernel> {
    ptx::functions(ptx)
        .iter()
        .filter(|function| function.kernel)
        .map(|function| Kernel { name: function.name.clone(), collectives: count(function) })
        .collect()
}

/// Keeps other builds from replacing the archives of this one, which have the same names for every
/// architecture, until they are joined.
fn lock(target_dir: &Path) -> Result<File, Error> {
    fs::create_dir_all(target_dir).map_err(io("create", target_dir))?;
    let path = target_dir.join(".cuda_builder.lock");
    let file = File::create(&path).map_err(io("create", &path))?;
    file.lock().map_err(io("lock", &path))?;
    Ok(file)
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
