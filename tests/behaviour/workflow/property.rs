//! Random compositions, with steps that fail, retry, cancel and hang, against a model of what may become of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proptest::prelude::{Just, Strategy, prop, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use taskora::workflow::{GraphNode, Piped};
use taskora::{JobCounts, prelude::*};

use super::ends::all_ended;
use super::outcome;
use crate::support::{Probe, SWEEP, Store};

/// The most steps of a composition.
const MOST: usize = 50;

/// What a step does when it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Deed {
    /// Returns.
    Return,
    /// Fails so often, and then returns.
    Retry(u32),
    Fail,
    /// Cancels its own job.
    CancelItself,
    /// Cancels the whole workflow.
    CancelAll,
    /// Never returns: the workflow has a deadline.
    Hang,
}

/// A composition.
#[derive(Debug, Clone)]
enum Tree {
    One(Deed),
    Chain(Vec<Tree>),
    Group(Vec<Tree>),
}

#[task(retry(attempts = 4, delay = "1ms", backoff = fixed, jitter = false))]
async fn act(
    input: String,
    name: String,
    deed: Deed,
    probe: State<Probe>,
    ctx: Context,
) -> Result<String, TaskError> {
    probe.saw(&name);
    match deed {
        Deed::Retry(times) if ctx.attempt() <= times => return Err(TaskError::msg("not yet")),
        Deed::Return | Deed::Retry(_) => return Ok(format!("{name}({input})")),
        Deed::Fail => return Err(ctx.give_up(format!("{name} is broken"))),
        Deed::CancelItself => {
            let _ = ctx.app().raw_job(ctx.id()).cancel(format!("{name} gave up")).await;
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

#[task]
async fn merge(results: Vec<String>, name: String, probe: State<Probe>) -> String {
    probe.saw(&name);
    format!("{name}{results:?}")
}

/// A step of the model: what it does, and the steps that it waits for.
struct Member {
    deed: Deed,
    after: Vec<usize>,
}

/// The model: all steps by number, which is also their name, and the result if all goes well.
#[derive(Default)]
struct Model {
    steps: Vec<Member>,
}

type Flow = Workflow<Piped<String>, String>;

impl Model {
    fn step(&mut self, deed: Deed, after: &[usize]) -> (usize, String) {
        self.steps.push(Member { deed, after: after.to_vec() });
        let number = self.steps.len() - 1;
        (number, format!("s{number}"))
    }

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

    fn completes(&self, step: usize) -> bool {
        matches!(self.steps[step].deed, Deed::Return | Deed::Retry(_))
    }

    /// The steps that may start: all that they wait for completes.
    fn may_start(&self) -> Vec<bool> {
        let mut may: Vec<bool> = Vec::new();
        for step in &self.steps {
            may.push(step.after.iter().all(|parent| may[*parent] && self.completes(*parent)));
        }
        may
    }
}

fn deeds() -> impl Strategy<Value = Deed> {
    prop_oneof![
        30 => Just(Deed::Return),
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

/// Runs a composition, and compares what became of it with what may.
async fn check(store: &Store, tree: &Tree, ttl: Duration) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = format!("flow-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let mut model = Model::default();
    let (first, name) = model.step(Deed::Return, &[]);
    let seed = Act { input: String::new(), name: name.clone(), deed: Deed::Return };
    let (_, expected, rest) = model.add(tree, first, format!("{name}()"));

    let (app, probe) = (store.app().await, Probe::new());
    let worker = Worker::builder(&app).state(probe.clone()).register_all(tasks![Act, Merge]).sweep(SWEEP);
    let worker = worker.start().await.unwrap();
    let mut dispatch = app.dispatch(seed.then(rest)).id(&*id).meta("flow", &id);
    if model.ends_it().any(|step| model.steps[step].deed == Deed::Hang) {
        dispatch = dispatch.ttl(ttl);
    }
    let handle = dispatch.await.unwrap();
    let result = outcome(&handle).await;
    all_ended(&handle).await;
    let graph = handle.graph().await.unwrap();
    assert_eq!(app.counts("act").await.unwrap(), JobCounts::default(), "nothing is left");
    worker.shutdown().await.unwrap();

    assert_eq!(graph.nodes.len(), model.steps.len());
    model.check_result(&result, &expected);
    for (step, node) in graph.nodes.iter().enumerate() {
        let runs = probe.count(&format!("s{step}"));
        model.check_node(step, node, runs, &graph.nodes, &result);
    }
}

impl Model {
    /// The steps that end the workflow before it has completed: one of them does, if there are any.
    fn ends_it(&self) -> impl Iterator<Item = usize> {
        let may_start = self.may_start();
        (0..self.steps.len()).filter(move |step| may_start[*step] && !self.completes(*step))
    }

    fn check_result(&self, result: &Result<String, WorkflowError>, expected: &str) {
        let is = |says: &str, deed: Deed, text: &str| {
            self.ends_it().any(|step| self.steps[step].deed == deed && says == format!("s{step} {text}"))
        };
        let is_right = match result {
            Ok(result) => self.ends_it().next().is_none() && result == expected,
            Err(WorkflowError::Failed { message, .. }) => is(message, Deed::Fail, "is broken"),
            Err(WorkflowError::Cancelled { reason, .. }) => {
                is(reason, Deed::CancelItself, "gave up") || is(reason, Deed::CancelAll, "stopped it")
            }
            Err(WorkflowError::Expired { .. }) => {
                self.ends_it().any(|step| self.steps[step].deed == Deed::Hang)
            }
            Err(_) => false,
        };
        assert!(is_right, "{result:?}, and all together would be {expected}");
    }

    fn check_node(
        &self,
        step: usize,
        node: &GraphNode,
        runs: usize,
        nodes: &[GraphNode],
        result: &Result<String, WorkflowError>,
    ) {
        let Member { deed, after } = &self.steps[step];
        let attempts = if let Deed::Retry(times) = deed { *times as usize + 1 } else { 1 };
        let may_start = self.may_start()[step];
        match node.state {
            Some(JobState::Completed) => {
                assert!(may_start && self.completes(step), "s{step} completed");
                let done = |parent: &usize| nodes[*parent].finished_at <= node.started_at;
                assert!(after.iter().all(done), "s{step} started before what it waits for had ended");
                assert_eq!((runs, node.attempts as usize), (attempts, attempts), "s{step}");
            }
            // several may fail in the same moment; the first of them ends the workflow
            Some(JobState::Failed) => {
                let own = format!("s{step} is broken");
                assert!(
                    *deed == Deed::Fail && node.error.as_ref() == Some(&own),
                    "s{step}: {:?}",
                    node.error
                );
                assert!(result.is_err(), "s{step} failed, and the workflow completed");
            }
            Some(JobState::Cancelled) => {
                assert!(result.is_err(), "s{step} was cancelled, and the workflow completed");
                assert!(runs <= attempts && node.error.is_some(), "s{step} ran {runs} times");
            }
            state => panic!("s{step} is {state:?}"),
        }
        if let Err(WorkflowError::Failed { message, .. }) = result
            && *message == format!("s{step} is broken")
        {
            assert_eq!(node.state, Some(JobState::Failed), "s{step} failed the workflow");
        }
        assert!(may_start || runs == 0, "s{step} ran, and may not even start");
    }
}

fn run(cases: u32, mut check: impl FnMut(&Tree)) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let check = std::cell::RefCell::new(&mut check);
    let outcome = runner.run(&trees(), |tree| {
        (check.borrow_mut())(&tree);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn any_composition_ends_as_it_may_in_memory() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    run(500, |tree| {
        runtime().block_on(async { check(&Store::memory(), tree, Duration::from_secs(5)).await })
    });
}

#[test]
fn any_composition_ends_as_it_may_on_redis() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // most of it is waiting for deadlines
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = runtime.block_on(Store::redis());
                run(25, |tree| runtime.block_on(check(&store, tree, Duration::from_millis(200))));
            });
        }
    });
}
