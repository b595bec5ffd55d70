//! Why a store could not do what was asked.

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// The store cannot be reached, or did not answer in time. Taskora's own loops try again by themselves.
    #[error("cannot reach the store at `{address}`: {message}")]
    Unavailable {
        /// Where the store should be; never with a password.
        address: String,
        /// What happened.
        message: String,
    },
    /// The store refuses to write, because its memory limit is reached.
    #[error(
        "the store at `{address}` is full: {message}; raise its memory limit (`maxmemory` in Redis), or let it keep fewer finished jobs: lower the `Retention` of the app, or let workers finish what waits"
    )]
    Full {
        /// Where the store is; never with a password.
        address: String,
        /// What the store said.
        message: String,
    },
    /// The namespace was written by a version of taskora that this one cannot share it with. Nothing was touched.
    #[error("incompatible wire format: {0}")]
    Incompatible(String),
    /// The configuration cannot work.
    #[error("invalid configuration: {0}")]
    Config(String),
    /// The store answered something that makes no sense: a bug, or somebody else's data.
    #[error("unexpected answer from the store: {0}")]
    Protocol(String),
}

impl AdapterError {
    /// Whether the same call may succeed later without anything being changed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. })
    }
}
