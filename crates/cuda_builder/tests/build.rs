//! Kernel crates of `fixtures/`, built. These need the device toolchain.

use cuda_builder::{Arch, Backend, CudaBuilder, Error, Output, toolchain};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn builder(name: &str, arch: Arch) -> CudaBuilder {
    CudaBuilder::new(fixture(name)).arch(arch)
}

#[track_caller]
fn build(builder: CudaBuilder) -> Output {
    builder.build().unwrap_or_else(|error| {
        panic!("{error}\nIf a tool is missing, `cargo xtask setup` gets it.");
    })
}

/// The text of a kernel, from its name to the next function.
fn kernel<'a>(ptx: &'a str, name: &str) -> &'a str {
    let start = ptx.find(&format!(".entry {name}(")).expect("the kernel is there");
    let end = ptx[start + 1..].find("\n}").map_or(ptx.len(), |end| start + 1 + end);
    &ptx[start..end]
}

#[test]
fn launch_bounds_are_in_the_ptx() {
    let ptx = build(builder("good", Arch::Sm100a)).ptx;
    let by_value = kernel(&ptx, "by_value");
    assert!(by_value.contains(".maxntid 32, 4"), "{by_value}");
    assert!(by_value.contains(".minnctapersm 2"), "{by_value}");
    let calls = kernel(&ptx, "calls");
    assert!(calls.contains(".reqnctapercluster 2"), "{calls}");
    assert!(calls.contains(".maxnreg 64"), "{calls}");
    assert!(!ptx.contains("cuda_builder"), "a marker is left:\n{ptx}");
}

#[test]
fn struct_parameters_are_read_in_place() {
    let ptx = build(builder("good", Arch::Sm100a)).ptx;
    let by_value = kernel(&ptx, "by_value");
    assert!(!by_value.contains("local"), "{by_value}");
    assert!(by_value.contains("ld.param") && by_value.contains("ld.global"), "{by_value}");
}

#[test]
fn struct_parameters_have_addresses() {
    let ptx = build(builder("good", Arch::Sm100a)).ptx;
    let by_reference = kernel(&ptx, "by_reference");
    assert!(!by_reference.contains("local"), "{by_reference}");
    assert!(by_reference.contains(".align 64 .b8 by_reference_param_1[128]"), "{by_reference}");
    assert!(by_reference.contains("cvta.param"), "{by_reference}");
}

#[test]
fn arrays_are_kept_in_registers() {
    let ptx = build(builder("good", Arch::Sm100a)).ptx;
    let accumulates = kernel(&ptx, "accumulates");
    assert!(!accumulates.contains("local"), "{accumulates}");
}

#[test]
fn dependencies_are_linked() {
    let ptx = build(builder("good", Arch::Sm80)).ptx;
    assert!(kernel(&ptx, "calls").contains("fixture_dep__mix"), "{ptx}");
    assert!(ptx.contains(".func  (.param .b32 func_retval0) fixture_dep__mix("), "{ptx}");
    assert!(!ptx.contains("fixture_dep__both"), "not inlined across crates:\n{ptx}");
}

#[test]
fn collectives_of_unrolled_loops_are_counted_out() {
    let output = build(builder("good", Arch::Sm100a));
    let reduces = output.kernels.iter().find(|kernel| kernel.name == "reduces").expect("is there");
    assert_eq!(reduces.collectives.get("shfl.sync"), Some(&10));
}

#[test]
fn kernels_know_their_architecture() {
    for (arch, value) in [(Arch::Sm80, "80;"), (Arch::Sm100a, "90;")] {
        let ptx = build(builder("good", arch)).ptx;
        assert!(ptx.contains(&format!(".target {arch}\n")), "{ptx}");
        let tier = kernel(&ptx, "tier");
        assert!(tier.contains(value), "{arch}: {tier}");
    }
}

#[test]
fn warnings_are_handed_on() {
    let warnings = build(builder("fragile", Arch::Sm100a)).warnings;
    assert!(warnings.contains("`nobody_calls_this` is never used"), "{warnings}");
    assert_eq!(build(builder("good", Arch::Sm100a)).warnings, "");
}

#[test]
fn panics_are_refused() {
    let error = builder("panics", Arch::Sm100a).build().expect_err("it checks bounds");
    let text = error.to_string();
    assert!(matches!(error, Error::Panics { .. }), "{text}");
    assert!(text.contains("fixture-panics") && text.contains("out_of_bounds -> "), "{text}");
}

#[test]
fn no_arch_is_refused() {
    let error = CudaBuilder::new(fixture("good")).build().expect_err("no arch");
    assert!(matches!(error, Error::NoArch), "{error}");
}

#[test]
fn libnvvm_takes_the_ir() {
    for arch in [Arch::Sm100, Arch::Sm100a] {
        let ptx = build(builder("good", arch).backend(Backend::LibNvvm)).ptx;
        let by_value = kernel(&ptx, "by_value");
        assert!(by_value.contains(".maxntid 32, 4"), "{by_value}");
        assert!(!by_value.contains("local"), "{by_value}");
        assemble(&ptx, arch);
    }
}

#[test]
fn libnvvm_of_another_llvm_is_refused() {
    let error = builder("good", Arch::Sm80).backend(Backend::LibNvvm).build().expect_err("sm_80");
    assert!(matches!(error, Error::NvvmArch { .. }), "{error}");
}

fn assemble(ptx: &str, arch: Arch) {
    let ptxas = toolchain::ptxas().unwrap_or_else(|error| {
        panic!("{error}\n`cargo xtask setup` gets it.");
    });
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nvvm_{arch}.ptx"));
    fs::write(&path, ptx).expect("the target folder can be written");
    let arch = format!("-arch={arch}");
    let output = Command::new(ptxas).arg(arch).arg(&path).args(["-o", "/dev/null"]).output();
    let output = output.expect("ptxas runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Two checkouts, of other names and depths, give the same bytes.
#[test]
fn output_does_not_depend_on_the_path() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("paths");
    let build_in = |name: &str| {
        let checkout = root.join(name);
        copy(&fixture(""), &checkout);
        build(CudaBuilder::new(checkout.join("good")).arch(Arch::Sm100a)).ptx
    };
    let (one, other) = (build_in("one"), build_in("quite/another"));
    assert_eq!(one, other);
    assert!(!one.contains("paths/one"), "{one}");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the target folder can be written");
    for entry in fs::read_dir(from).expect("fixtures can be read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            if entry.file_name() != "target" {
                copy(&entry.path(), &target);
            }
        } else {
            fs::copy(entry.path(), &target).expect("fixtures can be copied");
        }
    }
}
