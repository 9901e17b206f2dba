use anyhow::{Context, Result};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

/// The versions of everything: `toolchain.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// Debian's packages and their upstream versions.
    pub debian: BTreeMap<String, String>,
    pub rustup: Rustup,
    /// PyPI's packages.
    pub wheels: BTreeMap<String, Wheel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rustup {
    pub channel: String,
    pub components: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    pub version: String,
    /// The file that is needed of it.
    pub provides: String,
}

impl Pins {
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("{} is not as it should be", path.display()))
    }
}
