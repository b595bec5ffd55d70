//! How operations are made up.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};

use super::*;
use crate::model::{actions, schedules};

pub(in crate::model) fn kept() -> impl Strategy<Value = Option<Kept>> {
    prop::option::weighted(0.3, (0..3u8, 1..6u8).prop_map(|(count, age)| Kept { count, age }))
}

fn rarely() -> impl Strategy<Value = bool> {
    prop::bool::weighted(0.1)
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        6 => Just(When::Now),
        2 => (1..=6u8).prop_map(When::After),
        1 => (0..=8u8).prop_map(When::At),
    ]
}

/// In fives of seconds.
fn brief() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.2, 1..=6u8)
}

fn priority() -> impl Strategy<Value = i16> {
    prop_oneof![4 => Just(0), 1 => Just(5), 1 => Just(-5), 1 => Just(1000), 1 => Just(-1000)]
}

fn limit_key() -> impl Strategy<Value = Option<u8>> {
    prop::option::weighted(0.6, 0..3u8)
}

fn gathers() -> impl Strategy<Value = Option<Gathers>> {
    let gathers = (1..4u8, 0..4u8, prop::option::weighted(0.4, 1..4u8), prop::bool::weighted(0.4));
    let gathers = gathers.prop_map(|(size, delay, longer, serial)| Gathers { size, delay, longer, serial });
    prop::option::weighted(0.4, gathers)
}

/// Rates give one to three starts at once.
fn cost() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(1u8), 3 => 2..4u8, 1 => Just(7)]
}

fn job() -> impl Strategy<Value = Job> {
    let keys = (limit_key(), gathers(), cost());
    (0..JOBS, 0..3u8, priority(), when(), brief(), 0..3u8, rarely(), rarely(), keys).prop_map(
        |(id, task, priority, due, ttl, stalls, large, annotated, (limit_key, gathers, cost))| Job {
            limit_key,
            gathers,
            cost,
            id,
            task,
            priority,
            due,
            ttl,
            stalls,
            large,
            annotated,
        },
    )
}

fn keyed() -> impl Strategy<Value = Keyed> {
    let otherwise = prop_oneof![
        2 => Just(Otherwise::Drop),
        2 => Just(Otherwise::Replace),
        3 => any::<bool>().prop_map(|cancel_running| Otherwise::Follow { cancel_running }),
    ];
    let states = prop_oneof![3 => Just(15u8), 1 => 1..16u8];
    let by = prop_oneof![
        1 => (1..3u8).prop_map(|max| By::Throttle { max }),
        2 => (1..6u8, prop::option::of(1..6u8)).prop_map(|(delay, longer)| By::Debounce { delay, longer }),
        1 => any::<(bool, bool)>().prop_map(|(payload, keep)| By::Once { payload, keep }),
        4 => (states, otherwise).prop_map(|(states, otherwise)| By::Deduplicate { states, otherwise }),
    ];
    (job(), 0..2u8, by).prop_map(|(job, key, by)| Keyed { job, key, by })
}

/// The newest leases are more likely to be valid.
fn lease() -> impl Strategy<Value = u8> {
    prop_oneof![4 => 0..4u8, 1 => any::<u8>()]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => rarely().prop_map(|large| End::Complete { large }),
        3 => prop_oneof![Just(0), Just(2u8), Just(6)].prop_map(End::Retry),
        1 => Just(End::Fail),
        1 => Just(End::Cancel),
        2 => Just(End::Release),
    ]
}

fn claims() -> impl Strategy<Value = Claims> {
    let asked = || prop::option::weighted(0.8, 0..6u8);
    (0..8u8, [asked(), asked(), asked()]).prop_map(|(limit, of)| Claims { limit, of })
}

fn flow() -> impl Strategy<Value = Flow> {
    let after = prop_oneof![1 => Just(0u8), 3 => any::<u8>()];
    let delay = prop_oneof![5 => Just(0u8), 1 => Just(2)];
    let node = (0..3u8, priority(), after, delay, brief(), 0..3u8, rarely(), (limit_key(), cost()));
    let node = node.prop_map(|(task, priority, after, delay, ttl, stalls, large, (limit_key, cost))| Node {
        limit_key,
        cost,
        task,
        priority,
        after,
        delay,
        ttl,
        stalls,
        large,
    });
    let nodes = prop::collection::vec(node, 0..=usize::from(NODES));
    let ttl = prop::option::weighted(0.2, 1..=12u8);
    (0..FLOWS, nodes, ttl, when(), rarely()).prop_map(|(id, nodes, ttl, due, annotated)| Flow {
        id,
        nodes,
        ttl,
        due,
        annotated,
    })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        3 => (0..JOBS).prop_map(Target::Job),
        1 => (0..FLOWS, 0..NODES).prop_map(|(flow, node)| Target::Node(flow, node)),
    ]
}

