#![allow(unused)]

use taskora::prelude::*;

#[derive(Task, Serialize, Deserialize)]
#[task(output = ())]
struct SendEmail(String);

fn main() {
    let _ = |app: &App| app.dispatch(SendEmail(String::new()));
}
