//! Where else a task may stand.
#![deny(warnings)]

use taskora::prelude::*;

macro_rules! counter {
    ($name:ident, $ty:ty, $text:literal, [$($option:tt)*]) => {
        #[task($($option)*, name = $text)]
        async fn $name(value: $ty, argument: Option<$ty>, state: State<$ty>) -> Result<$ty, String> {
            let _ = (argument, state);
            Ok(value)
        }
    };
}

counter!(count_bytes, u8, "count.bytes", [retry = 2]);
counter!(count_text, String, "count.text", [timeout = "1s", retry(attempts = 2, on = _)]);

macro_rules! contract {
    ($name:ident { $($field:ident: $ty:ty),* } -> $out:ty) => {
        #[derive(Task, Serialize, Deserialize)]
        #[task(output = $out)]
        struct $name { $($field: $ty),* }
    };
}

contract!(Resize { width: u32, name: String } -> Vec<u8>);

#[derive(Clone, FromRef)]
struct Both(u8, String);

fn main() {
    use std::collections::HashMap as Map;

    #[derive(Serialize, Deserialize)]
    struct Place(u8);

    #[task]
    async fn local(local: Map<String, Place>) -> Place {
        let _ = (&local, Place(0).0);
        Place(1)
    }

    assert_eq!((CountBytes::NAME, CountText::NAME, Local::NAME), ("count.bytes", "count.text", "local"));
    let _ = |app: &App| app.dispatch(Resize::s().name("n").width(3u8));
    let _ = |app: &App| {
        Worker::builder(app).state(Both(1, String::new())).register::<CountBytes>().register::<CountText>()
    };
}
