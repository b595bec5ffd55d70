//! The Markdown that a run prints, and that the documents show.

use std::fmt::Write;

use harness::Sample;

use crate::contenders::{AGAINST, NOT_CRASH_SAFE, RAW, TASKORA, ids};
use crate::results::{Cell, P99, Results, Row};
use crate::workloads::{Unit, Workload};

/// One measurement, for the log of a run.
pub fn brief(workload: &Workload, sample: &Sample) -> String {
    match &sample.refused {
        Some(reason) => format!("– ({reason})"),
        None if workload.unit == Unit::RedisMicros => {
            format!("{} {}", number(workload.unit, sample.redis_us.unwrap_or_default()), workload.unit.name())
        }
        None => format!("{} {}", number(workload.unit, sample.value), workload.unit.name()),
    }
}

/// What the README shows; all else is in docs/performance.md.
const SHOWN: &[&str] = &[
    "dispatch-64",
    "bulk-500",
    "process-1",
    "process-100",
    "latency",
    "memory",
    "results",
    "due",
    "chain-3",
    "chord-10000",
];

/// taskora beside the best peer, in the workloads that the README shows.
pub fn summary(results: &Results) -> String {
    let mut out = head(results);
    out += "| workload | taskora | best peer | ÷ |\n|---|---|---|---|\n";
    for row in results.rows.iter().filter(|row| SHOWN.contains(&row.workload)) {
        let Some(own) = row.cell(TASKORA) else { continue };
        let peer = row.ratio.as_ref().and_then(|ratio| Some((ratio.to, row.cell(ratio.to)?)));
        let _ = writeln!(
            out,
            "| {}, {} | {} | {} | {} |",
            row.title,
            row.unit,
            short(row, own),
            peer.map_or("–".into(), |(id, cell)| format!("{id}: {}", short(row, cell))),
            ratio(row, ", "),
        );
    }
    out += "\nMedians of the rounds; the contenders took turns in each round. The ratios are medians, too, so they differ \
            from the ratios of the medians. A ratio above 1 is better than the best peer.\n";
    out
}

/// Everybody, and what belongs below.
pub fn full(results: &Results) -> String {
    let mut out = head(results);
    let columns: Vec<&str> =
        ids().filter(|id| results.rows.iter().any(|row| row.contenders.contains_key(id))).collect();
    let _ = writeln!(out, "| workload | unit | {} | ÷ best peer |", columns.join(" | "));
    let _ = writeln!(out, "|---|---|{}---|", "---|".repeat(columns.len()));
    for row in &results.rows {
        let cells: Vec<String> =
            columns.iter().map(|id| row.cell(id).map_or("–".into(), |cell| long(row, cell))).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            row.title,
            row.unit,
            cells.join(" | "),
            ratio(row, "<br>")
        );
    }
    let _ = writeln!(
        out,
        "\nMedian ± half the range of the rounds; below it Redis CPU + client CPU in µs per job. A ratio above 1 is \
         better than the best peer, or than the workload named. `{RAW}` is the same client calling a script that does \
         nothing, and no peer.\n"
    );
    for (id, reason) in NOT_CRASH_SAFE {
        let _ = writeln!(out, "- The latency is not compared with {id}, which is not crash-safe: {reason}.");
    }
    for reason in &results.skipped {
        let _ = writeln!(out, "- {reason}");
    }
    out + &refusals(results)
}

