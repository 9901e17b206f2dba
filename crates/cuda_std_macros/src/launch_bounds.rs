use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitInt, Result, Token};

/// The bounds that `cuda_builder` knows, in the order in which a marker lists them.
const NAMES: [&str; 4] = ["max_threads", "min_blocks", "cluster", "max_registers"];

/// The arguments of `#[kernel(..)]`: at most one value for each of [`NAMES`].
pub(crate) struct LaunchBounds([Option<u32>; NAMES.len()]);

impl LaunchBounds {
    /// `max_threads=256,min_blocks=2`, or nothing where the kernel promises nothing.
    pub(crate) fn spelled_out(&self) -> Option<String> {
        let given =
            NAMES.iter().zip(self.0).filter_map(|(name, bound)| Some(format!("{name}={}", bound?)));
        let list = given.collect::<Vec<_>>().join(",");
        (!list.is_empty()).then_some(list)
    }
}

impl Parse for LaunchBounds {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut bounds = [None; NAMES.len()];
        let end = input.span();
        for Bound { name, value } in Punctuated::<Bound, Token![,]>::parse_terminated(input)? {
            let Some(place) = NAMES.iter().position(|known| name == known) else {
                let known = NAMES.join("`, `");
                return Err(Error::new(
                    name.span(),
                    format!("no launch bound `{name}`: there are `{known}`"),
                ));
            };
            if bounds[place].replace(value).is_some() {
                return Err(Error::new(name.span(), format!("`{name}` is given twice")));
            }
        }
        if let [None, Some(_), ..] = bounds {
            return Err(Error::new(end, "`min_blocks` means nothing without `max_threads`"));
        }
        Ok(Self(bounds))
    }
}

/// One argument, `name = value`, with a positive value.
struct Bound {
    name: Ident,
    value: u32,
}

impl Parse for Bound {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![=]>()?;
        let literal: LitInt = input.parse()?;
        match literal.base10_parse()? {
            0 => Err(Error::new(literal.span(), format!("`{name}` has to be positive"))),
            value => Ok(Self { name, value }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LaunchBounds;

    fn spelled_out(arguments: &str) -> Result<Option<String>, String> {
        syn::parse_str::<LaunchBounds>(arguments)
            .map(|b| b.spelled_out())
            .map_err(|e| e.to_string())
    }

    #[test]
    fn bounds_are_listed_in_one_order() {
        assert_eq!(spelled_out(""), Ok(None));
        assert_eq!(spelled_out("max_threads = 256"), Ok(Some("max_threads=256".into())));
        assert_eq!(
            spelled_out("max_registers = 128, cluster = 2, min_blocks = 1, max_threads = 384,"),
            Ok(Some("max_threads=384,min_blocks=1,cluster=2,max_registers=128".into())),
        );
    }

    #[test]
    fn wrong_arguments_are_refused_by_name() {
        for (arguments, message) in [
            ("threads = 256", "no launch bound `threads`"),
            ("cluster = 2, cluster = 4", "`cluster` is given twice"),
            ("min_blocks = 2", "`min_blocks` means nothing without `max_threads`"),
            ("max_threads = 0", "`max_threads` has to be positive"),
            ("max_threads = -1", "invalid digit"),
            ("max_threads", "expected `=`"),
            ("max_threads = 5000000000", "number too large"),
        ] {
            let error = spelled_out(arguments).expect_err(arguments);
            assert!(error.contains(message), "{arguments}: {error}");
        }
    }
}
