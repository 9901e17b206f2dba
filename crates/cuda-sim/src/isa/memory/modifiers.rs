//! Which modifiers of loads, stores and atomic functions there are, and which go together.
//!
//! ptxas takes them in any order before the type, and so does this; of each kind there is one at most.

use super::access::Ordering;
use crate::error::LoadError;
use crate::isa::decode::Text;
use crate::ptx::Space;

const SCOPES: &[&str] = &["cta", "cluster", "gpu", "sys"];
/// Orders between threads.
const STRONG: &[&str] = &["relaxed", "acquire", "release", "acq_rel"];
const LOAD_CACHES: &[&str] = &["ca", "cg", "cs", "lu", "cv"];
const STORE_CACHES: &[&str] = &["wb", "cg", "cs", "wt"];
const CACHES: &[&str] = &["ca", "cg", "cs", "lu", "cv", "wb", "wt"];
const VECTORS: &[&str] = &["v2", "v4", "v8"];
const FIRST_LEVEL: &[&str] = &[
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
];
const SECOND_LEVEL: &[&str] = &["L2::evict_normal", "L2::evict_first", "L2::evict_last"];
const PREFETCHES: &[&str] = &["L2::64B", "L2::128B", "L2::256B"];
const HINT: &str = "L2::cache_hint";
/// Memory of one thread, or that nobody writes.
const PRIVATE: &[&str] = &["local", "param", "param::entry", "const"];
/// Memory that no cache is before.
const UNCACHED: &[&str] =
    &["shared", "shared::cta", "shared::cluster", "local", "param", "param::entry", "const"];

/// Each kind of modifier, of which there is one at most.
const KINDS: [&[&str]; 11] = [
    &["weak", "volatile", "relaxed", "acquire", "release", "acq_rel"],
    &["mmio"],
    SCOPES,
    &[
        "global",
        "shared",
        "shared::cta",
        "shared::cluster",
        "local",
        "param",
        "param::entry",
        "const",
    ],
    CACHES,
    &["nc"],
    FIRST_LEVEL,
    SECOND_LEVEL,
    &[HINT],
    PREFETCHES,
    VECTORS,
];

/// What does not go together: one of the first with one of the second.
const APART: [(&[&str], &[&str]); 20] = [
    (STRONG, PRIVATE),
    (STRONG, CACHES),
    (STRONG, &["nc"]),
    (&["weak"], SCOPES),
    (&["weak"], &["nc"]),
    (&["volatile"], SCOPES),
    (&["volatile"], &["param", "param::entry", "const", "nc", HINT]),
    (&["volatile"], CACHES),
    (&["volatile"], FIRST_LEVEL),
    (&["mmio"], UNCACHED),
    (&["mmio"], &["cta", "cluster", "gpu", HINT]),
    (&["mmio"], VECTORS),
    (&["mmio"], FIRST_LEVEL),
    (&["mmio"], SECOND_LEVEL),
    (&["mmio"], PREFETCHES),
    (&["nc"], &["lu", "cv"]),
    (FIRST_LEVEL, UNCACHED),
    (FIRST_LEVEL, CACHES),
    (&[HINT], UNCACHED),
    (PREFETCHES, UNCACHED),
];

/// The modifiers of one instruction, by kind.
#[derive(Debug, Default)]
pub(super) struct Modifiers<'a>([Option<&'a str>; KINDS.len()]);

impl<'a> Modifiers<'a> {
    /// Takes the next modifier if it is of a kind that is known.
    pub(super) fn eat(&mut self, text: &Text<'a>) -> Result<bool, LoadError> {
        let Some(next) = text.peek() else { return Ok(false) };
        let Some(kind) = KINDS.iter().position(|kind| kind.contains(&next)) else {
            return Ok(false);
        };
        if let Some(known) = self.0[kind].replace(next) {
            return Err(text.refuse(format!(".{known} and .{next} do not go together")));
        }
        text.eat(next);
        Ok(true)
    }

    /// Refuses what does not go together in any of these instructions.
    pub(super) fn check(&self, text: &Text) -> Result<(), LoadError> {
        for (first, second) in APART {
            if let (Some(first), Some(second)) = (self.any(first), self.any(second)) {
                return Err(text.refuse(format!(".{first} and .{second} do not go together")));
            }
        }
        match (self.any(STRONG), self.any(SCOPES)) {
            (Some(_), None) if self.any(&["mmio"]).is_some() => Err(text.refuse("expected .sys")),
            (order, _) if self.any(&["mmio"]).is_some() && order != Some("relaxed") => {
                Err(text.refuse("expected .relaxed"))
            }
            _ => Ok(()),
        }
    }

    /// Refuses what a load or a store does not have.
    pub(super) fn check_access(&self, text: &Text) -> Result<(), LoadError> {
        self.check(text)?;
        let loads = text.mnemonic() == "ld";
        let (caches, missing): (_, &[&str]) = match loads {
            true => (LOAD_CACHES, &["release", "acq_rel"]),
            false => (STORE_CACHES, &["acquire", "acq_rel", "nc", "const", "param::entry"]),
        };
        let cache = self.any(CACHES).filter(|cache| !caches.contains(cache));
        let prefetch = self.any(PREFETCHES).filter(|_| !loads);
        if let Some(modifier) = cache.or(prefetch).or(self.any(missing)) {
            return Err(text.refuse(format!("no .{modifier} of this instruction")));
        }
        match (self.any(STRONG), self.any(SCOPES)) {
            (Some(order), None) => return Err(text.refuse(format!(".{order} has a scope"))),
            (None, Some(scope)) => {
                return Err(text.refuse(format!(".{scope} has an order before it")));
            }
            _ => {}
        }
        if self.any(&["nc"]).is_some() && self.any(&["global"]).is_none() {
            return Err(text.refuse(".nc is of global memory"));
        }
        Ok(())
    }

    /// The one of these that there is.
    pub(super) fn any(&self, of: &[&str]) -> Option<&'a str> {
        self.0.iter().flatten().find(|modifier| of.contains(modifier)).copied()
    }

    pub(super) fn has(&self, modifier: &str) -> bool {
        self.any(&[modifier]).is_some()
    }

    /// Whether the last operand is a cache policy.
    pub(super) fn hinted(&self) -> bool {
        self.has(HINT)
    }

    /// Whether it says how long the second-level cache should keep something.
    pub(super) fn keeps_in_second_level(&self) -> bool {
        self.any(SECOND_LEVEL).is_some()
    }

    /// Whether it says how long some cache should keep something.
    pub(super) fn keeps_in_cache(&self) -> bool {
        self.any(FIRST_LEVEL).is_some() || self.keeps_in_second_level()
    }

    /// How many elements there are.
    pub(super) fn lanes(&self) -> usize {
        match self.any(VECTORS) {
            Some("v2") => 2,
            Some("v4") => 4,
            Some("v8") => 8,
            _ => 1,
        }
    }

    /// `None` for a generic address.
    pub(super) fn space(&self) -> Option<Space> {
        match self.0[3]? {
            // Constants are global memory that nobody stores to.
            "global" | "const" => Some(Space::Global),
            "local" => Some(Space::Local),
            "param" | "param::entry" => Some(Space::Param),
            "shared::cluster" => Some(Space::SharedCluster),
            _ => Some(Space::Shared),
        }
    }

    pub(super) fn order(&self) -> Ordering {
        let words = [self.0[0], self.0[2]];
        words.into_iter().flatten().fold(Ordering::default(), Ordering::with)
    }
}
