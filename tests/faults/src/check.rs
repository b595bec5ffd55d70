//! The invariants, checked when nothing is left to do: I1 to I10 of the promises.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::ledger::{History, Record};
use crate::raw::{DECLARED, End, Snapshot, state};
use crate::tasks::SCHEDULE;

/// The ledger's times and the server's are of different clocks, read at different moments.
pub(crate) const TOLERANCE: u64 = 3_000;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which promise is broken: `I1` to `I10`, or what a scenario itself demands.
    pub rule: &'static str,
    /// The job or workflow, if it is about one.
    pub job: Option<String>,
    /// What was found.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.job {
            Some(job) => write!(f, "{}: `{job}`: {}", self.rule, self.message),
            None => write!(f, "{}: {}", self.rule, self.message),
        }
    }
}

/// What is found.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static str, job: impl Into<Option<String>>, message: impl Into<String>) {
        self.0.push(Finding { rule, job: job.into(), message: message.into() });
    }
}

/// Compares the ledger with what Redis holds, when every job has ended and nothing has been trimmed.
#[must_use]
pub fn at_rest(history: &History, snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Findings::default();
    let ends = ends(snapshot);
    acknowledged(history, snapshot, &mut findings);
    completions(history, &ends, &mut findings);
    leases(history, &mut findings);
    keys(history, &mut findings);
    workflows(history, snapshot, &mut findings);
    for left_over in &snapshot.left_over {
        findings.add("I5", None, format!("left over: {left_over}"));
    }
    seen(history, snapshot, &ends, &mut findings);
    records(snapshot, &mut findings);
    ticks(snapshot, &mut findings);
    findings.0
}

/// What may be left when everything has been trimmed: the namespace's baseline, see `docs/wire-format.md`.
#[must_use]
pub fn after_retention(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings = Findings::default();
    for key in &snapshot.keys {
        let is_baseline =
            ["meta", "seq", "front", "tasks", "clock", "procs", "registry", "workers", DECLARED]
                .contains(&key.as_str());
        // these pass by themselves
        let passes = ["call:", "stage:", "throttle:", "idem:", "history:", "patterns:"]
            .iter()
            .any(|kind| key.starts_with(kind))
            || key == "wfgone"
            || key == "damaged";
        if !is_baseline && !passes {
            findings.add("I6", None, format!("`{key}` is left when everything has been trimmed"));
        }
    }
    findings.0
}

/// The ends of all jobs, nodes included.
fn ends(snapshot: &Snapshot) -> HashMap<String, &End> {
    let mut ends: HashMap<String, &End> = snapshot.done.iter().map(|(job, end)| (job.clone(), end)).collect();
    for (id, flow) in &snapshot.flows {
        for (number, node) in &flow.nodes {
            ends.extend(node.end.as_ref().map(|end| (format!("{id}#{number}"), end)));
        }
    }
    ends
}

/// I1: what was acknowledged has ended.
fn acknowledged(history: &History, snapshot: &Snapshot, findings: &mut Findings) {
    for (job, workflow) in history.accepted() {
        if workflow {
            match snapshot.flows.get(job) {
                None => findings.add("I1", job.to_owned(), "an acknowledged workflow is gone"),
                Some(flow) if flow.ended.is_none() => {
                    findings.add("I1", job.to_owned(), "an acknowledged workflow has not ended");
                }
                Some(_) => {}
            }
        } else if !snapshot.jobs.contains_key(job) {
            findings.add("I1", job.to_owned(), "an acknowledged job is gone");
        } else if !snapshot.done.contains_key(job) {
            findings.add("I1", job.to_owned(), "an acknowledged job has not ended");
        }
    }
}

