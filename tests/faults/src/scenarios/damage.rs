//! What is damaged in the store itself: entries that name nobody, and scripts that fail half-way. Faults 27 and 28.

use std::time::{Duration, Instant};

use taskora::App;
use taskora_test_server::Reply;

use crate::ledger::Record;
use crate::process::{Mix, Process, Producer, WorkerPart};
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};

/// Damage to do: what it is, and commands in which `@` begins a key, `$` is the id of a job that nobody knows, and `\0` to
/// `\2` are bytes.
type Damage = (&'static str, &'static [&'static str]);

const DAMAGE: &[Damage] = &[
    (
        "an unknown job in line",
        &["RPUSH @wait:work \\2\\0\\0\\1\\0\\0$", "LPUSH @wait:work \\1\\0\\0\\0\\0\\0$"],
    ),
    ("an unknown node in line", &["RPUSH @wait:follow \\2\\0\\0\\1\\0\\0*$#1"]),
    ("rubbish in line", &["RPUSH @wait:work x", "LPUSH @wait:gather \\1"]),
    ("an unknown urgent job", &["ZADD @prio:work 7 $", "ZADD @prio:work -7 rubbish"]),
    ("an unknown job that is due", &["ZADD @delayed:work 1 $", "ZADD @delayed:work 2 rubbish"]),
    ("an unknown job that is delayed", &["ZADD @delayed:work 9999999999999 $"]),
    ("an unknown lease", &["ZADD @active:work 9999999999999 $:1", "ZADD @active:poison 9999999999999 $:7"]),
    ("an unknown lease that has passed", &["ZADD @active:work 1 $:1", "ZADD @active:gather 1 *$#0:1"]),
    ("a lease that is none", &["ZADD @active:work 9999999999999 rubbish", "ZADD @active:work 1 $"]),
    (
        "unknown completed jobs",
        &["RPUSH @completed:work \\2\\0\\0\\0\\0\\0$", "LPUSH @owncompleted:work \\0\\0\\0\\0\\0\\1$"],
    ),
    ("rubbish among completed jobs", &["RPUSH @owncompleted:work x", "LPUSH @completed:work \\1\\1"]),
    ("unknown jobs that have failed", &["ZADD @failed:work 9 $", "ZADD @ownfailed:work 9999999999999 $"]),
    ("unknown cancelled jobs", &["ZADD @cancelled:work 9 $", "ZADD @owncancelled:work 9999999999999 $"]),
    ("unknown expired jobs", &["ZADD @expired:work 9 $", "ZADD @ownexpired:follow 9999999999999 $"]),
    ("a mark for nobody", &["SADD @tombstones:work $", "SADD @tombstones:gather *$#3"]),
    (
        "parts of unknown jobs",
        &["HSET @life $ rubbish", "HSET @cancel $ why", "HSET @progress $ 1", "HSET @blobs $ x"],
    ),
    (
        "keys of unknown jobs",
        &["HSET @uniq uwork\\0key \\0\\0\\0\\0\\0\\1$", "HSET @keyed $ rubbish", "ZADD @behind:work 1 $"],
    ),
    ("somebody who awaits an unknown job", &["HSET @waiters $ nobody", "HSET @waiters *$# nobody"]),
    ("log lines of an unknown job", &["RPUSH @log:$ {}", "SADD @noted:$ 1"]),
    ("unknown workflows", &["ZADD @wfdone 9 $", "ZADD @wfrun 9 $", "ZADD @wfdue 9999999999999 $"]),
    ("a task that is ready, and is not", &["ZADD @ready 1 stubborn", "ZADD @ready 1 nobody"]),
    ("tasks that are ready, and nobody says so", &["DEL @ready"]),
    (
        "times that nothing is due at",
        &["ZADD @due 1 work", "ZADD @due 9999999999999 gather", "HSET @timer work rubbish"],
    ),
    ("times that nobody knows of", &["DEL @due", "DEL @timer"]),
    ("tasks that nobody knows of", &["DEL @tasks"]),
    ("wake-ups for nothing", &["LPUSH @wake:stubborn 1", "LPUSH @wake:nobody 1"]),
    ("a counter that is none", &["SET @seq rubbish"]),
    ("a set that is a string", &["DEL @ready", "SET @ready rubbish"]),
];

/// Fault 27: entries that name nobody, and indexes that say what is not so, are written while workers run; a repair runs at
/// the same time. No job is lost or run twice for it, and in the end there is nothing left to repair.
pub async fn damaged(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("damaged", seed);
    let app = stage.app().await;
    let (workers, mut producer) = busy(&stage, Mix { huge: 0, large: 2, ..Mix::default() });
    stage.until_recorded(50, |record| matches!(record, Record::Effect { .. })).await;
    let mut repaired = 0;
    for round in 0..scale {
        let mut order: Vec<&Damage> = DAMAGE.iter().collect();
        shuffle(&mut stage, &mut order);
        for (number, (kind, commands)) in order.into_iter().enumerate() {
            stage.fault(kind, 0);
            for (place, command) in commands.iter().enumerate() {
                run(&stage, command, &format!("=gone-{round}-{number}-{place}"));
            }
            // claims and sweeps may meet it first, and may not
            let pause = Duration::from_millis(stage.random.below(150));
            tokio::time::sleep(pause).await;
            // it reads all that there is
            if number % 3 == 2 {
                repaired += repair(&app).await;
            }
        }
    }
    stop(&app, &mut producer).await;
    repaired += until_whole(&stage, &app).await;
    let mut report = stage.finish(workers).await;
    report.demand(repaired as u32 > 10 * scale, || format!("only {repaired} things had to be repaired"));
    report
}

/// The commands that write, in the order in which something of them is seen, and how often each is to fail.
const COMMANDS: &[(&str, usize)] = &[
    ("exchange", 6),
    ("enqueue", 3),
    ("admit", 2),
    ("start_workflow", 2),
    ("stage_workflow", 1),
    ("catch_up", 1),
    ("cancel", 2),
    ("cancel_workflow", 1),
    ("sweep", 3),
    ("renew", 1),
    ("note", 1),
    ("watch", 1),
    ("repair", 1),
];

/// Fault 28: a script fails at one of its writes, and what it wrote before stays. Whoever called it is told, and calls again;
/// jobs that are in two places or in none are found by the calls that follow, or by a repair. None is lost, and none ends
/// twice.
pub async fn script_errors(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("script errors", seed);
    let app = stage.app().await;
    let (workers, mut producer) = busy(&stage, Mix { large: 10, ..Mix::default() });
    // few of these: on a busy machine, the jobs that wait would only become more, and repairs longer
    let mut few = stage.producer(Producer {
        count: 6,
        pause: Duration::from_millis(500),
        lanes: 1,
        awaited: 100,
        mix: Mix { huge: 1, ..Mix::NOTHING },
        ..Producer::default()
    });
    stage.until_recorded(50, |record| matches!(record, Record::Effect { .. })).await;
    let mut failed: Vec<&str> = Vec::new();
    for _ in 0..scale {
        let mut order: Vec<&str> =
            COMMANDS.iter().flat_map(|(command, times)| std::iter::repeat_n(*command, *times)).collect();
        shuffle(&mut stage, &mut order);
        for command in order {
            // the first of its writes are made by every call
            let most = if command == "sweep" {
                1
            } else if stage.random.percent(50) {
                2
            } else {
                8
            };
            let write = 1 + stage.random.below(most);
            let before = failures(&stage);
            stage.fault(&format!("error in {command}"), 0);
            ask(&stage, &[b"SET", b"{taskora}:failpoint", format!("{command} {write}").as_bytes()]);
            // it fails each time meanwhile, as a script would that has a mistake
            let until = Instant::now() + Duration::from_millis(stage.random.between(100, 400));
            let latest = until + PATIENCE / 4;
            let must_fail = command == "sweep" || write <= 2 && ["exchange", "enqueue"].contains(&command);
            while Instant::now() < until || must_fail && failures(&stage) == before && Instant::now() < latest
            {
                if command == "repair" {
                    run(&stage, "ZADD @ready 1 stubborn", "");
                    repair(&app).await;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            ask(&stage, &[b"DEL", b"{taskora}:failpoint"]);
            if failures(&stage) > before {
                failed.push(command);
            }
            if stage.random.percent(30) {
                repair(&app).await;
            }
        }
    }
    stop(&app, &mut producer).await;
    stop(&app, &mut few).await;
    until_whole(&stage, &app).await;
    let mut report = stage.finish(workers).await;
    // A cancellation that fails half-way may have ended the workflow and told nothing to the one node that runs, which then
    // completes.
    report.findings.retain(|finding| {
        finding.rule != "I4"
            || !finding.message.contains("ended as Some(\"cancelled\"), which its nodes did not")
    });
    // a handle whose own call fails says so, and that is no wrong answer
    report
        .findings
        .retain(|finding| finding.rule != "I7" || !finding.message.contains("told `error: cannot "));
    println!("script errors: {} failed: {failed:?}", failed.len());
    for command in ["exchange", "enqueue", "sweep"] {
        report.demand(failed.contains(&command), || format!("`{command}` never failed"));
    }
    report.demand(failed.len() >= 6 * scale as usize, || format!("only these failed: {failed:?}"));
    report
}

/// Three workers, and a producer with something of what the mix says that awaits all of it.
fn busy(stage: &Stage, mix: Mix) -> (Vec<Process>, Process) {
    let settings = WorkerPart {
        lease: Duration::from_secs(2),
        sweep: Duration::from_millis(300),
        ..WorkerPart::default()
    };
    let workers = (0..3).map(|_| stage.worker(settings.clone())).collect();
    let load = Producer {
        count: 0,
        pause: Duration::from_millis(15),
        awaited: 100,
        millis: 100,
        mix,
        ..Producer::default()
    };
    (workers, stage.producer(load))
}

fn shuffle<T>(stage: &mut Stage, list: &mut [T]) {
    for place in (1..list.len()).rev() {
        list.swap(place, stage.random.below(place as u64 + 1) as usize);
    }
}

/// One command by hand, see [`Damage`].
fn run(stage: &Stage, command: &str, id: &str) {
    let bytes = [("\\0", "\0"), ("\\1", "\u{1}"), ("\\2", "\u{2}")];
    let words = command.split(' ').map(|word| {
        let word = word.replace('$', id);
        let word = word.strip_prefix('@').map_or_else(|| word.clone(), |key| format!("{{taskora}}:{key}"));
        bytes.iter().fold(word, |word, (escaped, byte)| word.replace(escaped, byte))
    });
    let words: Vec<String> = words.collect();
    let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
    // where a key is of another type just now, the damage is done already
    let _ = stage.server.command(&words).expect("a server");
}

fn ask(stage: &Stage, command: &[&[u8]]) -> Reply {
    stage.server.command(command).expect("a server")
}

/// How many calls of scripts have failed.
fn failures(stage: &Stage) -> u64 {
    let stats = stage.server.info("cmdstat_fcall").ok().flatten().unwrap_or_default();
    let failed = stats.split(',').find_map(|field| field.strip_prefix("failed_calls=")?.parse().ok());
    failed.unwrap_or_default()
}

/// How much a repair has repaired; one that fails itself is for the next one.
async fn repair(app: &App) -> usize {
    app.repair().await.map_or(0, |report| report.repaired)
}

/// Stops a producer that awaits all of its jobs, of which some must be repaired before they can end.
async fn stop(app: &App, producer: &mut Process) {
    producer.terminate();
    let deadline = Instant::now() + PATIENCE;
    while producer.ended().is_none() && Instant::now() < deadline {
        repair(app).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let name = &producer.config().name.clone();
    assert!(producer.ended().is_some_and(|status| status.success()), "`{name}` still awaits something");
}

/// Repairs until everything has ended and a check finds nothing, and removes what was moved aside; answers how much was
/// repaired.
async fn until_whole(stage: &Stage, app: &App) -> usize {
    let adapter = stage.adapter().await;
    let deadline = Instant::now() + PATIENCE;
    let mut repaired = 0;
    loop {
        repaired += repair(app).await;
        stage.quiet(&adapter).await;
        match app.check().await {
            Ok(report) if report.is_clean() => break,
            report if Instant::now() > deadline => panic!("{}: never whole again: {report:?}", stage.name()),
            _ => {}
        }
    }
    // who repairs looks at these, and then removes them
    if let Reply::List(keys) = ask(stage, &[b"KEYS", b"{taskora}:aside:*"]) {
        for key in keys.iter().filter_map(Reply::text) {
            ask(stage, &[b"DEL", key.as_bytes()]);
        }
    }
    repaired
}
