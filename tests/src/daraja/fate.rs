//! What goes wrong around one push, apart from what its customer does.
//!
//! An [`Outcome`] is the customer's part: paid or not, and why. A [`Fate`] is the part of M-Pesa and of the network: what
//! becomes of the answer to the push, when it is decided and how much is collected, which reports are sent, when, and what
//! they say. Every push has one: that of its outcome, changed by the dice as often as the [`Odds`] say, or the one that a
//! test decrees. The dice of a push belong to the seed, the number and how often that number was pushed to, so that a seed
//! gives the same fates in whatever order the requests arrive.
//!
//! A query always tells the truth, which is what makes the rest harmless. Nothing is sent or kept here: `till` holds the
//! fates, `server` obeys them.

use std::mem::take;
use std::time::Duration;

use super::outcome::Outcome;
use crate::dice::Dice;

/// A customer who is quicker than the answer to the push decides, and is reported, after this.
const QUICK: Duration = Duration::from_millis(20);
/// How long the answer is held back then. Shorter than any client's patience, so that it is read.
const OVERTAKEN: Duration = Duration::from_millis(500);
/// The shortest and the longest that a report is late, or comes a second time later.
const LATE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));
/// The shortest and the longest that an answer is late: some clients wait so long, some do not.
const SLOW: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));
/// The shortest and the longest between a report that is wrong and the one that puts it right.
const CORRECTED: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3));

/// What becomes of the answer to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It comes.
    Given,
    /// It is held back for so long.
    Late(Duration),
    /// The request is obeyed, and the connection breaks before the answer.
    Lost,
    /// The request is obeyed, and the answer is an error 500.
    Error,
    /// The answer is an error 500, and no phone is asked.
    Refused,
}

/// What a report says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Says {
    /// How it ended.
    Truth,
    /// That the phone did not answer (1037), whatever it did.
    NoAnswer,
    /// How it ended, of a prompt that M-Pesa has never made.
    AnotherPrompt,
}

/// A report that is sent to the address that came with the push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// When, from the push on.
    pub after: Duration,
    /// What it says.
    pub says: Says,
}

/// What becomes of one push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fate {
    /// Of the answer.
    pub answer: Answer,
    /// When it is decided, from the push on. Until then a query says "pending".
    pub decided: Duration,
    /// What is collected if it is paid, where that is not what was asked for; whole shillings.
    pub collects: Option<u64>,
    /// The reports, each sent once.
    pub reports: Vec<Report>,
}

/// How often something goes wrong, in a hundred. Each is thrown for by itself, so that they meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Odds {
    /// A report is not sent.
    pub dropped: u8,
    /// A report is late.
    pub late: u8,
    /// A report comes again later.
    pub doubled: u8,
    /// A report comes twice in the same moment.
    pub twin: u8,
    /// The reports come before the answer to the push.
    pub early: u8,
    /// What is paid is first reported as unanswered by the phone.
    pub contradicted: u8,
    /// Of what is paid, another amount is collected than was asked for.
    pub another_amount: u8,
    /// The first report speaks of another prompt.
    pub another_prompt: u8,
    /// The answer to a push is late. This and the next three exclude each other: together at most 100.
    pub answer_late: u8,
    /// The push is taken, and the connection breaks before the answer.
    pub answer_lost: u8,
    /// The push is taken, and the answer is an error 500.
    pub answer_error: u8,
    /// The answer is an error 500, and no phone is asked.
    pub push_refused: u8,
    /// The answer to a query is late.
    pub query_late: u8,
    /// The answer to a query is an error 500.
    pub query_error: u8,
}

impl Odds {
    /// Nothing goes wrong but what an outcome brings with it.
    pub const NONE: Odds = Odds {
        dropped: 0,
        late: 0,
        doubled: 0,
        twin: 0,
        early: 0,
        contradicted: 0,
        another_amount: 0,
        another_prompt: 0,
        answer_late: 0,
        answer_lost: 0,
        answer_error: 0,
        push_refused: 0,
        query_late: 0,
        query_error: 0,
    };

    /// A day on which everything goes wrong that can: of three pushes about one goes as it should.
    pub const ROUGH: Odds = Odds {
        dropped: 10,
        late: 15,
        doubled: 8,
        twin: 8,
        early: 10,
        contradicted: 8,
        another_amount: 5,
        another_prompt: 5,
        answer_late: 10,
        answer_lost: 6,
        answer_error: 4,
        push_refused: 4,
        query_late: 3,
        query_error: 6,
    };

