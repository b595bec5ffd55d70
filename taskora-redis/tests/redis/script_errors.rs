//! Commands that fail at any one of their writes, which Redis does not take back. Whether the call is repeated or not: every job
//! runs to its end, none completes twice, and after a repair nothing is amiss.

mod actions;
mod costs;
mod gates;
mod gathers;
mod key_rates;
mod keys;
mod lanes;
mod schedules;
mod workers;

use std::time::Duration;

use taskora::adapter::{
    Actions, Admissions, AttemptEnd, ClaimedJob, Due, Jobs, NewJob, NewWorkflow, Otherwise, Rule, Workflows,
};
use taskora::{OnExpire, Retention, RetentionLimit, Ttl};

use crate::flows::{chain, chord, flow, node};
use crate::garbage::world::{
    First, MADE, OTHER, Outcome, PERIOD, World, debounced, following, of, throttled,
};
use crate::kit::{TASK, complete, job};
use crate::server::Server;

/// A command, what is done before it, and what is done by it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Act {
    EnqueueOne,
    EnqueueAlike,
    EnqueueMixed,
    Replace,
    Admit,
    AdmitAndCancel,
    Settle,
    SettleOwners,
    SettleNodes,
    SettleFan,
    ClaimOne,
    ClaimSeveral,
    Promote,
    Rescue,
    Stall,
    Expire,
    ClaimLate,
    Remove,
    CancelWaiting,
    CancelUrgent,
    CancelDelayed,
    CancelOwner,
    CancelFollower,
    CancelActive,
    CancelNode,
    CancelWorkflow,
    OperatorRevive,
    OperatorPromote,
    OperatorWithdraw,
    OperatorDelete,
    OperatorReplace,
    OperatorReplaceOwner,
    OperatorReplaceFollower,
    OperatorReprioritise,
    Start,
    StartLarge,
    Stage,
    CatchUp,
    GateSettle,
    GateClaim,
    RateClaim,
    RateOpen,
    RateSet,
    PauseSet,
    PauseLonger,
    PauseOver,
    CostClaim,
    CostSettle,
    CostCancel,
    CostEnqueue,
    CostReplace,
    CostExpire,
    GateRescue,
    GateSet,
    GateDeclare,
    LaneEnqueue,
    LaneClaim,
    LaneSettle,
    LaneDue,
    LaneRescue,
    LaneCancel,
    LaneSet,
    LaneTake,
    LaneReplace,
    LaneExpire,
    LaneDeclare,
    LaneCancelHolder,
    GatherEnqueue,
    GatherClaim,
    GatherOpen,
    GatherSettle,
    GatherDue,
    GatherRescue,
    GatherCancel,
    GatherReplace,
    GatherExpire,
    GatherFlush,
    KeyRateClaim,
    KeyRateOpen,
    KeyRateSet,
    KeyRateDeclare,
    KeyRateTake,
    KeyClose,
    KeyReopen,
    Note,
    Watch,
    Repair,
    Declare,
    PutNew,
    PutOther,
    PutLater,
    Resume,
    HandOut,
    Tick,
    TickMany,
    TickWaiting,
    TickQueued,
    CancelRun,
    Trigger,
    Pause,
    RemoveSchedule,
    WorkerQuiet,
    WorkerSignOff,
}

