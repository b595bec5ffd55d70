//! The answers that are kept for repeated calls.

use crate::adapter::{Lease, Settled};

/// The answer of a slot's last call. The jobs' data is looked up again, rather than stored twice.
pub(super) struct Answer {
    pub(super) number: u64,
    pub(super) at: u64,
    pub(super) settled: Vec<Settled>,
    pub(super) claimed: Vec<Claimed>,
    pub(super) more: bool,
}

/// One job that was handed out.
pub(super) struct Claimed {
    pub(super) lease: Lease,
    pub(super) attempt: u32,
    /// The number of its batch in the answer.
    pub(super) batch: Option<u32>,
    pub(super) at: u64,
    /// The job was never handed out before, neither in an earlier life.
    pub(super) is_first: bool,
}