fn pace() -> impl Strategy<Value = Option<Pace>> {
    let pace = (1..4u8, 1..5u8, prop::option::of(1..4u8));
    prop::option::weighted(0.5, pace.prop_map(|(max, every, burst)| Pace { max, every, burst }))
}

fn per_key() -> impl Strategy<Value = PerKey> {
    let limit = prop_oneof![
        1 => Just(PerKey::fair()),
        3 => (1..3u32).prop_map(PerKey::at_most),
        2 => Just(PerKey::ordered()),
    ];
    (limit, pace()).prop_map(|(limit, pace)| limit.rate(pace.map(Pace::rate)))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => (prop::option::weighted(0.7, 1..4u8), pace()).prop_map(|(max, pace)| Change::Declare(max, pace)),
        2 => pace().prop_map(Change::SetRate),
        2 => prop::option::weighted(0.7, 1..4u8).prop_map(Change::Set),
        3 => prop::option::weighted(0.9, per_key()).prop_map(Change::DeclareKeys),
        1 => (0..3u8, prop::option::weighted(0.7, 1..4u8)).prop_map(|(key, max)| Change::SetKey(key, max)),
        1 => (0..3u8, pace()).prop_map(|(key, pace)| Change::SetKeyRate(key, pace)),
        2 => (prop::option::of(0..3u8), prop::option::of(1..5u8)).prop_map(|(key, lasting)| Change::Pause(key, lasting)),
        2 => prop::option::of(0..3u8).prop_map(Change::Resume),
    ]
}

pub(in crate::model) fn operation() -> impl Strategy<Value = Operation> {
    let settle = prop::collection::vec((lease(), end()), 0..4);
    let exchange = (0..2u8, settle, prop::option::weighted(0.85, claims()));
    let report = (any::<bool>(), 0..3u8).prop_map(|(progress, lines)| Report { progress, lines });
    prop_oneof![
        3 => prop::collection::vec(job(), 1..4).prop_map(Operation::Enqueue),
        3 => prop::collection::vec(keyed(), 1..4).prop_map(Operation::Admit),
        1 => (0..3u8, 0..2u8).prop_map(|(task, key)| Operation::ReleaseKey { task, key }),
        7 => exchange.prop_map(|(worker, settle, claim)| Operation::Exchange { worker, settle, claim }),
        1 => (0..2u8).prop_map(|worker| Operation::Repeat { worker }),
        1 => prop::collection::vec(lease(), 1..4).prop_map(Operation::Renew),
        1 => prop::collection::vec((lease(), report), 1..3).prop_map(Operation::Note),
        2 => target().prop_map(Operation::Cancel),
        3 => (actions::act(), target()).prop_map(|(act, target)| Operation::Act(act, target)),
        1 => (target(), job()).prop_map(|(target, job)| Operation::Replace(target, job)),
        1 => (1..8u8).prop_map(|tasks| Operation::Sweep { tasks }),
        2 => (1..=6u8).prop_map(Operation::Advance),
        2 => (0..3u8, change()).prop_map(|(task, change)| Operation::Gate { task, change }),
        2 => (lease(), 0..3u8).prop_map(|(lease, key)| Operation::TakeKey(lease, key)),
        1 => (lease(), 1..4u8).prop_map(|(lease, time)| Operation::CloseKey(lease, time)),
        1 => (0..3u8, 0..3u8).prop_map(|(task, key)| Operation::Flush(task, key)),
        4 => schedules::change().prop_map(|(name, change)| Operation::Schedule(name, change)),
        2 => flow().prop_map(Operation::Start),
        1 => (0..FLOWS).prop_map(Operation::CancelWorkflow),
        1 => target().prop_map(Operation::Await),
        1 => (0..FLOWS).prop_map(Operation::AwaitWorkflow),
        1 => Just(Operation::GiveUp),
    ]
}
