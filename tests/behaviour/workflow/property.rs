//! Random compositions and random graphs, with steps that fail, retry, cancel and hang, that are cancelled from outside or
//! run out of time at any moment, against a model of what may become of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use taskora::workflow::{Bound, Piped};
use taskora::{JobCounts, prelude::*};

use super::ends::all_ended;
use super::model::{Deed, Model};
use super::outcome;
use crate::support::{Probe, SWEEP, Store};

/// The most steps of a composition.
const MOST: usize = 50;

/// What happens to all of it.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// Nothing.
    Free,
    /// It is cancelled when so many attempts have begun.
    Cancelled(usize),
    /// It has so many milliseconds.
    Limited(u64),
}

/// A composition.
#[derive(Debug, Clone)]
enum Tree {
    One(Deed),
    Chain(Vec<Tree>),
    Group(Vec<Tree>),
}

/// What a step does, and returns if it does.
async fn perform(
    name: &str,
    deed: Deed,
    value: String,
    probe: &Probe,
    ctx: &Context,
) -> Result<String, TaskError> {
    probe.saw(name);
    match deed {
        Deed::Nap(millis) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            return Ok(value);
        }
        Deed::Retry(times) if ctx.attempt() <= times => return Err(TaskError::msg("not yet")),
        Deed::Return | Deed::Retry(_) => return Ok(value),
        Deed::Fail => return Err(ctx.give_up(format!("{name} is broken"))),
        Deed::CancelItself => {
            let _ = ctx.app().job_raw(ctx.id()).cancel(format!("{name} gave up")).await;
        }
        Deed::CancelAll => {
            let flow = ctx.meta("flow").unwrap_or_default();
            let _ = ctx.app().workflow::<String>(flow).cancel(format!("{name} stopped it")).await;
        }
        Deed::Hang => {}
    }
    ctx.cancelled().await;
    Ok("what is returned now is not used".into())
}

#[task(retry(attempts = 4, delay = "1ms", backoff = fixed, jitter = false))]
async fn act(
    input: String,
    name: String,
    deed: Deed,
    probe: State<Probe>,
    ctx: Context,
) -> Result<String, TaskError> {
    perform(&name, deed, format!("{name}({input})"), &probe, &ctx).await
}

/// A node of a graph.
#[task(retry(attempts = 4, delay = "1ms", backoff = fixed, jitter = false))]
async fn link(
    inputs: Vec<String>,
    name: String,
    deed: Deed,
    probe: State<Probe>,
    ctx: Context,
) -> Result<String, TaskError> {
    perform(&name, deed, digest(&name, &inputs), &probe, &ctx).await
}

/// What a node of a graph returns: short, however many paths lead to it, and another one for any other input.
fn digest(name: &str, inputs: &[String]) -> String {
    let bytes = inputs.iter().flat_map(|input| input.bytes().chain([b','])).chain(name.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{name}-{hash:x}")
}

#[task]
async fn merge(results: Vec<String>, name: String, probe: State<Probe>) -> String {
    probe.saw(&name);
    format!("{name}{results:?}")
}

type Flow = Workflow<Piped<String>, String>;

impl Model {
    /// Adds a composition: the step that ends it, its result given what comes in, and the flow itself.
    fn add(&mut self, tree: &Tree, after: usize, input: String) -> (usize, String, Flow) {
        match tree {
            Tree::One(deed) => {
                let (number, name) = self.step(*deed, &[after]);
                let flow = chain((Act::s().name(name.clone()).deed(*deed),));
                (number, format!("{name}({input})"), flow)
            }
            Tree::Chain(trees) => {
                let (mut last, mut result, mut flow) = self.add(&trees[0], after, input);
                for tree in &trees[1..] {
                    let next;
                    (last, result, next) = self.add(tree, last, result);
                    flow = flow.then(next);
                }
                (last, result, flow)
            }
            Tree::Group(trees) => {
                let (mut lasts, mut results, mut flows) = (Vec::new(), Vec::new(), Vec::new());
                for tree in trees {
                    let (last, result, flow) = self.add(tree, after, input.clone());
                    lasts.push(last);
                    results.push(result);
                    flows.push(flow);
                }
                // a group of nobody waits for what came before it
                if lasts.is_empty() {
                    lasts.push(after);
                }
                let (number, name) = self.step(Deed::Return, &lasts);
                let flow = group(flows).then(Merge::s().name(name.clone()));
                (number, format!("{name}{results:?}"), flow)
            }
        }
    }
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        30 => Just(Deed::Return),
        6 => (1..20u64).prop_map(Deed::Nap),
        4 => (1..=3u32).prop_map(Deed::Retry),
        1 => Just(Deed::Fail),
        1 => Just(Deed::CancelItself),
        1 => Just(Deed::CancelAll),
        1 => Just(Deed::Hang),
    ]
}

fn trees() -> impl Strategy<Value = Tree> {
    let tree = deeds().prop_map(Tree::One).prop_recursive(4, 40, 6, |tree| {
        prop_oneof![
            prop::collection::vec(tree.clone(), 1..6).prop_map(Tree::Chain),
            prop::collection::vec(tree, 0..6).prop_map(Tree::Group),
        ]
    });
    let tree = prop_oneof![
        prop::collection::vec(tree.clone(), 1..8).prop_map(Tree::Chain),
        prop::collection::vec(tree, 0..8).prop_map(Tree::Group),
    ];
    tree.prop_filter("at most 50 steps", |tree| {
        let mut model = Model::default();
        model.step(Deed::Return, &[]);
        let _ = model.add(tree, 0, String::new());
        model.steps.len() <= MOST
    })
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Free),
        1 => (0..=MOST).prop_map(Fate::Cancelled),
        1 => (1..60u64).prop_map(Fate::Limited),
    ]
}