impl Act {
    fn command(self) -> &'static str {
        match self {
            Self::EnqueueOne
            | Self::EnqueueAlike
            | Self::EnqueueMixed
            | Self::Replace
            | Self::GatherEnqueue
            | Self::CostEnqueue
            | Self::LaneEnqueue => "enqueue",
            Self::Admit
            | Self::AdmitAndCancel
            | Self::LaneReplace
            | Self::GatherReplace
            | Self::CostReplace => "admit",
            Self::Settle
            | Self::SettleOwners
            | Self::SettleNodes
            | Self::SettleFan
            | Self::ClaimOne
            | Self::ClaimSeveral
            | Self::ClaimLate
            | Self::GateSettle
            | Self::GateClaim
            | Self::RateClaim
            | Self::RateOpen
            | Self::CostClaim
            | Self::CostSettle
            | Self::KeyRateClaim
            | Self::KeyRateOpen
            | Self::KeyReopen
            | Self::GatherClaim
            | Self::GatherOpen
            | Self::GatherSettle
            | Self::GatherDue
            | Self::GatherExpire
            | Self::LaneClaim
            | Self::LaneSettle
            | Self::LaneDue
            | Self::LaneExpire
            | Self::PauseOver
            | Self::Promote => "exchange",
            Self::Rescue
            | Self::Stall
            | Self::Expire
            | Self::Remove
            | Self::GateRescue
            | Self::CostExpire
            | Self::GatherRescue
            | Self::LaneRescue => "sweep",
            Self::GateSet
            | Self::RateSet
            | Self::PauseSet
            | Self::PauseLonger
            | Self::LaneSet
            | Self::KeyRateSet => "set_gate",
            Self::KeyClose => "close_key",
            Self::LaneTake | Self::KeyRateTake => "take_key",
            Self::GateDeclare | Self::LaneDeclare | Self::KeyRateDeclare => "declare_limits",
            Self::CancelWaiting
            | Self::CancelUrgent
            | Self::CancelDelayed
            | Self::CancelOwner
            | Self::CancelFollower
            | Self::CancelActive
            | Self::CancelRun
            | Self::LaneCancel
            | Self::LaneCancelHolder
            | Self::GatherCancel
            | Self::CostCancel
            | Self::CancelNode => "cancel",
            Self::GatherFlush => "flush",
            Self::CancelWorkflow => "cancel_workflow",
            Self::OperatorRevive => "revive",
            Self::OperatorPromote => "promote",
            Self::OperatorReprioritise => "reprioritise",
            Self::OperatorReplace | Self::OperatorReplaceOwner | Self::OperatorReplaceFollower => "replace",
            Self::OperatorWithdraw | Self::OperatorDelete => "withdraw",
            Self::Start | Self::StartLarge => "start_workflow",
            Self::Stage => "stage_workflow",
            Self::CatchUp => "catch_up",
            Self::Note => "note",
            Self::Watch => "watch",
            Self::Repair => "repair",
            Self::Declare => "declare",
            Self::PutNew | Self::PutOther | Self::PutLater | Self::Resume => "put_schedules",
            Self::HandOut => "due_schedules",
            Self::Tick | Self::TickMany | Self::TickWaiting | Self::TickQueued => "tick",
            Self::Trigger => "trigger",
            Self::Pause => "pause_schedule",
            Self::RemoveSchedule => "remove_schedule",
            Self::WorkerQuiet => "quiet",
            Self::WorkerSignOff => "sign_off",
        }
    }

    /// Jobs that this ends otherwise than by running them.
    fn except(self) -> &'static [&'static str] {
        match self {
            Self::Stall => &["active", "o1", "k1", "k6", "n1", "i1"],
            Self::Settle => &["released"],
            Self::Pause | Self::RemoveSchedule => &["s1"],
            Self::Resume => &["s3"],
            _ => &[],
        }
    }

    async fn prepare(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::SettleNodes | Self::SettleFan => {
                if self == Self::SettleFan {
                    let mut fan = chord("fan", 1);
                    fan.nodes.extend(vec![node(Some(0)); 70]);
                    of("start", adapter.start(fan).await)?;
                }
                world.held = of("claim", world.exchange(&[TASK], Vec::new(), 30).await)?.jobs;
            }
            Self::Settle => {
                let claimed = of("claim", world.exchange(&[TASK], Vec::new(), 4).await)?.jobs;
                world.held.extend(claimed);
            }
            Self::Expire | Self::ClaimLate => {
                let ttl = Some(Ttl::new(Duration::from_secs(5)));
                let delayed = NewJob { due: Due::After(Duration::from_secs(1)), ttl, ..job("y3") };
                let jobs = vec![
                    NewJob { ttl, ..job("y1") },
                    NewJob { ttl, priority: 9, ..job("y2") },
                    delayed,
                    NewJob { ttl: ttl.map(|ttl| ttl.on_expire(OnExpire::Discard)), ..job("y4") },
                ];
                of("enqueue", adapter.enqueue(jobs).await)?;
                let mut late = chain("late", 2);
                late.nodes[0].ttl = ttl;
                of("start", adapter.start(late).await)?;
                of("shift", adapter.shift_clock(Duration::from_secs(7)).await)?;
            }
            Self::CancelOwner | Self::AdmitAndCancel | Self::OperatorReplaceOwner => {
                let later = |job: &ClaimedJob| {
                    let delay = Duration::from_secs(600);
                    job.settlement(AttemptEnd::Retry { error: "again".into(), delay })
                };
                let settle = world.owners.iter().map(later).collect();
                of("settle", world.exchange(&[TASK], settle, 0).await).map(drop)?;
            }
            Self::Promote => of("shift", adapter.shift_clock(Duration::from_secs(700)).await)?,
            Self::Rescue => of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?,
            Self::Stall => {
                of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?;
                world.sweep(Retention::default()).await?;
                world.held = of("claim", world.exchange(&[TASK, OTHER], Vec::new(), 30).await)?.jobs;
                of("shift", adapter.shift_clock(Duration::from_secs(61)).await)?;
            }
            Self::Remove => {
                world.go_on("early").await?;
                let open = world.open(&[]).await?;
                if !open.is_empty() {
                    return Err(format!("not ended before they are removed: {open:?}"));
                }
                of("shift", adapter.shift_clock(Duration::from_secs(10)).await)?;
            }
            Self::CatchUp => {
                of("start", adapter.start(chord("large", 1_500)).await)?;
            }
            Self::Repair => {
                let damage: [&[&str]; 6] = [
                    &["LPOP", "{taskora}:wait:send-email"],
                    &["ZREM", "{taskora}:prio:send-email", "=urgent"],
                    &["ZREM", "{taskora}:delayed:send-email", "=delayed"],
                    &["RPOP", "{taskora}:owncompleted:send-email"],
                    &["ZADD", "{taskora}:active:send-email", "9999999999999", "=gone:1"],
                    &["HSET", "{taskora}:wf:=chord", "j0", "7"],
                ];
                for words in damage {
                    world.by_hand(words);
                }
            }
            _ if self.is_of_workers() => self.prepare_workers(world).await?,
            _ if self.is_of_operators() => self.prepare_operators(world).await?,
            _ if self.is_of_costs() => self.prepare_costs(world).await?,
            _ if self.is_of_gates() => self.prepare_gates(world).await?,
            _ if self.is_of_lanes() => self.prepare_lanes(world).await?,
            _ if self.is_of_key_rates() => self.prepare_key_rates(world).await?,
            _ if self.is_of_gathers() => self.prepare_gathers(world).await?,
            _ => self.prepare_schedules(world).await?,
        }
        Ok(())
    }

    async fn act(self, world: &mut World) -> Outcome {
        let adapter = world.adapter.clone();
        match self {
            Self::EnqueueOne => of("enqueue", adapter.enqueue(vec![job("x1")]).await).map(drop),
            Self::EnqueueAlike => {
                of("enqueue", adapter.enqueue(["x1", "x2", "x3"].map(job).to_vec()).await).map(drop)
            }
            Self::EnqueueMixed => {
                let jobs = vec![
                    job("x1"),
                    NewJob { priority: 3, ..job("x2") },
                    NewJob { due: Due::After(Duration::from_secs(5)), ..job("x3") },
                    NewJob { payload: vec![b'7'; 5_000], ..job("x4") },
                    NewJob { task: OTHER.into(), ..job("x5") },
                ];
                of("enqueue", adapter.enqueue(jobs).await).map(drop)
            }
            Self::Replace => {
                let jobs = ["failed", "cancelled"].map(|id| NewJob { replace_failed: true, ..job(id) });
                of("enqueue", adapter.enqueue(jobs.to_vec()).await).map(drop)
            }
            Self::Admit => {
                let long = Some(Ttl::new(Duration::from_secs(36_000)));
                let jobs = vec![
                    throttled(job("x1"), "x"),
                    debounced(job("x2"), "x"),
                    debounced(NewJob { ttl: long, ..job("x3") }, "a"),
                    following(job("x4"), "x"),
                    following(NewJob { payload: vec![b'7'; 5_000], ..job("x5") }, "c"),
                    following(job("x6"), "a"),
                    following(job("x7"), "b"),
                ];
                of("admit", adapter.admit(jobs).await).map(drop)
            }
            Self::AdmitAndCancel => {
                let mut last = following(job("x1"), "a");
                if let Rule::Deduplicate { otherwise, .. } = &mut last.rule {
                    *otherwise = Otherwise::Follow { cancel_running: true };
                }
                of("admit", adapter.admit(vec![last]).await).map(drop)
            }
            Self::SettleOwners => {
                let settle = world.owners.iter().map(complete).collect();
                of("exchange", world.exchange(&[TASK], settle, 2).await).map(drop)
            }
            Self::Settle => {
                let retry = |seconds| AttemptEnd::Retry {
                    error: "again".into(),
                    delay: Duration::from_secs(seconds),
                };
                let ends = [
                    AttemptEnd::Complete(b"1".to_vec()),
                    AttemptEnd::Complete(b"1".to_vec()),
                    AttemptEnd::Fail("no".into()),
                    retry(0),
                    retry(5),
                    AttemptEnd::release(),
                ];
                // `released` is the one that fails
                world.held.sort_by_key(|job| job.lease.id.as_str() == "released");
                world.held.swap(2, 5);
                let settle = world.held.iter().zip(ends).map(|(job, end)| job.settlement(end)).collect();
                of("exchange", world.exchange(&[TASK], settle, 0).await).map(drop)
            }
            Self::SettleNodes | Self::SettleFan => {
                let settle = world.held.iter().map(complete).collect();
                of("exchange", world.exchange(&[TASK], settle, 2).await).map(drop)
            }
            Self::ClaimOne => of("exchange", world.exchange(&[OTHER], Vec::new(), 2).await).map(drop),
            Self::ClaimSeveral | Self::Promote => {
                of("exchange", world.exchange(&[TASK, OTHER], Vec::new(), 4).await).map(drop)
            }
            Self::ClaimLate => of("exchange", world.exchange(&[TASK], Vec::new(), 20).await).map(drop),
            Self::Rescue | Self::Stall | Self::Expire => {
                world.sweep_once(Retention::default()).await.map(drop)
            }
            Self::Remove => {
                let none = RetentionLimit::new(Duration::from_secs(1), 0);
                world.sweep_once(Retention::all(none)).await.map(drop)
            }
            Self::CancelWaiting => of("cancel", adapter.cancel(&MADE[2].into(), "why").await).map(drop),
            Self::CancelUrgent => of("cancel", adapter.cancel(&"urgent".into(), "why").await).map(drop),
            Self::CancelDelayed => of("cancel", adapter.cancel(&"delayed".into(), "why").await).map(drop),
            Self::CancelOwner => of("cancel", adapter.cancel(&"k1".into(), "why").await).map(drop),
            Self::CancelFollower => of("cancel", adapter.cancel(&"k2".into(), "why").await).map(drop),
            Self::OperatorReplaceOwner => {
                of("replace", adapter.replace(&"k1".into(), job("new4"), "replaced").await).map(drop)
            }
            Self::OperatorReplaceFollower => {
                of("replace", adapter.replace(&"k2".into(), job("new5"), "replaced").await).map(drop)
            }
            Self::CancelActive => of("cancel", adapter.cancel(&"active".into(), "why").await).map(drop),
            Self::CancelNode => of("cancel", adapter.cancel(&"chord#1".into(), "why").await).map(drop),
            Self::CancelWorkflow => {
                of("cancel", adapter.cancel_workflow(&"chord".into(), "why").await).map(drop)
            }
            Self::Start => {
                let late = NewWorkflow { ttl: Some(Duration::from_secs(36_000)), ..chain("x", 3) };
                of("start", adapter.start(late).await)?;
                of("start", adapter.start(flow("nothing", Vec::new(), Vec::new())).await).map(drop)
            }
            Self::StartLarge | Self::Stage => of("start", adapter.start(chord("x", 1_500)).await).map(drop),
            Self::CatchUp => of("cancel", adapter.cancel_workflow(&"large".into(), "why").await).map(drop),
            Self::Note => world.first(First::Note).await,
            Self::Watch => world.first(First::Watch).await,
            Self::Repair => world.repair().await.map(drop),
            _ if self.is_of_workers() => self.act_on_workers(world).await,
            _ if self.is_of_operators() => self.act_on_operators(world).await,
            _ if self.is_of_costs() => self.act_on_costs(world).await,
            _ if self.is_of_gates() => self.act_on_gates(world).await,
            _ if self.is_of_lanes() => self.act_on_lanes(world).await,
            _ if self.is_of_key_rates() => self.act_on_key_rates(world).await,
            _ if self.is_of_gathers() => self.act_on_gathers(world).await,
            _ => self.act_on_schedules(world).await,
        }
    }
}

