//! From joined, unoptimised LLVM IR to PTX that has passed the checks.

use crate::{
    Arch, Backend,
    collective::{check, sites},
    error::Error,
    fixup,
    ir::Module,
    nvvm::Nvvm,
    panics,
    toolchain::{Toolchain, libnvvm},
};

pub(crate) struct Pipeline<'a> {
    pub(crate) toolchain: &'a Toolchain,
    pub(crate) arch: Arch,
    pub(crate) backend: Backend,
    /// The kernel crate, to name in messages.
    pub(crate) crate_name: &'a str,
}

impl Pipeline<'_> {
    pub(crate) fn run(&self, mut module: Module) -> Result<String, Error> {
        fixup::apply(&mut module)?;
        self.compile(module)
    }

    /// The part after the fix-ups.
    pub(crate) fn compile(&self, module: Module) -> Result<String, Error> {
        let mut module = self.toolchain.inline_required(&module)?;
        let sites = sites::tag(&mut module)?;
        let folded = self.toolchain.fold_constants(&module)?;
        let sites = sites::reachable(&folded, sites)?;
        let optimised = self.toolchain.optimise(&folded, self.arch)?;
        let ptx = match self.backend {
            Backend::Llvm => self.toolchain.generate(&optimised, self.arch)?,
            Backend::LibNvvm => Nvvm::load(&libnvvm()?)?.compile(&optimised, self.arch)?,
        };
        panics::check(&ptx, self.crate_name)?;
        check::check(&ptx, &sites)?;
        Ok(check::strip(&ptx))
    }
}

#[cfg(test)]
mod tests {
    //! The miscompilation that the fix-up `convergent` is there for, with it and without it.

    use super::*;
    use crate::{cargo::Package, collective::count::count, ptx};
    use std::path::Path;

    const ARCH: Arch = Arch::Sm100a;

    fn fragile() -> (Toolchain, Module) {
        let toolchain = Toolchain::discover().unwrap_or_else(|error| {
            panic!("{error}\n`cargo xtask setup` gets it.");
        });
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/fragile");
        let package = Package::at(&toolchain, &root).expect("the fixture is a package");
        let target = package.target.join("cuda-builder");
        let compiled = package.compile(&toolchain, ARCH, &target).expect("the fixture compiles");
        let module = toolchain.link(&compiled.archives).expect("the fixture links");
        (toolchain, module)
    }

    /// How many barriers are in the first kernel and how many shuffles in the second one.
    fn collectives(ptx: &str) -> [usize; 2] {
        let functions = ptx::functions(ptx);
        let count = |at: usize, name| count(&functions[at]).get(name).copied().unwrap_or(0);
        [count(0, "bar.sync"), count(1, "shfl.sync")]
    }

    #[test]
    fn rustc_copies_no_votes() {
        let (toolchain, module) = fragile();
        let (arch, backend, crate_name) = (ARCH, Backend::Llvm, "fragile");
        let pipeline = Pipeline { toolchain: &toolchain, arch, backend, crate_name };
        let ptx = pipeline.run(module).expect("it compiles");
        let functions = ptx::functions(&ptx);
        assert_eq!(count(&functions[2]).get("vote.sync"), Some(&2), "{ptx}");
    }

    #[test]
    fn convergent_keeps_collectives_single() {
        let (toolchain, module) = fragile();
        let pipeline = Pipeline {
            toolchain: &toolchain,
            arch: ARCH,
            backend: Backend::Llvm,
            crate_name: "fragile",
        };

        let ptx = pipeline.run(module.clone()).expect("it compiles");
        assert_eq!(collectives(&ptx), [1, 1], "{ptx}");

        let mut unsafe_module = module;
        fixup::apply_all_but_convergent(&mut unsafe_module).expect("it has nothing odd");
        let optimised = toolchain.optimise(&unsafe_module, ARCH).expect("it optimises");
        let ptx = toolchain.generate(&optimised, ARCH).expect("it generates");
        assert_eq!(
            collectives(&ptx),
            [2, 2],
            "LLVM no longer does what the fix-up prevents:\n{ptx}"
        );

        // And the builder would not have let it pass.
        let error = pipeline.compile(unsafe_module).expect_err("the check finds it").to_string();
        assert!(error.contains("function `barrier`: the collective `bar.sync 2;`"), "{error}");
    }
}
