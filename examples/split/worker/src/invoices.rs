//! Invoices.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use split_contracts::{Invoice, Item, WriteInvoice};
use taskora::{State, task};

/// Hands out the numbers of invoices.
#[derive(Clone, Default)]
pub(crate) struct Numbers(Arc<AtomicU64>);

impl Numbers {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[task(implements = WriteInvoice)]
pub(crate) async fn write_invoice(customer: String, items: Vec<Item>, numbers: State<Numbers>) -> Invoice {
    let total_cents = items.iter().map(|item| item.cents).sum();
    Invoice { number: numbers.next(), customer, total_cents }
}
