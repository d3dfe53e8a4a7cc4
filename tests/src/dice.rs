//! Random numbers for simulated machines: challenges, authenticators, receipt numbers, a guest's appetite.
//!
//! A 64-bit generator (splitmix64) that can be seeded, so that a test can repeat a run. Not for real
//! secrets: everything that it makes belongs to a simulator.

use std::hash::{BuildHasher, Hasher, RandomState};

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

    /// `N` random octets.
    pub fn octets<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.draw().to_be_bytes()[0])
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

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
}
