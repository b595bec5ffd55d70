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
    let charge = || Charge { customer: 7 };
    let _ = chain((
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
        charge(),
    ));
}
