#![allow(unused)]

use taskora::prelude::*;

#[task(rate(cost = |t| t.rows))]
async fn without_a_rate(rows: u32) {}

#[task(cost = |t| t.rows)]
async fn outside_of_a_rate(rows: u32) {}

#[task(limit(max = 5, cost = |t| t.rows))]
async fn of_a_limit(rows: u32) {}

#[task(fair(key = |t| t.rows, cost = |t| t.rows))]
async fn of_turns(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost))]
async fn alone(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost =))]
async fn half_written(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = 3))]
async fn a_number(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = rows))]
async fn a_name(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = || 3))]
async fn of_nothing(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = |t, u| t.rows))]
async fn of_two(rows: u32) {}

#[task(rate(max = 5, per = "1m", cost = |t| t.rows, cost = |t| 2))]
async fn said_twice(rows: u32) {}

#[task(
    fair(key = |t| t.rows),
    rate(max = 5, per = "1m", cost = |t| t.rows),
    rate(key, max = 5, per = "1m", cost = |t| t.rows)
)]
async fn twice(rows: u32) {}

#[task(rate(max = 5, per = "1m", weight = |t| t.rows))]
async fn within_by_another_name(rows: u32) {}

#[task(weight = 5)]
async fn by_another_name(rows: u32) {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), rate(max = 5, per = "1m", cost = rows))]
struct Contract {
    rows: u32,
}

fn main() {}
