#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = ())]
enum SendEmail {
    Now,
}

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail::Now);
}