/// Lets this fail at its n-th write; whether there was one.
async fn case(server: &Server, act: Act, n: usize, repeats: bool) -> Outcome<bool> {
    let mut world = World::new(server).await;
    act.prepare(&mut world).await?;
    world.by_hand(&["SET", "{taskora}:failpoint", &format!("{} {n}", act.command())]);
    let number = world.number;
    let failed = act.act(&mut world).await;
    world.by_hand(&["DEL", "{taskora}:failpoint"]);
    if world.by_hand(&["EXISTS", "{taskora}:damaged"]) == redis::Value::Int(0) {
        failed?;
        return Ok(false);
    }
    if repeats {
        // the same number of the call, as a client would
        world.number = number;
        act.act(&mut world).await?;
    }
    world.go_on("before").await?;
    world.go_on("between").await?;
    // what only a repair brings back is none the less there
    let left = world.repair().await?;
    world.go_on("after").await?;
    let mut open = world.open(act.except()).await?;
    if matches!(act, Act::Remove | Act::OperatorDelete) {
        // this removes them
        open.retain(|job| !job.ends_with(" is None"));
    }
    if !open.is_empty() {
        return Err(format!("lost: {open:?}"));
    }
    let twice: Vec<_> = world.completed.iter().filter(|(_, times)| **times > 1).collect();
    if !twice.is_empty() {
        return Err(format!("completed more than once: {twice:?}"));
    }
    let found = world.found().await?;
    if !found.is_empty() || !left.is_empty() {
        return Err(format!("a check finds after the repair: {found:?}; it left {left:?}"));
    }
    let remains = world.remains().await?;
    if !remains.is_empty() {
        return Err(format!("remains: {remains:?}"));
    }
    Ok(true)
}

