//! What happens in the month, worked out from a seed before anything happens: who buys what and when, how it is paid, when we hear of it,
//! what goes back, what paper is sold and used. And what it all comes to: [`Kept`] is added up from the plan alone, and the books are held
//! against it in the end.
//!
//! Of some kinds each so-many-eth sale is one (the numbers are primes, so that they fall on all days and sites): a short month has all kinds.

use std::collections::BTreeMap;

use tests::dice::Dice;

/// Prices of the packages, in minor units.
pub(crate) const PRICES: [i64; 4] = [1_000, 2_000, 5_000, 15_050];
/// The price of a voucher.
pub(crate) const PAPER: i64 = 3_000;
/// Each such sale goes back.
const GIVEN_BACK: u32 = 31;
/// Of each such sale another amount comes than was asked for.
const ANOTHER: u32 = 43;
/// Of each such sale we hear late.
const LATE: u32 = 23;
/// What comes beyond the price then.
const BEYOND: i64 = 500;
/// On each such day M-Pesa tells nothing after noon.
const OUTAGES: usize = 5;
/// Of so many sales one is paid by card, in percent.
const CARDS: u8 = 30;
/// The second of the day at which paper is sold; it is used, undone and paid for later on the day.
pub(crate) const SOLD_AT: i64 = 30_000;

/// How large the month is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) sites: usize,
    pub(crate) days: usize,
    pub(crate) sales: usize,
}

impl Size {
    pub(crate) const SHORT: Size = Size { sites: 3, days: 5, sales: 420 };
    pub(crate) const FULL: Size = Size { sites: 20, days: 30, sales: 50_000 };

    /// A tenth of all sales is paper.
    pub(crate) fn paper_a_day(self) -> usize {
        self.sales / 10 / self.days
    }
}

/// Who collects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Provider {
    Mpesa,
    Stripe,
}

impl Provider {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Provider::Mpesa => "mpesa",
            Provider::Stripe => "stripe",
        }
    }
}

/// What becomes of a sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Paid,
    GivenBack,
    /// More came than the price: it buys nothing.
    Another,
}

/// How we hear of a sale.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    InTime,
    /// On a later day, and it is booked at that moment.
    Late,
    /// It is booked at its own moment, but written down only when its day may be closed already.
    WrittenLate,
}

/// A sale by M-Pesa or card.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) number: u32,
    pub(crate) site: usize,
    /// The day on which the provider collects, by the clock of the site.
    pub(crate) day: usize,
    /// The second of that day.
    pub(crate) second: i64,
    /// Which of [`PRICES`].
    pub(crate) goods: usize,
    pub(crate) provider: Provider,
    pub(crate) fate: Fate,
    pub(crate) heard: Heard,
    /// The day on which it is written down.
    pub(crate) written: usize,
}

impl Sale {
    pub(crate) fn price(&self) -> i64 {
        PRICES[self.goods]
    }

    /// What the provider collects.
    pub(crate) fn amount(&self) -> i64 {
        if self.fate == Fate::Another { self.price() + BEYOND } else { self.price() }
    }

    /// What the provider keeps.
    pub(crate) fn fee(&self) -> i64 {
        if self.provider == Provider::Stripe { self.price() * 29 / 1000 + 3 } else { 0 }
    }

    /// The provider's name of the payment.
    pub(crate) fn receipt(&self) -> String {
        match self.provider {
            Provider::Mpesa => format!("RK{:08}", self.number),
            Provider::Stripe => format!("pi_{:08}", self.number),
        }
    }

    /// The provider's name of what went back.
    pub(crate) fn reversal(&self) -> String {
        match self.provider {
            Provider::Mpesa => format!("RV{:08}", self.number),
            Provider::Stripe => format!("re_{:08}", self.number),
        }
    }

    /// The line of Stripe's balance in which the payment stands.
    pub(crate) fn balance_line(&self) -> String {
        format!("txn_{:08}", self.number)
    }
}

/// Money that comes without an order, once a day.
#[derive(Clone, Debug)]
pub(crate) struct Stray {
    pub(crate) receipt: String,
    pub(crate) amount: i64,
    /// The second of the day.
    pub(crate) second: i64,
}

/// What happens to the paper of one day: its serials are those from `first` on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paper {
    pub(crate) first: u32,
    pub(crate) sold: u32,
    /// How many of these are used on the same day: the first ones.
    pub(crate) used: u32,
    /// How many of those after them are used on the next day.
    pub(crate) used_next: u32,
    /// What the agent hands over, minor units. The last one of the day is undone before.
    pub(crate) handed_over: i64,
}

impl Paper {
    /// The serial whose sale is undone.
    pub(crate) fn undone(&self) -> u32 {
        self.first + self.sold - 1
    }
}

/// The month.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) size: Size,
    pub(crate) sales: Vec<Sale>,
    /// One of each day.
    pub(crate) strays: Vec<Stray>,
    /// One of each day.
    pub(crate) paper: Vec<Paper>,
}

impl Plan {
    pub(crate) fn new(size: Size, seed: u64) -> Plan {
        let mut dice = Dice::seeded(seed);
        let orders = size.sales - size.paper_a_day() * size.days;
        let sales = (0..orders).map(|number| sale(size, number, &mut dice)).collect();
        let strays = (0..size.days).map(|day| Stray {
            receipt: format!("RS{day:08}"),
            amount: 1_700 + i64::try_from(day).unwrap(),
            second: second(&mut dice),
        });
        let strays = strays.collect();
        let paper = (0..size.days).map(|day| paper(size, day)).collect();
        Plan { size, sales, strays, paper }
    }

    /// The days on which nobody hears of a payment before the next one, from noon on.
    pub(crate) fn is_outage(day: usize) -> bool {
        day % OUTAGES == 2
    }
}