/// I2: one end per job was accepted, and it is the one that is stored; a stored result is that of an attempt that ran.
fn completions(history: &History, ends: &HashMap<String, &End>, findings: &mut Findings) {
    let mut started: HashMap<&str, HashSet<u64>> = HashMap::new();
    let mut accepted: HashMap<&str, Vec<(&str, Option<u64>)>> = HashMap::new();
    let mut revivals: HashMap<&str, usize> = HashMap::new();
    for line in &history.lines {
        match &line.record {
            Record::Started { job, nonce, .. } => {
                started.entry(job).or_default().insert(*nonce);
            }
            Record::Settled { job, state: Some(state), nonce, .. }
                if ["completed", "failed", "cancelled", "expired"].contains(&state.as_str()) =>
            {
                accepted.entry(job).or_default().push((state, *nonce));
            }
            Record::Reviving { job } => *revivals.entry(job).or_default() += 1,
            _ => {}
        }
    }
    for (job, accepted) in &accepted {
        // each retry is one more end
        let revived = revivals.get(job).copied().unwrap_or(0);
        if accepted.len() > 1 + revived {
            findings.add(
                "I2",
                (*job).to_owned(),
                format!("{} ends were accepted: {accepted:?}", accepted.len()),
            );
        }
        // lost jobs are for I1
        // its workers may have died too often in its second life, which no worker settles
        let is_stalled = revived > 0 && ends.get(*job).is_some_and(|end| end.letter == b'S');
        if let (Some(end), Some((state, nonce))) = (ends.get(*job), accepted.last())
            && !is_stalled
            && (end.state() != *state || (*state == "completed" && end.nonce != *nonce))
        {
            let message = format!("{accepted:?} was accepted, and {end:?} is stored");
            findings.add("I2", (*job).to_owned(), message);
        }
    }
    for (job, end) in ends {
        if end.letter != b'C' {
            continue;
        }
        let ran = started.get(job.as_str());
        if !end.nonce.is_some_and(|nonce| ran.is_some_and(|ran| ran.contains(&nonce))) {
            findings.add("I2", job.clone(), format!("the stored result {end:?} is that of no attempt"));
        }
    }
}

/// What the ledger knows of one lease.
#[derive(Debug, Clone, Copy)]
struct Hold {
    pid: u32,
    claimed: u64,
    /// Until then it was valid for sure.
    until: u64,
    settling: Option<u64>,
}

/// I3: nobody was given a job while somebody else's lease on it was valid.
fn leases(history: &History, findings: &mut Findings) {
    let mut holds: HashMap<&str, BTreeMap<u64, Hold>> = HashMap::new();
    for line in &history.lines {
        match &line.record {
            Record::Claimed { job, token, asked, lease } => {
                let hold = Hold { pid: line.pid, claimed: line.at, until: asked + lease, settling: None };
                if let Some(other) = holds.entry(job).or_default().insert(*token, hold) {
                    findings.add(
                        "I3",
                        job.clone(),
                        format!("token {token} was given to {} and to {}", other.pid, line.pid),
                    );
                }
            }
            Record::Renewed { job, token, asked, lease, extended: true } => {
                if let Some(hold) = holds.get_mut(job.as_str()).and_then(|holds| holds.get_mut(token)) {
                    hold.until = hold.until.max(asked + lease);
                }
            }
            Record::Settling { job, token, .. } => {
                if let Some(hold) = holds.get_mut(job.as_str()).and_then(|holds| holds.get_mut(token)) {
                    hold.settling.get_or_insert(line.at);
                }
            }
            Record::TookKey { job, token } => {
                if let Some(hold) = holds.get_mut(job.as_str()).and_then(|holds| holds.get_mut(token)) {
                    hold.settling = None;
                }
            }
            _ => {}
        }
    }
    for (job, holds) in holds {
        let holds: Vec<_> = holds.into_iter().collect();
        for pair in holds.windows(2) {
            let [(token, first), (next, second)] = pair else { continue };
            let was_settled = first.settling.is_some_and(|at| at <= second.claimed);
            if !was_settled && second.claimed + TOLERANCE < first.until {
                let early = first.until - second.claimed;
                findings.add(
                    "I3",
                    job.to_owned(),
                    format!(
                        "token {next} was given out {early} µs before the lease of token {token} had passed"
                    ),
                );
            }
        }
    }
}

