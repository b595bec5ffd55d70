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
    app.dispatch(group((File::s().folder("a"), File::s().folder("b")))).await?;
    Ok(())
}

fn main() {
    let _ = run;
}
