use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[task]
async fn charge(customer: u64) -> Receipt {
    Receipt { customer }
}

fn main() {
    let _ = chain((Charge { customer: 7 }, "archive"));
}
