//! None, and as many as there may be.
#![deny(warnings)]

use taskora::prelude::*;

#[task(derive(Debug, PartialEq))]
async fn nothing() {}

#[task(derive(Debug, Clone, PartialEq))]
async fn everything(
    a: u8,
    b: u16,
    c: u32,
    d: u64,
    e: i8,
    f: i16,
    ctx: &Context,
    g: i32,
    h: i64,
    i: String,
    j: Option<String>,
    k: Vec<u8>,
    l: (),
) -> (u64, Option<String>) {
    let _ = (a, b, c, e, f, ctx, g, h, i, k, l);
    (d, j)
}

fn main() {
    assert_eq!(Nothing, Nothing {});
    assert_eq!(serde_json::to_string(&Nothing).unwrap(), "{}");
    for stored in ["{}", "null", r#"{"dropped": {"since": 1}}"#] {
        assert_eq!(serde_json::from_str::<Nothing>(stored).unwrap(), Nothing);
    }
    let error = serde_json::from_str::<Nothing>("\"text\"").unwrap_err().to_string();
    assert!(error.contains("expected an empty object, as the task takes no arguments"), "{error}");

    let signature =
        Everything::s().l(()).k([1]).j(None).i("i").h(8).g(7).f(6i8).e(5).d(4u32).c(3u8).b(2u8).a(1);
    assert!(format!("{signature:?}").starts_with("EverythingSignature { a: set, "));
    let everything = Everything {
        a: 1,
        b: 2,
        c: 3,
        d: 4,
        e: 5,
        f: 6,
        g: 7,
        h: 8,
        i: "i".into(),
        j: None,
        k: vec![1],
        l: (),
    };
    let stored = serde_json::to_string(&everything).unwrap();
    assert_eq!(serde_json::from_str::<Everything>(&stored).unwrap(), everything);
    let _ = |app: &App| (app.dispatch(signature), app.dispatch(Nothing::s()), app.dispatch(Nothing));
    let _ = |app: &App| Worker::builder(app).register::<Nothing>().register::<Everything>();
}
