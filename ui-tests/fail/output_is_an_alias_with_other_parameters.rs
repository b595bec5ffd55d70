//! An alias of `Result` that does not begin with the type of the output.
#![allow(unused)]

use taskora::prelude::*;

type Fixed<const N: usize> = Result<[u8; N], String>;

type Held<'a, T> = Result<T, std::borrow::Cow<'a, str>>;

#[task]
async fn fixed_size(to: String) -> Fixed<4> {
    Ok([0; 4])
}

#[task]
async fn borrowing(to: String) -> Held<'static, u32> {
    Ok(1)
}

fn main() {}
