//! The devices that can be presented.

/// What a device says of itself. The figures are those of the data-centre part of its generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// As `cuDeviceGetName` tells it.
    pub name: &'static str,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of shared memory that a block gets without asking.
    pub shared_per_block: u32,
    /// Bytes of shared memory that a block may ask for.
    pub shared_per_block_optin: u32,
    /// Bytes of shared memory of a multiprocessor.
    pub shared_per_multiprocessor: u32,
    /// Threads that a multiprocessor runs at a time.
    pub threads_per_multiprocessor: u32,
    /// Blocks that a multiprocessor runs at a time.
    pub blocks_per_multiprocessor: u32,
    /// Bytes of second-level cache.
    pub l2_bytes: u32,
    /// Bytes of global memory.
    pub memory_bytes: u64,
}

const KIB: u32 = 1024;
const GIB: u64 = 1 << 30;

/// The devices, by the name of the architecture that selects them.
const DEVICES: [(&str, Device); 5] = [
    (
        "sm_80",
        Device {
            name: "Simulated sm_80",
            capability: (8, 0),
            multiprocessors: 108,
            shared_per_block: 48 * KIB,
            shared_per_block_optin: 163 * KIB,
            shared_per_multiprocessor: 164 * KIB,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            l2_bytes: 40 * KIB * KIB,
            memory_bytes: 80 * GIB,
        },
    ),
    (
        "sm_90",
        Device {
            name: "Simulated sm_90",
            capability: (9, 0),
            multiprocessors: 132,
            shared_per_block: 48 * KIB,
            shared_per_block_optin: 227 * KIB,
            shared_per_multiprocessor: 228 * KIB,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            l2_bytes: 50 * KIB * KIB,
            memory_bytes: 141 * GIB,
        },
    ),
    (
        "sm_100",
        Device {
            name: "Simulated sm_100",
            capability: (10, 0),
            multiprocessors: 148,
            shared_per_block: 48 * KIB,
            shared_per_block_optin: 227 * KIB,
            shared_per_multiprocessor: 228 * KIB,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            l2_bytes: 126 * KIB * KIB,
            memory_bytes: 180 * GIB,
        },
    ),
    (
        "sm_103",
        Device {
            name: "Simulated sm_103",
            capability: (10, 3),
            // As announced of the whole chip, memory too: products may have fewer.
            multiprocessors: 160,
            shared_per_block: 48 * KIB,
            shared_per_block_optin: 227 * KIB,
            shared_per_multiprocessor: 228 * KIB,
            threads_per_multiprocessor: 2048,
            blocks_per_multiprocessor: 32,
            l2_bytes: 126 * KIB * KIB,
            memory_bytes: 279 * GIB,
        },
    ),
    (
        "sm_120",
        Device {
            name: "Simulated sm_120",
            capability: (12, 0),
            multiprocessors: 170,
            shared_per_block: 48 * KIB,
            shared_per_block_optin: 99 * KIB,
            shared_per_multiprocessor: 100 * KIB,
            threads_per_multiprocessor: 1536,
            blocks_per_multiprocessor: 24,
            l2_bytes: 96 * KIB * KIB,
            memory_bytes: 32 * GIB,
        },
    ),
];

impl Device {
    /// The names that [`Device::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        DEVICES.iter().map(|(name, _)| *name)
    }

    /// The device of an architecture, such as `sm_90`.
    pub fn named(name: &str) -> Option<Self> {
        DEVICES.iter().find(|(known, _)| *known == name).map(|(_, device)| device.clone())
    }

    /// Whether it runs PTX for this target: `sm_80` on any later device, `sm_90a` on 9.0 alone,
    /// `sm_100f` on the family of 10.x.
    pub fn runs(&self, target: &str) -> bool {
        let Some(digits) = target.strip_prefix("sm_") else { return false };
        let (digits, suffix) = match digits.strip_suffix(['a', 'f']) {
            Some(stem) => (stem, &digits[stem.len()..]),
            None => (digits, ""),
        };
        let Ok(number) = digits.parse::<u32>() else { return false };
        let target = (number / 10, number % 10);
        match suffix {
            "a" => self.capability == target,
            "f" => self.capability.0 == target.0 && self.capability >= target,
            _ => self.capability >= target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Device;

    #[test]
    fn a_device_runs_what_was_built_for_it_or_before_it() {
        let device = Device::named("sm_100").expect("it is known");
        let runs = ["sm_80", "sm_90", "sm_100", "sm_100a", "sm_100f"];
        assert!(runs.iter().all(|target| device.runs(target)));
        let not = ["sm_90a", "sm_103", "sm_120", "sm_120f", "compute_80", "sm_x"];
        assert!(!not.iter().any(|target| device.runs(target)));

        let device = Device::named("sm_103").expect("it is known");
        assert!(["sm_100", "sm_100f", "sm_103a"].iter().all(|target| device.runs(target)));
        assert!(!["sm_100a", "sm_90a", "sm_120f"].iter().any(|target| device.runs(target)));
    }
}
