//! What an instruction needs of its module: a version of the PTX ISA, and a target.
//!
//! The PTX manual says it in the notes of each instruction. What needs nothing that a module for 64-bit
//! addresses does not have is not listed.

use std::fmt;

use crate::error::LoadError;
use crate::ptx::Operand;

use super::decode::Text;

/// A version of the PTX ISA.
type Version = (u32, u32);

/// What an instruction or a part of one needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    version: Version,
    target: Target,
}

/// The targets that have something.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// From this one on.
    From(u32),
    /// These alone: what no later generation has to keep.
    Only(&'static [&'static str]),
}

use Target::{From, Only};

/// What a module says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Edition {
    pub(crate) version: Version,
    /// As in `sm_90a`.
    pub(crate) target: String,
}

/// The first version of each target.
const TARGETS: [(&str, Version); 45] = [
    ("sm_10", (1, 0)),
    ("sm_11", (1, 0)),
    ("sm_12", (1, 2)),
    ("sm_13", (1, 2)),
    ("sm_20", (2, 0)),
    ("sm_21", (2, 0)),
    ("sm_30", (3, 0)),
    ("sm_32", (4, 0)),
    ("sm_35", (3, 1)),
    ("sm_37", (4, 1)),
    ("sm_50", (4, 0)),
    ("sm_52", (4, 1)),
    ("sm_53", (4, 2)),
    ("sm_60", (5, 0)),
    ("sm_61", (5, 0)),
    ("sm_62", (5, 0)),
    ("sm_70", (6, 0)),
    ("sm_72", (6, 1)),
    ("sm_75", (6, 3)),
    ("sm_80", (7, 0)),
    ("sm_86", (7, 1)),
    ("sm_87", (7, 4)),
    ("sm_88", (9, 0)),
    ("sm_89", (7, 8)),
    ("sm_90", (7, 8)),
    ("sm_90a", (8, 0)),
    ("sm_100", (8, 6)),
    ("sm_100a", (8, 6)),
    ("sm_100f", (8, 8)),
    ("sm_101", (8, 6)),
    ("sm_101a", (8, 6)),
    ("sm_101f", (8, 8)),
    ("sm_103", (8, 8)),
    ("sm_103a", (8, 8)),
    ("sm_103f", (8, 8)),
    ("sm_107", (9, 4)),
    ("sm_107a", (9, 4)),
    ("sm_110", (9, 0)),
    ("sm_110a", (9, 0)),
    ("sm_110f", (9, 0)),
    ("sm_120", (8, 7)),
    ("sm_120a", (8, 7)),
    ("sm_120f", (8, 8)),
    ("sm_121", (8, 8)),
    ("sm_121a", (8, 8)),
];

/// The targets with Hopper's and later instructions for specialised warps.
const SPECIALISED: &[&str] = &[
    "sm_90a", "sm_100a", "sm_100f", "sm_101a", "sm_101f", "sm_103a", "sm_103f", "sm_110a",
    "sm_110f", "sm_120a", "sm_120f", "sm_121a",
];

/// The targets with the fifth generation of tensor cores.
const TENSOR_5: &[&str] =
    &["sm_100a", "sm_100f", "sm_101a", "sm_101f", "sm_103a", "sm_103f", "sm_110a", "sm_110f"];

/// Those of them that also have what later ones of their family need not have.
const TENSOR_5_OWN: &[&str] = &["sm_100a", "sm_101a", "sm_103a", "sm_110a"];

/// Those of the family of the data centre.
const TENSOR_5_OF_DATA_CENTRE: &[&str] = &["sm_100a", "sm_100f", "sm_103a", "sm_103f"];

/// The targets of Blackwell's generation that have what not all of the generation has to keep.
const BLACKWELL: &[&str] = &[
    "sm_100a", "sm_100f", "sm_101a", "sm_101f", "sm_103a", "sm_103f", "sm_110a", "sm_110f",
    "sm_120a", "sm_120f", "sm_121a",
];

