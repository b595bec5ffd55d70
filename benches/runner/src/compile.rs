//! What contracts cost to compile: crates with 100 of them, beside 100 structs of the same fields that derive serde's
//! traits only. Dependencies are built before, so only the crate itself is timed; the time of a crate with none is
//! subtracted, cargo's own included.

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::machine::Machine;
use crate::results::median;
use crate::workspace::workspace;

const CONTRACTS: usize = 100;

/// A crate to build: its name, what it stands for, and its contents for the `n`th contract.
struct Case {
    name: &'static str,
    title: &'static str,
    item: fn(usize) -> String,
    /// What follows the contracts.
    end: fn() -> String,
}

const CASES: [Case; 5] = [
    Case { name: "of-empty", title: "no contract", item: |_| String::new(), end: String::new },
    Case { name: "of-serde", title: "`derive(Serialize, Deserialize)`", item: serde, end: String::new },
    Case { name: "of-derived", title: "`derive(Task)`, with serde's", item: derived, end: String::new },
    Case { name: "of-tasks", title: "`#[task]`", item: task, end: String::new },
    Case { name: "of-registered", title: "`#[task]`, registered with a worker", item: task, end: register },
];

fn serde(n: usize) -> String {
    format!(
        "#[derive(Serialize, Deserialize)]\n\
         pub struct Task{n} {{ pub to: String, pub subject: String, pub attempts: u32, pub tags: Vec<String> }}\n"
    )
}

fn derived(n: usize) -> String {
    format!(
        "#[derive(taskora::Task, Serialize, Deserialize)]\n#[task(output = u64, retry = 3, timeout = \"30s\")]\n\
         pub struct Task{n} {{ pub to: String, pub subject: String, pub attempts: u32, pub tags: Vec<String> }}\n"
    )
}

fn task(n: usize) -> String {
    format!(
        "#[taskora::task(retry = 3, timeout = \"30s\")]\n\
         pub async fn task{n}(to: String, subject: String, attempts: u32, tags: Vec<String>) -> u64 {{\n\
         (to.len() + subject.len() + tags.len()) as u64 + u64::from(attempts)\n}}\n"
    )
}

fn register() -> String {
    let calls: String = (0..CONTRACTS).map(|n| format!("\n.register::<Task{n}>()")).collect();
    format!(
        "pub fn worker(app: &taskora::App) -> taskora::WorkerBuilder<()> {{ taskora::Worker::builder(app){calls} }}\n"
    )
}

/// Builds everything and returns the table.
pub fn run(quick: bool) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let root = directory.path();
    write_workspace(root)?;
    eprintln!("building the dependencies");
    cargo(root, &["build", "--quiet"])?;
    let rounds = if quick { 3 } else { 7 };
    let mut times = vec![Vec::new(); CASES.len()];
    for round in 0..rounds {
        for turn in 0..CASES.len() {
            let at = (turn + round) % CASES.len();
            let case = &CASES[at];
            // a new modification time is all it takes; the contents stay
            write_crate(root, case)?;
            let start = Instant::now();
            cargo(root, &["build", "--quiet", "--package", case.name])?;
            times[at].push(start.elapsed().as_secs_f64() * 1e3);
            eprintln!("{:<12} round {}  {:.0} ms", case.name, round + 1, times[at][round]);
        }
    }
    let sizes = CASES.iter().map(|case| expansion(root, case)).collect::<Result<Vec<_>>>()?;
    let medians: Vec<f64> =
        times.iter().map(|times| median(times.iter().copied()).unwrap_or_default()).collect();

    let machine = Machine::bare()?;
    let per = |value: f64, empty: f64| (value - empty) / CONTRACTS as f64;
    let Machine { date, rustc, .. } = &machine;
    let mut out = format!(
        "{CONTRACTS} contracts of four fields, dev profile, median of {rounds} builds; {date}, {rustc}, {}.\n\n",
        machine.hardware()
    );
    out += "| crate | build ms | ms per contract | ÷ serde | expansion: lines | bytes |\n|---|---|---|---|---|---|\n";
    for (at, case) in CASES.iter().enumerate() {
        let marginal = per(medians[at], medians[0]);
        let ratio = marginal / per(medians[1], medians[0]);
        let (lines, bytes) = (per(sizes[at].0, sizes[0].0), per(sizes[at].1, sizes[0].1));
        let _ = match at {
            0 => writeln!(out, "| {} | {:.0} | – | – | – | – |", case.title, medians[0]),
            _ => writeln!(
                out,
                "| {} | {:.0} | {marginal:.2} | {ratio:.1}× | {lines:.0} | {bytes:.0} |",
                case.title, medians[at]
            ),
        };
    }
    Ok(out)
}

fn write_workspace(root: &Path) -> Result<()> {
    let members: Vec<String> = CASES.iter().map(|case| format!("{:?}", case.name)).collect();
    std::fs::write(
        root.join("Cargo.toml"),
        format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n", members.join(", ")),
    )?;
    // the versions that the bench itself is locked to
    std::fs::copy(workspace().join("Cargo.lock"), root.join("Cargo.lock"))?;
    let taskora = workspace().join("../taskora").canonicalize().context("taskora is beside the bench")?;
    for case in &CASES {
        std::fs::create_dir_all(root.join(case.name).join("src"))?;
        std::fs::write(
            root.join(case.name).join("Cargo.toml"),
            format!(
                "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 serde = {{ version = \"1\", features = [\"derive\"] }}\ntaskora = {{ path = {taskora:?} }}\n",
                case.name
            ),
        )?;
        write_crate(root, case)?;
    }
    Ok(())
}

fn write_crate(root: &Path, case: &Case) -> Result<()> {
    let items: String = (0..CONTRACTS).map(case.item).collect();
    let contents = format!(
        "#[allow(unused_imports)]\nuse serde::{{Deserialize, Serialize}};\n\n{items}{}",
        (case.end)()
    );
    Ok(std::fs::write(root.join(case.name).join("src/lib.rs"), contents)?)
}

/// The lines and bytes of the crate after all macros, as the compiler prints it.
fn expansion(root: &Path, case: &Case) -> Result<(f64, f64)> {
    let output = command(root, &["rustc", "--quiet", "--package", case.name, "--", "-Zunpretty=expanded"])
        .env("RUSTC_BOOTSTRAP", "1")
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("`{}` does not expand", case.name);
    }
    let lines = output.stdout.iter().filter(|byte| **byte == b'\n').count();
    Ok((lines as f64, output.stdout.len() as f64))
}

fn cargo(root: &Path, args: &[&str]) -> Result<()> {
    if !command(root, args).status()?.success() {
        bail!("`cargo {}` failed", args.join(" "));
    }
    Ok(())
}

fn command(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(args)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env("CARGO_INCREMENTAL", "0");
    command
}
