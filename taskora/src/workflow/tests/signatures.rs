use super::*;
use crate::json;
use crate::workflow::{Bound, Composed, Form, Piped, group};

#[task]
async fn three(a: u8, b: String, c: Vec<bool>) -> u8 {
    a + b.len() as u8 + c.len() as u8
}

#[task(derive(Debug, PartialEq))]
#[allow(clippy::too_many_arguments, reason = "as many as there can be")]
async fn twelve(
    a: u8,
    b: u8,
    c: u8,
    d: u8,
    e: u8,
    f: u8,
    g: u8,
    h: u8,
    i: u8,
    j: u8,
    k: u8,
    l: String,
) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l.len() as u8
}

/// The step's slot, as its type says.
fn slot<S: Step>(_: &S) -> String {
    std::any::type_name::<S::Slot>().replace("taskora::workflow::step::", "").replace("alloc::string::", "")
}

fn input(step: impl Step) -> (Form, String, Vec<u32>) {
    let before = Page { number: 1 }.into_plan();
    let nodes = before.then(step.into_plan()).finish(App::new(MemoryAdapter::new()).setup()).unwrap().nodes;
    let input = Input::parse(&nodes[1].payload).unwrap();
    let Composed { form, json } = input.compose(|_| Some(b"9")).unwrap();
    (form, super::json(&json), input.nodes())
}

#[test]
fn s145_a_signature_is_bound_when_all_arguments_are() {
    let step = Three::s().c(vec![true]).a(1).b("x");
    assert_eq!(slot(&step), "Bound");
    assert_eq!(graph(step), graph(Three { a: 1, b: "x".to_owned(), c: vec![true] }));
    assert_eq!(slot(&Tick::s()), "Bound");
    assert_eq!(graph(Tick::s()), graph(Tick));
}

#[test]
fn s145_a_signature_takes_its_one_open_argument() {
    assert_eq!(slot(&Three::s().b("x").c([])), "Piped<u8>");
    assert_eq!(slot(&Three::s().a(1).c([])), "Piped<String>");
    assert_eq!(slot(&Three::s().a(1).b("x")), "Piped<alloc::vec::Vec<bool>>");
    let expected = (Form::Arguments, r#"[9,"x",[]]"#.to_owned(), vec![0]);
    assert_eq!(input(Three::s().b("x").c([])), expected);
    assert_eq!(input(Three::s().a(1).c([true])).1, r#"[1,9,[true]]"#);
    assert_eq!(input(Three::s().b("x").a(1)).1, r#"[1,"x",9]"#);
}

#[test]
fn s145_a_signature_without_arguments_takes_the_whole_contract() {
    assert!(slot(&Three::s()).starts_with("Piped<") && slot(&Three::s()).ends_with("::Three>"));
    assert_eq!(input(Three::s()), (Form::Payload, "9".to_owned(), vec![0]));
    // with one argument, that is what it takes
    assert_eq!(slot(&Page::s()), "Piped<u32>");
    assert_eq!(input(Page::s()), (Form::Arguments, "[9]".to_owned(), vec![0]));
}

#[test]
fn s145_twelve_arguments_can_be_open_alone_or_together() {
    let start = || Twelve::s().b(2).c(3).d(4).e(5).f(6).g(7).h(8).i(9).j(10).k(11);
    assert_eq!(slot(&start().a(1)), "Piped<String>");
    assert_eq!(slot(&start().l("x")), "Piped<u8>");
    assert_eq!(slot(&start().a(1).l("x")), "Bound");
    assert!(slot(&Twelve::s()).ends_with("::Twelve>"));
    assert_eq!(input(start().a(1)).1, "[1,2,3,4,5,6,7,8,9,10,11,9]");
    assert_eq!(input(start().l("x")).1, r#"[9,2,3,4,5,6,7,8,9,10,11,"x"]"#);
}

#[test]
fn contracts_are_made_of_their_arguments() {
    let twelve = json::arguments::<Twelve>(br#"[1,2,3,4,5,6,7,8,9,10,11,"x"]"#).unwrap();
    assert_eq!((twelve.a, twelve.k, twelve.l.as_str()), (1, 11, "x"));
    assert_eq!(json::arguments::<Page>(b"[3]").unwrap().number, 3);
    for json in
        ["", "[]", "[1]", r#"[1,2,3,4,5,6,7,8,9,10,11,12]"#, r#"[1,2,3,4,5,6,7,8,9,10,11,"x",0]"#, "{}"]
    {
        assert!(json::arguments::<Twelve>(json.as_bytes()).is_err(), "{json}");
    }
    let composed = Composed { form: Form::Arguments, json: b"[3]".to_vec() };
    assert_eq!(composed.decode::<Page>().unwrap().number, 3);
    let composed = Composed { form: Form::Payload, json: br#"{"number":4}"#.to_vec() };
    assert_eq!(composed.decode::<Page>().unwrap().number, 4);
}

#[test]
fn arguments_travel_as_their_own_types_write_them() {
    #[task]
    async fn odd(#[serde(rename = "x", default)] named: u8, other: Option<u8>) {
        let _ = (named, other);
    }

    let arguments = input(Odd::s().other(Some(5)));
    assert_eq!(arguments.1, "[9,5]");
    let task = json::arguments::<Odd>(arguments.1.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&task).unwrap(), r#"{"x":9,"other":5}"#);
    assert_eq!(input(Odd::s().named(1)).1, "[1,9]");
    let none = json::arguments::<Odd>(b"[1,null]").unwrap();
    assert_eq!(none.other, None);
}

#[test]
fn types_are_small_enough_to_read() {
    let flow = User { name: String::new() }
        .then(Mail::s().subject("a"))
        .then(group((Tick, Page { number: 1 })))
        .then(Tick)
        .then(Page { number: 2 });
    let _: &crate::workflow::Workflow<Bound, u32> = &flow;
    let _: Option<Piped<u8>> = None;
}
