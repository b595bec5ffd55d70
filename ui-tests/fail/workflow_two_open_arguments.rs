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
async fn sort(receipt: Receipt, folder: String, urgent: bool) {
    let _ = (receipt, folder, urgent);
}

fn main() {
    let _ = Charge { customer: 7 }.then(Sort::s().urgent(true));
}
