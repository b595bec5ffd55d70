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
async fn settle(both: (Receipt, Invoice)) {
    let _ = both;
}

fn main() {
    let _ = chord((Charge { customer: 7 }, Charge { customer: 8 }), Settle::s());
}
