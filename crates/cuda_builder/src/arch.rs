use std::{fmt, str::FromStr};

/// A GPU architecture to compile for.
///
/// PTX of a plain one runs on every later GPU; that of one with an `a` ("architecture-specific"
/// instructions) runs on that GPU alone, that of one with an `f` on its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Arch {
    Sm75,
    Sm80,
    Sm86,
    Sm89,
    Sm90,
    Sm90a,
    Sm100,
    Sm100a,
    Sm100f,
    Sm103,
    Sm103a,
    Sm120,
    Sm120a,
}

impl Arch {
    /// Every architecture there is a name for.
    pub const ALL: [Arch; 13] = [
        Arch::Sm75,
        Arch::Sm80,
        Arch::Sm86,
        Arch::Sm89,
        Arch::Sm90,
        Arch::Sm90a,
        Arch::Sm100,
        Arch::Sm100a,
        Arch::Sm100f,
        Arch::Sm103,
        Arch::Sm103a,
        Arch::Sm120,
        Arch::Sm120a,
    ];

    /// The name that LLVM, ptxas and the `.target` of a PTX use: `sm_100a`.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::Sm75 => "sm_75",
            Arch::Sm80 => "sm_80",
            Arch::Sm86 => "sm_86",
            Arch::Sm89 => "sm_89",
            Arch::Sm90 => "sm_90",
            Arch::Sm90a => "sm_90a",
            Arch::Sm100 => "sm_100",
            Arch::Sm100a => "sm_100a",
            Arch::Sm100f => "sm_100f",
            Arch::Sm103 => "sm_103",
            Arch::Sm103a => "sm_103a",
            Arch::Sm120 => "sm_120",
            Arch::Sm120a => "sm_120a",
        }
    }

    /// What has LLVM write a later version of PTX than the first that knows the architecture, where its instructions need
    /// that: `st.async` came after sm_90a, with CUDA 12.1.
    pub(crate) fn ptx_version(self) -> Option<&'static str> {
        (self == Arch::Sm90a).then_some("-mattr=+ptx81")
    }

    /// The name of the processor that rustc is told, which it sets `cfg(target_feature)` by. It knows no families: code for
    /// the one of sm_100 asks for `sm_100a`, and ptxas refuses what the others of the family do not have.
    pub(crate) const fn rustc_cpu(self) -> &'static str {
        match self {
            Arch::Sm100f => Arch::Sm100a.name(),
            _ => self.name(),
        }
    }

    /// The name that libNVVM uses: `compute_100a`.
    pub fn compute(self) -> String {
        self.name().replacen("sm_", "compute_", 1)
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An architecture that this crate has no name for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown GPU architecture `{0}`: expected one of {known}", known = known())]
pub struct UnknownArch(pub String);

fn known() -> String {
    Arch::ALL.map(Arch::name).join(", ")
}

impl FromStr for Arch {
    type Err = UnknownArch;

    fn from_str(name: &str) -> Result<Self, UnknownArch> {
        Arch::ALL
            .into_iter()
            .find(|arch| arch.name() == name)
            .ok_or_else(|| UnknownArch(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for arch in Arch::ALL {
            assert_eq!(arch.name().parse(), Ok(arch));
        }
    }

    #[test]
    fn unknown_arch_is_refused() {
        let error = "sm_101x".parse::<Arch>().expect_err("no such GPU");
        assert!(error.to_string().contains("`sm_101x`"), "{error}");
        assert!(error.to_string().contains("sm_100a"), "{error}");
    }
}
