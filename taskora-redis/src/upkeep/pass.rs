//! The order in which a check reads the store, and what it remembers from page to page.
//!
//! Only reading a whole list shows whether a job is in it. So the check collects the jobs that must be in a list, then reads
//! the list starting from its tail, because no job leaves from there. A job that was not seen, and has not moved since it
//! was collected, is in no list.

mod lists;
mod tasks;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;
use taskora::adapter::{Audit, AuditPage, Finding};
use taskora::{AdapterError, Violation};

use super::found::{finding, shown};
use super::workflows::{InLine, Next, WorkflowScan};
use crate::answer::{array, bytes, exactly, letters, nonsense, strings};
use crate::inner::Inner;
use crate::scripts::SCRIPTS;

/// The most entries of a list, keys, or nodes in one call.
const PAGE: u32 = 200;
/// The most fields of a hash in one call, if they are short.
const FIELDS: u64 = 200;
/// The approximate limit of bytes of a hash in one call.
const BYTES: u64 = 512 * 1024;
/// How many jobs are collected before the pass reads the lists: about 50 MB.
const GATHERED: usize = 200_000;

/// The parts of jobs that have their own hash.
const PARTS: [&str; 9] = ["done", "life", "past", "cancel", "blobs", "progress", "waiters", "keyed", "held"];
/// The indexes of a task that can be asked whether a job is in them.
const SETS: [&str; 16] = [
    "active",
    "delayed",
    "ttls",
    "behind",
    "prio",
    "laned",
    "turns",
    "parked",
    "opening",
    "rules",
    "failed",
    "cancelled",
    "expired",
    "ownfailed",
    "owncancelled",
    "ownexpired",
];
/// The lists of a task.
const LISTS: [&str; 3] = ["wait", "completed", "owncompleted"];

/// One page, or the next of several.
enum Step {
    /// All keys: first their types, then, for some, their contents.
    Keys {
        cursor: Vec<u8>,
        contents: bool,
    },
    /// How many fields of a hash to read in one call.
    Measure {
        role: &'static str,
    },
    /// A key of jobs.
    Scan(Scan),
    /// The names of tasks, and the data about each of them.
    TaskNames,
    Tasks(Vec<Vec<u8>>),
    Logs(Vec<Vec<u8>>),
    Workflow(Box<WorkflowScan>),
    /// Reads the lists for the collected jobs; the last time, also checks the entries in them.
    Settle {
        last: bool,
    },
    /// Checks what was collected and not seen.
    Confirm,
    /// What can only be repaired after everything else.
    Last,
}

/// A key that is read in pages.
#[derive(Clone)]
struct Scan {
    /// What is checked, as `lua/commands/check.lua` says.
    role: &'static str,
    /// The key's name.
    name: &'static str,
    task: Vec<u8>,
    cursor: Vec<u8>,
    count: u64,
}

/// What was collected about a job or a mark, and where it was seen since.
struct Gathered {
    stamp: Vec<u8>,
    seen: Option<Vec<u8>>,
}

