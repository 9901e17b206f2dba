//! The pages of the cache: who uses them, which are free, and which hold a prefix that someone may ask for again.
//!
//! A page is in one of three states: used by one or more requests; idle, used by none but in the prefix cache; or free.

use std::collections::BTreeMap;

use crate::prefixes::Prefixes;

/// A page of both caches: their page tables are the same.
pub type PageId = u32;

#[derive(Debug)]
pub struct Pages {
    /// How many requests use each page.
    users: Vec<u32>,
    free: Vec<PageId>,
    prefixes: Prefixes,
    /// Pages that are idle, by when they became so: the one that has been for longest is given up first.
    idle: BTreeMap<u64, PageId>,
    /// The key in `idle` of each page that is.
    idle_since: BTreeMap<PageId, u64>,
    clock: u64,
    evicted: usize,
}

/// How many pages are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub used: usize,
    pub idle: usize,
    pub free: usize,
}

impl Pages {
    pub fn new(count: usize) -> Self {
        Self {
            users: vec![0; count],
            free: (0..count as PageId).rev().collect(),
            prefixes: Prefixes::default(),
            idle: BTreeMap::new(),
            idle_since: BTreeMap::new(),
            clock: 0,
            evicted: 0,
        }
    }

    /// Pages that [`take`](Self::take) can give.
    pub fn available(&self) -> usize {
        self.free.len() + self.idle.len()
    }

    /// A page for one user; if none is free, the one that has been idle for longest.
    pub fn take(&mut self) -> Option<PageId> {
        let page = match self.free.pop() {
            Some(page) => page,
            None => {
                let (_, page) = self.idle.pop_first()?;
                self.idle_since.remove(&page);
                self.prefixes.remove(page);
                self.evicted += 1;
                page
            }
        };
        self.users[page as usize] = 1;
        Some(page)
    }

    /// The cached beginning of these tokens: pages that have one user more now, and how many tokens they hold.
    pub fn share(&mut self, chains: &[u64]) -> (Vec<PageId>, usize) {
        let (pages, tokens) = self.prefixes.find(chains);
        for page in &pages {
            self.users[*page as usize] += 1;
            if let Some(since) = self.idle_since.remove(page) {
                self.idle.remove(&since);
            }
        }
        (pages, tokens)
    }

    /// A page has one user less.
    pub fn release(&mut self, page: PageId) {
        let users = &mut self.users[page as usize];
        *users = users.checked_sub(1).unwrap_or_else(|| panic!("page {page} has no user"));
        if *users > 0 {
            return;
        }
        if self.prefixes.contains(page) {
            self.clock += 1;
            self.idle.insert(self.clock, page);
            self.idle_since.insert(page, self.clock);
        } else {
            self.free.push(page);
        }
    }

    /// Whether the only user of a page may write it from a slot on: nobody else reads it, and nothing is promised of
    /// what is there. Who may not copies the page first.
    pub fn may_write(&self, page: PageId, slot: usize) -> bool {
        self.users[page as usize] == 1 && self.prefixes.promised(page) <= slot
    }

    /// How many pages the prefix cache has had to give up.
    pub fn evicted(&self) -> usize {
        self.evicted
    }

    /// Lets others find the first tokens of a page, which have these chains and come after a parent.
    pub fn publish(&mut self, page: PageId, parent: u64, chains: &[u64]) {
        self.prefixes.publish(page, parent, chains);
    }

    pub fn count(&self) -> Count {
        let (idle, free) = (self.idle.len(), self.free.len());
        Count { used: self.users.len() - idle - free, idle, free }
    }

    /// Looks whether every page is in exactly one state, and used by as many requests as hold it.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn check<'a>(&self, held: impl Iterator<Item = &'a [PageId]>) -> Result<Count, String> {
        let mut holders = vec![0; self.users.len()];
        held.flatten().for_each(|&page| holders[page as usize] += 1);
        let mut places = vec![0; self.users.len()];
        self.free.iter().chain(self.idle.values()).for_each(|&page| places[page as usize] += 1);
        for (page, (&holders, &users)) in (0..).zip(holders.iter().zip(&self.users)) {
            if holders != users {
                return Err(format!("page {page} counts {users} users and has {holders}"));
            }
            let places = places[page as usize] + u32::from(users > 0);
            if places != 1 {
                return Err(format!("page {page} is in {places} states"));
            }
        }
        let is_cached = |&page: &PageId| self.prefixes.contains(page);
        if !self.idle.values().all(is_cached) || self.free.iter().any(is_cached) {
            return Err("a page is idle and not in the prefix cache, or in it and free".to_owned());
        }
        if self.idle.len() != self.idle_since.len() || !self.prefixes.is_sound() {
            return Err("the prefix cache disagrees with itself".to_owned());
        }
        Ok(self.count())
    }
}

