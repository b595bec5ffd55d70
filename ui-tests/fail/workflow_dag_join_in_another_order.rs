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
async fn bill(customer: u64) -> Invoice {
    Invoice { number: customer }
}

#[task]
async fn settle(both: (Receipt, Invoice)) {
    let _ = both;
}

fn main() {
    let mut dag = Dag::new();
    let receipt = dag.add(Charge { customer: 7 });
    let invoice = dag.add(Bill { customer: 7 });
    let _ = dag.add_after((invoice, receipt), Settle::s());
}
