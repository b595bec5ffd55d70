#![allow(unused)]

use taskora::prelude::*;

#[derive(Clone)]
struct Pool;
type Db = State<Pool>;

#[task]
async fn send(to: String, db: Db) {}

fn main() {}
