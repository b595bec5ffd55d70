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

async fn run(app: App) -> taskora::Result<()> {
    let handle: WorkflowHandle<Receipt> = app.dispatch(Charge { customer: 7 }.then(Archive::s())).await?;
    let _ = handle;
    Ok(())
}

fn main() {
    let _ = run;
}