/// What instructions need, by their beginning: in a pattern `|` separates alternatives, and `..` stands for
/// any modifiers between two others. An instruction needs what all patterns say that it matches.
#[rustfmt::skip]
const INSTRUCTIONS: &[(&str, Version, Target)] = &[
    // Integers.
    ("add|sub.cc.u64|s64", (4, 3), From(20)),
    ("addc|subc..u64|s64", (4, 3), From(20)),
    ("mad..cc", (3, 0), From(20)),
    ("madc", (3, 0), From(20)),
    ("mad..cc.u64|s64", (4, 3), From(20)),
    ("madc..u64|s64", (4, 3), From(20)),
    ("shf", (3, 1), From(32)),
    ("lop3", (4, 3), From(50)),
    ("dp4a|dp2a", (5, 0), From(61)),
    ("bmsk|szext", (7, 6), From(70)),
    ("fns", (6, 0), From(30)),
    ("min|max..relu..s32", (8, 0), From(90)),
    ("add|min|max..u16x2|s16x2", (8, 0), From(90)),

    // Floats.
    ("add|sub|mul|fma..f16|f16x2", (4, 2), From(53)),
    ("add|sub|mul..bf16|bf16x2", (7, 8), From(90)),
    ("fma..bf16|bf16x2", (7, 0), From(80)),
    ("fma..relu", (7, 0), From(80)),
    ("neg.f16|f16x2", (6, 0), From(53)),
    ("abs.f16|f16x2", (6, 5), From(53)),
    ("neg|abs.bf16|bf16x2", (7, 0), From(80)),
    ("min|max..f16|f16x2|bf16|bf16x2", (7, 0), From(80)),
    ("min|max..NaN", (7, 0), From(80)),
    ("min|max..xorsign.abs", (7, 2), From(86)),
    ("tanh", (7, 0), From(75)),
    ("tanh..bf16|bf16x2", (7, 8), From(90)),
    ("ex2..f16|f16x2", (7, 0), From(75)),
    ("ex2..bf16|bf16x2", (7, 8), From(90)),
    ("rsqrt.approx.ftz.f64", (4, 0), From(20)),

    // Comparisons.
    ("set|setp..f16|f16x2", (4, 2), From(53)),
    ("set..u16|s16|u32|s32.f16|f16x2", (6, 5), From(53)),
    ("set|setp..bf16|bf16x2", (7, 8), From(90)),

    // Conversions.
    ("cvt..bf16|bf16x2|f16x2.f32", (7, 0), From(80)),
    ("cvt..relu", (7, 0), From(80)),
    ("cvt..satfinite.f16|f16x2|bf16|bf16x2.f32", (8, 1), From(70)),
    ("cvt..f32.bf16", (7, 1), From(80)),
    ("cvt..bf16.u8|s8|u16|s16|u32|s32|u64|s64|f16|bf16|f64", (7, 8), From(90)),
    ("cvt..u8|s8|u16|s16|u32|s32|u64|s64|f16|f64.bf16", (7, 8), From(90)),
    ("cvt..tf32.f32", (7, 0), From(80)),
    ("cvt.rn|rz.tf32.f32", (7, 8), From(90)),
    ("cvt..satfinite.tf32.f32", (8, 6), From(100)),
    ("cvt..e4m3x2|e5m2x2", (7, 8), From(89)),
    ("cvta|isspacep..const", (3, 1), From(20)),
    ("cvta|isspacep..param|param::entry", (7, 7), From(70)),
    ("cvta|isspacep|ld..param::entry", (8, 3), From(20)),

    // Memory.
    ("cvta|isspacep|ld|st|atom|red|ldmatrix|stmatrix|mbarrier..shared::cta", (7, 8), From(20)),
    ("cvta|isspacep|ld|st|atom|red..shared::cluster", (7, 8), From(90)),
    ("ld..nc", (3, 1), From(32)),
    ("ld|st..weak|relaxed|acquire|release", (6, 0), From(70)),
    ("ld|st|atom|red|fence..cluster", (7, 8), From(90)),
    ("ld|st..volatile|local..volatile|local", (9, 1), From(20)),
    ("ld|st..mmio", (8, 2), From(70)),
    ("ld|st..L1::evict_normal|L1::evict_unchanged|L1::evict_first|L1::evict_last|L1::no_allocate",
        (7, 4), From(70)),
    ("ld|st|atom|red|cp..L2::cache_hint", (7, 4), From(80)),
    ("ld|cp..L2::64B|L2::128B", (7, 4), From(75)),
    ("ld|cp..L2::256B", (7, 4), From(80)),
    ("ld|st..v8", (8, 8), From(100)),
    ("ld|st..v4..b64|u64|s64|f64", (8, 8), From(100)),
    ("ld|st..L2::evict_normal|L2::evict_first|L2::evict_last", (8, 8), From(100)),
    ("ld|st|mov..b128", (8, 3), From(70)),
    ("prefetch..L2::evict_last|L2::evict_normal", (7, 4), From(80)),
    ("prefetch..tensormap", (8, 0), From(90)),
    ("atom|red..cta|gpu|sys", (5, 0), From(60)),
    ("atom|red..relaxed|acquire|release|acq_rel", (6, 0), From(70)),
    ("atom|red..min|max..u64|s64", (3, 1), From(32)),
    ("atom|red..and|or|xor..b64", (3, 1), From(32)),
    ("atom|red..add..f64", (5, 0), From(60)),
    ("atom|red..add..noftz..f16x2", (6, 2), From(60)),
    ("atom|red..add..noftz..f16", (6, 3), From(70)),
    ("atom|red..noftz..bf16|bf16x2", (7, 8), From(90)),
    ("atom|red..v2|v4|v8", (8, 1), From(90)),
    ("atom..cas..b16", (6, 3), From(70)),
    ("st.async", (8, 1), From(90)),
    ("red.async", (8, 1), From(90)),
    ("st.bulk", (8, 6), From(100)),
    ("multimem", (8, 1), From(90)),
    ("createpolicy|discard|applypriority", (7, 4), From(80)),
    ("mapa|getctarank", (7, 8), From(90)),
    ("alloca|stacksave|stackrestore", (7, 3), From(53)),

    // Asynchronous copies.
    ("cp.async", (7, 0), From(80)),
    ("cp.async.mbarrier..shared::cta", (7, 8), From(80)),
    ("cp.async.bulk", (8, 0), From(90)),
    ("cp.async.bulk..shared::cta.global", (8, 6), From(90)),
    ("cp.async.bulk..cp_mask", (8, 6), From(100)),
    ("cp.async.bulk..cta_group::1|cta_group::2", (8, 6), Only(TENSOR_5)),
    ("cp.async.bulk..shared::cta.global.tile::gather4", (8, 6), From(100)),
    ("cp.async.bulk..shared::cluster|L2..tile::gather4", (8, 6), Only(TENSOR_5)),
    ("cp.async.bulk..tile::scatter4", (8, 6), Only(TENSOR_5)),
    ("cp.reduce.async.bulk", (8, 0), From(90)),
    ("tensormap", (8, 3), Only(SPECIALISED)),

    // Matrices.
    ("mma..m8n8k4", (6, 4), From(70)),
    ("mma..m16n8k8..f16", (6, 5), From(75)),
    ("mma..m16n8k16", (7, 0), From(80)),
    ("mma..bf16|tf32|f64", (7, 0), From(80)),
    ("mma..m16n8k4|m16n8k8|m16n8k16..f64", (7, 8), From(90)),
    ("mma..m8n8k16|m8n8k32", (6, 5), From(75)),
    ("mma..m16n8k32|m16n8k64", (7, 0), From(80)),
    ("mma..e4m3|e5m2", (8, 4), From(89)),
    ("ldmatrix", (6, 5), From(75)),
    ("ldmatrix..m8n16|m16n16", (8, 6), Only(BLACKWELL)),
    ("stmatrix", (7, 8), From(90)),
    ("stmatrix..m16n8", (8, 6), Only(BLACKWELL)),
    ("movmatrix", (7, 8), From(75)),
    ("wgmma", (8, 0), Only(&["sm_90a"])),
    ("setmaxnreg", (8, 0), Only(SPECIALISED)),
    ("tcgen05", (8, 6), Only(TENSOR_5)),
    ("tcgen05.shift", (8, 6), Only(TENSOR_5_OWN)),

    // Barriers and fences.
    ("bar.warp", (6, 0), From(30)),
    ("bar.cta", (7, 8), From(20)),
    ("barrier", (6, 0), From(30)),
    ("barrier.cta", (7, 8), From(30)),
    ("barrier.cluster", (7, 8), From(90)),
    ("barrier..cluster..relaxed|release|acquire", (8, 0), From(90)),
    ("membar.proxy", (7, 5), From(60)),
    ("fence", (6, 0), From(70)),
    ("fence.acquire|release", (8, 6), From(90)),
    ("fence.proxy", (7, 5), From(70)),
    ("fence.proxy.async", (8, 0), From(90)),
    ("fence.proxy.tensormap::generic", (8, 3), From(90)),
    ("fence.proxy.async::generic", (8, 6), From(90)),
    ("fence.mbarrier_init", (8, 0), From(90)),
    ("mbarrier", (7, 0), From(80)),
    ("mbarrier..release|acquire", (8, 0), From(80)),
    ("mbarrier..relaxed", (8, 0), From(90)),
    ("mbarrier..arrive|arrive_drop|test_wait|try_wait..relaxed", (8, 6), From(90)),
    ("mbarrier..cluster|shared::cluster", (8, 0), From(90)),
    ("mbarrier..expect_tx|complete_tx", (8, 0), From(90)),
    ("mbarrier..test_wait..parity", (7, 1), From(80)),
    ("mbarrier.try_wait", (7, 8), From(90)),
    ("clusterlaunchcontrol", (8, 6), From(100)),
    ("clusterlaunchcontrol..multicast::cluster::all", (8, 6), Only(BLACKWELL)),

    // Warps and control.
    ("shfl|vote.sync", (6, 0), From(30)),
    ("match", (6, 0), From(70)),
    ("activemask", (6, 2), From(30)),
    ("redux", (7, 0), From(80)),
    ("redux..f32", (8, 6), Only(&["sm_100a", "sm_100f", "sm_103a", "sm_103f"])),
    ("elect", (8, 0), From(90)),
    ("brx", (6, 0), From(30)),
    ("nanosleep", (6, 2), From(70)),
    ("griddepcontrol", (7, 8), From(90)),
];

