//! Who will buy again, what they will probably spend and in which hour, and who is leaving.
//!
//! ```text
//!  Past (when somebody bought, until a cut) ─► features ─► Model ─► chance that they buy within 7 or 30 days
//!                                                 └─ as_last_period: the habit that a model has to beat ([`Habit`])
//!  chance ─► expected_purchases × spend = what they will probably bring;  is_leaving;  reasons in words;  likely_hour
//! ```
//!
//! A model is learnt from the same people at earlier cuts: for each of the last three windows that are over, what was known at its
//! beginning and who bought in it. Nothing of a window is known at its cut; that is for the caller to keep, since a [`Past`] is whatever
//! it is given. Weights are one array, standardisation included, so that they can be stored and read again ([`Model::stored`]).
//!
//! Refused here: names, messages and consent. Whom one may write to is decided where that is known.

mod logistic;

use crate::score::to_float;

/// How many numbers are known of a past.
pub const N: usize = 14;
/// What is known of somebody at a cut: logarithms of one and the days since the last purchase, the purchases ever, the days since the first
/// one, the purchases of the last 7, 14, 30, 60 and 90 days, the days of the usual gap, and how many such gaps the last purchase is ago;
/// whether there is no gap, for want of a second purchase (the two before are 0 then); and, since a long silence says more of somebody who
/// bought often, the squares of the days since the last purchase and of its gaps, and those days times the purchases ever. Without the last
/// four the tenth that is furthest off in a simulated base was off by 2.5 points, with them by 1.
pub type Features = [f64; N];

/// The windows whose purchases are counted, days.
const WINDOWS: [f64; 5] = [7.0, 14.0, 30.0, 60.0, 90.0];
/// A gap below it counts as so much where something is divided by it: half a day.
const GAP_MIN: f64 = 0.5;
/// No chance is said to be nearer to 0 or 1: nobody is that sure of a customer.
const CHANCE_MIN: f64 = 0.0005;

/// When somebody bought, as it was known at a cut.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Past<'a> {
    /// Days from any origin, ascending, all before the cut.
    pub bought: &'a [f64],
    /// The moment from which on nothing is known, in the same days.
    pub cut: f64,
}

impl Past<'_> {
    /// Days since the last purchase; infinite without one.
    pub fn recency(&self) -> f64 {
        self.bought.last().map_or(f64::INFINITY, |last| (self.cut - last).max(0.0))
    }

    /// Days between purchases, on average; `None` without a second one.
    pub fn mean_gap(&self) -> Option<f64> {
        let (first, last) = (self.bought.first()?, self.bought.last()?);
        (self.bought.len() > 1).then(|| (last - first) / to_float(self.bought.len() - 1))
    }

    /// Purchases in the last days.
    pub fn within(&self, days: f64) -> usize {
        self.bought.len() - self.bought.partition_point(|bought| self.cut - bought > days)
    }

    fn tenure(&self) -> f64 {
        self.bought.first().map_or(0.0, |first| (self.cut - first).max(0.0))
    }
}

/// What is known of a past. All zeros for somebody who never bought.
pub fn features(past: &Past<'_>) -> Features {
    if past.bought.is_empty() {
        return [0.0; N];
    }
    let [recency, count, tenure] = [past.recency(), to_float(past.bought.len()), past.tenure()].map(f64::ln_1p);
    let [week, fortnight, month, two, three] = WINDOWS.map(|days| to_float(past.within(days)).ln_1p());
    let gap = past.mean_gap();
    let gaps_ago = gap.map_or(0.0, |gap| past.recency() / gap.max(GAP_MIN));
    let (gap_days, gaps_ago, is_once) =
        (gap.unwrap_or(0.0).ln_1p(), gaps_ago.ln_1p(), f64::from(u8::from(gap.is_none())));
    let (recency_bent, gaps_bent, silence) = (recency * recency, gaps_ago * gaps_ago, recency * count);
    [
        recency,
        count,
        tenure,
        week,
        fortnight,
        month,
        two,
        three,
        gap_days,
        gaps_ago,
        is_once,
        recency_bent,
        gaps_bent,
        silence,
    ]
}

/// How a past becomes a chance.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// The constant, and a weight for each of the [`Features`].
    pub weights: Vec<f64>,
}

impl Model {
    /// Learns from what was known at earlier cuts, and whether they bought in the window after it. `None` if there are fewer than 50 cases,
    /// or fewer than 5 of those who bought or of those who did not.
    pub fn fit(cases: &[(Features, bool)]) -> Option<Model> {
        logistic::fit(cases).map(|weights| Model { weights })
    }

