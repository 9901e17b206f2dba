//! `cargo xtask inspect-page`: what a browser makes of the page of `msa inspect`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use msa::trace::Trace;

use super::browser::Browser;
use super::{Inspect, steps};
use crate::workspace;

#[derive(clap::Args)]
pub struct InspectPage {
    /// Also keep pictures of the pages, light and dark, in this folder.
    #[arg(long, value_name = "DIR")]
    pub pictures: Option<PathBuf>,
}

impl InspectPage {
    pub fn run(self) -> Result<ExitCode> {
        let folder = workspace::root().join("target/inspect-page");
        std::fs::create_dir_all(&folder).context("cannot make target/inspect-page")?;
        let browser = Browser::find_or_install(folder.join("profile"))?;
        for (name, trace) in steps::all() {
            let file = folder.join(file_name(name));
            let page = folder.join(format!("{name}.html"));
            trace.write(&file)?;
            let _ = std::fs::remove_file(&page); // an earlier run's would pass for this one's
            let arguments = vec![file.into(), "--html".into(), page.clone().into()];
            Inspect { arguments }.run()?;
            let drawn = browser.dump(&page)?;
            check(name, &trace, &drawn)
                .with_context(|| format!("{name}, drawn as {drawn:.2000}"))?;
            if let Some(pictures) = &self.pictures {
                std::fs::create_dir_all(pictures)?;
                for (scheme, is_dark) in [("light", false), ("dark", true)] {
                    let picture = pictures.join(format!("{name}-{scheme}.png"));
                    browser.shoot(&page, &picture, is_dark)?;
                }
            }
            println!("{name}: {} is drawn", shown(&page));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether all parts of a page were drawn. The script tells of itself in the page's elements.
fn check(name: &str, trace: &Trace, drawn: &str) -> Result<()> {
    ensure!(drawn.contains("data-drawn=\"yes\""), "the script has not come to its end");
    let rows = format!("data-rows=\"{}\"", trace.q.shape()[0]);
    ensure!(drawn.contains(&rows), "the map has not {rows}");
    let text = file_name(name).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = format!("<h1>{text}</h1>");
    ensure!(drawn.contains(&title), "the title is not {title}");
    // The page's data and script, which name everything, come after what was drawn.
    let body = drawn.split("<script").next().unwrap_or_default();
    for heading in ["Chosen blocks", "Overlap", "Locality", "Margins", "Requests"] {
        ensure!(body.contains(&format!("<h2>{heading}")), "there is no part {heading}");
    }
    let is_ordinary = body.contains("Nothing does.");
    ensure!(is_ordinary == (name != "mistakes"), "warnings where none are due, or none");
    if !is_ordinary {
        let warnings = body.matches("<details").count();
        ensure!(warnings >= 8, "{warnings} kinds of mistakes are shown");
    }
    Ok(())
}

/// A step's file. The name of one is HTML, and must come out as text.
fn file_name(name: &str) -> String {
    let html = if name == "mistakes" { "<b>&amp;" } else { "" };
    format!("{name}{html}.safetensors")
}

fn shown(page: &Path) -> String {
    page.strip_prefix(workspace::root()).unwrap_or(page).display().to_string()
}
