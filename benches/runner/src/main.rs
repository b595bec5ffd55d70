//! Runs taskora and its peers side by side and prints what came out; see `scripts/bench --help`.

mod against;
mod args;
mod compile;
mod contenders;
mod machine;
mod readme;
mod results;
mod server;
mod table;
mod workloads;
mod workspace;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use harness::{Order, Sample};
use taskora_test_server::RedisServer;

use crate::args::Args;
use crate::contenders::Contender;
use crate::machine::Machine;
use crate::results::{Results, Row};
use crate::workloads::{Size, Workload};
use crate::workspace::workspace;

fn main() -> Result<()> {
    let Some(args) = Args::parse()? else { return Ok(()) };
    if args.compile {
        return compile(&args);
    }
    let (contenders, skipped) = contenders::prepare(args.peers.as_deref(), args.against.as_deref())?;
    let start = Instant::now();
    let server = server::start()?;
    let size = if args.quick { Size::QUICK } else { Size::FULL };
    let chosen = chosen(&args, &size)?;
    let mut results = Results::new(Machine::look(&server, &contenders)?, args.quick, skipped);
    for group in chosen.chunk_by(|_, next| next.beside_previous) {
        let start = Instant::now();
        results.rows.extend(measure(group, &contenders, &server, &size)?);
        let titles: Vec<_> = group.iter().map(|workload| workload.id).collect();
        eprintln!("{} took {}", titles.join(" and "), time(start.elapsed()));
    }
    results.seconds = start.elapsed().as_secs_f64();
    match &args.against {
        Some(checkout) => print!("{}", table::against(&results, &against::describe(checkout))),
        None => print!("{}", table::full(&results)),
    }
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_string_pretty(&results)?)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    if args.readme {
        let repository = workspace().join("..");
        readme::write(&repository.join("README.md"), "bench", &table::summary(&results))?;
        readme::write(&repository.join("docs/performance.md"), "bench", &table::full(&results))?;
    }
    let (took, budget) = (start.elapsed(), size.budget());
    eprintln!("took {} of {}", time(took), time(budget));
    if took > budget {
        eprintln!("warning: that is longer than it should be; is the machine busy with something else?");
    }
    Ok(())
}

fn compile(args: &Args) -> Result<()> {
    let table = compile::run(args.quick)?;
    print!("{table}");
    if args.readme {
        readme::write(&workspace().join("../docs/performance.md"), "compile", &table)?;
    }
    Ok(())
}

fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{} min {:02} s", seconds / 60, seconds % 60)
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
    let is_named = |workload: &Workload| only.iter().any(|id| id == workload.id);
    let mut keep = Vec::new();
    for group in all.chunk_by(|_, next| next.beside_previous) {
        // what a workload is compared with is measured too
        let is_any = group.iter().any(is_named);
        keep.extend(
            group.iter().enumerate().map(|(place, workload)| is_named(workload) || place == 0 && is_any),
        );
    }
    Ok(all.into_iter().zip(keep).filter_map(|(workload, keep)| keep.then_some(workload)).collect())
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
fn measure(
    group: &[Workload],
    contenders: &[Contender],
    server: &RedisServer,
    size: &Size,
) -> Result<Vec<Row>> {
    if let [workload] = group
        && workload.side_by_side()
    {
        return Ok(vec![side_by_side(workload, contenders, size)?]);
    }
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
    Ok(rows)
}

/// One round of a workload in which everybody does next to nothing, at the same time, with a server for each.
fn side_by_side(workload: &Workload, contenders: &[Contender], size: &Size) -> Result<Row> {
    let taking: Vec<_> = contenders.iter().filter(|contender| workload.takes(contender.id)).collect();
    let servers = taking.iter().map(|_| server::start()).collect::<Result<Vec<_>>>()?;
    let mut row = Row::new(workload);
    std::thread::scope(|scope| {
        let runs: Vec<_> = taking
            .iter()
            .zip(&servers)
            .map(|(contender, server)| scope.spawn(move || one(workload, contender, 1, server, size)))
            .collect();
        for (contender, run) in taking.iter().zip(runs) {
            let sample = run.join().unwrap_or_else(|_| Err(anyhow!("the runner panicked")));
            let sample = sample.unwrap_or_else(|error| Sample::refused(format!("{error:#}")));
            let brief = table::brief(workload, &sample);
            eprintln!("{:<24} round 1  {:<12} {brief}", workload.id, contender.id);
            row.add(contender.id, sample);
        }
    });
    Ok(row)
}

fn one(
    workload: &Workload,
    contender: &Contender,
    jobs: usize,
    server: &RedisServer,
    size: &Size,
) -> Result<Sample> {
    server::clear(server, workload.aof)?;
    let order = Order {
        url: server.url(),
        jobs: workload.jobs.map_or(jobs, |jobs| size.fixed(jobs)),
        bytes: workload.bytes,
        limit: size.limit(workload),
        kind: workload.kind(size),
    };
    contender.run(&order)
}
