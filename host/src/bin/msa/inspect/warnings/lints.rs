//! The mistakes that are looked for, in words: what it is, why it is likely a mistake, how to check.

use super::Level::{self, Error, Note, Warning};

pub struct Lint {
    pub name: &'static str,
    pub level: Level,
    pub what: &'static str,
    pub why: &'static str,
    pub check: &'static str,
}

/// Declares each lint, and the list of all.
macro_rules! lints {
    ($($id:ident: $level:ident, $name:literal, $what:literal, $why:literal, $check:literal;)*) => {
        $(pub static $id: Lint =
            Lint { name: $name, level: $level, what: $what, why: $why, check: $check };)*
        /// All of them: what the tests and the documentation must have.
        #[cfg(test)]
        pub static LINTS: &[&Lint] = &[$(&$id),*];
    };
}

lints! {
    TABLE_TOO_NARROW: Error, "table-too-narrow",
        "a request needs more blocks than its page table has entries",
        "cache_lengths is stale or of another batch, or the table was cut: the operators refuse it",
        "compare cache_lengths[b] + new rows with the pages that the engine has given to request b";
    PAGE_OUT_OF_RANGE: Error, "page-out-of-range",
        "a page table entry that is followed names a page that does not exist",
        "the length is too large, so that garbage past the last block is followed, or the table is of another pool",
        "look up the entry in the engine's block table; check that the length counts cached tokens only";
    PAGE_NOT_THERE: Note, "page-not-there",
        "a block that no list reads is on a page that does not exist",
        "nothing reads it in this step; a later one may",
        "is the block offloaded on purpose?";
    PAGE_TWICE: Warning, "page-twice",
        "one page holds two blocks of a request",
        "a later block has overwritten the keys of an earlier one, or the page was given out twice",
        "look for a page that was freed while in use, or a table row that was copied one entry off";
    PAGE_SHARED_BY_ACCIDENT: Warning, "page-shared-by-accident",
        "requests share a page, but not as a prefix",
        "a shared prefix has the same page at the same block with all earlier blocks shared too; this has not: one of \
         the two reads the other's keys",
        "look for a page that was freed by one request and is still in the table of another";
    PAGE_SHARED_WHILE_WRITTEN: Warning, "page-shared-while-written",
        "requests share a page that this step writes to",
        "the new keys of one request overwrite or extend what the other reads: a copy on write is missing",
        "copy the last, partly filled page when a request is forked, or share full pages only";
    UNWRITTEN_KEYS: Warning, "unwritten-keys",
        "visible keys are all zero",
        "at the end of a request the length is too large or the step's own keys are not written yet; elsewhere the \
         page is the wrong one or was never filled",
        "dump after the cache is written; compare the length with the number of tokens that went through the layer";
    KEYS_PAST_LENGTH: Note, "keys-past-length",
        "keys follow the last visible one, on a page that is zero after them",
        "the length is too small, unless the keys are those of drafts that were rejected, or of a request that had the page \
         before",
        "cache_lengths is the number of keys before this step: is it read before the last step has added its own?";
    NONFINITE_KEYS: Warning, "nonfinite-keys",
        "visible keys or values hold NaN or infinities",
        "attention that reads them gives NaN, the indexer passes NaN over; at the end of a request the length is too \
         large, or the memory is not written yet",
        "find the first layer where they occur; compare the length with the tokens that went through the layer";
    NONFINITE_QUERY: Warning, "nonfinite-query",
        "a row of q or index_q holds NaN or infinities",
        "the row's result is NaN, or no block is chosen for it",
        "look at the layer before, and at rows that only pad the batch";
    ZERO_QUERY: Warning, "zero-query",
        "a row of q or index_q is all zero",
        "all its scores tie: the row pads the batch, yet a request owns it, or its query was never written",
        "end row_offsets at the last row that a request owns; give a padding request no rows";
    SCALE: Warning, "scale",
        "scale or index_scale is not 1 / sqrt(128)",
        "MiniMax-M3 has no other; often a scale was applied to q as well, or is that of another head dim",
        "the model's head dim is 128 for both operators: 0.088388346";
    EMPTY_REQUEST: Note, "empty-request",
        "requests that own no rows",
        "ordinary in a batch padded to a captured size; else a request got no token in this step",
        "compare row_offsets with what was scheduled";
    ID_PAST_BLOCKS: Warning, "id-past-blocks",
        "an id is not below the request's number of blocks",
        "attention skips it, so the row reads less than it has chosen: ids of another request or step, page ids in \
         place of block ids, or a length too small",
        "compare the list with what the indexer gives now";
    ID_PAST_HORIZON: Warning, "id-past-horizon",
        "an id is of a block that begins after the row",
        "the row sees no key of it: lists are of other rows, or were chosen without the causal cut",
        "check that block_ids is [kv_heads, rows, topk], head-major, with rows as in row_offsets";
    ID_REPEATED: Warning, "id-repeated",
        "an id occurs more than once in a list",
        "attention counts the block as often as it is listed: its weight doubles",
        "check the merge of partial top-k lists; pad with -1, not with the last id";
    ID_NEGATIVE: Warning, "id-negative",
        "an id is below -1",
        "attention skips it; as only -1 stands for an empty slot this is memory that was not written, or an overflow",
        "fill block_ids before the indexer runs, and check that it writes each row and head";
    ID_AFTER_GAP: Warning, "id-after-gap",
        "an id follows -1",
        "attention here reads it, but kernels that stop at the first -1 do not: results differ between engines",
        "compact the list, -1 last";
    LIST_SHORT: Warning, "list-short",
        "a list names fewer blocks than there are to choose, with slots left over",
        "the row reads less than the model was trained to read",
        "check that scores of all blocks are there when the top-k runs, and that the length is of this step";
    FORCED_BLOCK_MISSING: Warning, "forced-block-missing",
        "a block that local_blocks or init_blocks forces is not in the list",
        "a row that does not read its own block does not read its own key",
        "the local block is position / 128: check that position counts this step's tokens before the row";
    ORDER: Note, "order",
        "a list is not in the order that id_order tells",
        "attention here takes any order, kernels that need ascending ids do not",
        "sort the list, or tell the order that it has";
    CHOICE_DIFFERS: Warning, "choice-differs",
        "a block was chosen in place of one that scores clearly better",
        "the list was chosen from other queries, keys, lengths or pages than the file's, or the top-k is wrong",
        "was the list copied after the indexer ran, and index_k_pages before anything else was written?";
    CHOICE_NEAR: Note, "choice-near",
        "a block was chosen in place of one that scores as well, within the contract's tolerance",
        "another order of summation may choose so; where scores tie exactly the smaller id should win",
        "compare the scores at the cut";
}
