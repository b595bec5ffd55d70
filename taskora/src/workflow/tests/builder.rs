use serde_json::{Value, json};

use super::*;
use crate::workflow::{GraphError, WorkflowBuilder};

fn mistake(builder: WorkflowBuilder) -> GraphError {
    builder.build().unwrap_err()
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn a_graph_is_made_of_names_and_json() {
    let flow = WorkflowBuilder::new()
        // parents may come later
        .node(
            "mail",
            "send-mail",
            json!({"to": {"$result": "user"}, "cc": [1, {"$result": "boss"}], "text": "\"null\""}),
        )
        .node("user", "create-user", json!({"name": "Ada"}))
        .node("boss", "find-boss", WorkflowBuilder::result_of("user"))
        .node("log", "log", json!(null))
        .after("mail")
        .build()
        .unwrap();
    let expected = lines(&[
        r#"user [] {"name":"Ada"}"#,
        r#"boss [0] Payload <0>"#,
        r#"mail [0, 1] Payload {"cc":[1,<1>],"text":"\"null\"","to":<0>}"#,
        "log [2] null",
        "= 3",
    ]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn the_result_is_chosen_or_the_only_end() {
    let two = || WorkflowBuilder::new().node("a", "t", json!({})).node("b", "t", json!({}));
    assert_eq!(mistake(two()), GraphError::UnclearOutput { nodes: names(&["a", "b"]) });
    assert_eq!(graph(two().output("a").build().unwrap()), lines(&["a [] {}", "b [] {}", "= 0"]));
    assert_eq!(mistake(two().output("c")), GraphError::UnknownOutput { name: "c".to_owned() });
    assert_eq!(mistake(WorkflowBuilder::new()), GraphError::Empty);
}

#[test]
fn names_are_checked() {
    let start = || WorkflowBuilder::new().node("a", "t", json!({}));
    assert_eq!(mistake(start().node("a", "t", json!(1))), GraphError::DuplicateName { name: "a".to_owned() });
    let unknown = GraphError::UnknownParent { node: "b".to_owned(), parent: "c".to_owned() };
    assert_eq!(mistake(start().node("b", "t", json!([{"$result": "c"}]))), unknown);
    assert_eq!(mistake(start().node("b", "t", json!(1)).after("c")), unknown);
    for name in ["", "a\nb", &"x".repeat(201)] {
        let invalid = GraphError::InvalidName { name: name.to_owned() };
        assert_eq!(mistake(start().node(name, "t", json!(1))), invalid);
    }
}

#[test]
fn every_node_needs_a_payload() {
    let flow = WorkflowBuilder::new().node("a", "t", json!({})).node("b", "t", None::<Value>).after("a");
    let error = mistake(flow);
    assert_eq!(error, GraphError::MissingInput { node: "b".to_owned() });
    assert!(error.to_string().contains(r#"{"$result": "name"}"#), "{error}");
}

#[test]
fn circles_are_found_and_named() {
    let flow = WorkflowBuilder::new()
        .node("root", "t", json!({}))
        .node("last", "t", json!([{"$result": "c"}]))
        .node("a", "t", json!([{"$result": "root"}, {"$result": "c"}]))
        .node("b", "t", json!({"$result": "a"}))
        .node("c", "t", json!({"x": {"$result": "b"}}));
    let GraphError::Cycle { nodes } = mistake(flow) else { panic!("a circle") };
    let mut sorted = nodes.clone();
    sorted.sort();
    assert_eq!(sorted, names(&["a", "b", "c"]), "{nodes:?}");
    let alone = WorkflowBuilder::new().node("a", "t", json!({"$result": "a"}));
    assert_eq!(mistake(alone), GraphError::Cycle { nodes: names(&["a"]) });
}

#[test]
fn only_an_object_of_its_own_is_a_reference() {
    let payload = json!({"$result": 1, "a": {"$result": "x", "b": 1}, "c": {"result": "x"}});
    let flow = WorkflowBuilder::new().node("a", "t", payload.clone()).build().unwrap();
    let nodes = finish(flow).unwrap().nodes;
    assert_eq!(serde_json::from_slice::<Value>(&nodes[0].payload).unwrap(), payload);
    assert!(!nodes[0].composed);
}

#[test]
fn an_untyped_workflow_can_be_a_step() {
    let flow = WorkflowBuilder::new()
        .node("a", "t", json!({}))
        .node("b", "t", json!({"$result": "a"}))
        .build()
        .unwrap();
    let expected = lines(&["0.tick [] {}", "1.a [0] {}", "1.b [1] Payload <1>", "2.tick [2] {}", "= 3"]);
    assert_eq!(graph(Tick.then(flow).then(Tick)), expected);
}

#[test]
fn task_names_are_checked_when_it_is_dispatched() {
    let flow = WorkflowBuilder::new().node("a", "", json!({})).build().unwrap();
    assert!(matches!(finish(flow), Err(DispatchError::InvalidTask { .. })));
}
