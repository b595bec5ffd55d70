//! Checks a workflow's counts against its nodes.

use std::collections::HashMap;

use redis::Value;
use taskora::adapter::Finding;
use taskora::workflow::WorkflowId;
use taskora::{AdapterError, Violation};

use super::found::shown;
use crate::answer::{array, bytes, exactly, number};
use crate::codec::{Head, Reader};
use crate::id;

/// How often a workflow is read again if it moves in between.
const TRIES: u32 = 5;

/// The scan of a workflow, in pages of its nodes and joins.
#[derive(Debug)]
pub(super) struct WorkflowScan {
    pub(super) stored: Vec<u8>,
    pub(super) from: u32,
    tries: u32,
    /// Must not change from page to page: its end, and the number of nodes that have not ended.
    mark: Option<(Vec<u8>, Vec<u8>)>,
    open: u32,
    /// A node that has ended without completing.
    broken: Option<u32>,
    /// A node that has not ended and is not active.
    waiting: Option<u32>,
    /// For each join, how many of its nodes have not completed.
    due: Vec<u32>,
    joins: Vec<Join>,
    /// For each join the last node that waits for it.
    last: Vec<Option<u32>>,
    /// The last node that waits for none.
    last_root: Option<u32>,
    /// The node that has the entry of the node after it, by the join between them.
    keepers: HashMap<u32, u32>,
    findings: Vec<Finding>,
    has_unreadable: bool,
    /// Nodes that a later version wrote.
    newer: usize,
    /// Whether it has deferred work, or had some when an earlier page was read.
    pending: bool,
}

/// The stored data of a join.
#[derive(Debug)]
struct Join {
    /// `None` for the join that the first nodes wait for.
    number: Option<u32>,
    /// `j`, or the number of nodes that it waits for if it was never counted down.
    count: Vec<u8>,
    is_counted: bool,
    /// Whether it has a `c`.
    is_kept: bool,
}

/// The progress of a join.
#[derive(Clone, Copy)]
enum Reached {
    /// How many nodes it waits for.
    Open(u32),
    /// It has released the nodes below this number.
    Below(u32),
}

impl Reached {
    fn read(count: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(count).ok()?;
        match text.strip_prefix('-') {
            Some(rest) => {
                let (reached, slab) = rest.split_once(' ')?;
                slab.parse::<u32>().ok()?;
                Some(Self::Below(reached.parse().ok()?))
            }
            None => Some(Self::Open(text.parse().ok()?)),
        }
    }

    /// As a number for the report; negative once released.
    fn shown(self) -> i64 {
        match self {
            Self::Open(count) => count.into(),
            Self::Below(reached) => -i64::from(reached),
        }
    }
}

/// A node that should be in line, which only a pass over the line can confirm.
pub(super) struct InLine {
    pub(super) task: Vec<u8>,
    pub(super) id: Vec<u8>,
    pub(super) stamp: Vec<u8>,
}

/// The result of a page.
pub(super) enum Next {
    /// There are more pages.
    More(Box<WorkflowScan>),
    /// The scan is complete, with the number of nodes that a later version wrote; `None` if the workflow is gone.
    Done(Vec<Finding>, usize),
    /// A later version wrote it.
    Newer,
    /// Its nodes end faster than they are read.
    Skipped,
}

impl WorkflowScan {
    pub(super) fn new(stored: Vec<u8>) -> Self {
        Self {
            stored,
            from: 0,
            tries: 0,
            mark: None,
            open: 0,
            broken: None,
            waiting: None,
            due: Vec::new(),
            joins: Vec::new(),
            last: Vec::new(),
            last_root: None,
            keepers: HashMap::new(),
            findings: Vec::new(),
            has_unreadable: false,
            newer: 0,
            pending: false,
        }
    }

    fn again(self: Box<Self>) -> Next {
        if self.tries == TRIES {
            return Next::Skipped;
        }
        Next::More(Box::new(Self { tries: self.tries + 1, ..Self::new(self.stored) }))
    }

    fn workflow(&self) -> WorkflowId {
        id::load_workflow(&self.stored).unwrap_or_else(|| WorkflowId::from(shown(&self.stored)))
    }