#[cfg(test)]
mod tests {
    use msa::BLOCK;

    use super::{Count, PageId, Pages};
    use crate::model::Model;

    /// The chains of a prompt.
    fn chains(tokens: std::ops::Range<u32>) -> Vec<u64> {
        let mut chain = Model::ROOT;
        let next = |token| {
            chain = Model::chain(chain, token);
            chain
        };
        tokens.map(next).collect()
    }

    /// Takes pages for some tokens, and publishes them.
    fn cache(pages: &mut Pages, chains: &[u64]) -> Vec<PageId> {
        let (mut parent, mut taken) = (Model::ROOT, Vec::new());
        for block in chains.chunks(BLOCK) {
            let page = pages.take().expect("there are enough");
            pages.publish(page, parent, block);
            parent = *block.last().expect("a chunk is not empty");
            taken.push(page);
        }
        taken
    }

    fn count(used: usize, idle: usize, free: usize) -> Result<Count, String> {
        Ok(Count { used, idle, free })
    }

    #[test]
    fn a_prefix_is_shared_up_to_the_token_where_prompts_part() {
        let mut pages = Pages::new(8);
        let first = chains(0..300);
        let of_first = cache(&mut pages, &first);
        let mut second = first.clone();
        second[290..].fill(7);
        let (of_second, tokens) = pages.share(&second);
        assert_eq!((&of_second, tokens), (&of_first, 290));
        assert_eq!(pages.check([&of_first[..], &of_second].into_iter()), count(3, 0, 5));
        assert_eq!(pages.share(&chains(1..300)), (Vec::new(), 0));
    }

    #[test]
    fn a_page_is_written_by_its_only_user_past_what_it_promises() {
        let mut pages = Pages::new(4);
        let prompt = chains(0..44);
        let page = cache(&mut pages, &prompt)[0];
        assert!(pages.may_write(page, 44), "it is its user's own");
        assert!(!pages.may_write(page, 43), "that is promised");
        assert_eq!(pages.share(&prompt), (vec![page], 44));
        assert!(!pages.may_write(page, 44), "another reads it");
        pages.release(page);
        assert!(pages.may_write(page, 44));
        pages.publish(page, Model::ROOT, &chains(0..60));
        assert!(!pages.may_write(page, 44), "more is promised");
    }

    #[test]
    fn an_idle_page_is_found_until_it_is_needed_and_the_oldest_goes_first() {
        let mut pages = Pages::new(3);
        let (old, new) = (chains(0..128), chains(500..628));
        for prompt in [&old, &new] {
            cache(&mut pages, prompt).into_iter().for_each(|page| pages.release(page));
        }
        assert_eq!(pages.check([].into_iter()), count(0, 2, 1));
        let taken = [pages.take(), pages.take()].map(|page| page.expect("a free one, an idle one"));
        assert_eq!(pages.check([&taken[..]].into_iter()), count(2, 1, 0));
        assert_eq!((pages.evicted(), pages.share(&old).1, pages.share(&new).1), (1, 0, 128));
        assert_eq!(pages.take(), None);
    }

    #[test]
    fn a_page_that_is_lost_or_held_twice_is_told() {
        let mut pages = Pages::new(2);
        let page = pages.take().expect("it is free");
        let held = [page];
        assert_eq!(pages.check([&held[..]].into_iter()), count(1, 0, 1));
        let lost = pages.check([].into_iter()).expect_err("nobody holds it");
        assert!(lost.contains("counts 1 users and has 0"), "{lost}");
        let twice = pages.check([&held[..], &held].into_iter()).expect_err("two hold it");
        assert!(twice.contains("counts 1 users and has 2"), "{twice}");
    }
}
