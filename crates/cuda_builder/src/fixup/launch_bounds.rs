//! Turns the launch-bounds markers into function attributes, and removes the markers.
//!
//! Without a maximum thread count ptxas must assume 1024 threads in a block, gives each thread at most
//! 64 registers and ignores `setmaxnreg`. rustc has no attribute for it, so a `#[kernel]` macro leaves
//! a marker: a static whose exported name is `cuda_builder.launch_bounds.KERNEL.key=value,...`.

use crate::{
    error::Error,
    ir::{Module, symbols},
};
use std::collections::BTreeSet;

const PREFIX: &str = "cuda_builder.launch_bounds.";

pub(super) fn apply(module: &mut Module) -> Result<(), Error> {
    let mut marked = BTreeSet::new();
    for marker in markers(module) {
        let (kernel, bounds) = parse(&marker)?;
        let define = module
            .kernels()
            .into_iter()
            .find(|function| function.name == kernel)
            .ok_or_else(|| bad(&marker, format!("there is no kernel `{kernel}`")))?
            .lines
            .start;
        if !marked.insert(kernel.to_owned()) {
            return Err(bad(&marker, format!("kernel `{kernel}` has another marker")));
        }
        let line = &mut module.lines[define];
        let brace = line.rfind('{').unwrap_or(line.len());
        line.insert_str(brace, &bounds);
    }
    remove_markers(module);
    Ok(())
}

fn bad(marker: &str, reason: String) -> Error {
    Error::LaunchBounds { marker: marker.to_owned(), reason }
}

/// The names of the markers that the module defines.
fn markers(module: &Module) -> Vec<String> {
    module
        .lines
        .iter()
        .filter(|line| line.starts_with('@'))
        .filter_map(|line| symbols(line).next())
        .filter(|symbol| symbol.name.starts_with(PREFIX))
        .map(|symbol| symbol.name.to_owned())
        .collect()
}

/// The kernel that a marker speaks of, and the attributes that it asks for.
fn parse(marker: &str) -> Result<(&str, String), Error> {
    let (kernel, keys) = marker[PREFIX.len()..]
        .split_once('.')
        .ok_or_else(|| bad(marker, "expected KERNEL.key=value".to_owned()))?;
    let mut attributes = String::new();
    for pair in keys.split(',') {
        let (key, value) = pair
            .split_once('=')
            .ok_or_else(|| bad(marker, format!("expected key=value, got `{pair}`")))?;
        let (attribute, dimensions) = match key {
            "max_threads" => ("nvvm.maxntid", 3),
            "min_blocks" => ("nvvm.minctasm", 1),
            "cluster" => ("nvvm.cluster_dim", 3),
            "max_registers" => ("nvvm.maxnreg", 1),
            _ => return Err(bad(marker, format!("unknown key `{key}`"))),
        };
        let extents: Vec<&str> = value.split('x').collect();
        let is_count = |text: &&str| text.parse::<u32>().is_ok_and(|count| count > 0);
        if extents.len() > dimensions || !extents.iter().all(is_count) {
            return Err(bad(marker, format!("`{value}` is not a value of `{key}`")));
        }
        attributes.push_str(&format!("\"{attribute}\"=\"{}\" ", extents.join(",")));
    }
    Ok((kernel, attributes))
}

/// Deletes the markers and their places in `llvm.used`.
fn remove_markers(module: &mut Module) {
    module.lines.retain(|line| {
        !line.starts_with('@')
            || symbols(line).next().is_none_or(|symbol| !symbol.name.starts_with(PREFIX))
    });
    for line in &mut module.lines {
        if !line.starts_with("@llvm.used = ") && !line.starts_with("@llvm.compiler.used = ") {
            continue;
        }
        let used: Vec<&str> = symbols(line).skip(1).map(|symbol| symbol.name).collect();
        let kept: Vec<String> = used
            .iter()
            .filter(|name| !name.starts_with(PREFIX))
            .map(|name| format!("ptr @\"{name}\""))
            .collect();
        if kept.len() == used.len() {
            continue;
        }
        *line = if kept.is_empty() {
            String::new()
        } else {
            let variable = line.split(" = ").next().unwrap_or_default();
            format!(
                "{variable} = appending global [{} x ptr] [{}], section \"llvm.metadata\"",
                kept.len(),
                kept.join(", ")
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KERNEL: &str = "define ptx_kernel void @k() #0 {\n}\n";

    fn with_marker(name: &str) -> Module {
        Module::new(&format!(
            "@llvm.used = appending global [2 x ptr] [ptr @\"{name}\", ptr @x], section \"llvm.metadata\"\n\
             @\"{name}\" = constant [1 x i8] zeroinitializer, align 1\n{KERNEL}"
        ))
    }

    #[test]
    fn marker_becomes_attributes() {
        let mut module = with_marker(
            "cuda_builder.launch_bounds.k.max_threads=32x4,min_blocks=2,cluster=2,max_registers=64",
        );
        apply(&mut module).expect("a good marker");
        assert_eq!(
            module.lines,
            [
                r#"@llvm.used = appending global [1 x ptr] [ptr @"x"], section "llvm.metadata""#,
                r#"define ptx_kernel void @k() #0 "nvvm.maxntid"="32,4" "nvvm.minctasm"="2" "nvvm.cluster_dim"="2" "nvvm.maxnreg"="64" {"#,
                "}"
            ]
        );
    }

    #[test]
    fn bad_markers_are_refused() {
        for (marker, reason) in [
            ("cuda_builder.launch_bounds.j.max_threads=1", "no kernel `j`"),
            ("cuda_builder.launch_bounds.k.threads=1", "unknown key `threads`"),
            ("cuda_builder.launch_bounds.k.max_threads=0", "`0` is not a value of `max_threads`"),
            ("cuda_builder.launch_bounds.k.min_blocks=1x2", "`1x2` is not a value"),
            ("cuda_builder.launch_bounds.k.max_threads", "expected key=value"),
            ("cuda_builder.launch_bounds.k", "expected KERNEL.key=value"),
        ] {
            let error = apply(&mut with_marker(marker)).expect_err(marker).to_string();
            assert!(error.contains(reason) && error.contains(marker), "{error}");
        }
    }
}
