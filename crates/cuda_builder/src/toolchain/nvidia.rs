//! NVIDIA's own tools, which the wheels on PyPI have.

use super::MissingTool;
use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

/// The assembler, which alone knows how many registers a PTX takes.
pub fn ptxas() -> Result<PathBuf, MissingTool> {
    program("ptxas", "CUDA_BUILDER_PTXAS", "nvidia-cuda-nvcc-").ok_or(MissingTool {
        tool: "ptxas",
        reason: "it is not at CUDA_BUILDER_PTXAS, under CUDA_BUILDER_TOOLCHAIN nor on the path"
            .to_owned(),
        remedy: "It is in the wheel nvidia-cuda-nvcc on PyPI, and in any CUDA toolkit.",
    })
}

/// The disassembler, which lists what ptxas makes of a PTX.
pub fn nvdisasm() -> Result<PathBuf, MissingTool> {
    program("nvdisasm", "CUDA_BUILDER_NVDISASM", "nvidia-cuda-nvdisasm-").ok_or(MissingTool {
        tool: "nvdisasm",
        reason: "it is not at CUDA_BUILDER_NVDISASM, under CUDA_BUILDER_TOOLCHAIN nor on the path"
            .to_owned(),
        remedy: "It is in the wheel nvidia-cuda-nvdisasm on PyPI, and in any CUDA toolkit.",
    })
}

/// A program where a variable says it is, in a wheel, or on the path.
fn program(name: &str, variable: &str, wheel: &str) -> Option<PathBuf> {
    let name = format!("{name}{}", env::consts::EXE_SUFFIX);
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path).map(|folder| folder.join(&name)).find(|file| file.is_file())
    };
    named(variable)
        .or_else(|| unpacked(wheel, "bin", |file| file == name.as_str()))
        .or_else(on_path)
}

/// NVIDIA's compiler from LLVM IR to PTX, as a shared library.
pub fn libnvvm() -> Result<PathBuf, MissingTool> {
    let is_library = |file: &OsStr| file.to_string_lossy().starts_with("libnvvm.so");
    named("CUDA_BUILDER_LIBNVVM").or_else(|| unpacked("nvidia-nvvm-", "lib", is_library)).ok_or(
        MissingTool {
            tool: "libNVVM",
            reason: "it is not at CUDA_BUILDER_LIBNVVM nor under CUDA_BUILDER_TOOLCHAIN".to_owned(),
            remedy: "It is in the wheel nvidia-nvvm on PyPI, and in any CUDA toolkit.",
        },
    )
}

/// The file that an environment variable names, if it is there.
fn named(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from).filter(|file| file.is_file())
}

/// A file of a wheel that lies unpacked in the toolchain's folder: `<wheel>-<version>/nvidia/cu13/bin`.
/// Of several versions the last one is taken.
fn unpacked(wheel: &str, folder: &str, wanted: impl Fn(&OsStr) -> bool) -> Option<PathBuf> {
    let root = PathBuf::from(env::var_os("CUDA_BUILDER_TOOLCHAIN")?);
    let is_wheel = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(wheel))
    };
    let mut wheels: Vec<PathBuf> = entries(&root).filter(is_wheel).collect();
    wheels.sort();
    wheels
        .iter()
        .rev()
        .flat_map(|wheel| entries(&wheel.join("nvidia")))
        .flat_map(|release| entries(&release.join(folder)))
        .find(|file| file.file_name().is_some_and(&wanted))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
