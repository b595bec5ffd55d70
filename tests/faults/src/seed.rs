//! Randomness that can be repeated.

/// The environment variable that replays a run.
pub const VARIABLE: &str = "TASKORA_FAULT_SEED";

/// The seed of this run: that of [`VARIABLE`], or a new one. Whoever uses it prints it; [`Report`](crate::Report) does.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| random() % 1_000_000)
}

/// A number that nobody else has.
#[must_use]
pub fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

/// A small generator (splitmix64): the same seed gives the same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to and without `end`; 0 if that is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next_u64() % end }
    }

    /// A number from `from` up to and without `to`.
    pub const fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from))
    }

    /// True in so many of a hundred cases.
    pub const fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance as u64
    }

    /// The place of one of these weights, each as likely as it is heavy; 0 if all are zero.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().map(|weight| u64::from(*weight)).sum());
        for (place, weight) in weights.iter().enumerate() {
            match left.checked_sub(u64::from(*weight)) {
                Some(rest) => left = rest,
                None => return place,
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.next_u64()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn weights_are_kept() {
        let mut random = Random::new(1);
        let mut hits = [0; 3];
        (0..1000).for_each(|_| hits[random.weighted(&[1, 0, 3])] += 1);
        assert!(hits[1] == 0 && hits[2] > 2 * hits[0] && hits[0] > 100, "{hits:?}");
    }
}
