//! The Markdown that a run prints.

use std::fmt::Write;

use harness::Sample;

use crate::contenders::{NOT_CRASH_SAFE, RAW};
use crate::results::{Cell, Results, Row};
use crate::workloads::{Unit, Workload};

/// One measurement, for the log of a run.
pub fn brief(workload: &Workload, sample: &Sample) -> String {
    match &sample.refused {
        Some(reason) => format!("– ({reason})"),
        None => format!("{} {}", number(workload.unit, sample.value), workload.unit.name()),
    }
}

pub fn markdown(results: &Results) -> String {
    let mut out = String::new();
    let Results { redis, cpus, cpu, date, quick, skipped, rows } = results;
    let kind = if *quick { "quick run" } else { "full run" };
    let _ = writeln!(
        out,
        "{kind} of {date}, Redis {redis}, {cpus} × {cpu}; client and server on the same machine.\n"
    );
    let mut columns: Vec<&str> = Vec::new();
    for id in crate::contenders::ids() {
        if rows.iter().any(|row| row.contenders.contains_key(id)) {
            columns.push(id);
        }
    }
    let _ = writeln!(out, "| workload | unit | {} | ÷ best peer |", columns.join(" | "));
    let _ = writeln!(out, "|---|---|{}---|", "---|".repeat(columns.len()));
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|id| cell(row, row.contenders.get(id))).collect();
        let ratio =
            row.ratio.as_ref().map_or("–".into(), |ratio| format!("{:.2}× {}", ratio.times, ratio.to));
        let _ = writeln!(out, "| {} | {} | {} | {ratio} |", row.title, row.unit, cells.join(" | "));
    }
    let _ = writeln!(
        out,
        "\nMedian ± half the range of the rounds; below it Redis CPU + client CPU in µs per job. A ratio above 1 is \
         better than the best peer, or than the workload named (for the latency: the best that recovers the jobs of a killed worker, which {} does \
         not). `{RAW}` is the same client calling a script that does nothing.\n",
        NOT_CRASH_SAFE.join(", ")
    );
    for reason in skipped {
        let _ = writeln!(out, "- {reason}");
    }
    for row in rows {
        for (id, cell) in &row.contenders {
            if let Some(reason) = &cell.refused {
                let _ = writeln!(out, "- {}, {id}: {reason}", row.title);
            }
        }
    }
    out
}

fn cell(row: &Row, cell: Option<&Cell>) -> String {
    let Some(cell) = cell.filter(|cell| cell.refused.is_none()) else { return "–".into() };
    let mut out = number(row.measure, cell.median);
    if cell.rounds.len() > 2 {
        let _ = write!(out, " ± {:.0} %", cell.spread * 100.0);
    }
    if let (Some(redis), Some(client)) = (cell.redis_us, cell.client_us) {
        let _ = write!(out, "<br>{} + {}", micros(redis), micros(client));
    }
    let more: Vec<String> = cell
        .more
        .iter()
        .filter(|(name, _)| *name != "samples")
        .map(|(name, value)| format!("{name} {}", number(row.measure, *value)))
        .collect();
    if !more.is_empty() {
        let _ = write!(out, "<br>{}", more.join(", "));
    }
    out
}

fn number(unit: Unit, value: f64) -> String {
    match unit {
        Unit::JobsPerSecond if value >= 99_950.0 => format!("{:.0}k", value / 1e3),
        Unit::JobsPerSecond if value >= 1_000.0 => format!("{:.1}k", value / 1e3),
        Unit::Milliseconds => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

fn micros(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}
