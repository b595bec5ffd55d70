//! What flows from step to step.

use serde_json::json;
use taskora::WorkflowBuilder;
use taskora::prelude::*;

use super::{Add, Double, Held, List, Scale, Show, Sum, ThirdTime, named, one, outcome, worker};
use crate::support::{Probe, Store, on_both};

#[task]
async fn where_am_i(ctx: Context) -> (String, Option<String>) {
    (ctx.id().to_string(), ctx.meta("user").map(str::to_owned))
}

#[task]
async fn nothing(probe: State<Probe>) {
    probe.saw("nothing");
}

#[task]
async fn after_nothing(nothing: ()) -> String {
    format!("{nothing:?}")
}

#[task]
async fn pair(both: (i64, String)) -> String {
    format!("{}+{}", both.0, both.1)
}

on_both! {
    async fn s133_a_second_step_takes_the_result_of_the_first(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(chain((one(2), Double::s()))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 6);
        worker.shutdown().await.unwrap();
    }

    async fn s134_values_flow_through_three_steps(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(chain((one(2), Double::s(), Show::s().prefix("n = ")))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "n = 6");
        worker.shutdown().await.unwrap();
    }

    async fn s135_then_makes_a_chain(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(one(2).then(Double::s()).then(Show::s().prefix("n = "))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "n = 6");
        // whoever is bound ignores what came before
        let handle = app.dispatch(one(2).then(one(40)).then(Add::s().b(1))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 42);
        worker.shutdown().await.unwrap();
    }

    async fn s136_a_group_returns_its_results_in_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(group((one(1), Show { n: 2, prefix: "n".into() }, one(3)))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), (2, "n2".to_owned(), 4));
        let handle = app.dispatch(group((0..20).map(one).collect::<Vec<_>>())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), (1..=20).collect::<Vec<_>>());
        worker.shutdown().await.unwrap();
    }

    async fn s137_a_callback_takes_both_results_in_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(chord([one(1), Add { a: 10, b: 20 }], Sum::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 32);
        let handle = app.dispatch(chord([one(9), one(1), one(5)], List::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [10, 2, 6]);
        worker.shutdown().await.unwrap();
    }

    async fn s142_map_returns_its_results_in_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Add::map([one(1), one(2), one(3)])).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [2, 3, 4]);
        worker.shutdown().await.unwrap();
    }

    async fn chunks_follow_each_other_and_return_everything(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let names = ["a", "b", "c", "d", "e"];
        let handle = app.dispatch(Held::chunk(names.map(named), 2)).await.unwrap();
        for (started, opened) in [(2, 1), (2, 1), (4, 2), (5, 1)] {
            probe.until(started).await;
            assert_eq!(probe.seen().len(), started);
            probe.open(opened);
        }
        assert_eq!(outcome(&handle).await.unwrap(), names);
        worker.shutdown().await.unwrap();
    }

    async fn s144_a_node_knows_its_workflow_and_its_number(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = super::with_all(crate::support::quick(&app), &probe).register::<WhereAmI>();
        let worker = worker.start().await.unwrap();
        let flow = WhereAmI {}.then(group([WhereAmI {}, WhereAmI {}]));
        let handle = app.dispatch(flow).id("tour").meta("user", "ada").await.unwrap();
        let ada = || Some("ada".to_owned());
        let places = ["tour#1", "tour#2"].map(|id| (id.to_owned(), ada()));
        assert_eq!(outcome(&handle).await.unwrap(), places);
        worker.shutdown().await.unwrap();
    }

    async fn x09_a_step_without_a_result_passes_on_nothing(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = super::with_all(crate::support::quick(&app), &probe).register_all(tasks![Nothing, AfterNothing]);
        let worker = worker.start().await.unwrap();
        let handle = app.dispatch(Nothing {}.then(AfterNothing::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "()");
        let handle = app.dispatch(Nothing {}).await.unwrap();
        handle.result().await.unwrap();
        assert_eq!(probe.count("nothing"), 2);
        worker.shutdown().await.unwrap();
    }

    async fn x15_a_group_of_one_is_a_list_of_one(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(group([one(1)])).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [2]);
        let handle = app.dispatch(group((one(1),))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), (2,));
        let handle = app.dispatch(Add::map([one(1)])).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [2]);
        let handle = app.dispatch(Add::chunk([one(1), one(2), one(3)], 2)).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [2, 3, 4]);
        let handle = app.dispatch(chord([one(1)], List::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [2]);
        let handle = app.dispatch(group(Vec::<Add>::new())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), Vec::<i64>::new());
        let handle = app.dispatch(chord(Vec::<Add>::new(), Sum::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 0);
        worker.shutdown().await.unwrap();
    }

    async fn s184_s189_contracts_and_tasks_mix_in_a_chain(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(Scale { n: 2, by: 3 }.then(Scale::s().by(7))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 42);
        let handle = app.dispatch(chain((one(2), Scale::s().by(7), Show::s().prefix("")))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "21");
        // the open argument may be any of them
        let handle = app.dispatch(one(2).then(Scale::s().n(5)).then(Scale::s().by(2))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 30);
        worker.shutdown().await.unwrap();
    }

    async fn s185_s186_s188_contracts_in_groups_chords_and_maps(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let scaled = |n| Scale { n, by: 10 };
        let handle = app.dispatch(group((scaled(1), one(1)))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), (10, 2));
        let handle = app.dispatch(chord([scaled(1), scaled(2)], Sum::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 30);
        let handle = app.dispatch(Scale::map((1..=3).map(scaled))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [10, 20, 30]);
        worker.shutdown().await.unwrap();
    }

    async fn compositions_nest(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = super::with_all(crate::support::quick(&app), &probe).register::<Pair>();
        let worker = worker.start().await.unwrap();
        // fan out, a chain in one arm, fan in
        let flow = one(1)
            .then(group((Double::s().then(Double::s()), Show::s().prefix("n"))))
            .then(Pair::s());
        let handle = app.dispatch(flow).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "8+n2");
        let rows = (0..3).map(|row| Add::map((0..3).map(|at| one(10 * row + at)))).collect::<Vec<_>>();
        let handle = app.dispatch(group(rows)).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), [[1, 2, 3], [11, 12, 13], [21, 22, 23]]);
        // a whole contract, a retry on the way
        let handle = app.dispatch(chain((ThirdTime {}, Add::s().b(39)))).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), 42);
        assert_eq!(probe.count("third time"), 3);
        worker.shutdown().await.unwrap();
    }

    async fn a_node_of_a_dag_stands_for_an_argument(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let mut dag = Dag::new();
        let first = dag.add(one(1));
        let second = dag.add(Double::s().n(first));
        let both = dag.add(Add::s().a(first).b(second));
        let numbers = dag.join([first, second, both]);
        let total = dag.add(Sum::s().numbers(numbers));
        let text = dag.add_after(both, Show::s().prefix("both = "));
        let shown = dag.add_after(total, Show::s().prefix(text).with(|o| o.priority(1)));
        let handle = app.dispatch(dag.finish(shown)).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "both = 612");
        worker.shutdown().await.unwrap();
    }

    async fn a_dag_joins_what_it_likes(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = super::with_all(crate::support::quick(&app), &probe).register::<Pair>();
        let worker = worker.start().await.unwrap();
        let mut dag = Dag::new();
        let first = dag.add(one(1));
        let second = dag.add(one(10));
        let doubled = dag.add_after(first, Double::s());
        let shown = dag.add_after(second, Show::s().prefix("s"));
        let both = dag.add_after((doubled, shown), Pair::s());
        let handle = app.dispatch(dag.finish(both)).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), "4+s11");
        worker.shutdown().await.unwrap();
    }

    async fn a_graph_of_names_and_json_runs_too(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let flow = WorkflowBuilder::new()
            .node("total", "sum", json!({ "numbers": [{ "$result": "a" }, 30, { "$result": "b" }] }))
            .node("a", "add", json!({ "a": 1, "b": 1 }))
            .node("b", "scale", json!({ "n": { "$result": "a" }, "by": 5 }))
            .build()
            .unwrap();
        let handle = app.dispatch(flow).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), json!(42));
        worker.shutdown().await.unwrap();
    }

    async fn a_chord_of_thousands_keeps_its_order(store: Store) {
        let (app, probe) = (store.app().await, Probe::new());
        let worker = worker(&app, &probe).await;
        let handle = app.dispatch(chord((0..2_500).map(one).collect::<Vec<_>>(), List::s())).await.unwrap();
        assert_eq!(outcome(&handle).await.unwrap(), (1..=2_500).collect::<Vec<_>>());
        worker.shutdown().await.unwrap();
    }
}
