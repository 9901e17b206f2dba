//! Makes the structs that a kernel takes *grid constants*, by value or by reference.
//!
//! rustc passes a struct of parameters as an array of integers, `[7 x i64]`, which the kernel stores to
//! a local variable and reads from there. As soon as a field is read through a computed index, or its
//! address is taken, that copy stays: in local memory, which is DRAM. A grid constant is a pointer into
//! the kernel's parameters, where nothing can write: LLVM sees through the copy and reads the
//! parameter itself (`ld.param`).
//!
//! A struct whose address a kernel needs, as that of a tensor map, or whose alignment is more than rustc can pass, is
//! taken by reference. The host passes it by value all the same, and the reference is to the kernel's own parameter
//! (`cvta.param`), which has the size and the alignment that rustc tells of the reference.

use crate::{
    error::Error,
    ir::{Module, paren_end, symbols},
};
use regex::{Captures, Regex};

pub(super) fn apply(module: &mut Module) -> Result<(), Error> {
    let aggregate = Regex::new(r"(\[(\d+) x i(\d+)\]|\{ i(\d+) \})( [^%,()]*)?(%[\w.]+)")
        .expect("a valid pattern");
    let attributes = r"(?:[^%,()]|\([^()]*\))*";
    let reference = Regex::new(&format!(
        r"ptr {attributes}\balign (\d+){attributes}\bdereferenceable\((\d+)\) {attributes}(%[\w.]+)"
    ))
    .expect("a valid pattern");
    let mut copies_memory = false;
    for kernel in module.kernels() {
        let define = module.lines[kernel.lines.start].clone();
        let Some((open, close)) = parameters(&define) else {
            continue;
        };
        let mut signature = define[..open].to_owned();
        let mut copied = open;
        for parameter in aggregate.captures_iter(&define[open..close]) {
            let number =
                |group| parameter.get(group).and_then(|text| text.as_str().parse::<u64>().ok());
            let (Some(whole), Some(bits)) = (parameter.get(0), number(3).or(number(4))) else {
                continue;
            };
            let (ty, value) = (&parameter[1], &parameter[6]);
            let align = bits / 8;
            let size = number(2).unwrap_or(1) * align;
            signature.push_str(&define[copied..open + whole.start()]);
            signature.push_str(&grid_constant(ty, &align.to_string(), value));
            copied = open + whole.end();

            let store = format!("store {ty} {value}, ptr ");
            let uses =
                Regex::new(&format!(r"{}\b", regex::escape(value))).expect("an escaped pattern");
            for index in kernel.body() {
                let line = &module.lines[index];
                if let Some(target) = line.trim_start().strip_prefix(&store) {
                    let target = target.split(',').next().unwrap_or(target);
                    module.lines[index] = format!(
                        "  call void @llvm.memcpy.p0.p0.i64(ptr align {align} {target}, \
                         ptr align {align} {value}, i64 {size}, i1 false)"
                    );
                    copies_memory = true;
                } else if uses.is_match(line) {
                    return Err(Error::Parameter {
                        kernel: kernel.name,
                        ir: line.trim().to_owned(),
                    });
                }
            }
        }
        signature.push_str(&define[copied..close]);
        let signature = reference.replace_all(&signature, |parameter: &Captures<'_>| {
            let [align, size, value] = [1, 2, 3].map(|group| &parameter[group]);
            grid_constant(&format!("[{size} x i8]"), align, value)
        });
        module.lines[kernel.lines.start] = format!("{signature}{}", &define[close..]);
    }
    if copies_memory {
        declare_memcpy(module);
    }
    Ok(())
}

/// A parameter of this type as one.
fn grid_constant(ty: &str, align: &str, value: &str) -> String {
    format!("ptr noalias readonly byval({ty}) align {align} \"nvvm.grid_constant\" {value}")
}

/// The parentheses around a function's parameters.
fn parameters(define: &str) -> Option<(usize, usize)> {
    let open = symbols(define).next()?.span.end;
    Some((open, paren_end(define, open)?))
}

fn declare_memcpy(module: &mut Module) {
    let is_declaration =
        |line: &String| line.starts_with("declare ") && line.contains("@llvm.memcpy.p0.p0.i64(");
    if !module.lines.iter().any(is_declaration) {
        module.lines.push("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_become_grid_constants() {
        let mut module = Module::new(
            "define ptx_kernel void @k([7 x i64] %0, i32 noundef %1, { i64 } %2) #0 {\n\
             \x20 %4 = alloca [56 x i8], align 8\n\
             \x20 store [7 x i64] %0, ptr %4, align 8\n\
             \x20 store { i64 } %2, ptr %5, align 8\n}",
        );
        apply(&mut module).expect("parameters are only stored");
        assert_eq!(
            module.lines[0],
            "define ptx_kernel void @k(ptr noalias readonly byval([7 x i64]) align 8 \
             \"nvvm.grid_constant\" %0, i32 noundef %1, ptr noalias readonly byval({ i64 }) align 8 \
             \"nvvm.grid_constant\" %2) #0 {"
        );
        assert!(module.lines[2].contains("memcpy"), "{module}");
        assert!(module.lines[2].contains("ptr align 8 %4, ptr align 8 %0, i64 56"), "{module}");
        assert!(module.lines[3].contains("ptr align 8 %5, ptr align 8 %2, i64 8"), "{module}");
    }

    #[test]
    fn references_become_grid_constants() {
        let mut module = Module::new(
            "define ptx_kernel void @k([2 x i64] %0, ptr noalias noundef readonly align 64 captures(address, read_provenance) \
             dereferenceable(128) %map, ptr noundef %1) #0 {\n\
             \x20 store [2 x i64] %0, ptr %2, align 8\n}",
        );
        apply(&mut module).expect("parameters are only stored");
        assert_eq!(
            module.lines[0],
            "define ptx_kernel void @k(ptr noalias readonly byval([2 x i64]) align 8 \
             \"nvvm.grid_constant\" %0, ptr noalias readonly byval([128 x i8]) align 64 \
             \"nvvm.grid_constant\" %map, ptr noundef %1) #0 {"
        );
    }

    #[test]
    fn other_uses_are_refused() {
        let mut module = Module::new(
            "define ptx_kernel void @k([2 x i64] %0) #0 {\n\
             \x20 %2 = extractvalue [2 x i64] %0, 0\n}",
        );
        let error = apply(&mut module).expect_err("not a store").to_string();
        assert!(error.contains("`k`") && error.contains("extractvalue"), "{error}");
    }
}
