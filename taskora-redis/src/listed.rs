//! Pages of jobs.

use redis::Value;
use taskora::adapter::{JobQuery, Listed, Place};
use taskora::{AdapterError, JobId, JobInfo, Timestamp};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, nonsense, number, text};
use crate::codec::Reader;
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
        let (part, at, entry) = match &query.after {
            Some(place) => (place.part, place.number.to_string(), &*place.entry),
            None => (0, String::new(), &[][..]),
        };
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
}

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
