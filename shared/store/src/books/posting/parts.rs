//! Which lines of a closed document make which part of what is told: decided here and nowhere else, so that what a row comes to and what is
//! told of it are the same. The reasons stand in docs/decisions/0031-what-is-posted.md.
//!
//! A document's lines have signs: what came is above zero, what went is below. A program takes documents of one direction each, and not
//! every one takes a line below zero. So each line goes by its sign: what came into the sale, what went into the refund, what a provider
//! kept into the fees; what a provider gave back came. Every amount that is told is above zero.
//!
//! Paper that is used moves what it was sold for from what is owed to what is earned: it is told as a sale and, out of the account of what is
//! owed, as going back. No money moves in the end.

use uuid::Uuid;

use crate::books::document::{Kind, Line};

/// The ledger's account of what is owed for paper.
const OWED: &str = "deferred";
/// The way of payment of what agents and the bank have.
const CASH: &str = "cash";

/// What a row tells.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// What was sold and paid.
    Sale,
    /// What went back.
    Refund,
    /// What the provider of the payments kept.
    Fees,
}

impl Part {
    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Sale => "sale",
            Part::Refund => "refund",
            Part::Fees => "fees",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Part> {
        [Part::Sale, Part::Refund, Part::Fees].into_iter().find(|part| part.as_str() == text)
    }

    /// What its number ends with, behind the document's own.
    pub fn suffix(self) -> &'static str {
        match self {
            Part::Sale => "",
            Part::Refund => "-R",
            Part::Fees => "-F",
        }
    }
}

/// To which account of the operator's program a line goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Income.
    Income,
    /// Owed to whoever has paper that is not used yet.
    Deferred,
    /// What providers keep.
    Fees,
}

/// A line of a part: in the direction of the part, above zero.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Where it goes.
    pub purpose: Purpose,
    /// Of which package.
    pub package: Option<Uuid>,
    /// What it is.
    pub description: String,
    /// How many.
    pub quantity: i64,
    /// What they come to, tax included.
    pub gross: i64,
    /// The tax in it.
    pub tax: i64,
    /// The letter of the tax.
    pub letter: Option<String>,
}

/// An order of a business customer, which is told for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Apart {
    /// The order.
    pub order: Uuid,
    /// The number under which it is told.
    pub number: String,
    /// Its package.
    pub package: Uuid,
    /// What was paid.
    pub gross: i64,
}

/// The lines of a document of which anything is told. A bank keeps its fees of its own money, of which nothing is told; they stand in the
/// document of cash, and told as kept of that they would be taken from what agents have.
pub fn told_of(method: &str, mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(|line| method != CASH || line.kind != Kind::Fee);
    lines
}

/// The parts of a document, each with its lines, of which each is above zero. A part without lines is left out.
pub fn parts(lines: &[Line]) -> Vec<(Part, Vec<Told>)> {
    let (mut sale, mut refund, mut fees) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines.iter().filter(|line| line.gross != 0) {
        let purpose = match line.kind {
            Kind::VoucherSold | Kind::VoucherUndone => Purpose::Deferred,
            // Paper that is used has a line of each.
            Kind::VoucherUsed if line.account == OWED => Purpose::Deferred,
            Kind::Sale | Kind::VoucherUsed | Kind::Refund => Purpose::Income,
            Kind::Fee => Purpose::Fees,
            Kind::Other => continue,
        };
        let (came, one) = (line.gross > 0, told(line, purpose));
        match (came, line.kind) {
            (true, _) => sale.push(one),
            (false, Kind::Fee) => fees.push(one),
            (false, _) => refund.push(one),
        }
    }
    let parts = [(Part::Sale, sale), (Part::Refund, refund), (Part::Fees, fees)];
    parts.into_iter().filter(|(_, lines)| !lines.is_empty()).collect()
}

/// What the lines come to.
pub fn sum(lines: &[Told]) -> i64 {
    lines.iter().fold(0_i64, |sum, line| sum.saturating_add(line.gross))
}

fn told(line: &Line, purpose: Purpose) -> Told {
    Told {
        purpose,
        package: line.package,
        description: line.description.clone(),
        quantity: line.quantity,
        gross: line.gross.saturating_abs(),
        tax: line.tax.saturating_abs(),
        letter: line.tax_letter.clone(),
    }
}

/// Takes orders out of the lines in which a day holds them with all others. Returns what is left, and the line of each order. An order that
/// is in no line that is large enough stays where it is, and is not returned.
pub fn apart(lines: &[Line], orders: &[Apart]) -> (Vec<Line>, Vec<(Apart, Told)>) {
    let mut left = lines.to_vec();
    let mut out = Vec::new();
    for order in orders {
        let holds = |line: &&mut Line| {
            line.kind == Kind::Sale
                && line.package == Some(order.package)
                && order.gross > 0
                && line.gross >= order.gross
        };
        let Some(line) = left.iter_mut().find(holds) else { continue };
        // The last one takes what is left of the tax, so that all together have the line's.
        let is_last = line.gross == order.gross;
        let tax = if is_last { line.tax } else { tax_in(order.gross, line.tax_rate.unwrap_or(0)).min(line.tax) };
        let one = Told { quantity: 1, gross: order.gross, tax, ..told(line, Purpose::Income) };
        line.quantity = (line.quantity - 1).max(1);
        line.gross -= order.gross;
        line.tax -= tax;
        out.push((order.clone(), one));
    }
    left.retain(|line| line.gross != 0 || line.tax != 0 || lines.contains(line));
    (left, out)
}

