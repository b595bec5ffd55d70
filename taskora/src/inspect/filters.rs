//! The conditions that jobs can be chosen by.

/// Gives a builder with a `filter` the methods that lists and dead letters share.
macro_rules! filters {
    () => {
        /// Only jobs whose [error](crate::JobInfo::error) contains this text: the message of the last error, or the reason of a cancellation.
        pub fn error_contains(mut self, text: impl Into<String>) -> Self {
            self.filter.error = Some(text.into());
            self
        }

        /// Only jobs whose payload contains this text. The payload is JSON as it was stored: `.payload_contains(r#""tenant":"acme""#)`. Of a
        /// workflow's step that waits for results, it is what is stored in their place.
        pub fn payload_contains(mut self, text: impl Into<String>) -> Self {
            self.filter.payload = Some(text.into());
            self
        }

        /// Only jobs with this annotation. With several calls, only those that have all of them.
        pub fn meta(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
            self.filter.meta.push((key.into(), value.into()));
            self
        }

        /// Only jobs that ended then or later.
        pub const fn since(mut self, time: crate::job::Timestamp) -> Self {
            self.filter.since = Some(time);
            self
        }

        /// Only jobs that ended then or earlier.
        pub const fn until(mut self, time: crate::job::Timestamp) -> Self {
            self.filter.until = Some(time);
            self
        }
    };
}

pub(crate) use filters;
