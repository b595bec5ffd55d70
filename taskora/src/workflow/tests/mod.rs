//! What compositions become, and what is refused.

mod builder;
mod compositions;
mod dags;
mod signatures;

use super::plan::finish::BuiltGraph;
use super::{Input, Step};
use crate::app::App;
use crate::error::DispatchError;
use crate::memory::MemoryAdapter;
use crate::task;

#[task]
async fn user(name: String) -> u64 {
    name.len() as u64
}

#[task(priority = 7, retry = 3, stall(max = 4))]
async fn mail(to: u64, subject: String) -> String {
    format!("{to}{subject}")
}

#[task]
async fn page(number: u32) -> u32 {
    number
}

#[task]
async fn sum(numbers: Vec<u32>) -> u32 {
    numbers.iter().sum()
}

#[task]
async fn tables(tables: Vec<Vec<u32>>) -> usize {
    tables.len()
}

#[task]
async fn pair(both: (u64, u32)) -> u64 {
    both.0
}

#[task]
async fn tick() {}

fn named(name: &str) -> User {
    User { name: name.to_owned() }
}

fn pages(numbers: std::ops::Range<u32>) -> Vec<Page> {
    numbers.map(|number| Page { number }).collect()
}

/// What the store would be given.
fn finish(step: impl Step) -> Result<BuiltGraph, DispatchError> {
    step.into_plan().finish(App::new(MemoryAdapter::new()).setup())
}

/// A node per line: its name, what it waits for, its payload; and then the result.
fn graph(step: impl Step) -> String {
    use std::fmt::Write as _;

    let BuiltGraph { nodes, joins, output } = finish(step).unwrap();
    let mut text = String::new();
    for (at, node) in (0u32..).zip(nodes) {
        let after: &[u32] = node.after.map_or(&[], |join| &joins[join as usize]);
        assert!(after.iter().all(|parent| *parent < at), "{after:?} come before {at}");
        let payload = if node.composed { recipe(&node.payload) } else { json(&node.payload) };
        let _ = writeln!(text, "{} {after:?} {payload}", node.name);
    }
    assert!(joins.iter().all(|join| !join.is_empty()));
    text + "= " + &json(&output)
}

/// A recipe with `<node>` for each result.
fn recipe(payload: &[u8]) -> String {
    let input = Input::parse(payload).unwrap();
    let results: Vec<String> = (0..100).map(|node| format!("<{node}>")).collect();
    let composed = input.compose(|node| results.get(node as usize).map(String::as_bytes)).unwrap();
    format!("{:?} {}", composed.form, json(&composed.json))
}

fn json(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn lines(text: &[&str]) -> String {
    text.join("\n")
}
