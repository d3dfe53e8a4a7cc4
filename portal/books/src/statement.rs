//! What a provider or a bank says that it did: its statement, read line by line.
//!
//! ```text
//!  table    a file of cells: its letters, its separator, where the table begins, amounts and moments   ─┐
//!  mpesa    the statement of an organisation, as M-Pesa's portal exports it                             ├─► Statement
//!  stripe   balance transactions, as exported or as the itemised report                                 │
//!  bank     any bank's, by columns that are guessed and can be said                                    ─┘
//! ```
//!
//! Amounts are exact: they are read digit by digit into minor units. What cannot be read is not left out but refused, with the row and the
//! column in the words of a person ([`Problem`]); what did not happen (a payment that failed) is counted and passed over.
//!
//! Refused here: files of more than [`OCTETS_MAX`] or [`LINES_MAX`], and any thought of what a line is for: that is decided by who knows
//! the ledger.

pub mod bank;
pub mod mpesa;
pub mod stripe;
mod table;

use std::collections::{HashMap, HashSet};

use shared::money::Money;
use time::OffsetDateTime;

/// The largest file, in octets: a year of a busy paybill is about as large.
pub const OCTETS_MAX: usize = 20 * 1024 * 1024;
/// The most lines of a file.
pub const LINES_MAX: usize = 200_000;
/// The longest text that is kept of a cell, in characters.
const TEXT_MAX: usize = 200;
/// The longest name of a line, in characters.
const REFERENCE_MAX: usize = 80;

/// Whose statement it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// M-Pesa's of an organisation.
    Mpesa,
    /// Stripe's balance transactions.
    Stripe,
    /// A bank's.
    Bank,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Mpesa, Format::Stripe, Format::Bank];

    /// Its word in tables; that of the ledger's account too.
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Mpesa => "mpesa",
            Format::Stripe => "stripe",
            Format::Bank => "bank",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Format::Mpesa => "M-Pesa",
            Format::Stripe => "Stripe",
            Format::Bank => "Bank",
        }
    }

    /// The format of this word.
    pub fn named(word: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.as_str() == word)
    }

    /// Whose a file is, by its columns; what is neither M-Pesa's nor Stripe's may be a bank's.
    pub fn of(octets: &[u8]) -> Format {
        let text = table::text(octets);
        let is = |is_head: fn(&[String]) -> bool| matches!(table::read(&text, is_head), Ok(Some(_)));
        if is(mpesa::is_head) {
            Format::Mpesa
        } else if is(stripe::is_head) {
            Format::Stripe
        } else {
            Format::Bank
        }
    }
}

/// What a line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A customer paid.
    Payment,
    /// Money went back to a customer.
    Refund,
    /// The provider or the bank took something for its work, or gave it back.
    Fee,
    /// Money went from one account of the operator's to another.
    Transfer,
    /// Anything else.
    Other,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Payment, Kind::Refund, Kind::Fee, Kind::Transfer, Kind::Other];

    /// Its word in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Payment => "payment",
            Kind::Refund => "refund",
            Kind::Fee => "fee",
            Kind::Transfer => "transfer",
            Kind::Other => "other",
        }
    }
}

/// A line of a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The row of the file, the first being 1.
    pub row: u64,
    /// The provider's name of what happened; a bank's reference, or else its words.
    pub reference: String,
    /// What it is told apart by from other lines of that name and kind: the same in every file that has it.
    pub discriminator: String,
    /// What it is.
    pub kind: Kind,
    /// When.
    pub at: OffsetDateTime,
    /// What came is above zero, what went below; never zero.
    pub amount: Money,
    /// What the provider says of it.
    pub details: String,
    /// Who was on the other side, where it is said.
    pub party: String,
    /// What else it names: the account number that was typed, or the receipt that it reverses (M-Pesa); the payment, charge or refund
    /// (Stripe).
    pub related: String,
}

/// A statement that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Whose.
    pub format: Format,
    /// From when it tells.
    pub since: OffsetDateTime,
    /// Until when.
    pub until: OffsetDateTime,
    /// Its lines, as they stand in it; never empty.
    pub lines: Vec<Line>,
    /// How many rows tell of what did not happen, of nothing, or of the same again.
    pub passed_over: usize,
}

