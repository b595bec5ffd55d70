use taskora::prelude::*;

#[task]
async fn wait(#[serde(flatten)] receipt: Receipt, reason: String) {
    let _ = (receipt, reason);
}

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[task]
async fn charge(customer: u64) -> Receipt {
    Receipt { customer }
}

fn main() {
    let _ = Charge { customer: 7 }.then(Wait::s().reason("x"));
}