/// What special registers need, by the start of their names.
const REGISTERS: [(&str, Version, Target); 13] = [
    ("%clusterid", (7, 8), From(90)),
    ("%nclusterid", (7, 8), From(90)),
    ("%cluster_", (7, 8), From(90)),
    ("%is_explicit_cluster", (7, 8), From(90)),
    ("%dynamic_smem_size", (4, 1), From(20)),
    ("%total_smem_size", (4, 1), From(20)),
    ("%aggr_smem_size", (8, 1), From(90)),
    ("%reserved_smem_", (7, 6), From(80)),
    ("%globaltimer", (3, 1), From(30)),
    ("%current_graph_exec", (8, 0), From(50)),
    ("%lanemask_", (2, 0), From(20)),
    ("%clock64", (2, 0), From(20)),
    ("%envreg", (2, 1), From(20)),
];

/// An arrival that counts for several, and may complete a phase.
pub(super) const COUNTED_ARRIVAL: Needs = Needs { version: (7, 8), target: From(90) };
/// The minimum or maximum of three floats.
pub(super) const EXTREME_OF_THREE: Needs = Needs { version: (8, 8), target: From(100) };
/// A sum of `tcgen05.mma` that is scaled first.
pub(super) const SCALED_SUM: Needs =
    Needs { version: (8, 6), target: Only(TENSOR_5_OF_DATA_CENTRE) };