/// What each node of a graph does, and which of the nodes before it it waits for.
type Nodes = Vec<(Deed, Vec<Index>)>;

fn graphs() -> impl Strategy<Value = Nodes> {
    let node = (deeds(), prop::collection::vec(any::<Index>(), 0..5));
    prop::collection::vec(node, 1..=MOST)
}

/// A workflow, what may become of it, and its result if all goes well.
struct Case {
    model: Model,
    flow: Workflow<Bound, String>,
    expected: String,
}

impl Case {
    fn composition(tree: &Tree) -> Self {
        let mut model = Model::default();
        let (first, name) = model.step(Deed::Return, &[]);
        let seed = Act { input: String::new(), name: name.clone(), deed: Deed::Return };
        let (_, expected, rest) = model.add(tree, first, format!("{name}()"));
        Self { model, flow: seed.then(rest), expected }
    }

    /// A graph whose result is its last node's.
    fn graph(nodes: &Nodes) -> Self {
        let (mut model, mut dag) = (Model::default(), Dag::new());
        let (mut made, mut results) = (Vec::new(), Vec::new());
        for (at, (deed, picks)) in nodes.iter().enumerate() {
            let mut parents: Vec<usize> =
                picks.iter().filter(|_| at > 0).map(|pick| pick.index(at)).collect();
            parents.sort_unstable();
            parents.dedup();
            let (_, name) = model.step(*deed, &parents);
            let inputs: Vec<String> = parents.iter().map(|parent| String::clone(&results[*parent])).collect();
            results.push(digest(&name, &inputs));
            let node = match parents.as_slice() {
                [] => dag.add(Link { inputs, name, deed: *deed }),
                _ => {
                    let parents: Vec<_> = parents.iter().map(|parent| made[*parent]).collect();
                    dag.add_after(parents, Link::s().name(name).deed(*deed))
                }
            };
            made.push(node);
        }
        let last = made[made.len() - 1];
        Self { model, flow: dag.finish(last), expected: results.pop().unwrap_or_default() }
    }
}

/// Runs a workflow, and compares what became of it with what may.
async fn check(store: &Store, case: Case, fate: Fate, ttl: Duration) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = format!("flow-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let Case { mut model, flow, expected } = case;

    let (app, probe) = (store.app().await, Probe::new());
    let worker = Worker::builder(&app).state(probe.clone()).register_all(tasks![Act, Link, Merge]);
    let worker = worker.sweep(SWEEP).start().await.unwrap();
    let mut dispatch = app.dispatch(flow).id(&*id).meta("flow", &id);
    if let Fate::Limited(millis) = fate {
        dispatch = dispatch.ttl(Duration::from_millis(millis));
        model.is_limited = true;
    } else if model.ends_it().any(|step| model.steps[step].deed == Deed::Hang) {
        dispatch = dispatch.ttl(ttl);
        model.is_limited = true;
    }
    let handle = dispatch.await.unwrap();
    if let Fate::Cancelled(attempts) = fate {
        tokio::select! {
            _ = probe.until(attempts) => {
                handle.cancel("cancelled from outside").await.unwrap();
                model.is_cancelled = true;
            }
            // it had ended before
            _ = outcome(&handle) => {}
        }
    }
    let result = outcome(&handle).await;
    all_ended(&handle).await;
    let graph = handle.graph().await.unwrap();
    for task in ["act", "link", "merge"] {
        assert_eq!(app.counts(task).await.unwrap(), JobCounts::default(), "nothing of `{task}` is left");
    }
    let runs: Vec<usize> = (0..model.steps.len()).map(|step| probe.count(&format!("s{step}"))).collect();
    worker.shutdown().await.unwrap();

    assert_eq!(graph.nodes.len(), model.steps.len());
    model.check_result(&result, &expected);
    for (step, node) in graph.nodes.iter().enumerate() {
        model.check_node(step, node, runs[step], &graph.nodes, &result);
        assert_eq!(probe.count(&format!("s{step}")), runs[step], "s{step} ran after the end");
    }
}

fn cases() -> impl Strategy<Value = (Form, Fate)> {
    let form = prop_oneof![trees().prop_map(Form::Tree), graphs().prop_map(Form::Graph)];
    (form, fates())
}

/// What a workflow looks like.
#[derive(Debug, Clone)]
enum Form {
    Tree(Tree),
    Graph(Nodes),
}

impl Form {
    fn case(&self) -> Case {
        match self {
            Self::Tree(tree) => Case::composition(tree),
            Self::Graph(nodes) => Case::graph(nodes),
        }
    }
}

fn run(number: u32, mut check: impl FnMut(Case, Fate)) {
    let mut runner =
        TestRunner::new(Config { cases: number, failure_persistence: None, ..Config::default() });
    let check = std::cell::RefCell::new(&mut check);
    let outcome = runner.run(&cases(), |(form, fate)| {
        (check.borrow_mut())(form.case(), fate);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_workflow_ends_as_it_may_in_memory() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    run(800, |case, fate| {
        runtime().block_on(async { check(&Store::memory(), case, fate, Duration::from_secs(5)).await })
    });
}

#[test]
fn any_workflow_ends_as_it_may_on_redis() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // most of it is waiting for deadlines
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = runtime.block_on(Store::redis());
                run(30, |case, fate| runtime.block_on(check(&store, case, fate, Duration::from_millis(200))));
            });
        }
    });
}
