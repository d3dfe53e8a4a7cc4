//! What is counted while requests run, and how counts of several threads become one.
//!
//! A [`Tally`] belongs to one round and one thread. A [`Second`] is one second of the run's clock, by the moment
//! at which a request was first due, so that "useful of what was asked in second 7" needs no guessing about when an
//! answer came.

use crate::histogram::Histogram;
use crate::request::{Answer, Fault};

/// Counts of one round.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Tally {
    /// Requests begun.
    pub(crate) asked: u64,
    /// Second and third tries.
    pub(crate) retried: u64,
    /// Right Access-Accepts and Accounting-Responses in time.
    pub(crate) accepted: u64,
    /// Right Access-Rejects in time.
    pub(crate) rejected: u64,
    /// Requests given up without an answer.
    pub(crate) lost: u64,
    /// Right answers after the request was given up.
    pub(crate) late: u64,
    /// Right answers to a request that had its answer: the server answered a second try too.
    pub(crate) repeated: u64,
    /// Answers that are wrong, as [`Fault::ALL`] counts them.
    pub(crate) wrong: [u64; Fault::ALL.len()],
    /// Requests that could not be begun because every identifier was in use.
    pub(crate) skipped: u64,
    /// Times that the kernel said that nobody listens.
    pub(crate) refused: u64,
    /// Octets of right answers.
    pub(crate) octets: u64,
    /// How late the generator itself was at worst, nanoseconds.
    pub(crate) behind: u64,
    /// From the moment a request was due to its answer.
    pub(crate) latencies: Histogram,
}

impl Tally {
    /// Counts a right answer in time.
    pub(crate) fn answered(&mut self, answer: Answer, octets: usize, latency: u64) {
        match answer {
            Answer::Accept => self.accepted += 1,
            Answer::Reject => self.rejected += 1,
        }
        self.octets += octets as u64;
        self.latencies.add(latency);
    }

    /// Counts a wrong answer.
    pub(crate) fn wrong(&mut self, fault: Fault) {
        let index = Fault::ALL.iter().position(|&other| other == fault).expect("ALL is complete");
        self.wrong[index] += 1;
    }

    /// Takes in what another thread counted in the same round.
    pub(crate) fn merge(&mut self, other: &Tally) {
        self.asked += other.asked;
        self.retried += other.retried;
        self.accepted += other.accepted;
        self.rejected += other.rejected;
        self.lost += other.lost;
        self.late += other.late;
        self.repeated += other.repeated;
        for (mine, theirs) in self.wrong.iter_mut().zip(other.wrong) {
            *mine += theirs;
        }
        self.skipped += other.skipped;
        self.refused += other.refused;
        self.octets += other.octets;
        self.behind = self.behind.max(other.behind);
        self.latencies.merge(&other.latencies);
    }

    /// The wrong answers, in words; empty if there are none.
    pub(crate) fn faults(&self) -> String {
        let named = Fault::ALL.iter().zip(self.wrong).filter(|(_, count)| *count > 0);
        named.map(|(fault, count)| format!("{count} {}", fault.label())).collect::<Vec<_>>().join(", ")
    }
}

/// Requests that were due in one second of the run.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Second {
    /// Begun.
    pub(crate) asked: u64,
    /// Accepted or acknowledged in time.
    pub(crate) useful: u64,
}

/// What a thread has counted: its rounds, and its seconds from the start of the run.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Count {
    pub(crate) rounds: Vec<Tally>,
    pub(crate) seconds: Vec<Second>,
}

impl Count {
    /// Takes in another thread's.
    pub(crate) fn merge(&mut self, other: &Count) {
        self.rounds.resize_with(self.rounds.len().max(other.rounds.len()), Tally::default);
        for (mine, theirs) in self.rounds.iter_mut().zip(&other.rounds) {
            mine.merge(theirs);
        }
        self.seconds.resize_with(self.seconds.len().max(other.seconds.len()), Second::default);
        for (mine, theirs) in self.seconds.iter_mut().zip(&other.seconds) {
            mine.asked += theirs.asked;
            mine.useful += theirs.useful;
        }
    }

    /// The second in which a request was due, made if new.
    pub(crate) fn second(&mut self, nanoseconds: u64) -> &mut Second {
        let index = usize::try_from(nanoseconds / 1_000_000_000).unwrap_or(0);
        if self.seconds.len() <= index {
            self.seconds.resize_with(index + 1, Second::default);
        }
        &mut self.seconds[index]
    }
}
