//! How many more jobs a worker may take: in total, and of each task with its own limit.

use std::sync::Arc;
use std::time::Duration;

use crate::adapter::{SCHEDULES, TaskClaim, TaskName};

/// A name to claim, and the pool that limits it.
pub(crate) struct Claimable {
    pub(crate) task: TaskName,
    pub(crate) lease: Duration,
    pub(crate) pool: Option<usize>,
    /// Whether its contract has a limit over all processes.
    pub(crate) is_gated: bool,
}

/// The concurrent attempts of one handler.
struct Pool {
    limit: usize,
    /// Jobs that are claimed and not ended, or about to be claimed.
    in_hand: usize,
    running: usize,
}

pub(crate) struct Capacity {
    concurrency: usize,
    prefetch: usize,
    /// Whether nothing is claimed, however much room there is.
    is_paused: bool,
    in_hand: usize,
    running: usize,
    pools: Vec<Pool>,
    tasks: Vec<Claimable>,
    /// Whether claims ask for the ticks of schedules, too.
    ticks: bool,
    /// Whether the store does not know yet which limits the contracts declare.
    has_closed_gates: bool,
    /// What to claim, as long as no limit changes it.
    claims: Option<Arc<[TaskClaim]>>,
}

/// What a call may claim; held until the call is answered.
pub(crate) struct Reservation {
    total: usize,
    pools: Vec<(usize, usize)>,
}

impl Capacity {
    pub(crate) fn new(
        concurrency: usize,
        prefetch: usize,
        limits: Vec<usize>,
        tasks: Vec<Claimable>,
    ) -> Self {
        // a prefetched job has a lease, and would use up a limit that jobs of other workers wait for
        let is_gated = tasks.iter().any(|task| task.is_gated);
        let prefetch = if is_gated { 0 } else { prefetch };
        Self {
            concurrency,
            prefetch,
            is_paused: false,
            in_hand: 0,
            running: 0,
            pools: limits.into_iter().map(|limit| Pool { limit, in_hand: 0, running: 0 }).collect(),
            tasks,
            ticks: false,
            has_closed_gates: is_gated,
            claims: None,
        }
    }

    /// Claims ask for the ticks of schedules, too.
    pub(crate) fn with_ticks(mut self, ticks: bool) -> Self {
        self.ticks = ticks;
        self
    }

    /// Claims no longer ask for ticks.
    pub(crate) fn stop_ticks(&mut self) {
        self.ticks = false;
        self.claims = None;
    }

    /// From now on, so many attempts run at once.
    pub(crate) const fn set_concurrency(&mut self, attempts: usize) {
        self.concurrency = attempts;
    }

    /// From now on, nothing is claimed, or again as much as there is room for.
    pub(crate) const fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// How many jobs this worker may have, those that run and those that wait for their start.
    const fn total(&self) -> usize {
        if self.is_paused { 0 } else { self.concurrency.saturating_add(self.prefetch) }
    }

    /// How many jobs may be claimed now.
    pub(crate) const fn free(&self) -> usize {
        self.total().saturating_sub(self.in_hand)
    }

    /// Whether it has more jobs, or may be about to, than it has room for: it was paused, or has less room than before.
    pub(crate) const fn is_over(&self) -> bool {
        self.in_hand > self.total()
    }

    /// The store knows the limits of all tasks.
    pub(crate) fn open_gates(&mut self) {
        self.has_closed_gates = false;
        self.claims = None;
    }

    fn free_of(&self, task: &Claimable) -> usize {
        match task.pool.and_then(|pool| self.pools.get(pool)) {
            _ if task.is_gated && self.has_closed_gates => 0,
            Some(pool) => pool.limit.saturating_sub(pool.in_hand),
            None => usize::MAX,
        }
    }

    /// Whether a job of some task may be claimed now.
    pub(crate) fn has_room(&self) -> bool {
        self.free() > 0 && self.tasks.iter().any(|task| self.free_of(task) > 0)
    }

    /// Whether a task that was full when these claims were made has room now.
    pub(crate) fn has_opened(&self, claims: &[TaskClaim]) -> bool {
        let full = |(_, claim): &(&Claimable, &TaskClaim)| claim.limit == 0;
        self.free() > 0 && self.tasks.iter().zip(claims).filter(full).any(|(task, _)| self.free_of(task) > 0)
    }

    /// Every task with its limit, always in the same order; then what stands for schedules.
    pub(crate) fn claims(&mut self) -> Arc<[TaskClaim]> {
        if let Some(claims) = &self.claims {
            return claims.clone();
        }
        let claims: Arc<[TaskClaim]> = self.claims_of_tasks().chain(self.claim_of_ticks()).collect();
        if self.pools.is_empty() {
            self.claims = Some(claims.clone());
        }
        claims
    }

    /// The same without what stands for schedules.
    pub(crate) fn claims_of_tasks(&self) -> impl Iterator<Item = TaskClaim> {
        let claim = |task: &Claimable| TaskClaim {
            task: task.task.clone(),
            limit: self.free_of(task),
            lease: task.lease,
        };
        self.tasks.iter().map(claim)
    }

    /// What stands for schedules, if claims ask for their ticks.
    pub(crate) fn claim_of_ticks(&self) -> Option<TaskClaim> {
        let shortest = self.tasks.iter().map(|task| task.lease).min().unwrap_or_default();
        self.ticks.then(|| TaskClaim { task: SCHEDULES.into(), limit: 1, lease: shortest })
    }

    /// Reserves what a call may claim.
    pub(crate) fn reserve(&mut self, total: usize) -> Reservation {
        self.in_hand += total;
        let pools = self
            .pools
            .iter_mut()
            .enumerate()
            .map(|(at, pool)| {
                let share = pool.limit.saturating_sub(pool.in_hand).min(total);
                pool.in_hand += share;
                (at, share)
            })
            .collect();
        Reservation { total, pools }
    }

