//! Jobs of the world that gather.

use taskora::adapter::{Collect, LimitKey};

use super::*;

pub(crate) const DELAY: Duration = Duration::from_secs(20);

/// An item that gathers under a key.
pub(crate) fn item(id: &str, key: &str, collect: Collect) -> NewJob {
    NewJob { limit_key: LimitKey::new(key), collect: Some(collect), priority: 1_000, ..job(id) }
}

impl World {
    /// `i1` runs in a serial batch, for which `i2` and `i3` wait, and `i4` gathers.
    pub(super) async fn fill_gathers(&mut self) -> Outcome {
        let at_once = item("i1", "i", Collect::new(1, DELAY).serial());
        of("enqueue", self.adapter.enqueue(vec![at_once]).await)?;
        let claimed = of("claim", self.exchange(&[TASK], Vec::new(), 1).await)?.jobs;
        if !claimed.iter().all(|job| job.lease.id.as_str() == "i1" && job.batch == Some(0)) {
            return Err(format!("claimed {claimed:?}"));
        }
        let full = Collect::new(2, DELAY).serial();
        let jobs =
            vec![item("i2", "i", full), item("i3", "i", full), item("i4", "j", Collect::new(9, DELAY))];
        of("enqueue", self.adapter.enqueue(jobs).await).map(drop)
    }
}