/// `cp.async` that ignores its source by a predicate.
pub(super) const IGNORED_SOURCE: Needs = Needs { version: (7, 5), target: From(80) };

impl Edition {
    /// Refuses a target that there is not, or not yet in this version.
    pub(crate) fn check(&self, line: u32) -> Result<(), LoadError> {
        let refuse =
            |reason: String| Err(LoadError::new(line, reason, format!(".target {}", self.target)));
        let Some((_, first)) = TARGETS.iter().find(|(name, _)| *name == self.target) else {
            return refuse("unknown target".to_owned());
        };
        if self.version < *first {
            let ([major, minor], [has, and]) =
                ([first.0, first.1], [self.version.0, self.version.1]);
            return refuse(format!("needs PTX ISA {major}.{minor}, the module has {has}.{and}"));
        }
        Ok(())
    }

    fn has(&self, needs: Needs) -> bool {
        let number = || self.target.strip_prefix("sm_")?.trim_end_matches(['a', 'f']).parse().ok();
        self.version >= needs.version
            && match needs.target {
                From(first) => number().is_some_and(|number: u32| number >= first),
                Only(targets) => targets.contains(&self.target.as_str()),
            }
    }
}

impl Needs {
    /// What two parts of an instruction need together.
    fn and(self, other: Self) -> Self {
        let target = match (self.target, other.target) {
            (From(a), From(b)) => From(a.max(b)),
            // Of two lists one is within the other.
            (Only(one), Only(other)) => Only(if one.len() < other.len() { one } else { other }),
            // A target of few is later than those that it is built on.
            (Only(targets), _) | (_, Only(targets)) => Only(targets),
        };
        Self { version: self.version.max(other.version), target }
    }
}

