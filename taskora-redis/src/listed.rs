//! Pages of jobs and of workflows.

use redis::Value;
use taskora::adapter::{JobQuery, Listed, ListedWorkflows, Place, WorkflowQuery, WorkflowRecord};
use taskora::workflow::{WorkflowInfo, WorkflowState};
use taskora::{AdapterError, JobId, JobInfo, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, nonsense, number, text};
use crate::codec::{FlowEnd, Head, Reader, read_open};
use crate::id;
use crate::inspection::read_job;
use crate::scripts::SCRIPTS;

const WHAT: &str = "the answer to `list`";

impl RedisAdapter {
    pub(crate) async fn listed(&self, query: &JobQuery) -> Result<Listed, AdapterError> {
        let filter = &query.filter;
        let meta: Vec<String> = filter
            .meta
            .iter()
            .map(|pair| serde_json::to_string(pair).map_err(|error| nonsense(error.to_string())))
            .collect::<Result<_, _>>()?;
        let time = |at: Option<Timestamp>| at.map(|at| at.as_millis().to_string()).unwrap_or_default();
        let wanted = |text: &Option<String>| text.as_ref().map(|text| format!("={text}")).unwrap_or_default();
        let (part, at, entry) = begins(query.after.as_ref());
        let answer = self.inner.script(&SCRIPTS.list, |call, _| {
            call.put("task", &*query.task).put("state", query.state.as_str());
            call.put("part", part).put("number", &at).put("entry", entry);
            call.put("limit", query.limit.clamp(1, JobQuery::MAX_LIMIT));
            call.put("most", query.most.clamp(1, JobQuery::PAGE));
            call.put("message", wanted(&filter.error)).put("payload", wanted(&filter.payload));
            call.put("prefix", wanted(&filter.id_prefix));
            call.put("since", time(filter.since)).put("latest", time(filter.until));
            for pair in &meta {
                call.list(pair);
            }
        });
        let [scanned, next, jobs] = exactly(answer.await?, WHAT)?;
        let mut listed =
            Listed { scanned: number(&scanned, WHAT)?, next: read_place(next)?, ..Listed::default() };
        for job in array(jobs, WHAT)? {
            let job = read_entry(exactly(job, WHAT)?, query)?;
            // the script leaves some conditions to this
            listed.jobs.extend(job.filter(|job| job.state == query.state && filter.fits(job)));
        }
        Ok(listed)
    }

    pub(crate) async fn listed_workflows(
        &self,
        query: &WorkflowQuery,
    ) -> Result<ListedWorkflows, AdapterError> {
        let what = "the answer to `list_workflows`";
        let (_, at, entry) = begins(query.after.as_ref());
        let answer = self.inner.script(&SCRIPTS.list_workflows, |call, _| {
            call.put("state", flow_letter(query.state)).put("number", &at).put("entry", entry);
            call.put("limit", query.limit.clamp(1, JobQuery::MAX_LIMIT));
            call.put("most", query.most.clamp(1, JobQuery::PAGE));
        });
        let [scanned, next, flows] = exactly(answer.await?, what)?;
        let mut next = array(next, what)?;
        if !next.is_empty() {
            next.insert(0, Value::Int(0));
        }
        let mut listed = ListedWorkflows {
            scanned: number(&scanned, what)?,
            next: read_place(Value::Array(next))?,
            ..ListedWorkflows::default()
        };
        for flow in array(flows, what)? {
            listed.workflows.extend(read_flow(exactly(flow, what)?, query.state)?);
        }
        Ok(listed)
    }
}

const fn flow_letter(state: WorkflowState) -> &'static str {
    match state {
        WorkflowState::Completed => "C",
        WorkflowState::Failed => "F",
        WorkflowState::Cancelled => "X",
        WorkflowState::Expired => "E",
        _ => "R",
    }
}

