//! Typed graphs.

use super::*;
use crate::workflow::{Bound, Dag, GraphError, Workflow, group};

#[test]
fn a_dag_waits_for_what_it_is_told() {
    let mut dag = Dag::new();
    let a = dag.add(named("Ada"));
    let b = dag.add(Page { number: 1 });
    let all = dag.add(group(pages(2..4)));
    let both = dag.add_after((a, b), Pair::s());
    let sum = dag.add_after(all, Sum::s().then(Page::s()));
    let list = dag.add_after(vec![b, sum], Sum::s());
    dag.add_after([both, a], Tick);
    let flow: Workflow<Bound, u32> = dag.finish(list);
    let expected = lines(&[
        r#"0.user [] {"name":"Ada"}"#,
        r#"1.page [] {"number":1}"#,
        r#"2.0.page [] {"number":2}"#,
        r#"2.1.page [] {"number":3}"#,
        "3.pair [0, 1] Arguments [[<0>,<1>]]",
        "4.0.sum [2, 3] Arguments [[<2>,<3>]]",
        "4.1.page [5] Arguments [<5>]",
        "5.sum [1, 6] Arguments [[<1>,<6>]]",
        "6.tick [0, 4] {}",
        "= 7",
    ]);
    assert_eq!(graph(flow), expected);
}

#[task]
async fn letter(user: u64, pages: Vec<u32>, text: String) -> String {
    format!("{user}{pages:?}{text}")
}

#[test]
fn a_node_of_a_dag_stands_for_an_argument() {
    let mut dag = Dag::new();
    let user = dag.add(named("Ada"));
    let page = dag.add(Page { number: 1 });
    let all = dag.add(group(pages(2..4)));
    let text = dag.add(Mail::s().to(user).subject("Hi"));
    let chained = dag.add(Letter::s().user(user).pages(all).text("x").then(Tick));
    let piped = dag.add_after((page, chained), Letter::s().user(user).pages([1u32]).text(text).then(Tick));
    let open = dag.add_after(text, Letter::s().user(user).pages(all).with(|o| o.priority(2)));
    dag.add_after(piped, Page::s().number(page));
    let flow: Workflow<Bound, String> = dag.finish(open);
    let expected = lines(&[
        r#"0.user [] {"name":"Ada"}"#,
        r#"1.page [] {"number":1}"#,
        r#"2.0.page [] {"number":2}"#,
        r#"2.1.page [] {"number":3}"#,
        r#"3.mail [0] Arguments [<0>,"Hi"]"#,
        r#"4.0.letter [0, 2, 3] Arguments [<0>,[<2>,<3>],"x"]"#,
        "4.1.tick [5] {}",
        "5.0.letter [0, 1, 4, 6] Arguments [<0>,[1],<4>]",
        "5.1.tick [7] {}",
        "6.letter [0, 2, 3, 4] Arguments [<0>,[<2>,<3>],<4>]",
        "7.page [1, 8] Arguments [<1>]",
        "= 9",
    ]);
    assert_eq!(graph(flow), expected);
}

#[test]
fn nodes_stand_for_arguments_in_groups_and_in_larger_workflows() {
    let mut dag = Dag::new();
    let user = dag.add(named("Ada"));
    let mails = ["a", "b"].map(|subject| Mail::s().to(user).subject(subject));
    let mails = dag.add(group(mails));
    let first = dag.add(Page { number: 1 });
    let second = dag.add(Page { number: 2 });
    let list = dag.join(vec![first, second]);
    let pair = dag.add_after(second, group((Letter::s().user(user).pages(list).text("x"), Page::s())));
    let (mails_and_pair, none) = (dag.join((mails, pair)), dag.add(group(Vec::<Page>::new())));
    let sum = dag.add(Sum::s().numbers(none));
    dag.add_after((mails_and_pair, sum), Tick);
    let expected = lines(&[
        "0.tick [] {}",
        r#"1.0.user [0] {"name":"Ada"}"#,
        r#"1.1.0.mail [1] Arguments [<1>,"a"]"#,
        r#"1.1.1.mail [1] Arguments [<1>,"b"]"#,
        r#"1.2.page [0] {"number":1}"#,
        r#"1.3.page [0] {"number":2}"#,
        r#"1.4.0.letter [1, 4, 5] Arguments [<1>,[<4>,<5>],"x"]"#,
        "1.4.1.page [5] Arguments [<5>]",
        "1.6.sum [0] Arguments [[]]",
        "1.7.tick [2, 3, 6, 7, 8] {}",
        "= 8",
    ]);
    assert_eq!(graph(Tick.then(dag.finish(sum))), expected);
}

#[test]
fn steps_that_take_the_same_nodes_wait_at_one_join() {
    let mut dag = Dag::new();
    let users: Vec<_> = ["Ada", "Bob"].map(|name| dag.add(named(name))).into();
    let mails: Vec<_> = (0..100).map(|n| Mail::s().to(users[0]).subject(n.to_string())).collect();
    let last = dag.add_after(users, group(mails));
    let graph = finish(dag.finish(last)).unwrap();
    assert_eq!((graph.nodes.len(), graph.joins), (102, vec![vec![0, 1]]));
}

#[test]
fn a_dag_can_be_a_step() {
    let mut dag = Dag::new();
    let a = dag.add(Page { number: 1 });
    dag.add_after(a, Tick);
    let expected = lines(&[
        "0.tick [] {}",
        r#"1.0.page [0] {"number":1}"#,
        "1.1.tick [1] {}",
        "2.page [1] Arguments [<1>]",
        "= 3",
    ]);
    assert_eq!(graph(Tick.then(dag.finish(a)).then(Page::s())), expected);
}

#[test]
fn a_node_of_another_dag_is_refused() {
    let foreign = |finish: fn(Dag, Dag) -> Workflow<Bound, u32>| {
        let error = super::finish(finish(Dag::new(), Dag::new())).unwrap_err();
        assert!(matches!(error, DispatchError::InvalidWorkflow(GraphError::ForeignNode)), "{error}");
    };
    foreign(|mut own, mut other| {
        own.add(Page { number: 1 });
        own.finish(other.add(Page { number: 2 }))
    });
    foreign(|mut own, mut other| {
        let mine = own.add(Page { number: 1 });
        own.add_after((mine, other.add(Page { number: 2 })), Tick);
        own.finish(mine)
    });
    foreign(|mut own, mut other| {
        own.add(Page { number: 1 });
        let theirs = other.add(Page { number: 2 });
        let node = own.add(Page::s().number(theirs));
        own.finish(node)
    });
    foreign(|mut own, mut other| {
        let mine = own.add(Page { number: 1 });
        own.join([mine, other.add(Page { number: 2 })]);
        own.finish(mine)
    });
}
