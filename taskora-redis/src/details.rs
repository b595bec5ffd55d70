//! What is stored with a job.

use redis::Value;
use taskora::adapter::{JobData, StoredValue};
use taskora::{AdapterError, JobId};

use crate::adapter::RedisAdapter;
use crate::answer::{array, bytes, exactly, number};
use crate::codec::read_past;
use crate::id;
use crate::scripts::SCRIPTS;

const WHAT: &str = "the answer to `details`";

impl RedisAdapter {
    pub(crate) async fn data(&self, id: &JobId) -> Result<Option<JobData>, AdapterError> {
        let stored = id::store(id);
        let answer = self.inner.script(&SCRIPTS.details, |call, _| {
            call.put("id", &stored).put("most", JobData::MAX_VALUE);
        });
        let values = array(answer.await?, WHAT)?;
        if values.is_empty() {
            return Ok(None);
        }
        let [length, payload, size, result, limit_key, field, log_lines, is_served, past] =
            exactly(Value::Array(values), WHAT)?;
        let mut data = JobData::new(read_value(number(&length, WHAT)?, payload)?);
        if number::<i64>(&size, WHAT)? >= 0 {
            data.result = Some(read_value(number(&size, WHAT)?, result)?);
        }
        let text = |value| {
            let text = String::from_utf8_lossy(&bytes(value, WHAT)?).into_owned();
            Ok((!text.is_empty()).then_some(text))
        };
        data.limit_key = text(limit_key)?;
        data.key = id::key_in(&bytes(field, WHAT)?).map(|(_, key)| key);
        data.log_lines = number(&log_lines, WHAT)?;
        data.is_served = number::<u8>(&is_served, WHAT)? == 1;
        data.past = read_past(&bytes(past, WHAT)?);
        Ok(Some(data))
    }
}

fn read_value(len: usize, value: Value) -> Result<StoredValue, AdapterError> {
    let json = bytes(value, WHAT)?;
    Ok(StoredValue { len, json: (len <= JobData::MAX_VALUE).then_some(json) })
}
