//! What travels: arguments and results.

use std::collections::BTreeMap;

use taskora::prelude::*;

use crate::support::{Store, on_both, result};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Shape {
    Point,
    Circle(f64),
    Rectangle { width: f64, height: f64 },
    Group(Vec<Shape>),
    Named(Option<Box<Shape>>, BTreeMap<String, i128>),
}

#[task]
async fn nothing() {}

#[task]
async fn unit_result() -> Result<(), String> {
    Ok(())
}

#[task]
async fn maybe(value: Option<String>) -> Option<String> {
    value
}

#[task]
async fn nested(
    value: Option<Option<u8>>,
    list: Vec<Option<bool>>,
) -> (Option<Option<u8>>, Vec<Option<bool>>) {
    (value, list)
}

#[task(name = "shape")]
async fn draw(shape: Shape) -> Shape {
    shape
}

#[task]
async fn text(text: String) -> String {
    text
}

#[task]
async fn raw_identifiers(r#type: String, r#match: u8) -> String {
    format!("{type} {match}")
}

#[task]
#[allow(clippy::too_many_arguments, reason = "many arguments are what this is about")]
async fn many(
    a: u8,
    b: i64,
    c: f32,
    d: bool,
    e: char,
    f: String,
    g: Vec<u8>,
    h: (u8, u8),
    i: [u16; 3],
    j: u64,
) -> String {
    format!("{a} {b} {c} {d} {e} {f} {g:?} {h:?} {i:?} {j}")
}

#[task(blocking)]
fn off_the_async_threads(n: u64) -> Result<u64, String> {
    Ok((1..=n).product())
}

async fn worker(app: &App) -> Worker {
    Worker::builder(app)
        .register_all(tasks![Nothing, UnitResult, Maybe, Nested, Draw, Text])
        .register_all(tasks![RawIdentifiers, Many, OffTheAsyncThreads])
        .start()
        .await
        .unwrap()
}

/// Dispatches a task, and returns its result.
async fn run<T: Task>(app: &App, task: T) -> T::Output {
    let handles = app.dispatch_many([task]).await.unwrap();
    result(&handles[0]).await.unwrap()
}

on_both! {
    async fn no_arguments_and_no_result_are_fine(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        run(&app, Nothing {}).await;
        run(&app, UnitResult {}).await;
        let handle = app.dispatch_raw("nothing", serde_json::json!({})).await.unwrap();
        assert_eq!(result(&handle).await.unwrap(), serde_json::Value::Null);
        worker.shutdown().await.unwrap();
    }

    async fn options_round_trip(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        for value in [None, Some(String::new()), Some("x".into())] {
            assert_eq!(run(&app, Maybe { value: value.clone() }).await, value);
        }
        let list = vec![None, Some(true), Some(false)];
        // what JSON can tell apart: an inner `None` is an outer one there
        let nested = run(&app, Nested { value: Some(Some(3)), list: list.clone() }).await;
        assert_eq!(nested, (Some(Some(3)), list));
        worker.shutdown().await.unwrap();
    }

    async fn nested_enums_round_trip(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let names = BTreeMap::from([("größte".to_owned(), i128::MAX), (String::new(), i128::MIN)]);
        for shape in [
            Shape::Point,
            Shape::Circle(0.1),
            Shape::Rectangle { width: 1e300, height: -0.0 },
            Shape::Group(vec![Shape::Group(Vec::new()), Shape::Named(None, BTreeMap::new())]),
            Shape::Named(Some(Box::new(Shape::Point)), names),
        ] {
            assert_eq!(run(&app, Draw { shape: shape.clone() }).await, shape);
        }
        worker.shutdown().await.unwrap();
    }

    async fn text_of_all_kinds_round_trips(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        for sample in ["", "naïve Füße", "日本語 🦀 \u{1F469}\u{200D}\u{1F680}", "\"\\ \n\r\t\0 \u{7f}", "{\"json\": [1]}"] {
            assert_eq!(run(&app, Text { text: sample.into() }).await, sample);
        }
        worker.shutdown().await.unwrap();
    }

    async fn five_megabytes_round_trip(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let text = "0123456789äöü☃🦀".repeat(5 * 1024 * 1024 / 23 + 1);
        assert!(text.len() >= 5 * 1024 * 1024);
        assert!(run(&app, Text { text: text.clone() }).await == text);
        worker.shutdown().await.unwrap();
    }

    async fn names_that_are_keywords_and_many_arguments_are_fine(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        let raw = run(&app, RawIdentifiers { r#type: "t".into(), r#match: 1 }).await;
        assert_eq!(raw, "t 1");
        let many = Many {
            a: 255,
            b: i64::MIN,
            c: 0.5,
            d: true,
            e: 'ß',
            f: "f".into(),
            g: vec![0, 255],
            h: (1, 2),
            i: [1, 2, 3],
            j: u64::MAX,
        };
        let expected = "255 -9223372036854775808 0.5 true ß f [0, 255] (1, 2) [1, 2, 3] 18446744073709551615";
        assert_eq!(run(&app, many).await, expected);
        worker.shutdown().await.unwrap();
    }

    async fn a_plain_function_runs_off_the_async_threads(store: Store) {
        let app = store.app().await;
        let worker = worker(&app).await;
        assert_eq!(run(&app, OffTheAsyncThreads { n: 10 }).await, 3_628_800);
        worker.shutdown().await.unwrap();
    }
}
