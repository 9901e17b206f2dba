//! The kernel `check_operands` on a simulated device, as it is planned.

use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Machine, Order};
use msa::gpu::{AttentionOperands, Batch, DeviceCheck, DeviceTensor, IndexerOperands, Workspace};
use msa::{Error, Selection};
use msa_abi::CheckReport;

use super::{load, planned_for, upload};

/// What lies on the device, and what the host knows of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// u32 `[batch + 1]`
    pub row_offsets: Vec<u32>,
    /// u32 `[batch]`
    pub cache_lengths: Vec<u32>,
    /// Rows of the operands.
    pub rows: usize,
    /// Most new tokens of a request.
    pub max_seq_length: usize,
    /// Pages of the cache.
    pub pages: usize,
    /// Entries of each request in the table.
    pub width: usize,
    /// The first of these of each request; nothing has written the others.
    pub table: Vec<Vec<u32>>,
}

/// Whose cache it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The indexer's.
    Indexer,
    /// Attention's.
    Attention,
}

impl Case {
    /// Runs the kernel of one file of `host/ptx` on a device, and says what it has found.
    ///
    /// # Errors
    /// If the kernel does what it must not do.
    ///
    /// # Panics
    /// If there is no such file or device, or the host can refuse the operands already.
    pub fn run(
        &self,
        operator: Operator,
        (file, device): (&str, &str),
        order: Order,
    ) -> Result<Result<(), Error>, Fault> {
        let (machine, kernel) = load(file, device, "check_operands");
        let check = self.check(&machine, operator).expect("the host has nothing against it");
        let bytes = Workspace::ALIGNMENT as usize;
        let workspace = Workspace { address: machine.allocate(bytes as u64), bytes };
        let plan = check.plan(&planned_for(&machine), workspace).expect("there is room");
        for launch in plan.launches() {
            assert_eq!(launch.kernel.name(), kernel.name());
            let how = Launch {
                grid: launch.grid,
                block: [launch.threads, 1, 1],
                dynamic_shared: launch.dynamic_shared,
                ..Launch::default()
            };
            machine.launch(&kernel, &how, order, launch.params.as_bytes())?;
        }
        let mut report = [0; size_of::<CheckReport>()];
        machine.read(workspace.address, &mut report).expect("it is allocated");
        Ok(check.verdict(&bytemuck::pod_read_unaligned(&report)))
    }

    fn check(&self, machine: &Machine, operator: Operator) -> Result<DeviceCheck, Error> {
        let requests = self.cache_lengths.len();
        let numbers = |numbers: &[u32]| {
            let address = upload(machine, numbers, u32::to_le_bytes);
            DeviceTensor::contiguous(address, numbers.len(), [numbers.len()])
        };
        let batch = Batch {
            row_offsets: numbers(&self.row_offsets),
            cache_lengths: numbers(&self.cache_lengths),
            rows: self.rows,
            max_seq_length: self.max_seq_length,
        };
        let entries = requests * self.width;
        let table = machine.allocate(4 * entries as u64);
        for (request, pages) in self.table.iter().enumerate() {
            let line = table + 4 * (request * self.width) as u64;
            machine.write(line, bytemuck::cast_slice(pages)).expect("the table has the line");
        }
        let table = DeviceTensor::contiguous(table, entries, [requests, self.width]);
        match operator {
            Operator::Indexer => IndexerOperands {
                batch,
                index_q: unread([self.rows, 1, 128]),
                index_k_pages: unread([self.pages, 1, 1, 128, 1, 128]),
                index_page_table: table,
                layer_idx: 0,
                selection: Selection::MINIMAX_M3,
                scale: 1.0,
            }
            .device_check(),
            Operator::Attention => AttentionOperands {
                batch,
                q: unread([self.rows, 1, 128]),
                kv_pages: unread([self.pages, 2, 1, 128, 1, 128]),
                kv_page_table: table,
                layer_idx: 0,
                block_ids: unread([1, self.rows, 1]),
                scale: 1.0,
            }
            .device_check(),
        }
    }
}

/// A tensor that is nowhere.
fn unread<T, const RANK: usize>(shape: [usize; RANK]) -> DeviceTensor<T, RANK> {
    DeviceTensor::contiguous(1 << 20, shape.iter().product(), shape)
}
