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
    let customers = [7, 8].map(|customer| Charge { customer });
    let _ = Charge::map(customers).then(Archive::s());
}
