#![allow(unused)]

use taskora::prelude::*;

#[derive(Serialize, Deserialize)]
struct Address(std::marker::PhantomData<*const u8>);

#[task]
async fn send_email(to: Address) {}

fn main() {}
