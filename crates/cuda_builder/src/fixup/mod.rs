//! What the kernels' IR must say and rustc has no syntax for.
//!
//! Each fix-up rewrites the IR before any pass of LLVM has seen it. [`apply`] runs them all; none is
//! optional.

mod convergent;
mod grid_constant;
mod inline_collectives;
mod launch_bounds;
mod local_names;

use crate::{error::Error, ir::Module};

pub(crate) fn apply(module: &mut Module) -> Result<(), Error> {
    apply_all_but_convergent(module)?;
    convergent::apply(module);
    Ok(())
}

/// What a test leaves out shows what it is for.
pub(crate) fn apply_all_but_convergent(module: &mut Module) -> Result<(), Error> {
    launch_bounds::apply(module)?;
    grid_constant::apply(module)?;
    inline_collectives::apply(module);
    local_names::apply(module);
    Ok(())
}
