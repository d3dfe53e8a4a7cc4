//! Whether a payment stands in PostgreSQL as what M-Pesa has really collected: the rule of every test and bench that lets people pay
//! while things go wrong.
//!
//! Whatever M-Pesa has collected is booked once, as a sale or as a refund due; whatever it has not is booked nowhere. A payment may
//! wait only for what nobody can ask about, and then it is looked at again by itself. What was given for it, and what nobody can know
//! of, is judged by whoever knows the order.

use time::OffsetDateTime;

use super::Transaction;

/// A payment as PostgreSQL has it.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// Its state.
    pub state: &'a str,
    /// The price, minor units.
    pub amount_minor: i64,
    /// Whether its reference at M-Pesa is known.
    pub is_known: bool,
    /// Whether it is looked at again by itself.
    pub is_looked_at_again: bool,
    /// How many reports of it are not worked on.
    pub open_reports: i64,
    /// What is booked of it, if anything is.
    pub booked: Option<Booked>,
}

/// What a payment has on each account, minor units.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Booked {
    /// Received at M-Pesa.
    pub received: i64,
    /// Sold for.
    pub sales: Option<i64>,
    /// Owed to its payer.
    pub owed: Option<i64>,
}

/// How a payment stands, when it stands well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Collected, and sold for.
    Sold,
    /// Collected, and owed.
    Owed,
    /// So many shillings are collected, and booked nowhere: well only where nobody can know of it.
    Unbooked(u64),
    /// Not collected.
    Nothing,
    /// Not collected, and nobody can be asked whether it will be.
    Waits,
}

impl Standing<'_> {
    /// How it stands beside what M-Pesa was asked to collect for it.
    ///
    /// # Errors
    /// What is not as it must be, or not yet.
    pub fn end(&self, pushed: &[Transaction], now: OffsetDateTime) -> Result<End, String> {
        if pushed.len() > 1 {
            return Err(format!("the phone was asked {} times", pushed.len()));
        }
        let pushed = pushed.first();
        if pushed.is_some_and(|pushed| pushed.decided_at > now || pushed.told.len() < pushed.fate.reports.len()) {
            return Err("M-Pesa has more to say".to_owned());
        }
        if self.is_known && self.open_reports > 0 {
            return Err(format!("{} reports are not worked on", self.open_reports));
        }
        let collected = pushed.and_then(|pushed| Some((pushed, pushed.collected_by(now)?)));
        match (collected, self.booked) {
            (Some((pushed, shillings)), Some(booked)) => self.end_of_collected(pushed, shillings, booked),
            (Some((_, shillings)), None) => Ok(End::Unbooked(shillings)),
            (None, Some(booked)) => Err(format!("M-Pesa has collected nothing, and there is {booked:?}")),
            (None, None) => self.end_of_unpaid(),
        }
    }

    fn end_of_collected(&self, pushed: &Transaction, shillings: u64, booked: Booked) -> Result<End, String> {
        if self.state != "succeeded" {
            return Err(format!("it has not succeeded, and there is {booked:?}"));
        }
        let received = booked.received;
        let end = match (booked.sales, booked.owed) {
            (Some(sales), None) if sales == -received => End::Sold,
            (None, Some(owed)) if owed == -received => End::Owed,
            _ => return Err(format!("it is booked crookedly: {booked:?}")),
        };
        // A query names no amount: what it settles is booked at the price, whatever a report tells afterwards.
        let by_query = pushed.collected != pushed.amount && received == self.amount_minor;
        if i64::try_from(shillings * 100) != Ok(received) && !by_query {
            return Err(format!("M-Pesa has collected KSh {shillings}, and there is {booked:?}"));
        }
        Ok(end)
    }

    fn end_of_unpaid(&self) -> Result<End, String> {
        match self.state {
            "failed" => Ok(End::Nothing),
            "succeeded" => Err("it has succeeded, and M-Pesa has collected nothing".to_owned()),
            "created" => Err("M-Pesa has not answered yet".to_owned()),
            _ if self.is_known => Err("M-Pesa can be asked about it, and it still waits".to_owned()),
            _ if !self.is_looked_at_again && self.open_reports == 0 => Err("nobody will look at it again".to_owned()),
            _ => Ok(End::Waits),
        }
    }
}

/// What is wrong where M-Pesa has collected so much, and somebody could know of it.
#[must_use]
pub fn unbooked(shillings: u64) -> String {
    format!("M-Pesa has collected KSh {shillings}, and nothing is booked")
}