/// The tax in an amount, at a rate in hundredths of a percent, rounded half up.
fn tax_in(gross: i64, rate: i32) -> i64 {
    let (gross, rate) = (i128::from(gross), i128::from(rate.max(0)));
    let whole = 10_000 + rate;
    i64::try_from((2 * gross * rate + whole) / (2 * whole)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: Kind, gross: i64) -> Line {
        Line {
            position: 1,
            kind,
            account: "sales".into(),
            package: Some(Uuid::from_u128(1)),
            description: "1 hour".into(),
            quantity: 2,
            list: gross,
            discount: 0,
            gross,
            tax_letter: Some("B".into()),
            tax_rate: Some(1600),
            tax: if gross < 0 { -tax_in(-gross, 1600) } else { tax_in(gross, 1600) },
            agent: None,
        }
    }

    fn sums(lines: &[Line]) -> Vec<(Part, i64, usize)> {
        parts(lines).iter().map(|(part, lines)| (*part, sum(lines), lines.len())).collect()
    }

    #[test]
    fn each_direction_is_a_part_and_every_amount_is_above_zero() {
        let day = [
            (Kind::Sale, 10_000),
            (Kind::VoucherSold, 500),
            (Kind::Refund, -700),
            (Kind::Fee, -120),
            (Kind::Other, 900),
        ]
        .map(|(kind, gross)| line(kind, gross));
        assert_eq!(sums(&day), [(Part::Sale, 10_500, 2), (Part::Refund, 700, 1), (Part::Fees, 120, 1)]);
        assert_eq!(sums(&[line(Kind::VoucherUndone, -300)]), [(Part::Refund, 300, 1)], "cash went back");
        assert_eq!(sums(&[line(Kind::Sale, 100), line(Kind::Fee, 30)]), [(Part::Sale, 130, 2)], "a fee was given back");
        let reversed = [line(Kind::Sale, 100), line(Kind::Sale, -400), line(Kind::Refund, 50)];
        assert_eq!(sums(&reversed), [(Part::Sale, 150, 2), (Part::Refund, 400, 1)]);
        assert!(sums(&[line(Kind::Other, 900), line(Kind::Sale, 0)]).is_empty());
        let told = parts(&reversed);
        assert!(
            told.iter().flat_map(|(_, lines)| lines).all(|line| line.gross > 0 && (0..=line.gross).contains(&line.tax))
        );
    }

    #[test]
    fn what_a_bank_keeps_is_not_taken_from_the_cash_of_agents() {
        let lines = || vec![line(Kind::VoucherSold, 500), line(Kind::Fee, -120), line(Kind::Fee, 30)];
        assert_eq!(sums(&told_of("cash", lines())), [(Part::Sale, 500, 1)]);
        assert_eq!(sums(&told_of("mpesa", lines())), [(Part::Sale, 530, 2), (Part::Fees, 120, 1)]);
    }

    #[test]
    fn paper_that_is_used_moves_what_was_owed_to_what_is_earned_and_its_tax_is_told_once() {
        let owed =
            Line { account: OWED.into(), tax: 0, tax_letter: None, tax_rate: None, ..line(Kind::VoucherUsed, -2_000) };
        let told: Vec<_> = parts(&[line(Kind::VoucherUsed, 2_000), owed])
            .into_iter()
            .flat_map(|(part, lines)| lines.into_iter().map(move |line| (part, line.purpose, line.gross, line.tax)))
            .collect();
        assert_eq!(told, [(Part::Sale, Purpose::Income, 2_000, 276), (Part::Refund, Purpose::Deferred, 2_000, 0)]);
    }

    #[test]
    fn an_order_is_taken_out_of_its_line_and_both_together_are_what_they_were() {
        let order = |number: &str, package: u128, gross| Apart {
            order: Uuid::from_u128(9),
            number: number.into(),
            package: Uuid::from_u128(package),
            gross,
        };
        let lines = [line(Kind::Sale, 10_001), line(Kind::Refund, -100)];
        let orders = [order("A", 1, 4_999), order("B", 2, 5_000), order("C", 1, 5_002), order("D", 1, 1)];
        let (left, out) = apart(&lines, &orders);
        assert_eq!(out.iter().map(|(order, _)| order.number.as_str()).collect::<Vec<_>>(), ["A", "C"]);
        assert_eq!(left.len(), 1, "nothing is left of the sale");
        assert_eq!(out.iter().map(|(_, line)| line.tax).sum::<i64>(), lines[0].tax);
        assert_eq!(out.iter().map(|(_, line)| line.gross).sum::<i64>(), 10_001);
        let (left, out) = apart(&lines, &orders[..1]);
        assert_eq!((left[0].gross, left[0].quantity, left[0].tax + out[0].1.tax), (5_002, 1, lines[0].tax));
    }
}
