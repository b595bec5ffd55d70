//! Jobs under keys, as the script `admit` takes them.

use redis::Value;
use taskora::AdapterError;
use taskora::adapter::{Admission, Admitted, Once, Otherwise, Rule};

use crate::answer::{array, bytes, nonsense};
use crate::coalescer::Item;
use crate::codec::{Packed, millis, pack};
use crate::id;
use crate::link::Link;
use crate::scripts::SCRIPTS;

/// A job under a key, in the form that the script takes.
pub(crate) struct Keyed {
    job: Packed,
    key: String,
    rule: Vec<u8>,
}

impl Keyed {
    pub(crate) fn pack(admission: Admission) -> Result<Self, String> {
        let Admission { job, key, rule } = admission;
        if key.len() > Admission::MAX_KEY {
            return Err(format!("a key has at most {} bytes", Admission::MAX_KEY));
        }
        Ok(Self { job: pack(job)?, key, rule: pack_rule(rule) })
    }
}

/// Whether the key stays if its job or workflow ends without completing, the key's life, and the fingerprint.
pub(crate) fn pack_once(once: Once) -> [u8; 15] {
    let mut packed = [0; 15];
    packed[0] = u8::from(once.keep_failures);
    packed[1..7].copy_from_slice(&millis(once.life).max(1).to_be_bytes()[2..]);
    packed[7..].copy_from_slice(&once.fingerprint.to_be_bytes());
    packed
}

fn pack_rule(rule: Rule) -> Vec<u8> {
    let mut packed = Vec::with_capacity(13);
    let push_time = |packed: &mut Vec<u8>, time| packed.extend(&u64::to_be_bytes(millis(time))[2..]);
    match rule {
        Rule::Throttle { max, window } => {
            packed.push(b'T');
            packed.extend(max.clamp(1, Rule::MAX_STARTS).to_be_bytes());
            push_time(&mut packed, window);
        }
        Rule::Debounce { delay, max_wait } => {
            packed.push(b'D');
            push_time(&mut packed, delay);
            push_time(&mut packed, max_wait.unwrap_or_default());
        }
        Rule::Deduplicate { while_in, otherwise } => {
            let otherwise = match otherwise {
                Otherwise::Drop => 0,
                Otherwise::Replace => 1,
                Otherwise::Follow { cancel_running } => 2 + u8::from(cancel_running),
            };
            packed.extend([b'U', while_in.bits(), otherwise]);
        }
        Rule::Once(once) => {
            packed.push(b'I');
            packed.extend(pack_once(once));
        }
    }
    packed
}

impl Item for Keyed {
    type Answer = Admitted;

    fn count(&self) -> usize {
        1
    }

    fn size(&self) -> usize {
        self.job.size() + self.key.len()
    }

    async fn send(link: &Link, jobs: &[&Self]) -> Result<Vec<Admitted>, AdapterError> {
        let size = jobs.iter().map(|keyed| keyed.size()).sum();
        let answer = link.script_carrying(size, &SCRIPTS.admit, |call, how| {
            call.put("again", u8::from(how.repeat));
            for Self { job, key, rule } in jobs {
                call.list(&job.id).list(&job.rest).list(job.payload.as_deref().unwrap_or_default());
                call.list(job.due.as_deref().unwrap_or_default()).list(key).list(rule);
            }
        });
        let what = "the answer to `admit`";
        let answers = array(answer.await?.1, what)?;
        if answers.len() != jobs.len() {
            return Err(nonsense(format!("{what} is about {} of {} jobs", answers.len(), jobs.len())));
        }
        let read = |(keyed, answer): (&&Self, Value)| read(&keyed.job.id, &bytes(answer, what)?);
        jobs.iter().zip(answers).map(read).collect()
    }
}

/// Reads the script's answer about a job.
fn read(own: &[u8], answer: &[u8]) -> Result<Admitted, AdapterError> {
    let unreadable = || nonsense("the answer to `admit` cannot be read");
    let job = |stored| id::load(stored).ok_or_else(unreadable);
    match answer.split_first().ok_or_else(unreadable)? {
        (b'1', _) => Ok(Admitted::New),
        (b'0', _) => Ok(Admitted::Duplicate(job(own)?)),
        (b'O', owner) => Ok(Admitted::Duplicate(job(owner)?)),
        (b'K', holder) => Ok(Admitted::Reused(job(holder)?)),
        (b'R', replaced) => Ok(Admitted::Replaced(job(replaced)?)),
        (b'T', task) => {
            let task = std::str::from_utf8(task).map_err(|_| unreadable())?;
            Ok(Admitted::Taken { task: task.into() })
        }
        (b'W', millis) => {
            let millis = std::str::from_utf8(millis).ok().and_then(|text| text.parse().ok());
            let retry_in = std::time::Duration::from_millis(millis.ok_or_else(unreadable)?);
            Ok(Admitted::Throttled { retry_in })
        }
        _ => Err(unreadable()),
    }
}