/// I9: no two jobs of a key had valid leases at the same time. The ids of such jobs name their keys.
fn keys(history: &History, findings: &mut Findings) {
    let mut holds: HashMap<&str, Vec<(u64, &str, u64)>> = HashMap::new();
    let mut until: HashMap<(&str, u64), u64> = HashMap::new();
    let mut settled: HashMap<(&str, u64), u64> = HashMap::new();
    for line in &history.lines {
        match &line.record {
            Record::Claimed { job, token, asked, lease } => {
                let Some(key) = key_of(job) else { continue };
                holds.entry(key).or_default().push((line.at, job, *token));
                until.insert((job, *token), asked + lease);
            }
            Record::Renewed { job, token, asked, lease, extended: true } => {
                until.entry((job, *token)).and_modify(|until| *until = (*until).max(asked + lease));
            }
            Record::Settling { job, token, .. } => {
                settled.entry((job, *token)).or_insert(line.at);
            }
            _ => {}
        }
    }
    for (key, mut holds) in holds {
        holds.sort_unstable();
        for pair in holds.windows(2) {
            let [(_, first, token), (claimed, second, _)] = pair else { continue };
            let of_first = (*first, *token);
            let was_settled = settled.get(&of_first).is_some_and(|at| at <= claimed);
            let until = until.get(&of_first).copied().unwrap_or(0);
            if first != second && !was_settled && claimed + TOLERANCE < until {
                let message = format!("`{second}` of the same {key} was claimed while it had a valid lease");
                findings.add("I9", (*first).to_owned(), message);
            }
        }
    }
}

/// `key-3` of `key-3-producer-17`.
fn key_of(job: &str) -> Option<&str> {
    let rest = job.strip_prefix("key-")?;
    let end = rest.find('-')?;
    job.get(..end + "key-".len())
}

/// I4: a workflow has ended if and only if its nodes have; each node ran with the results that it waited for, in order.
fn workflows(history: &History, snapshot: &Snapshot, findings: &mut Findings) {
    let mut inputs: HashMap<u64, &Vec<u64>> = HashMap::new();
    for line in &history.lines {
        if let Record::Started { nonce, inputs: given, .. } = &line.record {
            inputs.insert(*nonce, given);
        }
    }
    for (id, flow) in &snapshot.flows {
        let open = flow.nodes.values().filter(|node| node.end.is_none()).count();
        match flow.ended {
            Some(_) if open > 0 => {
                findings.add("I4", id.clone(), format!("it has ended, and {open} of its nodes have not"))
            }
            None if open == 0 => {
                findings.add("I4", id.clone(), "all of its nodes have ended, and it has not")
            }
            _ => {}
        }
        if flow.left != open as i64 {
            findings.add("I4", id.clone(), format!("it counts {} open nodes, and {open} are", flow.left));
        }
        if flow.ended.is_some() != snapshot.ended_flows.contains(id) {
            findings.add("I8", id.clone(), "state and index of ended workflows disagree");
        }
        let all_completed =
            flow.nodes.values().all(|node| node.end.as_ref().is_some_and(|end| end.letter == b'C'));
        if open == 0 && all_completed != (flow.ended == Some(b'C')) {
            findings.add(
                "I4",
                id.clone(),
                format!("it ended as {:?}, which its nodes did not", flow.ended.map(state)),
            );
        }
        for (number, node) in &flow.nodes {
            let nonces =
                flow.parents(node).into_iter().map(|parent| flow.nodes.get(&parent)?.end.as_ref()?.nonce);
            let expected: Option<Vec<u64>> = nonces.collect();
            let given = node.end.as_ref().and_then(|end| end.nonce).and_then(|nonce| inputs.get(&nonce));
            if let Some(given) = given
                && expected.as_ref() != Some(given)
            {
                findings.add(
                    "I4",
                    format!("{id}#{number}"),
                    format!("it was given {given:?} and not {expected:?}"),
                );
            }
        }
    }
    let ended: HashSet<&String> = snapshot.ended_flows.iter().collect();
    for id in ended {
        if !snapshot.flows.contains_key(id) {
            findings.add("I8", id.clone(), "an index names a workflow that is not there");
        }
    }
}

