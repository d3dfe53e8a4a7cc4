//! Random numbers for simulated machines: challenges, authenticators, receipt numbers, a guest's appetite.
//!
//! A 64-bit generator (splitmix64) that can be seeded, so that a test can repeat a run. Not for real
//! secrets: everything that it makes belongs to a simulator.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The stream that belongs to a seed.
    pub fn seeded(seed: u64) -> Dice {
        Dice(seed)
    }

    /// A stream that differs in every process and call.
    pub fn shaken() -> Dice {
        Dice(RandomState::new().build_hasher().finish())
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.draw() % (high - low + 1)
    }

    /// True in so many of a hundred throws.
    pub fn chance(&mut self, per_cent: u8) -> bool {
        self.between(1, 100) <= u64::from(per_cent)
    }

    /// A time from `low` to `high`, whole milliseconds, both included.
    pub fn pause(&mut self, low: Duration, high: Duration) -> Duration {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.between(millis(low), millis(high).max(millis(low))))
    }

    /// `N` random octets.
    pub fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.draw().to_be_bytes()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_bounds_hold() {
        let (mut one, mut two) = (Dice::seeded(7), Dice::seeded(7));
        for _ in 0..1000 {
            let number = one.between(3, 9);
            assert_eq!(number, two.between(3, 9));
            assert!((3..=9).contains(&number));
        }
        assert_ne!(Dice::shaken().draw(), Dice::shaken().draw());
    }

    #[test]
    fn a_chance_comes_as_often_as_it_should() {
        let mut dice = Dice::seeded(7);
        let mut often = |per_cent| (0..10_000).filter(|_| dice.chance(per_cent)).count();
        assert_eq!((often(0), often(100)), (0, 10_000));
        assert!((2_700..3_300).contains(&often(30)));
    }

    #[test]
    fn a_pause_is_within_its_bounds() {
        let (mut dice, low, high) = (Dice::seeded(7), Duration::from_millis(20), Duration::from_millis(25));
        assert!((0..1000).all(|_| (low..=high).contains(&dice.pause(low, high))));
        assert_eq!(dice.pause(high, high), high);
    }
}
