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
async fn archive(receipt: Receipt) -> u64 {
    receipt.customer
}

fn main() {
    let _ = Archive::map(vec![Charge { customer: 7 }]);
}
