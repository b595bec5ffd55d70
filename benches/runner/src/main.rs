//! Runs taskora and its peers side by side and prints what came out; see `scripts/bench --help`.

mod args;
mod compile;
mod contenders;
mod results;
mod server;
mod table;
mod workloads;

use anyhow::{Context, Result, bail};
use harness::{Order, Sample};

use crate::args::Args;
use crate::contenders::Contender;
use crate::results::{Results, Row};
use crate::server::RedisServer;
use crate::workloads::{Size, Workload};

fn main() -> Result<()> {
    let Some(args) = Args::parse()? else { return Ok(()) };
    if args.compile {
        print!("{}", compile::run(args.quick)?);
        return Ok(());
    }
    let (contenders, skipped) = contenders::prepare(args.peers.as_deref())?;
    let server = RedisServer::start()?;
    let size = if args.quick { Size::QUICK } else { Size::FULL };
    let mut results = Results::new(&server, &args, skipped)?;
    let chosen = chosen(&args, &size)?;
    for group in chosen.chunk_by(|_, next| next.beside_previous) {
        results.rows.extend(measure(group, &contenders, &server, &size));
    }
    print!("{}", table::markdown(&results));
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// The workloads asked for, or those of this size of run.
fn chosen(args: &Args, size: &Size) -> Result<Vec<Workload>> {
    let all = workloads::all();
    let Some(only) = &args.only else {
        return Ok(all.into_iter().filter(|workload| size.takes(workload)).collect());
    };
    if let Some(unknown) = only.iter().find(|id| all.iter().all(|workload| workload.id != id.as_str())) {
        let known: Vec<_> = all.iter().map(|workload| workload.id).collect();
        bail!("unknown workload `{unknown}`; there are {}", known.join(", "));
    }
    Ok(all.into_iter().filter(|workload| only.iter().any(|id| id == workload.id)).collect())
}

/// Whose turn it is.
struct Turn<'a> {
    row: usize,
    workload: &'a Workload,
    contender: &'a Contender,
    jobs: usize,
}

/// All rounds of one workload, or of several that are compared. All take turns within a round, and a round starts with
/// another one each time, because the machine has slow and fast phases of its own.
fn measure(group: &[Workload], contenders: &[Contender], server: &RedisServer, size: &Size) -> Vec<Row> {
    let mut rows: Vec<Row> = group.iter().map(Row::new).collect();
    let turns = group.iter().enumerate().flat_map(|(row, workload)| {
        let taking = contenders.iter().filter(|contender| workload.takes(contender.id));
        taking.map(move |contender| Turn { row, workload, contender, jobs: workload.first_jobs() })
    });
    let mut turns: Vec<Turn<'_>> = turns.collect();
    let rounds = group.iter().map(|workload| size.rounds(workload)).max().unwrap_or_default();
    // the first round only finds out how many jobs fill the time, and warms up the machine
    let first = if group.iter().any(Workload::calibrates) { 0 } else { 1 };
    for round in first..=rounds {
        let start = round % turns.len().max(1);
        for at in (start..turns.len()).chain(0..start) {
            let Turn { row, workload, contender, jobs } = &mut turns[at];
            let row = &mut rows[*row];
            if row.is_refused(contender.id) {
                continue;
            }
            let sample = one(workload, contender, *jobs, server, size)
                .unwrap_or_else(|error| Sample::refused(format!("{error:#}")));
            let brief = table::brief(workload, &sample);
            eprintln!("{:<24} round {round}  {:<12} {brief}", workload.id, contender.id);
            if round == 0 && sample.refused.is_none() {
                *jobs = workload.jobs_for(sample.value, size.seconds);
            } else {
                row.add(contender.id, sample);
            }
        }
    }
    if let [first, others @ ..] = rows.as_mut_slice() {
        others.iter_mut().for_each(|row| row.compare_with(first));
    }
    rows
}

fn one(
    workload: &Workload,
    contender: &Contender,
    jobs: usize,
    server: &RedisServer,
    size: &Size,
) -> Result<Sample> {
    server.clear(workload.aof)?;
    let order = Order {
        url: server.url(),
        jobs: workload.jobs.map_or(jobs, |jobs| size.fixed(jobs)),
        bytes: workload.bytes,
        limit: size.limit(workload),
        kind: workload.kind(size),
    };
    contender.run(&order)
}