/// taskora beside the taskora of another checkout.
pub fn against(results: &Results, checkout: &str) -> String {
    let mut out = head(results);
    let _ = writeln!(out, "The other one is {checkout}.\n");
    out += "| workload | unit | taskora | the other one | ÷ of the medians | ÷ of the rounds | ÷ the row named, theirs |\n|---|---|---|---|---|---|---|\n";
    for row in &results.rows {
        let shown = |id| match row.contenders.get(id) {
            Some(cell) if cell.refused.is_none() => long(row, cell),
            _ => "–".to_owned(),
        };
        let (medians, rounds) = row.against.as_ref().map_or(("–".into(), "–".into()), |paired| {
            let range = format!("{:.2}–{:.2}", paired.lowest, paired.highest);
            (format!("{:.2}×", paired.medians), format!("{:.2}× ({range})", paired.times))
        });
        let base = row.ratio.as_ref().filter(|ratio| ratio.to != AGAINST).map_or("–".into(), |ratio| {
            let theirs = row.other_ratio.map_or("–".into(), |times| format!("{times:.2}×"));
            format!("{:.2}× {}, {theirs}", ratio.times, ratio.to)
        });
        let (own, other) = (shown(TASKORA), shown(AGAINST));
        let _ = writeln!(
            out,
            "| {} | {} | {own} | {other} | {medians} | {rounds} | {base} |",
            row.title, row.unit
        );
    }
    let _ = writeln!(
        out,
        "\nMedian ± half the range of the rounds; below it Redis CPU + client CPU in µs per job. A ratio above 1 says that \
         this checkout is better. Of the rounds: the median, and the lowest and the highest.\n"
    );
    out + &refusals(results)
}

/// What was not measured, and why.
fn refusals(results: &Results) -> String {
    let mut out = String::new();
    for row in &results.rows {
        for (id, cell) in &row.contenders {
            if let Some(reason) = &cell.refused {
                let _ = writeln!(out, "- {}, {id}: {reason}", row.title);
            }
        }
    }
    out
}

fn head(results: &Results) -> String {
    let Results { machine, quick, .. } = results;
    let rounds = results.rows.iter().flat_map(|row| row.contenders.values().map(|cell| cell.rounds.len()));
    let kind = if *quick {
        "A quick run: short rounds, fixed numbers of 10,000 and more are a fifth of what is said"
    } else {
        "A full run"
    };
    format!(
        "{kind}; {} rounds, {}, {}; server and clients on the same machine.\n\n{}.\n\n",
        rounds.max().unwrap_or_default(),
        machine.date,
        machine.hardware(),
        machine.software()
    )
}

fn ratio(row: &Row, separator: &str) -> String {
    let mut out = row.ratio.as_ref().map_or("–".into(), |ratio| match ratio.p99 {
        Some(p99) => format!("{:.2}×, p99 {p99:.2}× {}", ratio.times, ratio.to),
        None => format!("{:.2}× {}", ratio.times, ratio.to),
    });
    if let Some(part) = row.of_ceiling {
        let _ = write!(out, "{separator}{part:.2}× {RAW}");
    }
    out
}

/// The median, with what a latency and an idle worker need beside it.
fn short(row: &Row, cell: &Cell) -> String {
    let mut out = number(row.measure, cell.median);
    for name in [P99, "connections"] {
        if let Some(value) = cell.more.get(name) {
            let _ = write!(out, ", {name} {}", number(row.measure, *value));
        }
    }
    out
}

fn long(row: &Row, cell: &Cell) -> String {
    let mut out = number(row.measure, cell.median);
    if cell.rounds.len() > 2 {
        let _ = write!(out, " ± {:.0} %", cell.spread * 100.0);
    }
    if let Some(micros) = micros(cell) {
        let _ = write!(out, "<br>{micros}");
    }
    let further = cell.more.iter().filter(|(name, _)| *name != "samples");
    let more: Vec<String> =
        further.map(|(name, value)| format!("{name} {}", number(row.measure, *value))).collect();
    if !more.is_empty() {
        let _ = write!(out, "<br>{}", more.join(", "));
    }
    out
}

/// The server's and the client's CPU time.
fn micros(cell: &Cell) -> Option<String> {
    let figure = |value: f64| if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") };
    Some(format!("{} + {}", figure(cell.redis_us?), figure(cell.client_us?)))
}

fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::JobsPerSecond if value >= 99_950.0 => format!("{:.0}k", value / 1e3),
        Unit::JobsPerSecond if value >= 1_000.0 => format!("{:.1}k", value / 1e3),
        Unit::Milliseconds | Unit::LongestScript => format!("{value:.2}"),
        Unit::RedisMicros => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
