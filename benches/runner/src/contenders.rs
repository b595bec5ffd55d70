//! Who takes part, and how each is built and run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use harness::{Order, Sample};

use crate::against;
use crate::workspace::workspace;

/// What the ratios compare.
pub const TASKORA: &str = "taskora";
/// Another checkout of taskora, where there is one instead of the peers.
pub const AGAINST: &str = "against";
/// The ceiling, which is no peer.
pub const RAW: &str = "raw";

/// Who does not run the jobs of a killed worker again, and why. Without that there is no bookkeeping before a job
/// starts, so that its latency is no measure for the others; in the other workloads it counts as a peer all the same.
///
/// The others do: taskora and BullMQ by leases that run out, oxana and apalis by heartbeats that stop.
pub const NOT_CRASH_SAFE: &[(&str, &str)] =
    &[("kojin", "nothing takes jobs from the processing list of a dead worker, and delayed jobs never run")];

/// The packages of this workspace by contender, in the order of the table's columns, and the crate that each stands for.
const PACKAGES: &[(&str, &str, &str)] = &[
    (TASKORA, "bench-taskora", "taskora"),
    ("apalis", "bench-apalis", "apalis-redis"),
    ("oxana", "bench-oxana", "oxana"),
    ("kojin", "bench-kojin", "kojin"),
    ("bullmq-rs", "bench-bullmq", "bullmq-official"),
    (RAW, "bench-raw", "redis"),
];
const NODE: &str = "bullmq-node";

pub fn is_crash_safe(id: &str) -> bool {
    NOT_CRASH_SAFE.iter().all(|(other, _)| *other != id)
}

/// A program that takes an [`Order`] as JSON and prints a [`Sample`].
pub struct Contender {
    pub id: &'static str,
    program: PathBuf,
    script: Option<PathBuf>,
}

impl Contender {
    /// One measurement, in a process of its own.
    pub fn run(&self, order: &Order) -> Result<Sample> {
        let mut child = Command::new(&self.program)
            .args(&self.script)
            .arg(serde_json::to_string(order)?)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start `{}`", self.program.display()))?;
        // it ends when its input does, which stays open here
        let input = child.stdin.take();
        let output = child.wait_with_output()?;
        drop(input);
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

/// Builds what takes part: taskora, the raw ceiling, and the peers asked for (all unless said otherwise); or taskora, and
/// the taskora of another checkout. Also answers who cannot take part, and why.
pub fn prepare(peers: Option<&[String]>, against: Option<&Path>) -> Result<(Vec<Contender>, Vec<String>)> {
    let wanted = |id: &str| {
        id == TASKORA || against.is_none() && peers.is_none_or(|peers| peers.iter().any(|peer| peer == id))
    };
    if let Some(unknown) = peers
        .into_iter()
        .flatten()
        .find(|peer| *peer != "none" && *peer != NODE && PACKAGES.iter().all(|(id, ..)| peer != id))
    {
        let known: Vec<_> = PACKAGES.iter().map(|(id, ..)| *id).chain([NODE]).collect();
        bail!("unknown contender `{unknown}`; there are {}", known.join(", "));
    }
    let (mut contenders, mut skipped) = (Vec::new(), Vec::new());
    let directory = std::env::current_exe()?.parent().context("a program has a directory")?.to_owned();
    for (id, package, _) in PACKAGES.iter().filter(|(id, ..)| wanted(id)) {
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
    if let Some(checkout) = against {
        contenders.push(Contender {
            id: AGAINST,
            program: against::build(checkout, &directory)?,
            script: None,
        });
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
    let (raw, others): (Vec<_>, Vec<_>) = PACKAGES.iter().map(|(id, ..)| *id).partition(|id| *id == RAW);
    others.into_iter().chain([NODE]).chain(raw)
}

/// What was measured: the crate of each of these contenders, with its version.
pub fn versions(contenders: &[Contender]) -> Result<Vec<(&'static str, String)>> {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock"))?;
    let crates = contenders.iter().filter(|contender| contender.id != AGAINST);
    crates.map(|contender| Ok((contender.id, version(contender.id, &lock)?))).collect()
}

fn version(id: &str, lock: &str) -> Result<String> {
    if id == NODE {
        let package = workspace().join("node/node_modules/bullmq/package.json");
        let package: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(package)?)?;
        return Ok(format!("bullmq {} (npm)", package["version"].as_str().unwrap_or("unknown")));
    }
    let (.., package) = PACKAGES.iter().find(|(known, ..)| *known == id).context("it has a package")?;
    Ok(format!("{package} {}", locked(package, lock).unwrap_or("unknown")))
}

/// The version of a package in a `Cargo.lock`; the newest one, if there are several.
fn locked<'a>(package: &str, lock: &'a str) -> Option<&'a str> {
    let (_, rest) = lock.rsplit_once(&format!("name = \"{package}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crate_has_a_version() {
        let lock = std::fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
        for (_, _, package) in PACKAGES {
            assert!(locked(package, &lock).is_some_and(|version| version.contains('.')), "{package}");
        }
        assert_eq!(locked("no-such-crate", &lock), None);
    }
}
