use taskora::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Order {
    total: u64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Charge {
    id: String,
}

#[task]
async fn load_order(id: u64) -> Order {
    Order { total: id }
}

#[task]
async fn charge_card(order: Order) -> Charge {
    Charge { id: order.total.to_string() }
}

#[task]
async fn finish(order: Order, charge: Charge, note: String) -> String {
    format!("{}{}{note}", order.total, charge.id)
}

fn main() {
    let mut dag = Dag::new();
    let order = dag.add(LoadOrder { id: 1 });
    let charge = dag.add(ChargeCard::s().order(&order));
    let _ = dag.add_after(order, Finish::s().order(&order).note("a"));
}
