use msa_abi::DevicePtr;

use super::tensor::check_alignment;
use crate::Error;

/// Device memory that launches of one plan use as they like, and leave behind without meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its address, a multiple of [`ALIGNMENT`](Self::ALIGNMENT).
    pub address: u64,
    /// How large it is.
    pub bytes: usize,
}

impl Workspace {
    /// Its alignment in bytes: what a driver's allocations have anyway.
    pub const ALIGNMENT: u64 = 256;

    /// No memory.
    pub const NONE: Self = Self { address: 0, bytes: 0 };
}

/// Gives out parts of a workspace, one after the other. Only in the end does it matter whether it was large enough.
#[derive(Debug)]
pub(super) struct Parts {
    workspace: Workspace,
    used: u64,
}

impl Parts {
    pub(super) fn of(workspace: Workspace) -> Self {
        Self { workspace, used: 0 }
    }

    /// The next part, of some elements.
    pub(super) fn take<T>(&mut self, elements: u64) -> DevicePtr<T> {
        let address = self.workspace.address.saturating_add(self.used);
        self.used = self.used.saturating_add(rounded::<T>(elements));
        DevicePtr::from_address(address)
    }

    /// The bytes that were taken, if the workspace has them.
    pub(super) fn finish(self) -> Result<usize, Error> {
        let operand = "workspace";
        let needed = usize::try_from(self.used).unwrap_or(usize::MAX);
        if needed > self.workspace.bytes {
            return Err(Error::BufferTooSmall { operand, needed, got: self.workspace.bytes });
        }
        check_alignment(operand, self.workspace.address, Workspace::ALIGNMENT)?;
        Ok(needed)
    }
}

/// Bytes of a part of some elements; a number beyond any memory where there are too many.
pub(super) fn rounded<T>(elements: u64) -> u64 {
    let bytes = elements.saturating_mul(size_of::<T>() as u64);
    bytes.checked_next_multiple_of(Workspace::ALIGNMENT).unwrap_or(u64::MAX)
}
