#![allow(unused)]

use taskora::prelude::*;

#[task]
async fn send_email(to: String, subject: Option<&str>) {}

fn main() {}