    /// What becomes of the answer to a query.
    pub(crate) fn of_query(&self, dice: &mut Dice) -> Answer {
        if *self == Odds::NONE {
            Answer::Given
        } else if dice.chance(self.query_late) {
            Answer::Late(dice.pause(SLOW.0, SLOW.1))
        } else if dice.chance(self.query_error) {
            Answer::Error
        } else {
            Answer::Given
        }
    }
}

impl Fate {
    /// The fate that an outcome brings with it.
    #[must_use]
    pub fn of(outcome: Outcome, delay: Duration, silence: Duration) -> Fate {
        let (decided, reports) = outcome.timeline(delay, silence);
        Fate {
            answer: if outcome == Outcome::PaidAnswerLost { Answer::Lost } else { Answer::Given },
            decided,
            collects: None,
            reports: reports.into_iter().map(|after| Report { after, says: Says::Truth }).collect(),
        }
    }

    /// The same after the dice were thrown; `asked` is the amount of the push.
    pub(crate) fn changed(mut self, odds: &Odds, dice: &mut Dice, outcome: Outcome, asked: u64) -> Fate {
        if dice.chance(odds.early) && outcome != Outcome::Silent {
            self.overtake();
        }
        if dice.chance(odds.contradicted) && outcome.is_paid() {
            self.contradict(dice);
        }
        if dice.chance(odds.another_amount) && outcome.is_paid() {
            self.collects = Some(another_amount(asked, dice));
        }
        if dice.chance(odds.another_prompt)
            && let Some(first) = self.reports.first_mut()
        {
            first.says = Says::AnotherPrompt;
        }
        self.change_reports(odds, dice);
        self.change_answer(odds, dice);
        self
    }

    /// The customer is quicker than the answer.
    fn overtake(&mut self) {
        self.decided = QUICK;
        for report in &mut self.reports {
            report.after = QUICK;
        }
        if self.answer == Answer::Given {
            self.answer = Answer::Late(OVERTAKEN);
        }
    }

    /// A failure is reported about the time of the decision, and what is true only afterwards.
    fn contradict(&mut self, dice: &mut Dice) {
        let wrong = Report { after: dice.pause(self.decided / 2, self.decided), says: Says::NoAnswer };
        for report in &mut self.reports {
            report.after += dice.pause(CORRECTED.0, CORRECTED.1);
        }
        self.reports.insert(0, wrong);
    }

    fn change_reports(&mut self, odds: &Odds, dice: &mut Dice) {
        for mut report in take(&mut self.reports) {
            if dice.chance(odds.dropped) {
                continue;
            }
            if dice.chance(odds.late) {
                report.after += dice.pause(LATE.0, LATE.1);
            }
            self.reports.push(report);
            if dice.chance(odds.twin) {
                self.reports.push(report);
            }
            if dice.chance(odds.doubled) {
                self.reports.push(Report { after: report.after + dice.pause(LATE.0, LATE.1), ..report });
            }
        }
    }

    fn change_answer(&mut self, odds: &Odds, dice: &mut Dice) {
        let (late, thrown) = (Answer::Late(dice.pause(SLOW.0, SLOW.1)), dice.between(1, 100));
        let shares = [
            (odds.answer_late, late),
            (odds.answer_lost, Answer::Lost),
            (odds.answer_error, Answer::Error),
            (odds.push_refused, Answer::Refused),
        ];
        let mut below = 0;
        for (share, answer) in shares {
            below += u64::from(share);
            if thrown <= below {
                self.answer = answer;
                return;
            }
        }
    }
}

