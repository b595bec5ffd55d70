use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
struct Customer;

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(key = |t| t.customer, delay = "2s"))]
struct Bill {
    customer: Customer,
}

fn main() {}
