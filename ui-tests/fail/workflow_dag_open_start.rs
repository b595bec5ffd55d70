use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Receipt {
    customer: u64,
}

#[task]
async fn file(receipt: Receipt, folder: String) {
    let _ = (receipt, folder);
}

fn main() {
    let mut dag = Dag::new();
    let _ = dag.add(File::s().folder("a"));
}