/// A workflow of the page; `None` if it cannot be read. Of one that a later version has stored, what can be known.
fn read_flow(values: [Value; 6], state: WorkflowState) -> Result<Option<WorkflowInfo>, AdapterError> {
    let what = "a workflow of a list";
    let [id, open, end, head, newer, at] = values;
    let (id, end, head) = (bytes(id, what)?, bytes(end, what)?, bytes(head, what)?);
    let (Some(id), Some(open)) = (id::load_workflow(&id), read_open(&bytes(open, what)?)) else {
        return Ok(None);
    };
    let finished_at = FlowEnd::read(&end).map(|end| end.finished_at);
    if state.is_terminal() != finished_at.is_some() {
        return Ok(None);
    }
    let mut record = WorkflowRecord {
        state,
        created_at: Timestamp::default(),
        finished_at,
        len: 0,
        open,
        nodes: Vec::new(),
        joins: Vec::new(),
        meta: Vec::new(),
    };
    match Head::read(&head) {
        Some(head) => {
            (record.created_at, record.len, record.meta) = (head.created_at, head.nodes, head.meta);
        }
        None if number::<u8>(&newer, what)? == 1 || Head::is_newer(&head) => {
            let started = text(at, what)?.parse::<f64>().ok().filter(|_| !state.is_terminal());
            record.created_at = Timestamp::from_millis(started.map_or(0, |at| at as u64));
        }
        None => return Ok(None),
    }
    Ok(Some(WorkflowInfo::new(id, record)))
}

/// Part, number and entry of the place behind which a page begins.
fn begins(after: Option<&Place>) -> (u8, String, &[u8]) {
    after.map_or((0, String::new(), &[]), |place| (place.part, place.number.to_string(), &place.entry))
}

/// Nothing if there is no place.
fn read_place(value: Value) -> Result<Option<Place>, AdapterError> {
    let values = array(value, WHAT)?;
    if values.is_empty() {
        return Ok(None);
    }
    let [part, at, entry] = exactly(Value::Array(values), WHAT)?;
    let at = text(at, WHAT)?.parse().map_err(|_| nonsense(format!("{WHAT} has no place")))?;
    Ok(Some(Place { part: number(&part, WHAT)?, number: at, entry: bytes(entry, WHAT)? }))
}

/// A job of the page; `None` if it cannot be read.
fn read_entry(values: [Value; 9], query: &JobQuery) -> Result<Option<JobInfo>, AdapterError> {
    let [id, record, life, end, progress, place, due, head, newer] = values;
    let Some(id) = id::load(&bytes(id, WHAT)?) else { return Ok(None) };
    let seen = bytes(record.clone(), WHAT)?;
    let glimpse = |id: &JobId| glimpse(id, &seen, query).unwrap_or_else(|| unseen(id, query));
    if number::<u8>(&newer, WHAT)? == 1 {
        return Ok(Some(glimpse(&id)));
    }
    Ok(match read_job(&id, [record, life, end, progress, place, due, head]) {
        Ok(job) => Some(job),
        // a later version wrote its end
        Err(AdapterError::Incompatible(_)) => Some(glimpse(&id)),
        Err(_) => None,
    })
}

fn unseen(id: &JobId, query: &JobQuery) -> JobInfo {
    JobInfo::new(id.clone(), &*query.task, query.state, Timestamp::default())
}

/// What this version can know about a job that a later one wrote; `None` if that is nothing.
fn glimpse(id: &JobId, record: &[u8], query: &JobQuery) -> Option<JobInfo> {
    let mut reader = Reader(record);
    if reader.u8()? != 1 {
        return None;
    }
    let mut info = unseen(id, query);
    info.created_at = Timestamp::from_millis(reader.u48()?);
    let (_flags, priority, _stalls) = (reader.u8()?, reader.array()?, reader.u8()?);
    info.priority = i16::from_be_bytes(priority);
    info.max_attempts = reader.u16()?.into();
    Some(info)
}