    /// Processes a page; adds nodes that should be in line to `in_line`.
    pub(super) fn page(
        mut self: Box<Self>,
        answer: Value,
        count: u32,
        in_line: &mut Vec<InLine>,
    ) -> Result<Next, AdapterError> {
        let answer = array(answer, "the answer to `check_workflow`")?;
        match answer.len() {
            0 => return Ok(Next::Done(Vec::new(), 0)),
            1 => return Ok(Next::Newer),
            _ => {}
        }
        let what = "a workflow";
        let [head, end, left, due, done, run, pending, nodes, joins] = exactly(Value::Array(answer), what)?;
        let (head, end, left) = (bytes(head, what)?, bytes(end, what)?, bytes(left, what)?);
        let Some(read) = Head::read(&head) else {
            return Ok(Next::Done(vec![self.unreadable("the head".to_owned())], 0));
        };
        let mark = (end, left);
        if self.mark.as_ref().is_some_and(|before| *before != mark) {
            return Ok(self.again());
        }
        self.due.resize(read.joins as usize, 0);
        self.last.resize(read.joins as usize, None);
        for (node, value) in (self.from..).zip(array(nodes, what)?) {
            self.node(node, exactly(value, "a node")?, in_line)?;
        }
        // the first page ends with the join of the roots, which has no number
        let numbered = self.from..self.from.saturating_add(count).min(read.joins);
        for (join, value) in (self.from..).zip(array(joins, what)?) {
            let [open, members, is_kept] = exactly(value, "a join")?;
            let (open, members) = (bytes(open, what)?, bytes(members, what)?);
            let is_counted = !open.is_empty();
            self.joins.push(Join {
                number: numbered.contains(&join).then_some(join),
                count: if is_counted { open } else { members },
                is_counted,
                is_kept: number::<u8>(&is_kept, what)? == 1,
            });
        }
        self.mark = Some(mark);
        // work that was deferred at any page may have been half done there
        self.pending |= number::<u8>(&pending, what)? == 1;
        self.from = self.from.saturating_add(count);
        if self.from < read.nodes.max(read.joins) {
            return Ok(Next::More(self));
        }
        let in_due = !bytes(due, what)?.is_empty();
        let in_done = !bytes(done, what)?.is_empty();
        let has_deadline = head.get(7..13).is_some_and(|deadline| deadline.iter().any(|byte| *byte != 0));
        let in_run = !bytes(run, what)?.is_empty();
        self.judge(has_deadline, [in_due, in_done, in_run]);
        Ok(Next::Done(self.findings, self.newer))
    }

    fn node(&mut self, node: u32, value: [Value; 6], in_line: &mut Vec<InLine>) -> Result<(), AdapterError> {
        let [about, done, home, task, stamp, lacks] = value;
        let what = "a node";
        let (about, done) = (bytes(about, what)?, bytes(done, what)?);
        let (home, task, stamp) = (bytes(home, what)?, bytes(task, what)?, bytes(stamp, what)?);
        if done.is_empty() {
            self.open += 1;
        } else if done != b"C" && done != b"?" {
            self.broken.get_or_insert(node);
        }
        if about == b"~" {
            // data of a later version cannot be checked
            self.has_unreadable = true;
            self.newer += 1;
            return Ok(());
        }
        let mut reader = Reader(&about);
        let joins = (|| {
            let (after, entry) = (reader.u32()?, reader.u8()?);
            let count = reader.u32()?;
            let joins = (0..count).map(|_| reader.u32()).collect::<Option<Vec<u32>>>()?;
            Some((after, entry > 0, joins))
        })();
        let Some((after, is_keeper, joins)) = joins.filter(|_| done != b"?") else {
            self.has_unreadable = true;
            let finding = self.unreadable(format!("node {node}"));
            self.findings.push(finding);
            return Ok(());
        };
        match self.last.get_mut(after as usize) {
            Some(last) => *last = Some(node),
            None => self.last_root = Some(node),
        }
        if let ([join], true) = (joins.as_slice(), is_keeper) {
            self.keepers.insert(*join, node);
        }
        if done != b"C" {
            for join in joins {
                self.due.get_mut(join as usize).into_iter().for_each(|due| *due += 1);
            }
        }
        if done.is_empty() && home != b"active" {
            self.waiting.get_or_insert(node);
        }
        let id = [b"*", self.stored.as_slice(), format!("#{node}").as_bytes()].concat();
        if number::<u8>(&lacks, what)? == 1 {
            let notes = [b"L".to_vec(), b"".to_vec(), task.clone(), id.clone(), b"ttls".to_vec()].to_vec();
            self.findings.push(super::found::finding(notes)?);
        }
        match home.as_slice() {
            b"wait" => in_line.push(InLine { task, id, stamp }),
            b"lost" => {
                let notes = [b"L".to_vec(), b"".to_vec(), task, id, b"prio".to_vec(), stamp].to_vec();
                self.findings.push(super::found::finding(notes)?);
            }
            _ => {}
        }
        Ok(())
    }