/// The list that must have it, or whose mark it is, and the task.
type Home = (&'static str, Vec<u8>);

pub(super) struct Pass {
    inner: Arc<Inner>,
    steps: VecDeque<Step>,
    tasks: BTreeSet<Vec<u8>>,
    gathered: HashMap<Home, HashMap<Vec<u8>, Gathered>>,
    count: usize,
    /// How many may be collected.
    pub(super) most: usize,
    /// Entries of a job that was already seen: home, id, stamp, the first entry, another one.
    doubles: Vec<(Home, Vec<u8>, [Vec<u8>; 3])>,
    is_broken: bool,
    last: Vec<Finding>,
}

impl Pass {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        let start = || b"0".to_vec();
        let mut steps = VecDeque::from([Step::Keys { cursor: start(), contents: false }]);
        steps.push_back(Step::Measure { role: "jobs" });
        steps.extend(PARTS.map(|role| Step::Measure { role }));
        steps.extend(["uniq", "sched", "schedrun"].map(|role| Step::Measure { role }));
        steps.push_back(Step::Scan(whole("schednext", b"")));
        steps.push_back(Step::TaskNames);
        steps.push_back(Step::Keys { cursor: start(), contents: true });
        steps.extend(
            ["wfdue", "wfdone", "wfrun"]
                .map(|name| Step::Scan(Scan { role: "workflows", ..whole(name, b"") })),
        );
        steps.push_back(Step::Settle { last: true });
        steps.push_back(Step::Last);
        Self {
            inner,
            steps,
            tasks: BTreeSet::new(),
            gathered: HashMap::new(),
            count: 0,
            most: GATHERED,
            doubles: Vec::new(),
            is_broken: false,
            last: Vec::new(),
        }
    }

    /// These come next, in this order.
    fn next(&mut self, steps: impl IntoIterator<Item = Step, IntoIter: DoubleEndedIterator>) {
        for step in steps.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    async fn step(&mut self, step: Step) -> Result<AuditPage, AdapterError> {
        match step {
            Step::Keys { cursor, contents } => self.keys(cursor, contents).await,
            Step::Measure { role } => self.measure(role).await,
            Step::Scan(scan) => self.scan(scan).await,
            Step::TaskNames => self.task_names().await,
            Step::Tasks(names) => self.task_faults(names).await,
            Step::Logs(ids) => self.logs(ids).await,
            Step::Workflow(look) => self.workflow(look).await,
            Step::Settle { last } => {
                self.settle(last);
                Ok(AuditPage::default())
            }
            Step::Confirm => self.confirm().await,
            Step::Last => Ok(AuditPage { findings: std::mem::take(&mut self.last), ..AuditPage::default() }),
        }
    }

    async fn keys(&mut self, cursor: Vec<u8>, contents: bool) -> Result<AuditPage, AdapterError> {
        let inner = Arc::clone(&self.inner);
        let keys = &inner.settings().keys;
        let answer = inner.script(&SCRIPTS.check_keys, |call, _| {
            call.put("pattern", keys.pattern()).put("cursor", &cursor).put("count", PAGE);
        });
        let mut answer = strings(answer.await?, "the answer to `check_keys`")?.into_iter();
        let cursor = answer.next().ok_or_else(|| nonsense("`check_keys` answered nothing"))?;
        let mut page = AuditPage::default();
        let (mut logs, mut next) = (Vec::new(), Vec::new());
        while let (Some(key), Some(found), Some(orphan)) = (answer.next(), answer.next(), answer.next()) {
            page.scanned += usize::from(contents);
            let known = keys.read(&key);
            // keys that were moved out of the way stay there for inspection
            if key.starts_with(&keys.of("aside", b"")) {
                continue;
            }
            match (known, contents) {
                (None, false) => {
                    let violation = Violation::UnknownData { at: shown(&key) };
                    page.findings.push(Finding { violation, notes: None });
                }
                (Some((_, expected, _)), false) if expected.as_bytes() != found && found != b"none" => {
                    self.is_broken = true;
                    let notes = [b"t".as_slice(), b"", b"", &key, expected.as_bytes()].map(<[u8]>::to_vec);
                    let (at, expected, found) = (shown(&key), expected.to_owned(), shown(&found));
                    let violation = Violation::WrongKind { at, expected, found };
                    page.findings.push(Finding { violation, notes: Some(notes.to_vec()) });
                }
                (Some((name, _, task)), false) => {
                    let of_a_task = SETS.contains(&name)
                        || LISTS.contains(&name)
                        || ["tombstones", "wake", "gate"].contains(&name);
                    if of_a_task {
                        self.tasks.insert(task.to_vec());
                    }
                }
                (Some(("log", _, id)), true) => logs.push(id.to_vec()),
                (Some((name @ ("lane" | "came"), _, lane)), true) if lane.contains(&0) => {
                    next.push(Step::Scan(whole(name, lane)));
                }
                (Some(("wf", _, id)), true) => {
                    page.workflows += 1;
                    next.push(Step::Workflow(Box::new(WorkflowScan::new(id.to_vec()))));
                }
                (Some((role @ ("noted" | "stage"), _, id)), true) if orphan == b"1" => {
                    let notes = [b"N".as_slice(), role.as_bytes(), b"", id, b""].map(<[u8]>::to_vec);
                    page.findings.push(finding(notes.to_vec())?);
                }
                _ => {}
            }
        }
        if !logs.is_empty() {
            next.push(Step::Logs(logs));
        }
        if cursor != b"0" {
            next.push(Step::Keys { cursor, contents });
        } else if self.is_broken {
            // everything else would fail on this key
            self.steps.clear();
        }
        self.next(next);
        Ok(page)
    }

    /// Long values, such as results, are read in smaller pages.
    async fn measure(&mut self, role: &'static str) -> Result<AuditPage, AdapterError> {
        let inner = Arc::clone(&self.inner);
        let key = inner.settings().keys.of(role, b"");
        let number = |value| if let Value::Int(number) = value { u64::try_from(number).ok() } else { None };
        let limit = inner.settings().command_timeout;
        let size = inner
            .send("check", limit, |_| {
                let mut cmd = redis::cmd("MEMORY");
                cmd.arg("USAGE").arg(&key).arg("SAMPLES").arg(50);
                cmd
            })
            .await?;
        let len = inner
            .send("check", limit, |_| {
                let mut cmd = redis::cmd("HLEN");
                cmd.arg(&key);
                cmd
            })
            .await?;
        let (size, len) = (number(size).unwrap_or(0), number(len).unwrap_or(0));
        if let Some(each) = size.checked_div(len) {
            let count = (BYTES / each.max(1)).clamp(1, FIELDS);
            let scan = Scan { role, name: role, task: Vec::new(), cursor: b"0".to_vec(), count };
            self.next([Step::Scan(scan)]);
        }
        Ok(AuditPage::default())
    }

    async fn scan(&mut self, scan: Scan) -> Result<AuditPage, AdapterError> {
        let key = self.inner.settings().keys.of(scan.name, &scan.task);
        let kind = self.inner.settings().keys.read(&key).map_or("hash", |(_, kind, _)| kind);
        let answer = self.inner.script(&SCRIPTS.check, |call, _| {
            call.put("role", scan.role).put("kind", kind).put("key", &key).put("task", &scan.task);
            call.put("cursor", &scan.cursor).put("count", scan.count);
        });
        let what = "the answer to `check`";
        let [cursor, looked, findings, candidates, seen, newer] = exactly(answer.await?, what)?;
        let cursor = bytes(cursor, what)?;
        let scanned = crate::answer::number(&looked, what)?;
        let newer = crate::answer::number(&newer, what)?;
        let mut page = AuditPage { scanned, newer, ..AuditPage::default() };
        if scan.role == "jobs" {
            page.jobs = scanned;
        }
        for found in array(findings, what)? {
            page.findings.push(finding(strings(found, what)?)?);
        }
        let before = self.count;
        for candidate in array(candidates, what)? {
            let [place, task, id, stamp] = exactly(candidate, "a candidate")?;
            let place = match bytes(place, what)?.as_slice() {
                b"wait" => "wait",
                b"completed" => "completed",
                b"owncompleted" => "owncompleted",
                b"tombstones" => "tombstones",
                _ => return Err(nonsense("a candidate for an unknown list")),
            };
            self.gather(place, bytes(task, what)?, bytes(id, what)?, bytes(stamp, what)?);
        }
        self.strike(&scan, strings(seen, what)?);
        if cursor != b"0" {
            self.next([Step::Scan(Scan { cursor, ..scan })]);
        }
        // nothing is collected while lists are read, so they are not started again
        if self.count > before && self.count >= self.most {
            self.next([Step::Settle { last: false }]);
        }
        Ok(page)
    }

    async fn logs(&self, ids: Vec<Vec<u8>>) -> Result<AuditPage, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.check_logs, |call, _| {
            call.list(&ids);
        });
        let letters = letters(answer.await?, ids.len(), "the answer to `check_logs`")?;
        let mut page = AuditPage::default();
        for (id, letter) in ids.into_iter().zip(letters) {
            if letter != b'-' {
                let notes = [vec![letter], b"log".to_vec(), Vec::new(), id, Vec::new()];
                page.findings.push(finding(notes.to_vec())?);
            }
        }
        Ok(page)
    }

    async fn workflow(&mut self, scan: Box<WorkflowScan>) -> Result<AuditPage, AdapterError> {
        let answer = self.inner.script(&SCRIPTS.check_workflow, |call, _| {
            call.put("id", &scan.stored).put("from", scan.from).put("count", PAGE);
        });
        let answer = answer.await?;
        let mut in_line = Vec::new();
        let mut page = AuditPage::default();
        match scan.page(answer, PAGE, &mut in_line)? {
            Next::More(scan) => self.next([Step::Workflow(scan)]),
            Next::Skipped => page.skipped += 1,
            Next::Newer => page.newer += 1,
            Next::Done(findings, newer) => {
                page.newer += newer;
                let findings = findings.into_iter();
                // lost nodes are repaired first, so that they can be cancelled
                let (last, now): (Vec<_>, Vec<_>) =
                    findings.partition(|finding| matches!(finding.violation, Violation::NotWoundUp { .. }));
                page.findings = now;
                self.last.extend(last);
            }
        }
        for InLine { task, id, stamp } in in_line {
            page.scanned += 1;
            self.gather("wait", task, id, stamp);
        }
        if self.count >= self.most {
            self.next([Step::Settle { last: false }]);
        }
        Ok(page)
    }
}

/// A scan of a task's whole index that checks its entries.
fn whole(name: &'static str, task: &[u8]) -> Scan {
    let (task, cursor) = (task.to_vec(), b"0".to_vec());
    Scan { role: name, name, task, cursor, count: PAGE.into() }
}

#[async_trait]
impl Audit for Pass {
    async fn page(&mut self) -> Result<Option<AuditPage>, AdapterError> {
        match self.steps.pop_front() {
            Some(step) => self.step(step).await.map(Some),
            None => Ok(None),
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("steps", &self.steps.len()).finish_non_exhaustive()
    }
}
