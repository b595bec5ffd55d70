//! Every interleaving of a small world: two workers, a workflow of three nodes, leases that pass, sweeps, cancellations.
//! States are told apart by all that can be seen and all that the workers believe, and visited breadth first, until there
//! are no new ones.
//!
//! After each step it holds that a job completes once (I2), that there are no two valid leases on one job (I3), that a
//! workflow has ended if and only if its nodes have, or are told to, with its last node run once (I4), and that whoever
//! has lost a lease changes nothing. From each state, the workflow comes to its end.

mod action;
mod collects;
mod gates;
mod keys;
mod ledger;
mod stage;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use self::action::Action;
use self::ledger::Ledger;
use self::stage::{Shape, Stage};

/// What was visited.
#[derive(Debug)]
struct Visited {
    states: usize,
    steps: usize,
    depth: usize,
    /// No state is left whose successors are unknown.
    closed: bool,
}

/// Visits all states that can be reached in `depth` steps.
async fn visit(stage: &Stage, shape: Shape, depth: usize) -> Visited {
    let mut seen = HashSet::new();
    let mut frontier: Vec<Vec<Action>> = vec![Vec::new()];
    let mut visited = Visited { states: 0, steps: 0, depth: 0, closed: false };
    while !frontier.is_empty() && visited.depth <= depth {
        let mut next = Vec::new();
        for path in frontier {
            visited.steps += 1;
            let mut world = replay(stage, shape, &path).await;
            let actions = world.actions();
            let (fingerprint, claimed) = world.finish(&path).await;
            if seen.insert(fingerprint) {
                visited.states += 1;
                world.drain(claimed, &path).await;
                next.extend(actions.into_iter().map(|action| {
                    let mut path = path.clone();
                    path.push(action);
                    path
                }));
            }
        }
        frontier = next;
        visited.depth += 1;
    }
    visited.closed = frontier.is_empty();
    visited
}

async fn replay<'a>(stage: &'a Stage, shape: Shape, path: &[Action]) -> Ledger<'a> {
    let mut world = Ledger::start(stage, shape).await;
    for action in path {
        world.apply(action, path).await;
    }
    world
}

async fn all_of(shape: Shape, at_least: usize) {
    let started = Instant::now();
    let visited = visit(&Stage::memory(), shape, usize::MAX).await;
    println!("{shape:?}: {visited:?} in {:?}", started.elapsed());
    assert!(visited.closed, "{visited:?}");
    assert!(visited.states >= at_least, "the world has become smaller: {visited:?}");
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_chain_of_three() {
    all_of(Shape::CHAIN, 1_000).await;
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_diamond() {
    all_of(Shape::DIAMOND, 2_000).await;
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_chain_with_a_deadline() {
    all_of(Shape { ttl: Some(Duration::from_secs(15)), ..Shape::CHAIN }, 500).await;
}

#[tokio::test(start_paused = true)]
async fn every_state_of_a_chain_whose_last_step_expires() {
    all_of(Shape { last_ttl: Some(Duration::from_secs(15)), ..Shape::CHAIN }, 900).await;
}

#[tokio::test]
async fn the_first_states_on_redis() {
    let stage = Stage::redis().await;
    let brief = Shape { last_ttl: Some(Duration::from_secs(5)), ..Shape::CHAIN };
    for shape in [Shape::CHAIN, Shape::DIAMOND, brief] {
        let visited = visit(&stage, shape, 4).await;
        println!("{shape:?}: {visited:?}");
        assert!(visited.states >= 20, "{visited:?}");
    }
}
