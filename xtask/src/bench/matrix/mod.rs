//! A card's own matrix instructions in a loop, of which nothing but the card bounds the rate.

/// The kernel of one kind of instruction.
pub struct MatrixLoop {
    /// The instruction, for the report.
    pub instruction: &'static str,
    /// With an entry `matrix_rate(result, repetitions)`.
    pub ptx: &'static str,
    /// Blocks that a multiprocessor has room for at a time.
    pub blocks_per_multiprocessor: u32,
    /// Multiplications and additions of a block in each repetition.
    flops: u64,
}

impl MatrixLoop {
    /// Threads of a block, each of which writes a float of the result.
    pub const THREADS: u32 = 256;

    /// Two warpgroups multiply 64 x 64 by 64 x 256.
    const HOPPER: Self = Self {
        instruction: "wgmma.m64n256k16",
        ptx: include_str!("sm_90a.ptx"),
        blocks_per_multiprocessor: 1,
        flops: 2 * (2 * 64 * 64 * 256),
    };

    /// Eight warps multiply 32 x 16 by 16 x 64.
    const PORTABLE: Self = Self {
        instruction: "mma.sync.m16n8k16",
        ptx: include_str!("sm_80.ptx"),
        blocks_per_multiprocessor: 2,
        flops: 8 * (2 * 32 * 16 * 64),
    };

    /// That of the fastest instruction that is written here for a device. Blackwell's `tcgen05` is not.
    pub fn for_capability(capability: (u32, u32)) -> &'static Self {
        match capability {
            (9, 0) => &Self::HOPPER,
            _ => &Self::PORTABLE,
        }
    }

    /// Multiplications and additions of a launch.
    pub fn flops(&self, blocks: u32, repetitions: u32) -> u64 {
        u64::from(blocks) * u64::from(repetitions) * self.flops
    }
}

#[cfg(test)]
mod tests {
    use cuda_sim::device::Device;
    use cuda_sim::{Launch, Machine, Order};

    use super::MatrixLoop;

    const BLOCKS: u32 = 2;

    /// Runs a loop, and holds it to as many operations as the rate is said to be of; what its threads wrote.
    fn run(matrix: &MatrixLoop, device: &str, repetitions: u32) -> Vec<f32> {
        let machine = Machine::new(Device::named(device).expect("a known device"));
        let module = machine.load(matrix.ptx).expect("it loads");
        let function = module.function("matrix_rate").expect("it is there");
        let threads = [MatrixLoop::THREADS, 1, 1];
        let launch = Launch { grid: [BLOCKS, 1, 1], block: threads, ..Launch::default() };
        let mut bytes = vec![0; 4 * (BLOCKS * MatrixLoop::THREADS) as usize];
        let result = machine.allocate(bytes.len() as u64);
        let parameters = [result.to_le_bytes().as_slice(), &repetitions.to_le_bytes()].concat();
        let counters = machine
            .launch(&function, &launch, Order::Random(1), &parameters)
            .expect("it does nothing that it must not");
        let counted: u64 = counters.mma_flops.values().sum();
        assert_eq!(counted, matrix.flops(BLOCKS, repetitions), "{}", matrix.instruction);
        machine.read(result, &mut bytes).expect("it is allocated");
        bytes.as_chunks().0.iter().map(|float| f32::from_le_bytes(*float)).collect()
    }

    #[test]
    fn loops_multiply_as_often_as_is_said() {
        for (capability, device) in [((8, 0), "sm_80"), ((9, 0), "sm_90"), ((12, 0), "sm_120")] {
            let matrix = MatrixLoop::for_capability(capability);
            let room = format!(".minnctapersm {}\n", matrix.blocks_per_multiprocessor);
            assert!(matrix.ptx.contains(&room), "{}", matrix.instruction);
            let [once, thrice] = [1, 3].map(|repetitions| run(matrix, device, repetitions));
            for (once, thrice) in once.into_iter().zip(thrice) {
                assert!(once != 0.0 && (thrice - 3.0 * once).abs() <= 1e-2, "{once}, {thrice}");
            }
        }
    }
}