/// Why a file is not read, for whoever chose it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// It is too large.
    #[error("the file is larger than {} megabytes: export a shorter time", OCTETS_MAX / 1024 / 1024)]
    TooLarge,
    /// It has too many lines.
    #[error("the file has more than {LINES_MAX} lines: export a shorter time")]
    TooManyLines,
    /// There is no table of that kind in it.
    #[error("no row of the file names the columns of {0}: {1}")]
    NoTable(&'static str, &'static str),
    /// A table without a line that counts.
    #[error("the table has no line with money that moved")]
    Nothing,
    /// A column that was chosen is not there.
    #[error("the file has no column {0:?}")]
    NoColumn(String),
    /// A column must be chosen.
    #[error("say which column is the {0}")]
    ChooseColumn(&'static str),
    /// Days and months cannot be told apart.
    #[error("no date of the file tells whether the day or the month comes first: say which")]
    ChooseOrder,
    /// A cell that cannot be read.
    #[error("row {row}, column {column:?}: {wrong}")]
    Cell {
        /// The row of the file, the first being 1.
        row: u64,
        /// The column's name, as it stands in the file.
        column: String,
        /// What is wrong with it.
        wrong: String,
    },
}

/// Reads an M-Pesa or Stripe statement. A bank's needs to know its columns: [`bank::read`].
///
/// # Errors
/// What is wrong with it.
pub fn read(format: Format, octets: &[u8]) -> Result<Statement, Problem> {
    match format {
        Format::Mpesa => mpesa::read(octets),
        Format::Stripe => stripe::read(octets),
        Format::Bank => bank::read(octets, &bank::guess(octets)?.mapping()?),
    }
}

/// Drops lines that say the same of the same thing, and gives each what it can be told apart by from others of its name and kind, whatever
/// else stands in the file: for M-Pesa and Stripe, whose names of things are their own. Returns how many were dropped.
///
/// What is no payment always carries amount and minute: a shorter file may have one of two charges of a receipt and a longer one both. Seconds
/// do not count, since Stripe's export has none where its report has some, and a spreadsheet that saves a file leaves them out. A payment has
/// its name for itself; only where it does not, it carries the same.
fn tell_apart(lines: &mut Vec<Line>) -> usize {
    let before = lines.len();
    let mut seen = HashSet::new();
    lines.retain(|line| {
        let name = (line.reference.clone(), line.kind, line.discriminator.clone());
        seen.insert((name, line.amount.minor, minute(line)))
    });
    let mut payments: HashMap<String, usize> = HashMap::new();
    for line in lines.iter().filter(|line| line.kind == Kind::Payment) {
        *payments.entry(line.reference.clone()).or_default() += 1;
    }
    for line in lines.iter_mut() {
        if line.kind != Kind::Payment || payments.get(&line.reference).is_some_and(|times| *times > 1) {
            let name = format!("{} {} {}", line.discriminator, line.amount.minor, minute(line));
            line.discriminator = name.trim_start().to_owned();
        }
    }
    before - lines.len()
}

fn minute(line: &Line) -> i64 {
    line.at.unix_timestamp().div_euclid(60)
}

