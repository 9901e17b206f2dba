//! A browser without a window.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::debian;

/// A browser, and a folder for its profile.
pub struct Browser {
    program: &'static str,
    profile: PathBuf,
}

/// Seconds that a page may take.
const PATIENCE: &str = "120";

impl Browser {
    /// Finds Chromium, or installs Debian's.
    pub fn find_or_install(profile: PathBuf) -> Result<Self> {
        const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
        let find = || NAMES.into_iter().find(|name| debian::exists(name));
        let program = match find() {
            Some(program) => program,
            None => {
                debian::install(&["chromium", "fonts-dejavu-core"])
                    .context("there is no Chromium to draw the page with")?;
                find().context("Debian's chromium has no program of that name")?
            }
        };
        Ok(Self { program, profile })
    }

    /// What has become of a page once its script has run, as HTML.
    pub fn dump(&self, page: &Path) -> Result<String> {
        self.run(&["--dump-dom"], page)
    }

    /// Writes a picture of a page, as it is with a light or a dark desktop.
    pub fn shoot(&self, page: &Path, picture: &Path, is_dark: bool) -> Result<()> {
        let to = format!("--screenshot={}", picture.display());
        let mut options = vec!["--hide-scrollbars", "--window-size=1240,1060", &to];
        if is_dark {
            // Sets what the page asks for by prefers-color-scheme.
            options.push("--blink-settings=preferredColorScheme=0");
        }
        self.run(&options, page)?;
        if !picture.exists() {
            bail!("{} has drawn nothing", self.program);
        }
        Ok(())
    }

    fn run(&self, options: &[&str], page: &Path) -> Result<String> {
        const QUIET: [&str; 8] = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        // A profile of a browser that was stopped would keep the next one from starting.
        let _ = fs::remove_dir_all(&self.profile);
        let output = Command::new("timeout")
            .args([PATIENCE, self.program])
            .args(QUIET)
            .arg(format!("--user-data-dir={}", self.profile.display()))
            .args(options)
            .arg(format!("file://{}", page.display()))
            .output()
            .with_context(|| format!("cannot run {}", self.program))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("{}: {}: {errors}", self.program, output.status);
        }
        String::from_utf8(output.stdout).context("the browser's page is no UTF-8")
    }
}
