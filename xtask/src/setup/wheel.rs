//! NVIDIA's tools: wheels from PyPI, unpacked and not installed. A wheel is a zip archive.

use super::{compiler::run, pins::Wheel};
use anyhow::{Context, Result, anyhow, bail};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};
use zip::ZipArchive;

/// Unpacks a wheel to `<folder>/<name>-<version>`, unless it is there.
pub fn find_or_unpack(name: &str, wheel: &Wheel, folder: &Path) -> Result<(String, String)> {
    let root = folder.join(format!("{name}-{}", wheel.version));
    let provided = root.join(&wheel.provides);
    if !provided.is_file() {
        // Elsewhere first: what has the right name is whole.
        let partial = folder.join(format!("{name}.partial"));
        for old in [&partial, &root] {
            if old.exists() {
                fs::remove_dir_all(old)
                    .with_context(|| format!("cannot remove {}", old.display()))?;
            }
        }
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot create {}", partial.display()))?;
        let archive = download(name, &wheel.version, &partial)?;
        unpack(&archive, &partial)?;
        fs::remove_file(&archive)
            .with_context(|| format!("cannot remove {}", archive.display()))?;
        if !partial.join(&wheel.provides).is_file() {
            bail!("{name} {} has no {}", wheel.version, wheel.provides);
        }
        fs::rename(&partial, &root).with_context(|| format!("cannot create {}", root.display()))?;
    }
    Ok((wheel.version.clone(), provided.display().to_string()))
}

/// Has pip download the wheel for this platform into a folder; returns its path.
fn download(name: &str, version: &str, folder: &Path) -> Result<PathBuf> {
    let pips: [&[&str]; 3] = [&["python3", "-m", "pip"], &["pip3"], &["pip"]];
    let works = |pip: &&&[&str]| {
        let output = Command::new(pip[0]).args(&pip[1..]).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let pip = pips.iter().find(works).ok_or_else(|| {
        anyhow!("there is no pip to download {name} {version} with; on Debian: apt-get install python3-pip")
    })?;
    let target = folder.display().to_string();
    let package = format!("{name}=={version}");
    let download =
        ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", &target, &package];
    run(&[pip, &download[..]].concat())?;
    let files = fs::read_dir(folder).with_context(|| format!("cannot read {target}"))?;
    let mut wheels = files.flatten().map(|entry| entry.path());
    let is_wheel = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "whl");
    wheels.find(is_wheel).ok_or_else(|| anyhow!("pip downloaded no wheel of {package}"))
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("cannot read {}", archive.display()))?;
    ZipArchive::new(file)
        .and_then(|mut zip| zip.extract(folder))
        .with_context(|| format!("cannot unpack {}", archive.display()))?;
    // Wheels do not always say that a program is one.
    let programs = folder.join("nvidia").read_dir().into_iter().flatten().flatten();
    for program in
        programs.flat_map(|release| release.path().join("bin").read_dir()).flatten().flatten()
    {
        make_executable(&program.path())?;
    }
    Ok(())
}

#[cfg(unix)]
fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if file.is_file() {
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {} executable", file.display()))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}
