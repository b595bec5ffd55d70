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
async fn file(receipt: Receipt, folder: String) {
    let _ = (receipt, folder);
}

fn main() {
    let _ = Charge { customer: 7 }.then(File::s());
}