    /// A model that was stored; `None` for what is no such array, as one of a version that knew other features.
    pub fn stored(weights: Vec<f64>) -> Option<Model> {
        (weights.len() == N + 1 && weights.iter().all(|weight| weight.is_finite())).then_some(Model { weights })
    }

    /// The chance that somebody buys in the window that the model was learnt for, from 0.0005 to 0.9995.
    pub fn chance(&self, features: &Features) -> f64 {
        let constant = self.weights.first().copied().unwrap_or(0.0);
        let sum: f64 = self.weights.iter().skip(1).zip(features).map(|(weight, feature)| weight * feature).sum();
        logistic::chance(constant + sum).clamp(CHANCE_MIN, 1.0 - CHANCE_MIN)
    }
}

/// Whether somebody bought in the last so many days: who says that they will do it again has the habit that a model must beat.
pub fn as_last_period(past: &Past<'_>, window_days: f64) -> bool {
    past.within(window_days) > 0
}

/// "As in the last period" as a chance: how many of those who had bought did it again, and how many of the others. A yes or no would be beaten
/// by any chance at all, so this is the fair baseline.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Habit {
    /// Of those who bought in the period before.
    pub again: f64,
    /// Of those who did not.
    pub anew: f64,
}

impl Habit {
    /// From earlier cuts: whether they had bought in the period before, and whether they did in the one after. `None` without a case.
    pub fn fit(cases: &[(bool, bool)]) -> Option<Habit> {
        let share = |had: bool| {
            let of_them = cases.iter().filter(|(before, _)| *before == had);
            let (people, did) =
                of_them.fold((0, 0), |(people, did), (_, after)| (people + 1, did + usize::from(*after)));
            // Nobody of whom it could be learnt: one in two, as of a coin.
            (to_float(did) + 0.5) / (to_float(people) + 1.0)
        };
        (!cases.is_empty()).then(|| Habit { again: share(true), anew: share(false) })
    }

    /// The chance that somebody buys.
    pub fn chance(&self, bought_last_period: bool) -> f64 {
        if bought_last_period { self.again } else { self.anew }
    }
}

/// How many purchases are expected in a window, given the chance that there is one at all: whoever buys, buys at the rate of their last 90
/// days (or since they came).
pub fn expected_purchases(past: &Past<'_>, chance: f64, window_days: f64) -> f64 {
    let longest = WINDOWS[4];
    // The purchase by which they came says when they came, and not how often they come.
    let (counted, days) = if past.tenure() < longest {
        (past.bought.len().saturating_sub(1), past.tenure())
    } else {
        (past.within(longest), longest)
    };
    let usual = to_float(counted) / days.max(window_days) * window_days;
    // The mean of a Poisson count that is not zero.
    let at_least_one = if usual > 1e-6 { usual / -(-usual).exp_m1() } else { 1.0 };
    chance * at_least_one
}

/// As many purchases as everybody's mean counts for beside somebody's own: 1 was best on the earlier windows of CDNOW, 0.5 to 2 nearly as good.
const SPEND_PRIOR: f64 = 1.0;

/// What somebody spends on a purchase: their own mean, drawn to everybody's as long as they have bought little.
pub fn spend(own: &[f64], mean_of_all: f64) -> f64 {
    (own.iter().sum::<f64>() + SPEND_PRIOR * mean_of_all) / (to_float(own.len()) + SPEND_PRIOR)
}

/// As many purchases as the site's hours count for beside somebody's own.
const HOUR_PRIOR: f64 = 4.0;

/// The hour of the day in which somebody usually buys: their own purchases by the hour, each counted half for the hours beside it, and the
/// site's hours as long as there are few of their own. `None` where nobody ever bought.
pub fn likely_hour(own: &[u32; 24], of_site: &[f64; 24]) -> Option<u8> {
    let own = own.map(f64::from);
    let site: f64 = of_site.iter().sum();
    if own.iter().sum::<f64>() <= 0.0 && site <= 0.0 {
        return None;
    }
    let weight = |hour: usize| {
        let near = own[hour] / 2.0 + (own[(hour + 23) % 24] + own[(hour + 1) % 24]) / 4.0;
        near + if site > 0.0 { HOUR_PRIOR * of_site[hour] / site } else { 0.0 }
    };
    let hour = (0..24).max_by(|a, b| weight(*a).total_cmp(&weight(*b)))?;
    u8::try_from(hour).ok()
}

/// Silent for so many of their gaps, somebody is late beyond chance.
const GAPS_UNTIL_LEAVING: f64 = 3.0;
/// And with a chance of at least this within 30 days they are not given up.
const LEAVING_BELOW: f64 = 0.2;

