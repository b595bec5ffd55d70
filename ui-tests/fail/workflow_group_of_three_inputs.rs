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
async fn file(receipt: Receipt, folder: String) {
    let _ = (receipt, folder);
}

#[task]
async fn print(invoice: Invoice) {
    let _ = invoice;
}

fn main() {
    let _ = group((File::s().folder("a"), File::s().folder("b"), Print::s()));
}
