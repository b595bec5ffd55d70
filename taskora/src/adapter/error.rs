//! Why a store could not do what was asked.

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// The store cannot be reached, or did not answer in time. taskora's own loops retry automatically.
    #[error("cannot reach the store at `{address}`: {message}")]
    Unavailable {
        /// The store's address, never with a password.
        address: String,
        /// What happened.
        message: String,
    },
    /// The store refuses to write, because its memory limit is reached.
    #[error(
        "the store at `{address}` is full: {message}; raise its memory limit (`maxmemory` in Redis), or let it keep fewer finished jobs: lower the `Retention` of the app, or let workers finish what waits"
    )]
    Full {
        /// The store's address, never with a password.
        address: String,
        /// The store's message.
        message: String,
    },
    /// A version of taskora that is incompatible with this one has written the namespace. Nothing was changed.
    #[error("incompatible wire format: {0}")]
    Incompatible(String),
    /// Live processes of an earlier version would not respect it, so it cannot be used before they have stopped. Nothing was changed.
    #[error("{0}")]
    NeedsLevel(String),
    /// The configuration is invalid.
    #[error("invalid configuration: {0}")]
    Config(String),
    /// The store returned an invalid answer: a bug, or data of another program.
    #[error("unexpected answer from the store: {0}")]
    Protocol(String),
}

impl AdapterError {
    /// Whether the same call, unchanged, may succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Full { .. } | Self::NeedsLevel(_))
    }
}
