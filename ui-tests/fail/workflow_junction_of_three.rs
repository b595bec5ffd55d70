use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Invoice {
    number: u64,
}

#[task]
async fn charge(customer: u64) -> Receipt {
    Receipt { customer }
}

#[task]
async fn print(invoice: Invoice) {
    let _ = invoice;
}

#[task]
async fn archive(receipt: Receipt) -> u64 {
    receipt.customer
}

fn main() {
    let _ = chain((Charge { customer: 7 }, Archive::s(), Print::s()));
}
