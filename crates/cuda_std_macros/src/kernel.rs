use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, FnArg, ItemFn, Result, ReturnType, parse_quote};

use crate::launch_bounds::LaunchBounds;

/// The kernel as a PTX entry on `nvptx64` and as an ordinary function elsewhere, and the marker that
/// tells `cuda_builder` its launch bounds.
pub(crate) fn expand(bounds: &LaunchBounds, function: ItemFn) -> Result<TokenStream> {
    check(&function)?;
    let on_host = &function;
    let mut on_gpu = function.clone();
    on_gpu.sig.abi = Some(parse_quote!(extern "ptx-kernel"));
    let marker = bounds.spelled_out().map(|bounds| {
        let name = &function.sig.ident;
        let symbol = format!("cuda_builder.launch_bounds.{name}.{bounds}");
        let ident = format_ident!("LAUNCH_BOUNDS_OF_{}", name.to_string().to_uppercase());
        quote! {
            #[cfg(target_arch = "nvptx64")]
            #[used]
            #[unsafe(export_name = #symbol)]
            static #ident: u8 = 0;
        }
    });
    Ok(quote! {
        #[cfg(target_arch = "nvptx64")]
        #[unsafe(no_mangle)]
        #on_gpu

        #[cfg(not(target_arch = "nvptx64"))]
        #on_host

        #marker
    })
}

/// Refuses what can't be an entry: it is found by one name, it returns nothing, and whoever launches
/// it answers for its operands.
fn check(function: &ItemFn) -> Result<()> {
    let sig = &function.sig;
    if sig.unsafety.is_none() {
        return Err(Error::new_spanned(
            sig.fn_token,
            "a kernel is an `unsafe fn`: its launch vouches for its operands",
        ));
    }
    if sig.asyncness.is_some() || sig.constness.is_some() {
        return Err(Error::new_spanned(sig, "a kernel is neither `async` nor `const`"));
    }
    if let Some(abi) = &sig.abi {
        return Err(Error::new_spanned(abi, "the attribute chooses a kernel's ABI"));
    }
    if !sig.generics.params.is_empty() {
        return Err(Error::new_spanned(
            &sig.generics,
            "a kernel has one name, so it can't be generic",
        ));
    }
    if let ReturnType::Type(_, ty) = &sig.output {
        return Err(Error::new_spanned(
            ty,
            "a kernel returns nothing: it writes its results to memory",
        ));
    }
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        return Err(Error::new_spanned(receiver, "a kernel can't be a method"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::expand;

    fn expanded(bounds: &str, function: &str) -> Result<String, String> {
        let bounds = syn::parse_str(bounds).expect("valid bounds");
        let function = syn::parse_str(function).expect("a function");
        expand(&bounds, function)
            .map(|tokens| tokens.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_marker_names_the_kernel_and_its_bounds() {
        let kernel =
            expanded("max_threads = 256, min_blocks = 2", "pub unsafe fn scale(len: u32) {}")
                .unwrap();
        assert!(kernel.contains(r#"pub unsafe extern "ptx-kernel" fn scale (len : u32)"#));
        assert!(kernel.contains("pub unsafe fn scale (len : u32)"));
        assert!(
            kernel.contains(r#""cuda_builder.launch_bounds.scale.max_threads=256,min_blocks=2""#)
        );
    }

    #[test]
    fn no_bounds_no_marker() {
        assert!(!expanded("", "pub unsafe fn scale() {}").unwrap().contains("static"));
    }

    #[test]
    fn what_cannot_be_an_entry_is_refused() {
        for (function, message) in [
            ("fn k() {}", "`unsafe fn`"),
            ("const unsafe fn k() {}", "neither"),
            ("unsafe extern \"C\" fn k() {}", "ABI"),
            ("unsafe fn k<T>() {}", "generic"),
            ("unsafe fn k() -> u32 { 0 }", "returns nothing"),
            ("unsafe fn k(&self) {}", "method"),
        ] {
            let error = expanded("", function).expect_err(function);
            assert!(error.contains(message), "{function}: {error}");
        }
    }
}
