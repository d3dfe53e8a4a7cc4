//! When requests begin, and for whom.
//!
//! *Closed*: so many are outstanding, and each answer lets the next one begin. That measures what a server can
//! do; it says nothing about what happens when more is asked. *Open*: requests are due at random moments (a
//! Poisson stream, as independent guests make one) at a rate that no answer slows down. Latency then counts from
//! the moment a request was due, so that a generator held up by the server cannot hide the wait.

use std::time::Duration;

use ::tests::dice::Dice;

/// When requests begin.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Pace {
    /// So many are outstanding at any time.
    Closed { outstanding: usize },
    /// So many begin each second, phase after phase.
    Open { phases: Vec<Phase> },
}

/// A part of an open run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Phase {
    pub(crate) per_second: f64,
    pub(crate) lasts: Duration,
}

/// When a request is tried again, and when it is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Patience {
    /// From one try to the next, and from the last to giving up, nanoseconds.
    pub(crate) gap: u64,
    /// Tries in all.
    pub(crate) tries: u8,
}

impl Patience {
    /// A closed loop asks once and counts a second without an answer as a loss.
    pub(crate) const ONCE: Patience = Patience { gap: 1_000_000_000, tries: 1 };
    /// RouterOS up to 7.14: 300 ms, three tries; after 900 ms the guest has read an error.
    pub(crate) const ROUTEROS: Patience = Patience { gap: 300_000_000, tries: 3 };

    /// An answer after this is of no use.
    pub(crate) fn whole(self) -> u64 {
        self.gap * u64::from(self.tries)
    }
}

/// The moments at which an open run's requests are due.
#[derive(Debug)]
pub(crate) struct Arrivals {
    phases: Vec<Phase>,
    phase: usize,
    phase_ends: f64,
    next: f64,
}

impl Arrivals {
    pub(crate) fn new(phases: Vec<Phase>, dice: &mut Dice) -> Arrivals {
        let phase_ends = phases.first().map_or(0.0, |phase| phase.lasts.as_secs_f64());
        let mut arrivals = Arrivals { phases, phase: 0, phase_ends, next: 0.0 };
        arrivals.advance(dice);
        arrivals
    }

    /// When the next request is due, in nanoseconds from the start; `None` when all phases are over.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a run lasts minutes, not centuries")]
    pub(crate) fn next_due(&self) -> Option<u64> {
        (self.phase < self.phases.len()).then_some((self.next * 1e9) as u64)
    }

    /// Goes on to the request after.
    pub(crate) fn advance(&mut self, dice: &mut Dice) {
        while let Some(phase) = self.phases.get(self.phase) {
            let gap = exponential(dice) / phase.per_second;
            if phase.per_second > 0.0 && self.next + gap < self.phase_ends {
                self.next += gap;
                return;
            }
            // A Poisson stream has no memory: the rest of the gap may be drawn anew at the next phase's rate.
            self.next = self.phase_ends;
            self.phase += 1;
            self.phase_ends += self.phases.get(self.phase).map_or(0.0, |phase| phase.lasts.as_secs_f64());
        }
    }
}

/// A gap with mean 1 in a Poisson stream.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
fn exponential(dice: &mut Dice) -> f64 {
    let uniform = ((dice.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    -uniform.ln()
}

/// Whose login it is.
#[derive(Clone, Debug)]
pub(crate) enum Customers {
    /// Anyone of so many.
    Uniform { count: u32 },
    /// Each once, in order; those without an answer again.
    Each { next: u32, last: u32, again: Vec<u32> },
}

impl Customers {
    /// The next one; `None` when each has had a turn.
    pub(crate) fn draw(&mut self, dice: &mut Dice) -> Option<u32> {
        match self {
            // The high half of a product is uniform without a division.
            Customers::Uniform { count } => Some(1 + (((dice.draw() >> 32) * u64::from(*count)) >> 32) as u32),
            Customers::Each { again, .. } if !again.is_empty() => again.pop(),
            Customers::Each { next, last, .. } if *next <= *last => {
                *next += 1;
                Some(*next - 1)
            }
            Customers::Each { .. } => None,
        }
    }

    /// Notes that a customer got no answer.
    pub(crate) fn give_back(&mut self, customer: u32) {
        if let Customers::Each { again, .. } = self {
            again.push(customer);
        }
    }

    /// Whether each has had a turn.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Customers::Each { next, last, again } if next > last && again.is_empty())
    }

    /// Splits the work among `threads`; this is the share of `index`.
    pub(crate) fn share(&self, index: u32, threads: u32) -> Customers {
        match self {
            Customers::Uniform { count } => Customers::Uniform { count: *count },
            Customers::Each { next, last, .. } => {
                let all = u64::from(last + 1 - next);
                let edge = |part: u32| next + (all * u64::from(part) / u64::from(threads)) as u32;
                Customers::Each { next: edge(index), last: edge(index + 1) - 1, again: Vec::new() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_run_has_the_rates_it_was_told() {
        let mut dice = Dice::seeded(3);
        let phase = |per_second, seconds| Phase { per_second, lasts: Duration::from_secs(seconds) };
        let mut arrivals = Arrivals::new(vec![phase(10_000.0, 2), phase(0.0, 1), phase(1_000.0, 3)], &mut dice);
        let mut seconds = [0_u32; 6];
        let mut before = 0;
        while let Some(due) = arrivals.next_due() {
            assert!(due >= before, "time runs forward");
            before = due;
            seconds[usize::try_from(due / 1_000_000_000).expect("small")] += 1;
            arrivals.advance(&mut dice);
        }
        assert_eq!(seconds[2], 0);
        for (second, wanted) in [(0, 10_000), (1, 10_000), (3, 1_000), (4, 1_000), (5, 1_000)] {
            let off = seconds[second].abs_diff(wanted);
            assert!(off < wanted / 7, "second {second} has {} of {wanted}", seconds[second]);
        }
    }

    #[test]
    fn each_customer_has_a_turn_in_every_division() {
        let all = Customers::Each { next: 51, last: 151, again: Vec::new() };
        let mut dice = Dice::seeded(4);
        for threads in 1..=4 {
            let mut seen = std::collections::BTreeSet::new();
            for index in 0..threads {
                let mut share = all.share(index, threads);
                let first = share.draw(&mut dice).expect("someone");
                share.give_back(first);
                assert!(!share.is_over());
                while let Some(customer) = share.draw(&mut dice) {
                    assert!((51..=151).contains(&customer) && seen.insert(customer), "{customer}");
                }
                assert!(share.is_over());
            }
            assert_eq!(seen.len(), 101);
        }
    }

    #[test]
    fn customers_are_drawn_evenly_and_never_from_outside() {
        let mut dice = Dice::seeded(5);
        let mut customers = Customers::Uniform { count: 10 };
        let mut drawn = [0_u32; 11];
        for _ in 0..10_000 {
            drawn[customers.draw(&mut dice).expect("endless") as usize] += 1;
        }
        assert_eq!(drawn[0], 0);
        assert!(drawn[1..].iter().all(|count| (800..1200).contains(count)), "{drawn:?}");
    }
}