/// More writes than any of the commands makes.
const MOST: usize = 1_000;

async fn run(acts: &[Act]) {
    let server = Server::start();
    let (mut failures, mut writes) = (Vec::new(), Vec::new());
    for act in acts {
        let (mut n, mut last) = (1, 0);
        let mut goes_on = true;
        while goes_on && n < MOST {
            for repeats in [true, false] {
                let limit = Duration::from_secs(60);
                match tokio::time::timeout(limit, case(&server, *act, n, repeats)).await {
                    Ok(Ok(has_failed)) => goes_on &= has_failed,
                    Ok(Err(error)) => failures.push(format!("{act:?} {n}, repeats: {repeats}: {error}")),
                    Err(_) => failures.push(format!("{act:?} {n}, repeats: {repeats}: it takes for ever")),
                }
            }
            if goes_on {
                last = n;
            }
            // each of the first writes; later ones repeat the same for job after job
            n += (n / 8).max(1);
        }
        writes.push((*act, last));
    }
    println!("writes: {writes:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(writes.iter().all(|(_, last)| *last > 0 && last + last / 8 + 1 < MOST), "{writes:?}");
}

#[tokio::test]
async fn a_dispatch_that_fails_at_any_write() {
    run(&[Act::EnqueueOne, Act::EnqueueAlike, Act::EnqueueMixed, Act::Replace]).await;
}

#[tokio::test]
async fn a_dispatch_with_a_key_that_fails_at_any_write() {
    run(&[Act::Admit, Act::AdmitAndCancel]).await;
}

#[tokio::test]
async fn an_exchange_that_fails_at_any_write() {
    run(&[Act::Settle, Act::SettleOwners, Act::ClaimOne, Act::ClaimSeveral, Act::ClaimLate, Act::Promote])
        .await;
}

#[tokio::test]
async fn an_exchange_of_nodes_that_fails_at_any_write() {
    run(&[Act::SettleNodes, Act::SettleFan]).await;
}

#[tokio::test]
async fn a_sweep_that_fails_at_any_write() {
    run(&[Act::Rescue, Act::Stall, Act::Expire, Act::Remove]).await;
}

#[tokio::test]
async fn a_cancellation_that_fails_at_any_write() {
    let jobs = [
        Act::CancelWaiting,
        Act::CancelUrgent,
        Act::CancelDelayed,
        Act::CancelOwner,
        Act::CancelFollower,
        Act::CancelActive,
        Act::CancelNode,
    ];
    run(&jobs).await;
}

#[tokio::test]
async fn a_workflow_that_fails_at_any_write() {
    run(&[Act::CancelWorkflow, Act::Start, Act::StartLarge, Act::Stage, Act::CatchUp]).await;
}

#[tokio::test]
async fn a_note_a_wait_or_a_repair_that_fails_at_any_write() {
    run(&[Act::Note, Act::Watch, Act::Repair]).await;
}