/// I7: what handles were told is what is stored.
fn seen(history: &History, snapshot: &Snapshot, ends: &HashMap<String, &End>, findings: &mut Findings) {
    for line in &history.lines {
        let Record::Seen { job, workflow, state: seen, nonce } = &line.record else { continue };
        let (stored, nonces) = if *workflow {
            let flow = snapshot.flows.get(job);
            let nonces = flow.iter().flat_map(|flow| flow.nodes.values());
            let nonces: Vec<_> = nonces.filter_map(|node| node.end.as_ref()?.nonce).collect();
            (flow.and_then(|flow| flow.ended).map(state), nonces)
        } else {
            let end = ends.get(job);
            (end.map(|end| end.state()), end.and_then(|end| end.nonce).into_iter().collect())
        };
        if stored != Some(seen.as_str()) {
            findings.add(
                "I7",
                job.clone(),
                format!("its handle was told `{seen}`, and {stored:?} is stored"),
            );
        } else if nonce.is_some_and(|nonce| !nonces.contains(&nonce)) {
            findings.add("I7", job.clone(), "its handle was told another result than the one that is stored");
        }
    }
}

/// I8: records, ends and indexes agree. When the product's own check does this, it goes here instead.
fn records(snapshot: &Snapshot, findings: &mut Findings) {
    let mut indexed: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for ((task, state), jobs) in &snapshot.indexes {
        for job in jobs {
            indexed.entry(job).or_default().push((task, state));
        }
    }
    for (job, task) in &snapshot.jobs {
        let Some(end) = snapshot.done.get(job) else {
            findings.add("I8", job.clone(), "it is in no end and in no line");
            continue;
        };
        let places = indexed.get(job.as_str()).map_or(&[][..], Vec::as_slice);
        if places != [(task.as_str(), end.state())] {
            findings.add(
                "I8",
                job.clone(),
                format!("a job of `{task}` that is {} is in the indexes {places:?}", end.state()),
            );
        }
    }
    let known = |job: &str| snapshot.jobs.contains_key(job);
    let rest = [("index", indexed.into_keys().map(str::to_owned).collect::<Vec<_>>())];
    let others = [
        ("end", snapshot.done.keys().cloned().collect()),
        ("payload", snapshot.blobs.iter().cloned().collect()),
        ("progress", snapshot.progress.iter().cloned().collect()),
    ];
    for (what, jobs) in rest.into_iter().chain(others) {
        for job in jobs.into_iter().filter(|job| !known(job)) {
            findings.add("I8", job, format!("there is an {what} of a job that is not there"));
        }
    }
}

/// I10: each schedule of one second has made the job of each second, from its first one to its last. Their ids have the times in them,
/// so that none can be there twice.
fn ticks(snapshot: &Snapshot, findings: &mut Findings) {
    let mut schedules: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for job in snapshot.jobs.keys().filter(|job| job.starts_with(SCHEDULE)) {
        match job.split_once('@').and_then(|(name, time)| Some((name, second_of(time)?))) {
            Some((name, second)) => schedules.entry(name).or_default().push(second),
            None => findings.add("I10", job.clone(), "a tick has another id"),
        }
    }
    for (name, mut seconds) in schedules {
        seconds.sort_unstable();
        for pair in seconds.windows(2) {
            if let [before, after] = pair
                && before + 1 != *after
            {
                let message = format!("{} ticks are missing after {before}", after - before - 1);
                findings.add("I10", name.to_owned(), message);
            }
        }
    }
}

/// The second, since days began to be counted, of a time such as `20260329T030000Z`.
fn second_of(time: &str) -> Option<u64> {
    let part = |from: usize, to: usize| time.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    // years that begin in March, so that a leap day is the last one
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let clock = part(9, 11)? * 3600 + part(11, 13)? * 60 + part(13, 15)?;
    (time.len() == 16).then_some(days * 86_400 + clock)
}

#[cfg(test)]
mod tests {
    use super::second_of;

    #[test]
    fn seconds_follow_each_other_over_ends_of_days_months_and_years() {
        for (before, after) in [
            ("20260228T235959Z", "20260301T000000Z"),
            ("20280228T235959Z", "20280229T000000Z"),
            ("20261231T235959Z", "20270101T000000Z"),
            ("20261128T115959Z", "20261128T120000Z"),
        ] {
            assert_eq!(second_of(before).map(|second| second + 1), second_of(after), "{before}");
        }
        assert_eq!((second_of("x"), second_of("20261128T115959")), (None, None));
    }
}