    fn unreadable(&self, what: String) -> Finding {
        let what = format!("{what} of workflow `{}`", self.workflow());
        Finding { violation: Violation::Unreadable { what }, notes: None }
    }

    fn judge(&mut self, has_deadline: bool, [in_due, in_done, in_run]: [bool; 3]) {
        let (end, left) = self.mark.clone().unwrap_or_default();
        let workflow = self.workflow();
        let (open, is_running) = (self.open, end.is_empty());
        let counted = parse(&left);
        // the findings below are repaired after the number of open nodes
        let mut token = left.clone();
        let mut find = |code: &str, violation: Violation, notes: &[&[u8]]| {
            let mut all = vec![code.as_bytes().to_vec(), Vec::new(), Vec::new(), self.stored.clone()];
            all.extend(notes.iter().map(|note| note.to_vec()));
            self.findings.push(Finding { violation, notes: Some(all) });
        };
        if counted != Some(i64::from(open)) {
            let all_completed = open == 0 && self.broken.is_none();
            let found = open.to_string().into_bytes();
            let violation = Violation::OpenNodes { workflow: workflow.clone(), counted, found: open };
            find("l", violation, &[&left, &found, if all_completed { b"1" } else { b"0" }]);
            token = found;
        } else {
            let is_done = !is_running && open == 0;
            if in_done != is_done || in_due != (is_running && has_deadline) || in_run != is_running {
                let violation = Violation::WorkflowIndex { workflow: workflow.clone(), is_known: true };
                find("i", violation, &[]);
            }
        }
        if let Some(node) = self.broken.filter(|_| is_running) {
            let violation = Violation::StillRunning { workflow: workflow.clone(), node };
            find("e", violation, &[&token, node.to_string().as_bytes()]);
            return;
        }
        if self.pending {
            return;
        }
        if !is_running {
            if let Some(node) = self.waiting.filter(|_| end.first() != Some(&b'C')) {
                find("x", Violation::NotWoundUp { workflow, node }, &[&token]);
            }
            return;
        }
        if self.has_unreadable {
            return;
        }
        for join in std::mem::take(&mut self.joins) {
            let finding = self.judge_join(&join, &token);
            self.findings.extend(finding);
        }
    }

    fn judge_join(&self, join: &Join, token: &[u8]) -> Option<Finding> {
        let at = |number: u32| number as usize;
        let (due, last) = match join.number {
            Some(number) => {
                (self.due.get(at(number)).copied().unwrap_or(0), self.last.get(at(number)).copied().flatten())
            }
            None if !join.is_counted => return None, // the start has released them itself
            None => (0, self.last_root),
        };
        let keeper = join.number.and_then(|number| self.keepers.get(&number));
        let name = join.number.map_or_else(|| "r".to_owned(), |number| number.to_string());
        if !join.is_kept && keeper.is_none() {
            return Some(self.unreadable(format!("join {name}")));
        }
        let reached = match keeper {
            // one node after one node: there is nothing to count
            Some(_) if !join.is_counted => Some(Reached::Open(1)),
            _ => Reached::read(&join.count),
        };
        let fits = match reached {
            Some(Reached::Open(open)) => open > 0 && open == due,
            Some(Reached::Below(reached)) => due == 0 && last.is_none_or(|last| last < reached),
            None => false,
        };
        if fits {
            return None;
        }
        let counted = reached.map(Reached::shown);
        let violation =
            Violation::JoinCount { workflow: self.workflow(), join: join.number, counted, found: due };
        let target = match reached {
            // nodes that were made ready too early are left alone
            Some(Reached::Below(_)) if due > 0 => return Some(Finding { violation, notes: None }),
            // the rest follows from there
            Some(Reached::Below(reached)) => format!("-{reached} 0").into_bytes(),
            _ if due == 0 => b"-0 0".to_vec(),
            _ => due.to_string().into_bytes(),
        };
        let mut notes = vec![b"j".to_vec(), Vec::new(), Vec::new(), self.stored.clone()];
        let count = if join.is_counted { join.count.clone() } else { Vec::new() };
        let keeper = keeper.map(ToString::to_string).unwrap_or_default();
        notes.extend([token.to_vec(), name.into_bytes(), count, target, keeper.into_bytes()]);
        Some(Finding { violation, notes: Some(notes) })
    }
}

fn parse(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}
