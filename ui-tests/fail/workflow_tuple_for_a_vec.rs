use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[task]
async fn charge(customer: u64) -> Receipt {
    Receipt { customer }
}

#[task]
async fn total(receipts: Vec<Receipt>) -> u64 {
    receipts.len() as u64
}

fn main() {
    let _ = chord((Charge { customer: 7 }, Charge { customer: 8 }), Total::s());
}
