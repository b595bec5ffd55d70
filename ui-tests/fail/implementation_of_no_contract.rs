#![allow(unused)]

use taskora::prelude::*;

struct SendEmail;

#[task(implements = SendEmail)]
async fn send_email() {}

fn main() {}
