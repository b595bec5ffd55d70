use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[task]
async fn file(receipt: Receipt, folder: String) {
    let _ = (receipt, folder);
}

async fn run(app: App) -> taskora::Result<()> {
    app.dispatch(
        File::s().folder("2024").then(File { receipt: Receipt { customer: 7 }, folder: "2025".into() }),
    )
    .await?;
    Ok(())
}

fn main() {
    let _ = run;
}
