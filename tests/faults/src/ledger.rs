//! The ledger: what really happened, outside Redis.
//!
//! One file that all processes of a scenario append to, one line for each record and one `write` for each line, so that a
//! process that is killed loses nothing it has recorded and tears nobody's line. Times are of the machine's monotonic
//! clock, which all processes share.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Time by the machine's monotonic clock, in microseconds.
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    (time.tv_sec as u64) * 1_000_000 + (time.tv_nsec as u64) / 1_000
}

/// Something that happened. Jobs are named by their ids; a workflow's job is `<workflow>#<node>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Record {
    /// A process is ready: its worker has started, or its producer begins.
    Ready {
        /// Its name.
        name: String,
    },
    /// A job is about to be dispatched: from here on it may exist.
    Trying {
        /// The job, or the workflow.
        job: String,
        /// It is a workflow.
        workflow: bool,
    },
    /// A dispatch was acknowledged: from here on the job must exist.
    Accepted {
        /// The job, or the workflow.
        job: String,
        /// It is a workflow.
        workflow: bool,
        /// The store said that it knew the id, after an earlier try whose outcome was unknown.
        duplicate: bool,
    },
    /// A call failed; a producer tries the same one again until it succeeds.
    Failed {
        /// The job it was about.
        job: String,
        /// The call.
        call: String,
        /// The error.
        error: String,
        /// How long it took, in microseconds.
        took: u64,
    },
    /// A cancellation was answered.
    Cancelled {
        /// The job, or the workflow.
        job: String,
        /// The answer.
        outcome: String,
    },
    /// Somebody is about to retry a job that was cancelled: it may end once more.
    Reviving {
        /// The job.
        job: String,
    },
    /// How a job ended, as its handle was told.
    Seen {
        /// The job, or the workflow.
        job: String,
        /// It is a workflow.
        workflow: bool,
        /// `completed`, `failed`, `cancelled`, `expired`, or `error: ..` for anything else.
        state: String,
        /// That of the attempt whose result it is.
        nonce: Option<u64>,
    },
    /// A worker was given a lease.
    Claimed {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
        /// When it was asked for: the lease is not shorter than from here.
        asked: u64,
        /// Its length in microseconds.
        lease: u64,
    },
    /// A renewal was answered.
    Renewed {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
        /// When it was asked for.
        asked: u64,
        /// The length that was asked for, in microseconds.
        lease: u64,
        /// Whether the lease was extended; otherwise it is lost.
        extended: bool,
    },
    /// A handler begins.
    Started {
        /// The job.
        job: String,
        /// Which attempt.
        attempt: u32,
        /// Names this run of the handler, and is in its result.
        nonce: u64,
        /// The results that it was given, in order.
        inputs: Vec<u64>,
    },
    /// A handler comes to its end: what it does in the world has been done.
    Effect {
        /// The job.
        job: String,
        /// That of [`Record::Started`].
        nonce: u64,
    },
    /// A handler was told to stop, or was dropped.
    Told {
        /// The job.
        job: String,
        /// That of [`Record::Started`].
        nonce: u64,
    },
    /// An attempt is about to be settled.
    Settling {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
        /// `complete`, `retry`, `fail`, `cancel` or `release`; or `take_key`, which ends the attempt if its job must wait.
        end: String,
    },
    /// A job has taken its key and goes on, after [`Record::Settling`].
    TookKey {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
    },
    /// A settlement was answered.
    Settled {
        /// The job.
        job: String,
        /// The fencing token.
        token: u64,
        /// The job's state now; `None` if the settlement was refused.
        state: Option<String>,
        /// That of the result that was settled, if it was one.
        nonce: Option<u64>,
    },
    /// A sweep has taken jobs back.
    Rescued {
        /// How many wait again.
        jobs: usize,
        /// How many have failed as stalled.
        stalled: usize,
    },
    /// A worker has declared its limits.
    Declared {},
    /// This process was told when the next schedule ticks.
    Timed {},
    /// This process was handed a schedule that is due.
    Due {
        /// Its name.
        schedule: String,
        /// How late that is by the store's clock, in milliseconds.
        late: u64,
    },
    /// The scenario has done harm.
    Fault {
        /// What kind.
        kind: String,
        /// To which process.
        victim: u32,
    },
    /// A worker was shut down in order.
    Stopped {
        /// What was wrong, if anything.
        error: Option<String>,
    },
}

