//! Jobs of the world that limits by key count.

use taskora::adapter::{Control, DeclaredLimit, GatedTask, LimitKey, PerKey};

use super::*;

impl World {
    /// `n1` holds a key, `n2` waits for it, and `n3` waits in a lane that may go.
    pub(super) async fn fill_lanes(&mut self) -> Outcome {
        let limit = DeclaredLimit::none(GatedTask::new(TASK)).per_key(Some(PerKey::at_most(1)));
        of("declare_limits", self.adapter.declare_limits(vec![limit]).await)?;
        let of_key = |id, key, priority| NewJob { limit_key: LimitKey::new(key), priority, ..job(id) };
        let jobs = vec![of_key("n1", "n", 1_000), of_key("n2", "n", 1_000), of_key("n3", "o", 0)];
        of("enqueue", self.adapter.enqueue(jobs).await)?;
        let claimed = of("claim", self.exchange(&[TASK], Vec::new(), 1).await)?.jobs;
        match claimed.as_slice() {
            [job] if job.lease.id.as_str() == "n1" => Ok(()),
            other => Err(format!("claimed {other:?}")),
        }
    }
}
