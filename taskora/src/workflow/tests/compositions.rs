use std::time::Duration;

use super::*;
use crate::contract::Task;
use crate::workflow::{Bound, Dag, GraphError, Piped, Workflow, chain, chord, group};

#[test]
fn s149_a_bound_step_is_one_node() {
    assert_eq!(graph(named("Ada")), lines(&[r#"user [] {"name":"Ada"}"#, "= 0"]));
    assert_eq!(graph(User::s().name("Ada")), graph(named("Ada")));
    assert_eq!(graph(Tick), lines(&["tick [] {}", "= 0"]));
}

#[test]
fn s146_s147_s150_a_chain_passes_results_on() {
    let flow: Workflow<Bound, u64> = chain((named("Ada"), Mail::s().subject("Hi"), named("Bob")));
    let expected = lines(&[
        r#"0.user [] {"name":"Ada"}"#,
        r#"1.mail [0] Arguments [<0>,"Hi"]"#,
        r#"2.user [1] {"name":"Bob"}"#,
        "= 2",
    ]);
    assert_eq!(graph(flow), expected);
    let then = named("Ada").then(Mail::s().subject("Hi")).then(named("Bob"));
    assert_eq!(graph(then), expected);
    // chains are one chain, however they are put together
    let right = named("Ada").then(chain((Mail::s().subject("Hi"), named("Bob"))));
    assert_eq!(graph(right), expected);
    let nested = chain((chain((named("Ada"), Mail::s().subject("Hi"))), named("Bob")));
    assert_eq!(graph(nested), expected);
}

#[test]
fn s147_a_chain_of_one_is_a_chain() {
    assert_eq!(graph(chain((named("Ada"),))), lines(&[r#"0.user [] {"name":"Ada"}"#, "= 0"]));
}

#[test]
fn s151_a_group_runs_side_by_side() {
    let flow: Workflow<Bound, (u64, u32)> = group((named("Ada"), Page { number: 1 }));
    let expected = lines(&[r#"0.user [] {"name":"Ada"}"#, r#"1.page [] {"number":1}"#, "= [0,1]"]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn s152_a_chord_collects_its_header() {
    let flow: Workflow<Bound, u64> = chord((named("Ada"), Page { number: 1 }), Pair::s());
    let expected = lines(&[
        r#"0.0.user [] {"name":"Ada"}"#,
        r#"0.1.page [] {"number":1}"#,
        "1.pair [0, 1] Arguments [[<0>,<1>]]",
        "= 2",
    ]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn s155_only_what_is_bound_can_start() {
    fn starts<S: crate::workflow::Starts, Out>(_: &Workflow<S, Out>) {}

    starts(&chain((named("Ada"), Mail::s().subject("Hi"))));
    // what is not, does not compile: see the UI tests
    let _: Workflow<Piped<u64>, u32> = chain((Mail::s().subject("Hi"), Page { number: 1 }));
}

#[test]
fn s156_every_node_has_a_name_and_a_place_of_its_own() {
    let nodes = finish(Page::chunk(pages(0..7), 3).then(Sum::s())).unwrap().nodes;
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    let expected =
        ["0.0.page", "0.1.page", "0.2.page", "1.0.page", "1.1.page", "1.2.page", "2.0.page", "3.sum"];
    assert_eq!(names, expected);
}

#[test]
fn x15_a_group_of_one_is_a_list() {
    assert_eq!(graph(group(pages(0..1))), lines(&[r#"0.page [] {"number":0}"#, "= [0]"]));
    assert_eq!(graph(Page::map(pages(0..1))), graph(group(pages(0..1))));
    let _: Workflow<Bound, (u32,)> = group((Page { number: 0 },));
    assert_eq!(graph(group((Page { number: 0 },))), graph(group([Page { number: 0 }])));
    let expected = lines(&[r#"0.0.page [] {"number":0}"#, "1.sum [0] Arguments [[<0>]]", "= 1"]);
    assert_eq!(graph(chord(pages(0..1), Sum::s())), expected);
}

#[test]
fn groups_in_groups_stay_lists_in_lists() {
    let flow: Workflow<Bound, ((u64, u32), Vec<u32>)> =
        group((group((named("Ada"), Page { number: 1 })), group(pages(2..4))));
    let expected = lines(&[
        r#"0.0.user [] {"name":"Ada"}"#,
        r#"0.1.page [] {"number":1}"#,
        r#"1.0.page [] {"number":2}"#,
        r#"1.1.page [] {"number":3}"#,
        "= [[0,1],[2,3]]",
    ]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn s148_an_empty_group_completes_with_an_empty_list() {
    assert_eq!(graph(group(Vec::<Page>::new())), "= []");
    assert_eq!(graph(Page::chunk(Vec::new(), 5)), "= []");
    let expected = lines(&["1.sum [] Arguments [[]]", "= 0"]);
    assert_eq!(graph(group(Vec::<Page>::new()).then(Sum::s())), expected);
}

#[test]
fn after_an_empty_group_the_next_step_still_waits_for_what_came_before() {
    let expected = lines(&[r#"0.user [] {"name":"Ada"}"#, "2.sum [0] Arguments [[]]", "= 1"]);
    let flow = named("Ada").then(group(Vec::<Page>::new())).then(Sum::s());
    assert_eq!(graph(flow), expected);
    // also when they were put together from the other end
    let flow = named("Ada").then(group(Vec::<Page>::new()).then(Sum::s()));
    assert_eq!(graph(flow), expected);
    let flow = group((named("Ada").then(group(Vec::<Page>::new())), Tick)).then(Tick);
    let expected = lines(&[r#"0.0.0.user [] {"name":"Ada"}"#, "0.1.tick [] {}", "1.tick [0, 1] {}", "= 2"]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn all_members_of_a_group_wait_for_and_receive_the_same() {
    let flow: Workflow<Bound, u64> =
        Page { number: 1 }.then(group((chain((Page::s(), Tick, named("Ada"))), Page::s()))).then(Pair::s());
    let expected = lines(&[
        r#"0.page [] {"number":1}"#,
        "1.0.0.page [0] Arguments [<0>]",
        "1.0.1.tick [1] {}",
        r#"1.0.2.user [2] {"name":"Ada"}"#,
        "1.1.page [0] Arguments [<0>]",
        "2.pair [3, 4] Arguments [[<3>,<4>]]",
        "= 5",
    ]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn a_group_after_a_group_waits_for_one_join() {
    let sums = (0..3).map(|_| Sum::s()).collect::<Vec<_>>();
    let flow: Workflow<Bound, Vec<u32>> = group(pages(0..4)).then(group(sums));
    let graphed = finish(flow).unwrap();
    assert_eq!(graphed.joins, [[0, 1, 2, 3]]);
    assert!(graphed.nodes[4..].iter().all(|node| node.after == Some(0)));
    assert_eq!(recipe(&graphed.nodes[6].payload), "Arguments [[<0>,<1>,<2>,<3>]]");
}

#[test]
fn a_thousand_after_a_thousand_cost_what_both_have() {
    let sums = (0..1_000).map(|_| Sum::s()).collect::<Vec<_>>();
    let chains = pages(0..1_000).into_iter().map(|page| page.then(Page::s())).collect::<Vec<_>>();
    let graphed = finish(group(chains).then(group(sums))).unwrap();
    assert_eq!((graphed.nodes.len(), graphed.joins.len()), (3_000, 1_001));
    let bytes: usize = graphed.nodes.iter().map(|node| node.payload.len()).sum();
    assert!(bytes < 300_000, "{bytes}");
    assert_eq!(json(&graphed.output), r#"{"of":2000,"len":1000,"step":1}"#);
}

#[test]
fn chunks_follow_each_other_and_give_all_results() {
    let flow = Page::chunk(pages(0..5), 2);
    let expected = lines(&[
        r#"0.0.page [] {"number":0}"#,
        r#"0.1.page [] {"number":1}"#,
        r#"1.0.page [0, 1] {"number":2}"#,
        r#"1.1.page [0, 1] {"number":3}"#,
        r#"2.0.page [2, 3] {"number":4}"#,
        r#"= {"of":0,"len":5,"step":1}"#,
    ]);
    assert_eq!(graph(flow), expected);
    let error = finish(Page::chunk(pages(0..5), 0)).unwrap_err();
    assert!(matches!(error, DispatchError::InvalidWorkflow(GraphError::EmptyChunks)), "{error}");
}

#[test]
fn a_slot_is_what_the_first_steps_wait_for() {
    let _: Workflow<Piped<u32>, (u32, u32)> = group((Page::s(), Page { number: 1 }));
    let _: Workflow<Piped<u32>, (u32, u32)> = group((Page { number: 1 }, Page::s()));
    let _: Workflow<Piped<u32>, (u32, u32, ())> = group((Page::s(), Page::s(), Tick));
    let _: Workflow<Piped<u32>, Vec<u32>> = group(vec![Page::s(), Page::s()]);
    let _: Workflow<Piped<u32>, Vec<u32>> = group([Page::s(), Page::s()]);
    let _: Workflow<Piped<u32>, ()> = Page::s().then(Tick);
    let _: Workflow<Piped<u64>, String> = Mail::s().subject("Hi").with(|o| o.priority(1));
}

#[test]
fn options_reach_the_steps_they_are_meant_for() {
    let second = Duration::from_secs(1);
    let inner =
        Page { number: 1 }.with(|o| o.priority(3).delay(second)).then(Mail { to: 1, subject: String::new() });
    let flow = inner.with(|o| o.priority(5).delay(2 * second)).then(Mail { to: 2, subject: String::new() });
    let nodes = finish(flow).unwrap().nodes;
    let seen: Vec<_> = nodes.iter().map(|node| (node.priority, node.delay.as_secs())).collect();
    assert_eq!(seen, [(3, 3), (5, 0), (7, 0)]);
    assert_eq!((nodes[2].max_attempts, nodes[2].max_stalls), (3, 4));
    let error = finish(Tick.with(|o| o.priority(1_001))).unwrap_err();
    assert_eq!(error.to_string(), "invalid option: priority 1001 is outside -1000 to 1000");
}

#[test]
fn deep_places_have_short_names() {
    let mut flow = Page { number: 0 }.then(Page::s());
    for number in 1..50 {
        flow = chord([flow, Page { number }.then(Page::s())], Sum::s());
    }
    let nodes = finish(flow).unwrap().nodes;
    let names: std::collections::HashSet<_> = nodes.iter().map(|node| node.name.clone()).collect();
    assert_eq!((names.len(), nodes.len()), (149, 149));
    assert!(names.iter().all(|name| name.len() <= 40));
}

#[test]
fn mistakes_are_told_when_the_workflow_is_dispatched() {
    #[derive(Debug, serde::Serialize, serde::Deserialize, crate::Task)]
    #[task(name = "odd", output = ())]
    struct Odd {
        map: std::collections::BTreeMap<Vec<u8>, u8>,
    }

    let odd = || Odd { map: [(vec![1], 1)].into() };
    for flow in [odd().then(Tick), Tick.then(odd()), group((Tick, odd())).then(Tick)] {
        let error = finish(flow).unwrap_err();
        assert!(matches!(&error, DispatchError::InvalidPayload { task, .. } if task == "odd"), "{error}");
    }
    let app = App::builder(MemoryAdapter::new()).max_payload(10).build();
    let error = Tick.then(named("a long name")).into_plan().finish(app.setup()).unwrap_err();
    assert!(matches!(&error, DispatchError::TooLarge { task, .. } if task == "user"), "{error}");
}

#[test]
fn a_value_of_more_parts_than_can_be_read_is_refused() {
    let repeated = |times: usize| {
        let mut dag = Dag::new();
        let all = dag.add(group(pages(0..1_000)));
        let last = dag.add_after(vec![all; times], Tables::s());
        finish(dag.finish(last)).map(|graphed| graphed.nodes.len())
    };
    assert_eq!(repeated(1_900).unwrap(), 1_001);
    let error = repeated(2_000).unwrap_err();
    let expected = "the input of `1.tables` is made of more than 2000000 values; let several steps merge parts of them first";
    assert_eq!(error.to_string(), expected);
    let empty =
        finish(group((0..2_000_001).map(|_| group(Vec::<Page>::new())).collect::<Vec<_>>())).unwrap_err();
    assert!(
        matches!(empty, DispatchError::InvalidWorkflow(GraphError::TooManyValues { what }) if what == "the result")
    );
}

#[test]
fn a_large_list_in_many_steps_is_refused_unless_it_is_even() {
    // members of one and of two steps: their ends are not numbered evenly
    let uneven = |members: u32| {
        let member = |number: u32| match number % 3 {
            0 => chain((Page { number }, Page::s())),
            _ => chain((Page { number },)),
        };
        group((0..members).map(member).collect::<Vec<Workflow<Bound, u32>>>())
    };
    let fan_out = |steps| group((0..steps).map(|_| Sum::s()).collect::<Vec<_>>());
    assert_eq!(finish(uneven(1_000).then(fan_out(1_000))).unwrap().nodes.len(), 2_334);
    let error = finish(uneven(10_000).then(fan_out(10_000))).unwrap_err();
    assert!(matches!(error, DispatchError::InvalidWorkflow(GraphError::TooManyReferences)), "{error}");
    let even = group(pages(0..10_000)).then(fan_out(10_000));
    assert_eq!(finish(even).unwrap().nodes.len(), 20_000);
}
