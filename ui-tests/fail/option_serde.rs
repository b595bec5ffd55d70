#![allow(unused)]

use taskora::prelude::*;

#[task(serde(rename_all = "camelCase"))]
async fn clean_up(ctx: Context) {}

#[task(serde = "camelCase")]
async fn send_email(to: String) {}

#[derive(Task, Serialize, Deserialize)]
#[task(output = (), serde(rename_all = "camelCase"))]
struct Resize {
    width: u32,
}

fn main() {}