/// Whether somebody who came again and again has probably stopped. Whoever bought once has no gap (give 0), and cannot leave.
pub fn is_leaving(recency_days: f64, mean_gap_days: f64, chance_30: f64) -> bool {
    mean_gap_days > 0.0 && recency_days > GAPS_UNTIL_LEAVING * mean_gap_days.max(GAP_MIN) && chance_30 < LEAVING_BELOW
}

/// Why a chance is as it is, for people.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Four purchases or more in 30 days.
    Often,
    /// Bought within the last week.
    Recent,
    /// The last purchase is longer ago than is usual for them, but not by much.
    Late,
    /// Bought once only.
    Once,
    /// Their gaps are alike.
    Regular,
    /// The last purchase is more than three of their gaps ago; or more than two months, for who bought once.
    LongAgo,
}

impl Reason {
    /// All of them.
    pub const ALL: [Reason; 6] =
        [Reason::Often, Reason::Recent, Reason::Late, Reason::Once, Reason::Regular, Reason::LongAgo];

    /// The word in the database.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Often => "often",
            Reason::Recent => "recent",
            Reason::Late => "late",
            Reason::Once => "once",
            Reason::Regular => "regular",
            Reason::LongAgo => "long_ago",
        }
    }

    /// The reason of a word.
    pub fn of_word(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// Purchases in 30 days from which on somebody buys often.
const OFTEN: usize = 4;
/// Days within which a purchase was recent.
const RECENT: f64 = 7.0;
/// Gaps after which somebody is late.
const GAPS_UNTIL_LATE: f64 = 1.5;
/// Days after which a first and only purchase was long ago.
const LONG_AGO: f64 = 60.0;
/// Purchases before anything is said of how regular they are, and the spread of their gaps (as a share of the mean) up to which they are.
const REGULAR_FROM: usize = 4;
const REGULAR_SPREAD: f64 = 0.5;

/// The reasons, those first that explain most. None for somebody who never bought.
pub fn reasons(past: &Past<'_>) -> Vec<Reason> {
    let recency = past.recency();
    let gaps_ago = past.mean_gap().map(|gap| recency / gap.max(GAP_MIN));
    let is_once = past.bought.len() == 1;
    let is_long_ago = gaps_ago.map_or(is_once && recency > LONG_AGO, |gaps| gaps > GAPS_UNTIL_LEAVING);
    let is_late = !is_long_ago && gaps_ago.is_some_and(|gaps| gaps > GAPS_UNTIL_LATE);
    [
        (is_long_ago, Reason::LongAgo),
        (is_late, Reason::Late),
        (past.within(30.0) >= OFTEN, Reason::Often),
        (recency <= RECENT, Reason::Recent),
        (is_regular(past), Reason::Regular),
        (is_once, Reason::Once),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

fn is_regular(past: &Past<'_>) -> bool {
    let Some(mean) = past.mean_gap().filter(|gap| past.bought.len() >= REGULAR_FROM && *gap > 0.0) else {
        return false;
    };
    let squares: f64 = past.bought.windows(2).map(|pair| (pair[1] - pair[0] - mean).powi(2)).sum();
    (squares / to_float(past.bought.len() - 1)).sqrt() <= REGULAR_SPREAD * mean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(bought: &[f64]) -> Past<'_> {
        Past { bought, cut: 100.0 }
    }

    #[test]
    fn features_are_what_is_known_at_the_cut() {
        let known = features(&past(&[20.0, 60.0, 95.0, 98.0]));
        let expected = [2.0, 4.0, 80.0, 2.0, 2.0, 2.0, 3.0, 4.0, 26.0, 2.0 / 26.0].map(f64::ln_1p);
        for (known, expected) in known.iter().zip(expected) {
            assert!((known - expected).abs() < 1e-12, "{known} {expected}");
        }
        assert_eq!(known[10], 0.0, "there is a gap");
        let bent = [known[0] * known[0], known[9] * known[9], known[0] * known[1]];
        assert_eq!(known[11..], bent);
        assert_eq!(features(&past(&[])), [0.0; N]);
        // Two purchases in the same moment are no reason to divide by nothing.
        assert!(features(&past(&[50.0, 50.0])).iter().all(|feature| feature.is_finite()));
        assert_eq!(features(&past(&[90.0]))[8..11], [0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_window_has_both_its_ends() {
        let bought = [70.0, 93.0, 99.0];
        assert_eq!([1.0, 7.0, 29.0, 30.0].map(|days| past(&bought).within(days)), [1, 2, 2, 3]);
        assert!(as_last_period(&past(&bought), 1.0) && !as_last_period(&past(&bought), 0.5));
    }

    #[test]
    fn a_model_survives_being_stored() {
        let cases: Vec<(Features, bool)> = (0..200)
            .map(|n| {
                let bought = [f64::from(n % 100) / 2.0 + 40.0];
                (features(&past(&bought)), n % 100 + n % 7 > 70)
            })
            .collect();
        let model = Model::fit(&cases).expect("enough cases");
        let again = Model::stored(model.weights.clone()).expect("weights of now");
        assert_eq!(again, model);
        let [lately, long_ago] = [[99.0], [40.0]].map(|bought| model.chance(&features(&past(&bought))));
        assert!(lately > 0.6 && long_ago < 0.2, "{lately} {long_ago}");
        assert_eq!(Model::stored(vec![0.0; N]), None);
        assert_eq!(Model::stored(vec![f64::NAN; N + 1]), None);
    }

    #[test]
    fn no_chance_is_certain() {
        let sure = Model { weights: std::iter::once(1e9).chain([0.0; N]).collect() };
        assert_eq!(sure.chance(&[0.0; N]), 0.9995);
        let never = Model { weights: std::iter::once(-1e9).chain([0.0; N]).collect() };
        assert_eq!(never.chance(&[0.0; N]), 0.0005);
    }

    #[test]
    fn the_habit_says_how_many_did_it_again() {
        let cases: Vec<(bool, bool)> = (0..99).map(|n| (true, n < 49)).chain((0..99).map(|n| (false, n < 9))).collect();
        let habit = Habit::fit(&cases).expect("cases");
        assert_eq!((habit.chance(true), habit.chance(false)), (0.495, 0.095));
        assert_eq!(Habit::fit(&[]), None);
    }

    #[test]
    fn who_buys_often_is_expected_to_do_it_often() {
        let daily: Vec<f64> = (0..100).map(f64::from).collect();
        let count = expected_purchases(&past(&daily), 0.99, 30.0);
        assert!((28.0..31.0).contains(&count), "{count}");
        let once = expected_purchases(&past(&[5.0]), 0.1, 30.0);
        assert!((0.1..0.11).contains(&once), "{once}");
        // They came yesterday and bought twice since: that is not a rate of sixty a month.
        let new = expected_purchases(&past(&[99.0, 99.5, 99.9]), 0.9, 30.0);
        assert!(new < 3.0, "{new}");
    }

    #[test]
    fn little_of_ones_own_is_drawn_to_everybodys() {
        assert_eq!(spend(&[], 50.0), 50.0);
        assert_eq!(spend(&[200.0], 50.0), 125.0);
        assert!((spend(&[200.0; 99], 50.0) - 198.5).abs() < 1e-9);
    }

    #[test]
    fn the_hour_is_ones_own_once_it_is_known() {
        let mut site = [1.0; 24];
        site[19] = 10.0;
        assert_eq!(likely_hour(&[0; 24], &site), Some(19));
        let mut own = [0; 24];
        (own[0], own[23], own[1]) = (3, 2, 2);
        assert_eq!(likely_hour(&own, &site), Some(0), "midnight is in the middle of its neighbours");
        assert_eq!(likely_hour(&own, &[0.0; 24]), Some(0));
        assert_eq!(likely_hour(&[0; 24], &[0.0; 24]), None);
    }

    #[test]
    fn only_who_had_a_rhythm_can_leave() {
        assert!(is_leaving(31.0, 10.0, 0.1));
        assert!(!is_leaving(29.0, 10.0, 0.1), "not silent for long enough");
        assert!(!is_leaving(31.0, 10.0, 0.3), "still likely");
        assert!(!is_leaving(300.0, 0.0, 0.01), "bought once");
    }

    #[test]
    fn reasons_are_said_for_what_they_are() {
        assert_eq!(reasons(&past(&[])), []);
        assert_eq!(reasons(&past(&[97.0])), [Reason::Recent, Reason::Once]);
        assert_eq!(reasons(&past(&[30.0])), [Reason::LongAgo, Reason::Once]);
        assert_eq!(reasons(&past(&[70.0, 77.0, 84.0, 91.0, 98.0])), [Reason::Often, Reason::Recent, Reason::Regular]);
        assert_eq!(reasons(&past(&[50.0, 60.0, 70.0, 80.0])), [Reason::Late, Reason::Regular]);
        assert_eq!(reasons(&past(&[10.0, 11.0, 60.0])), [Reason::Late]);
        assert_eq!(reasons(&past(&[10.0, 20.0, 30.0])), [Reason::LongAgo]);
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        for reason in Reason::ALL {
            assert_eq!(Reason::of_word(reason.word()), Some(reason));
        }
        assert_eq!(Reason::of_word("ran_out"), None);
    }
}
