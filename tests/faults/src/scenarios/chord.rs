//! Fault 16: a chord of ten thousand headers, with kills and lost answers.

use std::time::Duration;

use taskora::prelude::*;
use taskora_redis::{RedisAdapter, RedisConfig};

use crate::ledger::Record;
use crate::process::{Config, KEEP_ALL, WorkerPart};
use crate::proxy::Proxy;
use crate::report::Report;
use crate::stage::{PATIENCE, Stage};
use crate::tasks::{Act, Gather, Work};

/// Members of the header.
const HEADERS: usize = 10_000;

/// The callback is settled once, with the results of all headers in their order; `scale` chords, one after the other.
pub async fn chord(seed: u64, scale: u32) -> Report {
    let mut stage = Stage::set("chord", seed);
    let settings = WorkerPart { concurrency: 50, ..WorkerPart::default() };
    let (mut workers, mut proxies) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let proxy = Proxy::start(stage.server.port()).await.expect("a proxy");
        workers.push(stage.start(Config {
            url: proxy.url(),
            worker: Some(settings.clone()),
            ..stage.config("worker")
        }));
        proxies.push(proxy);
    }
    let way = Proxy::start(stage.server.port()).await.expect("a proxy");
    let adapter = RedisAdapter::connect(RedisConfig::new(way.url())).await.expect("a connection");
    let app = App::builder(adapter).retention(KEEP_ALL).build();
    let (mut ends, mut harms) = (Vec::new(), 0);
    for number in 0..scale {
        let id = format!("chord{number}");
        stage.ledger.write(Record::Trying { job: id.clone(), workflow: true });
        for script in ["stage_workflow", "start_workflow", "catch_up"] {
            let nth = 1 + stage.random.below(if script == "stage_workflow" { 10 } else { 1 });
            way.lose_script(script, nth).expect("a script");
            stage.fault("lost answer", 0);
        }
        let header = (0..HEADERS).map(|number| Work { act: Act::returns(number as u64 % 60) });
        let flow = chord_of(header.collect());
        let handle = app.dispatch(flow).id(id.as_str()).await.expect("started, whatever was lost");
        stage.ledger.write(Record::Accepted { job: id, workflow: true, duplicate: false });
        let mut result = std::pin::pin!(handle.result_within(3 * PATIENCE));
        ends.push(loop {
            let pause = Duration::from_millis(stage.random.between(50, 250));
            tokio::select! {
                ended = &mut result => break ended,
                () = tokio::time::sleep(pause) => {}
            }
            let place = stage.random.below(workers.len() as u64) as usize;
            let (Some(worker), Some(proxy)) = (workers.get_mut(place), proxies.get(place)) else { continue };
            harms += 1;
            // the first one, so that there is one however fast the machine is
            if harms % 3 == 1 {
                let config = worker.config().clone();
                stage.kill(worker);
                *worker = stage.start(config);
            } else {
                let script = if stage.random.percent(70) { "exchange" } else { "renew" };
                proxy.lose_script(script, 1).expect("a script");
                stage.fault("lost answer", worker.pid());
            }
        });
    }
    let mut report = stage.finish(workers).await;
    report.demand(ends.iter().all(Result::is_ok), || format!("chords ended as {ends:?}"));
    let lost: u64 = proxies.iter().map(Proxy::lost).sum();
    report.demand(way.lost() >= 2 && lost >= 3, || format!("{} and {lost} answers were lost", way.lost()));
    let killed = report.faults.contains_key("kill");
    report.demand(killed, || "nobody was killed".to_owned());
    let callbacks = (0..scale).map(|number| format!("chord{number}#{HEADERS}"));
    for callback in callbacks {
        let starts = report.history.lines.iter().filter_map(|line| match &line.record {
            Record::Started { job, inputs, .. } if *job == callback => Some(inputs.len()),
            _ => None,
        });
        let starts: Vec<usize> = starts.collect();
        report.demand(!starts.is_empty() && starts.iter().all(|inputs| *inputs == HEADERS), || {
            format!("the callback was given {starts:?} results")
        });
    }
    report
}

fn chord_of(header: Vec<Work>) -> Workflow<taskora::workflow::Bound, crate::tasks::Done> {
    taskora::prelude::chord(header, Gather::s().act(Act::default()))
}
