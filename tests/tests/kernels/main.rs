//! The kernels' PTX, as it is checked in, executed by the simulator under all of its checks: without a
//! GPU, on every device that a file is for.

mod attend_decode;
mod attend_prefill;
mod attention;
mod block_topk;
mod check_operands;
mod costs;
mod index;
mod merge_states;
mod shards;