    /// The call was answered: the jobs that it claimed are then taken one by one.
    pub(crate) fn release(&mut self, reservation: Reservation) {
        self.in_hand = self.in_hand.saturating_sub(reservation.total);
        for (at, share) in reservation.pools {
            if let Some(pool) = self.pools.get_mut(at) {
                pool.in_hand = pool.in_hand.saturating_sub(share);
            }
        }
    }

    /// A job was claimed.
    pub(crate) fn take(&mut self, pool: Option<usize>) {
        self.in_hand += 1;
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.in_hand += 1;
        }
    }

    /// A claimed job that was not started was given back.
    pub(crate) fn give_back(&mut self, pool: Option<usize>) {
        self.in_hand = self.in_hand.saturating_sub(1);
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.in_hand = pool.in_hand.saturating_sub(1);
        }
    }

    /// Whether any claimed job may be started now.
    pub(crate) const fn may_start_any(&self) -> bool {
        self.running < self.concurrency
    }

    /// Starts a claimed job, if there is room.
    pub(crate) fn start(&mut self, pool: Option<usize>) -> bool {
        if !self.may_start_any() {
            return false;
        }
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            if pool.running >= pool.limit {
                return false;
            }
            pool.running += 1;
        }
        self.running += 1;
        true
    }

    /// A started job has left its slot.
    pub(crate) fn end(&mut self, pool: Option<usize>) {
        self.running = self.running.saturating_sub(1);
        if let Some(pool) = pool.and_then(|pool| self.pools.get_mut(pool)) {
            pool.running = pool.running.saturating_sub(1);
        }
        self.give_back(pool);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(concurrency: usize, prefetch: usize, limit: usize) -> Capacity {
        let lease = Duration::from_secs(30);
        let tasks = vec![
            Claimable { task: "free".into(), lease, pool: None, is_gated: false },
            Claimable { task: "limited".into(), lease, pool: Some(0), is_gated: false },
        ];
        Capacity::new(concurrency, prefetch, vec![limit], tasks)
    }

    fn limits(capacity: &mut Capacity) -> Vec<usize> {
        capacity.claims().iter().map(|claim| claim.limit).collect()
    }

    #[test]
    fn what_one_call_may_claim_no_other_call_may() {
        let mut capacity = capacity(10, 0, 3);
        let first = capacity.reserve(8);
        assert_eq!(capacity.free(), 2);
        assert_eq!(limits(&mut capacity), [usize::MAX, 0]);
        capacity.release(first);
        assert_eq!((capacity.free(), limits(&mut capacity)), (10, vec![usize::MAX, 3]));
    }

    #[test]
    fn a_limit_holds_for_what_is_started_and_a_free_task_goes_on() {
        let mut capacity = capacity(3, 2, 1);
        capacity.take(Some(0));
        capacity.take(Some(0));
        assert!(capacity.start(Some(0)));
        assert!(!capacity.start(Some(0)));
        capacity.take(None);
        assert!(capacity.start(None));
        let claims = capacity.claims();
        assert_eq!(limits(&mut capacity), [usize::MAX, 0]);
        assert!(!capacity.has_opened(&claims));
        capacity.end(Some(0));
        assert!(!capacity.has_opened(&claims), "the job that was taken too early has the place");
        assert!(capacity.start(Some(0)));
        capacity.end(Some(0));
        assert!(capacity.has_opened(&claims));
    }

    #[test]
    fn a_task_with_a_limit_over_all_processes_waits_until_the_store_knows_it_and_is_not_prefetched() {
        let lease = Duration::from_secs(30);
        let task = |task: &str, is_gated| Claimable { task: task.into(), lease, pool: None, is_gated };
        let mut capacity = Capacity::new(2, 9, Vec::new(), vec![task("free", false), task("gated", true)]);
        assert_eq!(capacity.free(), 2);
        let claims = capacity.claims();
        assert_eq!(limits(&mut capacity), [usize::MAX, 0]);
        assert!(!capacity.has_opened(&claims));
        capacity.open_gates();
        assert!(capacity.has_opened(&claims));
        assert_eq!(limits(&mut capacity), [usize::MAX, usize::MAX]);
    }

    #[test]
    fn prefetched_jobs_wait_for_a_slot() {
        let mut capacity = capacity(1, 2, 9);
        assert_eq!(capacity.free(), 3);
        for _ in 0..3 {
            capacity.take(None);
        }
        assert!(capacity.start(None));
        assert!(!capacity.start(None));
        assert_eq!(capacity.free(), 0);
        capacity.end(None);
        assert_eq!(capacity.free(), 1);
    }

    #[test]
    fn what_is_beyond_a_lower_concurrency_or_a_pause_has_no_room() {
        let mut capacity = capacity(4, 2, 9);
        for _ in 0..5 {
            capacity.take(None);
        }
        assert!((0..3).all(|_| capacity.start(None)));
        assert_eq!((capacity.free(), capacity.is_over()), (1, false));
        capacity.set_concurrency(1);
        assert!(capacity.is_over() && !capacity.may_start_any());
        capacity.give_back(None);
        capacity.give_back(None);
        assert!(!capacity.is_over(), "three run, and two more than run may be prefetched");
        capacity.set_concurrency(usize::MAX);
        assert_eq!(capacity.free(), usize::MAX - 3);
        capacity.set_paused(true);
        assert!(capacity.is_over() && !capacity.has_room());
        (0..3).for_each(|_| capacity.end(None));
        assert_eq!((capacity.free(), capacity.is_over()), (0, false));
        capacity.set_paused(false);
        assert!(capacity.has_room());
    }
}
