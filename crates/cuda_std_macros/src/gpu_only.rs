use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemFn;

/// The function for `nvptx64`, and its panicking stub for every other target.
pub(crate) fn expand(function: &ItemFn) -> TokenStream {
    let ItemFn { attrs, vis, sig, .. } = function;
    let message = format!("`{}` runs on a GPU only", sig.ident);
    quote! {
        #[cfg(target_arch = "nvptx64")]
        #function

        #[cfg(not(target_arch = "nvptx64"))]
        #[allow(unused_variables)]
        #(#attrs)*
        #vis #sig {
            ::core::unimplemented!(#message)
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::expand;

    #[test]
    fn the_stub_keeps_the_signature_and_the_attributes() {
        let expanded = expand(&parse_quote! {
            /// Doc.
            pub unsafe fn lane<T: Copy>(value: T) -> T { body() }
        })
        .to_string();
        assert_eq!(expanded.matches("pub unsafe fn lane < T : Copy > (value : T) -> T").count(), 2);
        assert_eq!(expanded.matches("Doc.").count(), 2);
        assert_eq!(expanded.matches("body ()").count(), 1);
        assert!(expanded.contains("`lane` runs on a GPU only"));
    }
}
