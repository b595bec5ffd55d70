//! Who takes part, and how each is built and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use harness::{Order, Sample};

/// What the ratios compare.
pub const TASKORA: &str = "taskora";
/// The ceiling, which is no peer.
pub const RAW: &str = "raw";

/// Never runs the jobs of a killed worker again, and so needs no bookkeeping before a job starts: its latency is no
/// measure for the others.
pub const NOT_CRASH_SAFE: &[&str] = &["kojin"];

/// The packages of this workspace by contender, in the order of the table's columns.
const PACKAGES: &[(&str, &str)] = &[
    (TASKORA, "bench-taskora"),
    ("apalis", "bench-apalis"),
    ("oxana", "bench-oxana"),
    ("kojin", "bench-kojin"),
    ("bullmq-rs", "bench-bullmq"),
    (RAW, "bench-raw"),
];
const NODE: &str = "bullmq-node";

/// A program that takes an [`Order`] as JSON and prints a [`Sample`].
pub struct Contender {
    pub id: &'static str,
    program: PathBuf,
    script: Option<PathBuf>,
}

impl Contender {
    /// One measurement, in a process of its own.
    pub fn run(&self, order: &Order) -> Result<Sample> {
        let output = Command::new(&self.program)
            .args(&self.script)
            .arg(serde_json::to_string(order)?)
            .env("RUST_BACKTRACE", "0")
            .output()
            .with_context(|| format!("cannot start `{}`", self.program.display()))?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            let last = error.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            bail!("it ended with {}: {last}", output.status);
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let last = answer.lines().last().context("it printed nothing")?;
        serde_json::from_str(last).with_context(|| format!("it printed `{last}`"))
    }
}

/// Builds what takes part: taskora, the raw ceiling, and the peers asked for (all unless said otherwise).
/// Also answers who cannot take part, and why.
pub fn prepare(peers: Option<&[String]>) -> Result<(Vec<Contender>, Vec<String>)> {
    let wanted = |id: &str| id == TASKORA || peers.is_none_or(|peers| peers.iter().any(|peer| peer == id));
    if let Some(unknown) = peers
        .into_iter()
        .flatten()
        .find(|peer| *peer != "none" && *peer != NODE && PACKAGES.iter().all(|(id, _)| peer != id))
    {
        let known: Vec<_> = PACKAGES.iter().map(|(id, _)| *id).chain([NODE]).collect();
        bail!("unknown contender `{unknown}`; there are {}", known.join(", "));
    }
    let (mut contenders, mut skipped) = (Vec::new(), Vec::new());
    let directory = std::env::current_exe()?.parent().context("a program has a directory")?.to_owned();
    for (id, package) in PACKAGES.iter().filter(|(id, _)| wanted(id)) {
        let status = Command::new("cargo")
            .args(["build", "--release", "--quiet", "--package", package])
            .current_dir(workspace())
            .status()
            .context("cannot start `cargo`")?;
        if !status.success() {
            bail!("`{package}` does not build");
        }
        contenders.push(Contender { id, program: directory.join(package), script: None });
    }
    if wanted(NODE) {
        match node() {
            Ok(script) => {
                contenders.push(Contender { id: NODE, program: "node".into(), script: Some(script) })
            }
            Err(reason) => skipped.push(format!("{NODE} is skipped: {reason:#}")),
        }
    }
    Ok((contenders, skipped))
}

/// The path of this workspace, which is not the one the program was started in.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Installs what the Node peer needs, once.
fn node() -> Result<PathBuf> {
    let directory = workspace().join("node");
    let there = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        bail!("`node` is not there");
    }
    if !directory.join("node_modules").join("bullmq").is_dir() {
        let output = Command::new("npm")
            .args(["install", "--no-save", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&directory)
            .output()
            .context("`npm` is not there")?;
        if !output.status.success() {
            bail!("`npm install` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(directory.join("bullmq.mjs"))
}

/// All contenders, in the order of the table's columns.
pub fn ids() -> impl Iterator<Item = &'static str> {
    let (raw, others): (Vec<_>, Vec<_>) = PACKAGES.iter().map(|(id, _)| *id).partition(|id| *id == RAW);
    others.into_iter().chain([NODE]).chain(raw)
}
