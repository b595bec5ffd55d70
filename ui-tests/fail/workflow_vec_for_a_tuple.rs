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
async fn compare(both: (Receipt, Receipt)) {
    let _ = both;
}

fn main() {
    let _ = chord(vec![Charge { customer: 7 }, Charge { customer: 8 }], Compare::s());
}
