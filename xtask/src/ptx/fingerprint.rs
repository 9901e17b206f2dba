//! A fingerprint of everything that the PTX is made from, the same on every machine.

use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The kernels, what they are compiled with, and how.
const SOURCES: [&str; 6] = [
    "crates/cuda_builder/src",
    "crates/cuda_std",
    "crates/cuda_std_macros",
    "crates/msa-abi",
    "kernels-gpu",
    "toolchain.toml",
];

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    checksum: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// The SHA-256 of some bytes, in hexadecimal.
pub fn of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn of_sources() -> Result<String> {
    let root = workspace::root();
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    let mut text = String::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Whatever a checkout makes of line ends.
        let content = String::from_utf8_lossy(&content).replace("\r\n", "\n");
        text.push_str(&format!("{} {}\n", of(content.as_bytes()), relative(root, &file)));
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    text.push_str(&locked("kernels-gpu", &lock)?);
    Ok(of(text.as_bytes()))
}

/// The path in the workspace, with the same separators everywhere.
fn relative(root: &Path, file: &Path) -> String {
    let path = file.strip_prefix(root).unwrap_or(file);
    path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The files under a path, sorted, hidden ones left out.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let entries = path.read_dir().with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name();
        if !name.to_string_lossy().starts_with('.') && name != "target" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}

/// What `Cargo.lock` says of the packages that a package is built from.
fn locked(package: &str, lock: &str) -> Result<String> {
    let lock: Lock = toml::from_str(lock).context("Cargo.lock is not as it should be")?;
    let mut pending = vec![package.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(wanted) = pending.pop() {
        // A dependency is `name`, or `name version` where there are several.
        let (name, version) = match wanted.split_once(' ') {
            Some((name, version)) => (name, Some(version)),
            None => (wanted.as_str(), None),
        };
        for package in &lock.package {
            let is_it =
                package.name == name && version.is_none_or(|version| version == package.version);
            let Package { name, version, checksum, dependencies } = package;
            if is_it && found.insert(format!("{name} {version} {checksum}\n")) {
                pending.extend(dependencies.iter().cloned());
            }
        }
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sha256_is_hexadecimal() {
        assert_eq!(of(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn only_what_is_depended_on_counts() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\ndependencies = [\"b 2.0.0\"]\n\
            [[package]]\nname = \"b\"\nversion = \"1.0.0\"\nchecksum = \"11\"\n\
            [[package]]\nname = \"b\"\nversion = \"2.0.0\"\nchecksum = \"22\"\n\
            [[package]]\nname = \"c\"\nversion = \"1.0.0\"\n";
        assert_eq!(locked("a", lock).expect("a lock file"), "a 1.0.0 \nb 2.0.0 22\n");
    }
}
