use std::fmt;

use super::{ABI_VERSION, Kernel};
use crate::Error;

/// The kernels as PTX for one architecture, embedded in the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ptx {
    name: &'static str,
    target: Target,
    text: &'static str,
}

/// What runs a PTX file: compute capabilities, major and minor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Devices of exactly this compute capability: the file has instructions of this architecture alone.
    Exactly(u32, u32),
    /// Devices of this compute capability and later ones of the same major: the file has instructions of this family alone.
    Family(u32, u32),
    /// Devices of this compute capability and later ones.
    From(u32, u32),
}

impl Ptx {
    /// All files, the newest first.
    pub const ALL: [Self; 5] =
        [Self::SM_120, Self::SM_100F, Self::SM_100, Self::SM_90A, Self::SM_80];

    /// For devices of compute capability 12.0 and later.
    pub const SM_120: Self = Self {
        name: "msa_sm_120",
        target: Target::From(12, 0),
        text: include_str!("../../ptx/msa_sm_120.ptx"),
    };

    /// For devices of compute capability 10.x, with tensor memory.
    pub const SM_100F: Self = Self {
        name: "msa_sm_100f",
        target: Target::Family(10, 0),
        text: include_str!("../../ptx/msa_sm_100f.ptx"),
    };

    /// For devices of compute capability 10.0 and later.
    pub const SM_100: Self = Self {
        name: "msa_sm_100",
        target: Target::From(10, 0),
        text: include_str!("../../ptx/msa_sm_100.ptx"),
    };

    /// For devices of compute capability 9.0 alone.
    pub const SM_90A: Self = Self {
        name: "msa_sm_90a",
        target: Target::Exactly(9, 0),
        text: include_str!("../../ptx/msa_sm_90a.ptx"),
    };

    /// For devices of compute capability 8.0 and later.
    pub const SM_80: Self = Self {
        name: "msa_sm_80",
        target: Target::From(8, 0),
        text: include_str!("../../ptx/msa_sm_80.ptx"),
    };

    /// The newest file that devices of a compute capability, major and minor, run.
    ///
    /// # Errors
    /// If it is below 8.0.
    pub fn for_device(capability: (u32, u32)) -> Result<Self, Error> {
        let newest = Self::ALL.into_iter().find(|ptx| ptx.runs_on(capability));
        let (major, minor) = capability;
        newest.ok_or(Error::UnsupportedDevice { major, minor, ptx: "any PTX of this library" })
    }

    /// Its name, such as `msa_sm_80`, as [`Dispatch::tier`](crate::Dispatch::tier) tells it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What runs it.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The PTX, which holds kernels of the names in [`Kernel`](super::Kernel).
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Whether it has a kernel: those that are named for an architecture are in its file alone, and those of clusters in
    /// the files from 9.0 on.
    pub fn has(&self, kernel: Kernel) -> bool {
        match kernel {
            Kernel::IndexPrefillHopper | Kernel::AttendPrefillHopper => {
                self.target == Target::Exactly(9, 0)
            }
            Kernel::IndexPrefillBlackwell | Kernel::AttendPrefillBlackwell => {
                self.target == Target::Family(10, 0)
            }
            Kernel::AttendDecodeCluster => self.capability() >= (9, 0),
            _ => true,
        }
    }

    /// Refuses a version of the interface to the kernels that is not the library's, [`ABI_VERSION`]: what whoever loads the
    /// file found in its variable [`ABI_VERSION_SYMBOL`](super::ABI_VERSION_SYMBOL).
    ///
    /// # Errors
    /// If it is another.
    pub fn check_abi(&self, got: u32) -> Result<(), Error> {
        match got {
            ABI_VERSION => Ok(()),
            _ => Err(Error::AbiVersion { ptx: self.name, expected: ABI_VERSION, got }),
        }
    }

