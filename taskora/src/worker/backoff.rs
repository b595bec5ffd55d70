//! How long loops wait after a store error: longer each time, and not all for the same time.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The backoff of a loop after an error.
#[derive(Debug)]
pub(crate) struct StoreBackoff {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl StoreBackoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, first, longest }
    }

    /// Waits between half and all of a time that doubles with each call.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.delay()).await;
    }

    /// The next delay.
    pub(crate) fn delay(&mut self) -> Duration {
        let rest = self.next.mul_f64(0.5 + random() * 0.5);
        self.next = (self.next * 2).min(self.longest);
        rest
    }

    /// The store has answered.
    pub(crate) const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// A random number in `0.0..1.0`, good enough to spread things in time.
pub(crate) fn random() -> f64 {
    // each `RandomState` has a different seed
    let bits = RandomState::new().hash_one(0u8) >> 11;
    bits as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_the_longest_and_start_over() {
        let ms = Duration::from_millis;
        let mut backoff = StoreBackoff::new(ms(10), ms(40));
        for full in [10, 20, 40, 40] {
            let rest = backoff.delay();
            assert!(rest >= ms(full / 2) && rest <= ms(full), "{rest:?} for {full}");
        }
        backoff.reset();
        assert!(backoff.delay() <= ms(10));
    }

    #[test]
    fn random_numbers_differ_and_stay_in_range() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
