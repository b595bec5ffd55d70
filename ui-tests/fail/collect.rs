#![allow(unused)]

use taskora::prelude::*;

#[task(collect(delay = "2s"))]
async fn own_contract(n: u32) {}

#[task(batch)]
async fn batch_of_its_own(n: u32) {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), batch)]
struct BatchOfAContract {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect)]
struct Alone {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(max_size = 5))]
struct WithoutDelay {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = 2))]
struct DelayAsNumber {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s", max_size = 0))]
struct OfNone {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s", max_size = 501))]
struct TooLarge {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "10s", max_wait = "5s"))]
struct WaitsTooShort {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s"), ttl = "1s")]
struct ExpiresBefore {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s"), limit(max = 5), rate(max = 5, per = "1m"))]
struct Limited {
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s"), singleton, fair(key = |t| t.tenant))]
struct Fair {
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(key = given, delay = "2s"))]
struct KeyOfADispatch {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(key = tenant, delay = "2s"))]
struct KeyOfAField {
    tenant: u32,
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), collect(delay = "2s", size = 5))]
struct UnknownOption {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = u32, collect(delay = "2s"))]
struct InsertRow {
    row: u32,
}

#[task(implements = InsertRow, collect(delay = "2s"), batch)]
async fn collect_of_a_handler(rows: Vec<InsertRow>) -> u32 {
    0
}

#[task(implements = InsertRow, batch)]
async fn insert_rows(row: InsertRow) -> u32 {
    0
}

#[task(implements = InsertRow, batch)]
async fn arguments_of_one(row: u32, table: String) -> u32 {
    0
}

#[task(implements = InsertRow, batch, schedule(every = "5m"))]
async fn scheduled(rows: Vec<InsertRow>) -> u32 {
    0
}

fn main() {}