/// A record, and when and by whom it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, in microseconds, see [`now`].
    pub at: u64,
    /// The process.
    pub pid: u32,
    /// What.
    #[serde(flatten)]
    pub record: Record,
}

/// Appends to a ledger. Clones append to the same one.
#[derive(Debug, Clone)]
pub struct Ledger {
    file: Arc<File>,
    path: PathBuf,
}

impl Ledger {
    /// Opens a ledger, which is made if there is none.
    ///
    /// # Errors
    /// As opening a file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Arc::new(file), path: path.to_owned() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. A machine that cannot ends the process: nothing that follows would prove anything.
    pub fn write(&self, record: Record) {
        let line = Line { at: now(), pid: std::process::id(), record };
        let written = serde_json::to_vec(&line).map_err(io::Error::from).and_then(|mut text| {
            text.push(b'\n');
            (&*self.file).write_all(&text)
        });
        if let Err(error) = written {
            eprintln!("the ledger cannot be written: {error}");
            std::process::abort();
        }
    }

    /// Adds everything that was written since to a history, in the order in which it was written.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is torn.
    pub fn read(&self, history: &mut History) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(history.read))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // a line that is just being written has no end yet
        let whole = text.rfind('\n').map_or("", |end| text.split_at(end + 1).0);
        for line in whole.lines() {
            history.lines.push(serde_json::from_str(line)?);
        }
        history.read += whole.len() as u64;
        Ok(())
    }
}

/// What a ledger says.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In the order in which they were written.
    pub lines: Vec<Line>,
    /// So many bytes of the ledger.
    read: u64,
}

impl History {
    /// How many records are as wanted.
    #[must_use]
    pub fn count(&self, wanted: impl Fn(&Record) -> bool) -> usize {
        self.lines.iter().filter(|line| wanted(&line.record)).count()
    }

    /// What was written by this process.
    pub fn of(&self, pid: u32) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.pid == pid)
    }

    /// The ids whose dispatches were acknowledged, and whether they are workflows.
    pub fn accepted(&self) -> impl Iterator<Item = (&str, bool)> {
        self.lines.iter().filter_map(|line| match &line.record {
            Record::Accepted { job, workflow, .. } => Some((job.as_str(), *workflow)),
            _ => None,
        })
    }

    /// How often handlers of this job began.
    #[must_use]
    pub fn starts(&self, job: &str) -> usize {
        self.count(|record| matches!(record, Record::Started { job: started, .. } if started == job))
    }

    /// For each worker that was killed or cut off (a [`Record::Fault`] of this kind) while it ran jobs: how long it took
    /// until each of them ran again elsewhere, or ended.
    #[must_use]
    pub fn recoveries(&self, kind: &str) -> Vec<Duration> {
        let mut recoveries = Vec::new();
        for fault in &self.lines {
            let Record::Fault { kind: other, victim: pid } = &fault.record else { continue };
            if other != kind {
                continue;
            }
            for job in self.running(*pid, fault.at) {
                let again = self.lines.iter().find(|line| {
                    line.at > fault.at
                        && line.pid != *pid
                        && matches!(&line.record, Record::Started { job: started, .. } if *started == job)
                });
                recoveries.extend(again.map(|line| Duration::from_micros(line.at - fault.at)));
            }
        }
        recoveries
    }

    /// What a process was running at a time.
    fn running(&self, pid: u32, at: u64) -> Vec<String> {
        let mut running: Vec<(String, u64)> = Vec::new();
        for line in self.of(pid).take_while(|line| line.at <= at) {
            match &line.record {
                Record::Started { job, nonce, .. } => running.push((job.clone(), *nonce)),
                Record::Effect { nonce, .. } | Record::Told { nonce, .. } => {
                    running.retain(|(_, running)| running != nonce);
                }
                _ => {}
            }
        }
        running.into_iter().map(|(job, _)| job).collect()
    }
}