/// Refuses an instruction that its module cannot have.
pub(super) fn check(text: &Text) -> Result<(), LoadError> {
    let instructions = INSTRUCTIONS.iter().filter(|(pattern, ..)| matches(pattern, text.opcode()));
    let registers = REGISTERS.iter().filter(|(start, ..)| {
        text.operands()
            .iter()
            .any(|operand| matches!(operand, Operand::Name(name) if name.starts_with(start)))
    });
    let needs = instructions.chain(registers);
    let needs = needs.map(|(_, version, target)| Needs { version: *version, target: *target });
    needs.reduce(Needs::and).map_or(Ok(()), |needs| require(text, needs))
}

/// Refuses an instruction whose module does not have what it needs.
pub(super) fn require(text: &Text, needs: Needs) -> Result<(), LoadError> {
    let edition = text.edition();
    if edition.has(needs) {
        return Ok(());
    }
    let Edition { version: (major, minor), target } = edition;
    Err(text.refuse(format!("needs {needs}, the module has {major}.{minor} and {target}")))
}

/// Whether an instruction, split at its dots, begins as a pattern says.
fn matches(pattern: &str, opcode: &[String]) -> bool {
    let mut rest = opcode;
    let mut gap = false;
    for part in pattern.split('.') {
        if part.is_empty() {
            gap = true;
            continue;
        }
        let is_one = |word: &String| part.split('|').any(|alternative| alternative == word);
        let found = match gap {
            true => rest.iter().position(is_one),
            false => rest.first().is_some_and(is_one).then_some(0),
        };
        let Some(found) = found else { return false };
        rest = &rest[found + 1..];
        gap = false;
    }
    true
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        write!(f, "PTX ISA {major}.{minor} and ")?;
        match self.target {
            From(first) => write!(f, "sm_{first}"),
            Only(targets) => f.write_str(&targets.join(" or ")),
        }
    }
}