    /// Whether its kernels that depend on others wait for these themselves, so that they may be launched by programmatic
    /// stream serialization: from 9.0 on.
    pub fn has_dependent_launches(&self) -> bool {
        self.capability() >= (9, 0)
    }

    /// The compute capability, major and minor, whose instructions its kernels use.
    pub fn capability(&self) -> (u32, u32) {
        let (Target::Exactly(major, minor)
        | Target::Family(major, minor)
        | Target::From(major, minor)) = self.target;
        (major, minor)
    }

    /// Whether devices of a compute capability, major and minor, run it.
    pub fn runs_on(&self, capability: (u32, u32)) -> bool {
        match self.target {
            Target::Exactly(major, minor) => capability == (major, minor),
            Target::Family(major, minor) => capability.0 == major && capability.1 >= minor,
            Target::From(major, minor) => capability >= (major, minor),
        }
    }
}

impl fmt::Debug for Ptx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ptx").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Ptx;
    use crate::Error;
    use crate::gpu::{ABI_VERSION, Kernel};

    #[test]
    fn a_device_runs_the_newest_file_that_it_can() {
        for (capability, name) in [
            ((8, 0), "msa_sm_80"),
            ((8, 6), "msa_sm_80"),
            ((8, 9), "msa_sm_80"),
            ((9, 0), "msa_sm_90a"),
            ((10, 0), "msa_sm_100f"),
            ((10, 3), "msa_sm_100f"),
            ((11, 0), "msa_sm_100"),
            ((12, 0), "msa_sm_120"),
            ((12, 1), "msa_sm_120"),
            ((13, 0), "msa_sm_120"),
        ] {
            let ptx = Ptx::for_device(capability).expect("a supported device");
            assert_eq!(ptx.name(), name, "{capability:?}");
            assert!(ptx.runs_on(capability));
        }
    }

    #[test]
    fn a_device_before_8_0_is_refused() {
        for (major, minor) in [(7, 5), (7, 0), (6, 1)] {
            let error = Ptx::for_device((major, minor)).expect_err("too old");
            assert!(
                matches!(error, Error::UnsupportedDevice { major: m, minor: n, .. } if (m, n) == (major, minor))
            );
        }
    }

    #[test]
    fn another_version_of_the_interface_is_refused() {
        assert_eq!(Ptx::SM_80.check_abi(ABI_VERSION), Ok(()));
        let refused = Ptx::SM_80.check_abi(0).expect_err("no version");
        assert_eq!(
            refused.to_string(),
            format!(
                "msa_sm_80 has version 0 of the interface to its kernels, expected {ABI_VERSION}"
            )
        );
    }

    #[test]
    fn files_that_may_be_launched_early_wait() {
        for ptx in Ptx::ALL {
            // Three kernels follow others, and one of those is there twice.
            let again = [Kernel::IndexPrefillHopper, Kernel::IndexPrefillBlackwell];
            let again = again.into_iter().filter(|kernel| ptx.has(*kernel)).count();
            let first = ("griddepcontrol.launch_dependents;", 3 + again);
            let second = ("griddepcontrol.wait;", 3);
            for (step, kernels) in [first, second] {
                let expected = if ptx.has_dependent_launches() { kernels } else { 0 };
                assert_eq!(ptx.text().matches(step).count(), expected, "{step} {}", ptx.name());
            }
        }
    }

    #[test]
    fn files_have_the_kernels_that_they_are_said_to_have() {
        for ptx in Ptx::ALL {
            for kernel in Kernel::ALL {
                let is_there = ptx.text().contains(&format!(".entry {}(", kernel.name()));
                assert_eq!(is_there, ptx.has(kernel), "{kernel} in {}", ptx.name());
            }
        }
    }

    #[test]
    fn each_file_is_of_its_target() {
        for ptx in Ptx::ALL {
            let target = ptx.name().strip_prefix("msa_").expect("a name of ours");
            assert!(ptx.text().contains(&format!("\n.target {target}\n")), "{target}");
        }
    }
}