/// Numbers lines that are alike in everything: for banks, whose references are often the same. Each of them happened.
fn number(lines: &mut [Line]) {
    let mut times: HashMap<(String, Kind, String), usize> = HashMap::new();
    for line in lines {
        let times = times.entry((line.reference.clone(), line.kind, line.discriminator.clone())).or_default();
        *times += 1;
        if *times > 1 {
            line.discriminator.push_str(&format!(" {times}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const MPESA: &str = "Receipt No.,Completion Time,Details,Transaction Status,Paid In,Withdrawn,Reason Type,A/C No.";
    const STRIPE: &str = "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC)";

    /// An amount as statements write it: `1,234.50`.
    fn written(minor: i64) -> String {
        let whole = (minor.unsigned_abs() / 100).to_string();
        let mut grouped = String::new();
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        format!("\"{}{grouped}.{:02}\"", if minor < 0 { "-" } else { "" }, minor.unsigned_abs() % 100)
    }

    #[test]
    fn a_file_says_whose_it_is() {
        assert_eq!(Format::of(format!("Somebody\n{MPESA}\n").as_bytes()), Format::Mpesa);
        assert_eq!(Format::of(format!("{STRIPE}\n").as_bytes()), Format::Stripe);
        assert_eq!(Format::of(b"Date,Narrative,Debit,Credit\n"), Format::Bank);
        for format in Format::ALL {
            assert_eq!(Format::named(format.as_str()), Some(format));
        }
    }

    #[test]
    fn a_file_is_bounded() {
        let line = "T,22-11-2026 09:15:02,Pay Bill,Completed,1,,,\n";
        assert_eq!(read(Format::Mpesa, &vec![b'a'; OCTETS_MAX + 1]), Err(Problem::TooLarge));
        let many = format!("{MPESA}\n{}", line.repeat(LINES_MAX + 1));
        assert_eq!(read(Format::Mpesa, many.as_bytes()), Err(Problem::TooManyLines));
    }

    proptest! {
        #[test]
        fn whatever_is_in_a_file_nothing_panics(octets: Vec<u8>, text: String, head in 0..4_usize) {
            let heads = ["", MPESA, STRIPE, "Date,Description,Reference,Debit,Credit,Balance"];
            let file = format!("{}\n{text}", heads[head]);
            for octets in [&octets[..], file.as_bytes()] {
                let _ = Format::of(octets);
                for format in Format::ALL {
                    let _ = read(format, octets);
                }
                if let Ok(guess) = bank::guess(octets) {
                    for order in bank::Order::ALL {
                        let guess = bank::Guess { order: Some(order), ..guess.clone() };
                        let _ = guess.mapping().and_then(|mapping| bank::read(octets, &mapping));
                    }
                }
            }
        }

        #[test]
        fn cells_of_any_kind_do_not_panic(cells in prop::collection::vec("[-0-9A-Za-z:/., ()é\u{2212}]{0,12}", 8)) {
            let row = cells.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",");
            for head in [MPESA, STRIPE, "Date,Description,Reference,Debit,Credit,Balance,x,y"] {
                let file = format!("{head}\n{row}\n");
                for format in Format::ALL {
                    let _ = read(format, file.as_bytes());
                }
            }
        }

        #[test]
        fn lines_of_mpesa_parse_back(
            paid in prop::collection::vec((1..99_999_999_i64, 0..86_400_i64), 1..20), is_newest_first: bool, crlf: bool,
        ) {
            let start = datetime!(2026-11-21 21:00:00 UTC);
            let end = if crlf { "\r\n" } else { "\n" };
            let mut rows: Vec<String> = paid.iter().enumerate().map(|(number, (minor, second))| {
                let at = (start + time::Duration::seconds(*second)).to_offset(time::macros::offset!(+3));
                format!(
                    "TKT{number:07},{:02}-{:02}-{} {:02}:{:02}:{:02},Pay Bill,Completed,{},,Pay Utility,ORDER{number}",
                    at.day(), u8::from(at.month()), at.year(), at.hour(), at.minute(), at.second(), written(*minor)
                )
            }).collect();
            if is_newest_first {
                rows.reverse();
            }
            let file = format!("\u{feff}Somebody{end}{MPESA}{end}{}{end}", rows.join(end));
            let mut lines = read(Format::Mpesa, file.as_bytes()).unwrap().lines;
            lines.sort_by(|one, other| one.reference.cmp(&other.reference));
            let back: Vec<(i64, i64)> =
                lines.iter().map(|line| (line.amount.minor, (line.at - start).whole_seconds())).collect();
            prop_assert_eq!(back, paid);
        }

        #[test]
        fn lines_of_stripe_parse_back(paid in prop::collection::vec((1..99_999_999_i64, 0..50_000_i64), 1..20)) {
            let rows: Vec<String> = paid.iter().enumerate().map(|(number, (gross, fee))| {
                let (net, gross, fee) = (written(gross - fee), written(*gross), written(*fee));
                format!("txn_{number},charge,ch_{number},{gross},{fee},{net},kes,2026-11-22 09:15:02")
            }).collect();
            let file = format!("{STRIPE}\n{}\n", rows.join("\n"));
            let lines = read(Format::Stripe, file.as_bytes()).unwrap().lines;
            let sum = |kind: Kind| lines.iter().filter(|line| line.kind == kind).map(|line| line.amount.minor).sum::<i64>();
            prop_assert_eq!(sum(Kind::Payment), paid.iter().map(|(gross, _)| gross).sum::<i64>());
            prop_assert_eq!(sum(Kind::Fee), -paid.iter().map(|(_, fee)| fee).sum::<i64>());
        }
    }
}
