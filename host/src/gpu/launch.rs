use msa_abi::{AttendParams, BlockTopkParams, CheckParams, IndexParams, MergeStatesParams};

use super::{Device, Kernel, PlaneMap};
use crate::{Error, Route};

/// What an operator launches for a step, on one stream, in order: each launch finds what the one before has written.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    route: Route,
    launches: [Option<Launch>; 2],
    workspace_bytes: usize,
}

impl Plan {
    pub(super) fn new(route: Route, launches: [Option<Launch>; 2], workspace_bytes: usize) -> Self {
        let plan = Self { route, launches, workspace_bytes };
        #[cfg(feature = "tracing")]
        tracing::debug!(
            %route,
            launches = ?Vec::from_iter(plan.launches().map(Launch::shape)),
            workspace_bytes,
            "planned"
        );
        plan
    }

    /// The route that was taken.
    pub fn route(&self) -> Route {
        self.route
    }

    /// The launches in order; none where there is nothing to do.
    pub fn launches(&self) -> impl Iterator<Item = &Launch> {
        self.launches.iter().flatten()
    }

    /// Bytes of the workspace that the launches use, from its start.
    pub fn workspace_bytes(&self) -> usize {
        self.workspace_bytes
    }
}

/// One launch of a kernel, which takes the params as its first parameter, by value, and most as their only one.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// The kernel.
    pub kernel: Kernel,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Blocks of a cluster, all along z; 1 where the launch has no clusters. The driver's attribute of clusters is given
    /// only for more.
    pub cluster: u32,
    /// Threads of a block, all along x.
    pub threads: u32,
    /// Bytes of dynamic shared memory.
    pub dynamic_shared: u32,
    /// Whether the launch may have the driver's attribute of this name: it then begins while the one before it ends, and
    /// waits itself for what it needs of that. Never the first of a plan, which knows nothing of what came before it.
    pub programmatic_stream_serialization: bool,
    /// What the kernel is given.
    pub params: Params,
    /// What the tensor map is made of that the kernel takes as a second parameter, by value, if it takes one.
    pub planes: Option<PlaneMap>,
}

/// A kernel's parameters.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Params {
    /// Of the kernels `index_decode`, `index_prefill` and `index_merge`.
    Index(IndexParams),
    /// Of the kernel `block_topk`.
    BlockTopk(BlockTopkParams),
    /// Of the kernels of attention.
    Attend(AttendParams),
    /// Of the kernel `merge_states`.
    MergeStates(MergeStatesParams),
    /// Of the kernel `check_operands`.
    Check(CheckParams),
}

impl Params {
    /// The bytes of the parameter, aligned as the kernel's parameter is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Index(params) => bytemuck::bytes_of(params),
            Self::BlockTopk(params) => bytemuck::bytes_of(params),
            Self::Attend(params) => bytemuck::bytes_of(params),
            Self::MergeStates(params) => bytemuck::bytes_of(params),
            Self::Check(params) => bytemuck::bytes_of(params),
        }
    }
}

impl Launch {
    /// What of it is told by `tracing`: its kernel, its grid, and the blocks of a cluster.
    #[cfg(feature = "tracing")]
    fn shape(&self) -> (Kernel, [u32; 3], u32) {
        (self.kernel, self.grid, self.cluster)
    }

    /// Most blocks along each axis of a grid, on every device.
    const MAX_GRID: [u32; 3] = [i32::MAX as u32, u16::MAX as u32, u16::MAX as u32];

    /// Refuses more blocks along an axis, or more shared memory, than the device has.
    pub(super) fn check(self, device: &Device) -> Result<Self, Error> {
        let kernel = self.kernel.name();
        for (axis, (got, most)) in self.grid.into_iter().zip(Self::MAX_GRID).enumerate() {
            if got > most {
                return Err(Error::Grid { kernel, axis, most, got });
            }
        }
        let available = device.shared_per_block_optin;
        if self.dynamic_shared > available {
            return Err(Error::SharedMemory { kernel, needed: self.dynamic_shared, available });
        }
        Ok(self)
    }
}
