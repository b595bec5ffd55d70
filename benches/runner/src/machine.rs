//! What a run was made with and on.

use std::process::Command;

use anyhow::Result;
use serde::Serialize;
use taskora_test_server::RedisServer;

use crate::contenders::{self, Contender};
use crate::server;
use crate::workspace::workspace;

#[derive(Serialize)]
pub struct Machine {
    pub date: String,
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: Option<f64>,
    pub redis: String,
    pub rustc: String,
    /// `None` where there is none.
    pub node: Option<String>,
    /// Of this repository, and whether something was changed since.
    pub commit: Option<String>,
    /// By contender, the crate or package and its version.
    pub versions: Vec<(&'static str, String)>,
}

impl Machine {
    pub fn look(server: &RedisServer, contenders: &[Contender]) -> Result<Self> {
        Ok(Self {
            redis: server::version(server)?,
            versions: contenders::versions(contenders)?,
            ..Self::bare()?
        })
    }

    /// Without a server and contenders.
    pub fn bare() -> Result<Self> {
        let cpu = field("/proc/cpuinfo", "model name")
            .or_else(|| said("sysctl", &["-n", "machdep.cpu.brand_string"]));
        let memory = field("/proc/meminfo", "MemTotal");
        let kib = memory.and_then(|memory| memory.split_whitespace().next()?.parse::<f64>().ok());
        Ok(Self {
            date: said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default(),
            cpu: cpu.unwrap_or_else(|| "unknown CPU".into()),
            cores: std::thread::available_parallelism()?.get(),
            memory_gib: kib.map(|kib| kib / 1024.0 / 1024.0),
            redis: String::new(),
            rustc: said("rustc", &["--version"]).unwrap_or_else(|| "rustc unknown".into()),
            node: said("node", &["--version"]),
            commit: said("git", &["describe", "--always", "--dirty", "--exclude", "*"]),
            versions: Vec::new(),
        })
    }

    /// The machine in one line.
    pub fn hardware(&self) -> String {
        let memory = self.memory_gib.map_or(String::new(), |gib| format!(", {gib:.0} GiB"));
        format!("{} cores of {}{memory}", self.cores, self.cpu)
    }

    /// The versions in one line.
    pub fn software(&self) -> String {
        let rustc: Vec<_> = self.rustc.split_whitespace().take(2).collect();
        let mut all = vec![format!("Redis {}", self.redis), rustc.join(" ")];
        all.extend(self.node.as_ref().map(|version| format!("Node {version}")));
        all.extend(self.versions.iter().map(|(_, version)| version.clone()));
        if let Some(commit) = &self.commit {
            all.push(format!("commit {commit}"));
        }
        all.join(", ")
    }
}

/// The first field of this name in a file of lines such as `name : value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':'))?.1;
    Some(value.trim().to_owned())
}

fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).current_dir(workspace()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