/// An amount from one shilling to twice what was asked for, but not that.
fn another_amount(asked: u64, dice: &mut Dice) -> u64 {
    let amount = dice.between(1, asked.max(2) * 2 - 1);
    if amount >= asked { amount + 1 } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(300);
    const SILENCE: Duration = Duration::from_secs(6);

    fn usual(outcome: Outcome) -> Fate {
        Fate::of(outcome, DELAY, SILENCE)
    }

    /// What the dice make of a thousand pushes with one thing certain.
    fn certainly(odds: Odds, outcome: Outcome) -> Vec<Fate> {
        (0..1000).map(|seed| usual(outcome).changed(&odds, &mut Dice::seeded(seed), outcome, 20)).collect()
    }

    #[test]
    fn without_odds_a_push_has_the_fate_of_its_outcome() {
        for outcome in Outcome::BY_DIGIT {
            assert!(certainly(Odds::NONE, outcome).iter().all(|fate| *fate == usual(outcome)), "{outcome:?}");
            let reports = usual(outcome).reports;
            assert!(reports.iter().all(|report| report.after >= usual(outcome).decided), "{outcome:?}");
        }
        assert_eq!(usual(Outcome::PaidAnswerLost).answer, Answer::Lost);
        assert_eq!(Odds::NONE.of_query(&mut Dice::seeded(1)), Answer::Given);
    }

    #[test]
    fn reports_are_dropped_late_doubled_and_twins() {
        let dropped = certainly(Odds { dropped: 100, ..Odds::NONE }, Outcome::PaidCallbackTwice);
        assert!(dropped.iter().all(|fate| fate.reports.is_empty()));
        let late = certainly(Odds { late: 100, ..Odds::NONE }, Outcome::Paid);
        assert!(late.iter().all(|fate| (DELAY + LATE.0..=DELAY + LATE.1).contains(&fate.reports[0].after)));
        let twins = certainly(Odds { twin: 100, ..Odds::NONE }, Outcome::Paid);
        assert!(twins.iter().all(|fate| fate.reports.len() == 2 && fate.reports[0] == fate.reports[1]));
        let doubled = certainly(Odds { doubled: 100, ..Odds::NONE }, Outcome::Paid);
        assert!(doubled.iter().all(|fate| fate.reports[1].after >= fate.reports[0].after + LATE.0));
    }

    #[test]
    fn an_early_report_overtakes_an_answer_that_comes() {
        for fate in certainly(Odds { early: 100, ..Odds::NONE }, Outcome::Paid) {
            assert_eq!((fate.answer, fate.reports[0].after), (Answer::Late(OVERTAKEN), QUICK));
            assert!(fate.decided <= fate.reports[0].after);
        }
        let lost = certainly(Odds { early: 100, ..Odds::NONE }, Outcome::PaidAnswerLost);
        assert!(lost.iter().all(|fate| fate.answer == Answer::Lost));
    }

    #[test]
    fn only_what_is_paid_is_contradicted_or_collected_otherwise() {
        let odds = Odds { contradicted: 100, another_amount: 100, ..Odds::NONE };
        for fate in certainly(odds, Outcome::Paid) {
            let said: Vec<Says> = fate.reports.iter().map(|report| report.says).collect();
            assert_eq!(said, [Says::NoAnswer, Says::Truth]);
            assert!(fate.reports[0].after <= fate.decided && fate.reports[1].after >= DELAY + CORRECTED.0);
            assert!(fate.collects.is_some_and(|amount| (1..=40).contains(&amount) && amount != 20));
        }
        assert!(certainly(odds, Outcome::Cancelled).iter().all(|fate| *fate == usual(Outcome::Cancelled)));
    }

    #[test]
    fn an_answer_has_one_fate_and_each_comes_as_often_as_it_should() {
        let odds = Odds { answer_late: 40, answer_lost: 30, answer_error: 20, push_refused: 10, ..Odds::NONE };
        let fates = certainly(odds, Outcome::Paid);
        let often = |is: fn(Answer) -> bool| fates.iter().filter(|fate| is(fate.answer)).count();
        assert!((330..470).contains(&often(|answer| matches!(answer, Answer::Late(_)))));
        assert!((230..370).contains(&often(|answer| answer == Answer::Lost)));
        assert!((130..270).contains(&often(|answer| answer == Answer::Error)));
        assert!((50..160).contains(&often(|answer| answer == Answer::Refused)));
        assert_eq!(often(|answer| answer == Answer::Given), 0);
    }

    #[test]
    fn on_a_rough_day_everything_happens() {
        let fates = certainly(Odds::ROUGH, Outcome::Paid);
        let reports = || fates.iter().flat_map(|fate| &fate.reports);
        for says in [Says::Truth, Says::NoAnswer, Says::AnotherPrompt] {
            assert!(reports().any(|report| report.says == says), "{says:?}");
        }
        assert!(fates.iter().any(|fate| fate.reports.is_empty()) && fates.iter().any(|fate| fate.reports.len() > 2));
        assert!(fates.iter().any(|fate| *fate == usual(Outcome::Paid)));
    }
}
