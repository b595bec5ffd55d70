//! Jobs of the world that have keys.

use super::*;

impl World {
    /// Jobs that own keys, or wait for those that do.
    pub(super) async fn fill_keys(&mut self) -> Outcome {
        let first = |id| NewJob { priority: 1_000, ..job(id) };
        let jobs = vec![following(first("k1"), "a"), following(first("k6"), "b")];
        self.admit(jobs, &[Admitted::New, Admitted::New]).await?;
        self.owners = of("claim", self.exchange(&[TASK], Vec::new(), 2).await)?.jobs;
        let jobs = vec![
            following(NewJob { ttl: LONG_TTL, ..job("k2") }, "a"),
            debounced(job("k3"), "a"),
            throttled(job("k4"), "a"),
            following(job("k5"), "c"),
        ];
        self.admit(jobs, &[Admitted::New, Admitted::New, Admitted::New, Admitted::New]).await
    }

    pub(crate) async fn admit(&self, jobs: Vec<Admission>, expected: &[Admitted]) -> Outcome {
        let admitted = of("admit", self.adapter.admit(jobs).await)?;
        if admitted == expected { Ok(()) } else { Err(format!("admitted: {admitted:?}")) }
    }
}

/// Stored under a key that one unfinished job owns, or behind that job.
pub(crate) fn following(job: NewJob, key: &str) -> Admission {
    let otherwise = Otherwise::Follow { cancel_running: false };
    Admission { job, key: key.into(), rule: Rule::Deduplicate { while_in: BlockingStates::ALL, otherwise } }
}

pub(crate) fn debounced(job: NewJob, key: &str) -> Admission {
    let rule = Rule::Debounce { delay: Duration::from_secs(300), max_wait: Some(Duration::from_secs(600)) };
    Admission { job, key: key.into(), rule }
}

pub(crate) fn throttled(job: NewJob, key: &str) -> Admission {
    Admission { job, key: key.into(), rule: Rule::Throttle { max: 2, window: Duration::from_secs(60) } }
}
