//! The contracts of the split example: the names, arguments, outputs and options of its tasks, and no code that runs them.
//!
//! The API dispatches these structs; the worker implements them. The compiler checks both against these contracts.

use serde::{Deserialize, Serialize};
use taskora::Task;

/// The namespace in Redis that the API and the worker share.
pub const NAMESPACE: &str = "split-example";

/// Where Redis is: `REDIS_URL`, or `redis://127.0.0.1:6379`.
#[must_use]
pub fn redis_url() -> String {
    std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned())
}

/// Sends one e-mail.
#[derive(Debug, Clone, Task, Serialize, Deserialize)]
#[task(name = "send-email", output = Receipt, retry(attempts = 3, delay = "500ms"), timeout = "30s")]
pub struct SendEmail {
    /// The address.
    pub to: String,
    /// The subject.
    pub subject: String,
}

/// The mail server's answer to an e-mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The message's id.
    pub message_id: String,
}

/// Writes an invoice.
#[derive(Debug, Clone, Task, Serialize, Deserialize)]
#[task(name = "write-invoice", output = Invoice, timeout = "10s", priority = 5)]
pub struct WriteInvoice {
    /// Who pays.
    pub customer: String,
    /// What for.
    pub items: Vec<Item>,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What it is.
    pub name: String,
    /// Its price.
    pub cents: u64,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoice {
    /// The invoice's number.
    pub number: u64,
    /// Who pays.
    pub customer: String,
    /// How much.
    pub total_cents: u64,
}
