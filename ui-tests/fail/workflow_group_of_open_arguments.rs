use taskora::prelude::*;

#[task]
async fn sort(receipt: String, folder: String, urgent: bool) {
    let _ = (receipt, folder, urgent);
}

#[task]
async fn print(receipt: String) {
    let _ = receipt;
}

fn main() {
    let _ = group((Print::s(), Sort::s().urgent(true)));
}
