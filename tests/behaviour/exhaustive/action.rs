//! What may happen next.

use std::time::Duration;

use taskora::adapter::AttemptEnd;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Whoever's turn it is claims a job.
    Claim,
    /// A lease's owner settles it, and may claim in the same call.
    Settle {
        lease: usize,
        end: End,
        claim: bool,
    },
    /// Both leases in one call, which claims as well.
    SettleBoth {
        first: usize,
        second: usize,
        end: End,
    },
    Renew {
        lease: usize,
    },
    /// More time than a lease is long.
    Tick,
    Sweep,
    CancelNode {
        node: usize,
    },
    CancelWorkflow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Fail,
    Retry,
    RetryNow,
    Cancel,
    Release,
}

impl End {
    pub(super) const ALL: [Self; 6] =
        [Self::Complete, Self::Fail, Self::Retry, Self::RetryNow, Self::Cancel, Self::Release];

    pub(super) fn attempt_end(self) -> AttemptEnd {
        let retry = |delay| AttemptEnd::Retry { error: "again".into(), delay };
        match self {
            Self::Complete => AttemptEnd::Complete(b"1".to_vec()),
            Self::Fail => AttemptEnd::Fail("no".into()),
            Self::Retry => retry(Duration::from_secs(5)),
            Self::RetryNow => retry(Duration::ZERO),
            Self::Cancel => AttemptEnd::Cancel,
            Self::Release => AttemptEnd::release(),
        }
    }

    pub(super) const fn is_retry(self) -> bool {
        matches!(self, Self::Retry | Self::RetryNow)
    }
}