fn sale(size: Size, index: usize, dice: &mut Dice) -> Sale {
    let (number, day, site) = (u32::try_from(index).unwrap(), index % size.days, (index / size.days) % size.sites);
    // The first two of each place and day are quiet, so that each has something to be closed by both ways of payment.
    let quiet = index / size.days / size.sites;
    let is_quiet = quiet < 2;
    let of = |every: u32| !is_quiet && number % every == every - 1;
    let goods = usize::try_from(dice.between(0, PRICES.len() as u64 - 1)).unwrap();
    let (second, by_card) = (second(dice), dice.chance(CARDS));
    let (is_written, days) = ((number / LATE).is_multiple_of(2), usize::try_from(dice.between(1, 2)).unwrap());
    let fate = match () {
        () if of(ANOTHER) => Fate::Another,
        () if of(GIVEN_BACK) => Fate::GivenBack,
        () => Fate::Paid,
    };
    let provider = match quiet {
        0 => Provider::Mpesa,
        1 => Provider::Stripe,
        _ if by_card && fate != Fate::Another => Provider::Stripe,
        _ => Provider::Mpesa,
    };
    let is_unheard = !is_quiet && provider == Provider::Mpesa && Plan::is_outage(day) && second > 43_200;
    let (late, heard) = match () {
        () if of(LATE) && is_written => (days, Heard::WrittenLate),
        () if of(LATE) => (days, Heard::Late),
        () if is_unheard => (1, Heard::Late),
        () => (0, Heard::InTime),
    };
    // The month ends with what is known of it.
    let (written, heard) = if day + late < size.days { (day + late, heard) } else { (day, Heard::InTime) };
    Sale { number, site, day, second, goods, provider, fate, heard, written }
}

/// A second of a day that is not near its ends.
fn second(dice: &mut Dice) -> i64 {
    i64::try_from(dice.between(60, 86_000)).unwrap()
}

fn paper(size: Size, day: usize) -> Paper {
    let sold = u32::try_from(size.paper_a_day()).unwrap();
    let first = 1 + sold * u32::try_from(day).unwrap();
    let used_next = if day + 1 < size.days { sold / 4 } else { 0 };
    Paper { first, sold, used: sold / 2, used_next, handed_over: PAPER * i64::from(sold / 2) }
}

/// What the month comes to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Kept {
    /// Accounts by their codes: debits less credits. Tax is not taken out of the sales.
    pub(crate) accounts: BTreeMap<&'static str, i64>,
    /// What an accountant's program has of it, by the way of payment and the part: `M`, `M-R`, `S-F` and so on.
    pub(crate) told: BTreeMap<&'static str, i64>,
}

impl Kept {
    pub(crate) fn of(plan: &Plan) -> Kept {
        let mut kept = Kept::default();
        for sale in &plan.sales {
            kept.sale(sale);
        }
        for stray in &plan.strays {
            kept.book("mpesa", "unmatched", stray.amount);
        }
        for paper in &plan.paper {
            kept.paper(paper);
        }
        kept
    }

    fn sale(&mut self, sale: &Sale) {
        let money = sale.provider.word();
        let (part, back) = match sale.provider {
            Provider::Mpesa => ("M", "M-R"),
            Provider::Stripe => ("S", "S-R"),
        };
        if sale.fate == Fate::Another {
            self.book(money, "refunds_due", sale.amount());
            return;
        }
        self.book(money, "sales", sale.price());
        self.tell(part, sale.price());
        if sale.fee() > 0 {
            self.book("fees", money, sale.fee());
            self.tell("S-F", sale.fee());
        }
        if sale.fate == Fate::GivenBack {
            self.book("sales", "refunds_due", sale.price());
            self.book("refunds_due", money, sale.price());
            self.tell(back, sale.price());
        }
    }

    fn paper(&mut self, paper: &Paper) {
        let worth = |pieces: u32| PAPER * i64::from(pieces);
        let used = worth(paper.used + paper.used_next);
        self.book("cash", "deferred", worth(paper.sold));
        self.book("deferred", "sales", used);
        self.book("deferred", "cash", PAPER);
        self.book("bank", "cash", paper.handed_over);
        self.tell("C", worth(paper.sold) + used);
        self.tell("C-R", used + PAPER);
    }

    fn book(&mut self, debit: &'static str, credit: &'static str, minor: i64) {
        *self.accounts.entry(debit).or_default() += minor;
        *self.accounts.entry(credit).or_default() -= minor;
    }

    fn tell(&mut self, part: &'static str, minor: i64) {
        *self.told.entry(part).or_default() += minor;
    }
}

#[test]
fn a_plan_is_the_same_for_its_seed_and_a_short_one_has_all_kinds() {
    let (one, other) = (Plan::new(Size::SHORT, 7), Plan::new(Size::SHORT, 7));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
    for plan in [one, Plan::new(Size::FULL, 7)] {
        let is = |which: &dyn Fn(&Sale) -> bool| plan.sales.iter().any(which);
        for provider in [Provider::Mpesa, Provider::Stripe] {
            assert!(is(&|sale| sale.provider == provider && sale.fate == Fate::Paid));
        }
        assert!(is(&|sale| sale.fate == Fate::GivenBack) && is(&|sale| sale.fate == Fate::Another));
        assert!(is(&|sale| sale.heard == Heard::Late) && is(&|sale| sale.heard == Heard::WrittenLate));
        assert!(plan.sales.iter().all(|sale| sale.written < plan.size.days && sale.written >= sale.day));
        assert!(plan.paper.iter().all(|paper| paper.used + paper.used_next < paper.sold && paper.used > 0));
        assert_eq!(Kept::of(&plan).accounts.values().sum::<i64>(), 0);
    }
}
