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

fn main() {
    let _ = Charge { customer: 7 }.then(Print::s());
}
