use std::path::{Path, PathBuf};

/// The folder of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where wheels are unpacked; `.cargo/config.toml` tells cuda_builder the same place.
pub fn toolchain() -> PathBuf {
    root().join("target").join("toolchain")
}
