//! The prefix cache: which page holds which tokens, found by what comes before them.
//!
//! A page that is here may have users or none, and promises its first tokens: they stay as they are for as long as it
//! is here. Chains stand for the tokens: two different beginnings of the same chain are as likely as any collision of
//! 64 bits.

use std::collections::BTreeMap;

use msa::BLOCK;

use crate::model::Model;
use crate::pages::PageId;

/// All that is cached. Ordered maps, so that two runs of a seed decide alike.
#[derive(Debug, Default)]
pub struct Prefixes {
    pages: BTreeMap<PageId, Promise>,
    /// The pages whose tokens follow a chain.
    following: BTreeMap<u64, Vec<PageId>>,
}

/// What a page promises.
#[derive(Debug)]
struct Promise {
    /// The chain before its first token.
    parent: u64,
    /// The chains of its first tokens.
    chains: Vec<u64>,
}

impl Prefixes {
    /// Pages that hold the beginning of these tokens, and how many tokens that is: all of each page but the last, of
    /// which it may be only the first ones.
    pub fn find(&self, chains: &[u64]) -> (Vec<PageId>, usize) {
        let (mut pages, mut tokens, mut parent) = (Vec::new(), 0, Model::ROOT);
        for block in chains.chunks(BLOCK) {
            let following = self.following.get(&parent).map_or(&[][..], Vec::as_slice);
            let in_common = |page: &PageId| common(&self.pages[page].chains, block);
            // The first of several that are alike.
            let best = following.iter().rev().max_by_key(|page| in_common(page));
            let Some((&page, found @ 1..)) = best.map(|page| (page, in_common(page))) else {
                break;
            };
            pages.push(page);
            tokens += found;
            parent = block[found - 1];
            if found < BLOCK {
                break;
            }
        }
        (pages, tokens)
    }

    /// Promises that a page's first tokens have these chains, after a parent. A page that another makes superfluous is
    /// not taken.
    pub fn publish(&mut self, page: PageId, parent: u64, chains: &[u64]) {
        if let Some(promise) = self.pages.get_mut(&page) {
            assert_eq!(promise.parent, parent, "page {page} holds another block");
            assert_eq!(common(&promise.chains, chains), promise.chains.len(), "of other tokens");
            promise.chains.extend_from_slice(&chains[promise.chains.len()..]);
            return;
        }
        let following = self.following.entry(parent).or_default();
        if following.iter().any(|page| common(&self.pages[page].chains, chains) == chains.len()) {
            return;
        }
        following.push(page);
        self.pages.insert(page, Promise { parent, chains: chains.to_vec() });
    }

    /// How many of its tokens a page promises.
    pub fn promised(&self, page: PageId) -> usize {
        self.pages.get(&page).map_or(0, |promise| promise.chains.len())
    }

    pub fn contains(&self, page: PageId) -> bool {
        self.pages.contains_key(&page)
    }

    pub fn remove(&mut self, page: PageId) {
        let Some(promise) = self.pages.remove(&page) else { return };
        let following = self.following.get_mut(&promise.parent).expect("it follows its parent");
        following.retain(|&other| other != page);
        if following.is_empty() {
            self.following.remove(&promise.parent);
        }
    }

    /// Whether both maps tell the same.
    pub fn is_sound(&self) -> bool {
        let entries: usize = self.following.values().map(Vec::len).sum();
        let follows = |(page, promise): (&PageId, &Promise)| {
            self.following.get(&promise.parent).is_some_and(|pages| pages.contains(page))
        };
        entries == self.pages.len() && self.pages.iter().all(follows)
    }
}

/// How many of the first chains are the same.
fn common(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
