#![allow(unused)]

use taskora::prelude::*;

#[task(rate(max = 5, per = "1m", cost = |t| t.rows.len()))]
async fn length(rows: Vec<String>) {}

#[task(rate(max = 5, per = "1m", cost = |t| &t.rows))]
async fn reference(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = |t| 1.5))]
async fn float(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = |t| t.row))]
async fn misspelt(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = cost_of))]
async fn unknown_function(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = length_of))]
async fn function_of_another_type(rows: String) {}

fn length_of(rows: &String) -> u32 {
    7
}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(max = 5, per = "1m", cost = |t| "5"))]
struct Contract {
    rows: u32,
}

fn main() {}
