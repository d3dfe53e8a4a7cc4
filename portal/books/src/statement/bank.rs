//! A bank's statement, by its columns. Every bank names them differently: [`guess`] tells what can be told from the names and from all rows;
//! what it cannot tell is asked of whoever has the file, who can also say otherwise ([`Mapping`]).
//!
//! An amount stands in one column with its sign, or in two, one for what went and one for what came. Days are those of Nairobi. Whether `3/2`
//! is in February or in March is told by the rows together: one 13 among the days decides it; where none does, it is asked.

use time::macros::offset;
use time::{Duration, UtcOffset};

use shared::money::{Currency, Money};

use super::table::{self, Column, Row, Style, Table, cut, date, kept, key, minor, moment, wrong};
use super::{Format, Kind, Line, Problem, REFERENCE_MAX, Statement, number};

pub use super::table::Order;

/// East Africa Time.
const ZONE: UtcOffset = offset!(+3);

const DATE: [&str; 9] = [
    "date",
    "transactiondate",
    "trandate",
    "txndate",
    "postingdate",
    "bookingdate",
    "posteddate",
    "valuedate",
    "entrydate",
];
const DESCRIPTION: [&str; 10] = [
    "description",
    "narrative",
    "narration",
    "particulars",
    "details",
    "transactiondetails",
    "transactiondescription",
    "memo",
    "remarks",
    "text",
];
const REFERENCE: [&str; 11] = [
    "reference",
    "transactionreference",
    "referenceno",
    "referencenumber",
    "refno",
    "ref",
    "transactionid",
    "bankreference",
    "chequeno",
    "chequenumber",
    "documentno",
];
const AMOUNT: [&str; 5] = ["amount", "transactionamount", "amountkes", "amountksh", "value"];
const WENT: [&str; 10] = [
    "debit",
    "debits",
    "moneyout",
    "withdrawal",
    "withdrawals",
    "paidout",
    "debitamount",
    "dr",
    "debitkes",
    "payments",
];
const CAME: [&str; 10] =
    ["credit", "credits", "moneyin", "deposit", "deposits", "paidin", "creditamount", "cr", "creditkes", "receipts"];

/// Where the amount stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Amounts {
    /// In one column, with its sign.
    One(String),
    /// In two: what went, what came.
    Two(String, String),
}

/// What the columns of a file are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// The day.
    pub date: String,
    /// In which order days are written.
    pub order: Order,
    /// What the bank says of it.
    pub description: String,
    /// The bank's reference, where there is one.
    pub reference: Option<String>,
    /// The amount.
    pub amounts: Amounts,
    /// The currency of all lines.
    pub currency: Currency,
}

/// What can be told of a file; `None` is to be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Guess {
    /// The columns' names, as they stand there.
    pub columns: Vec<String>,
    /// The day.
    pub date: Option<String>,
    /// In which order days are written.
    pub order: Option<Order>,
    /// What the bank says of it.
    pub description: Option<String>,
    /// The bank's reference.
    pub reference: Option<String>,
    /// The amount.
    pub amounts: Option<Amounts>,
}

impl Guess {
    /// The columns as they were guessed, in Kenyan shillings.
    ///
    /// # Errors
    /// What must be asked.
    pub fn mapping(self) -> Result<Mapping, Problem> {
        Ok(Mapping {
            date: self.date.ok_or(Problem::ChooseColumn("date"))?,
            order: self.order.ok_or(Problem::ChooseOrder)?,
            description: self.description.ok_or(Problem::ChooseColumn("description"))?,
            reference: self.reference,
            amounts: self.amounts.ok_or(Problem::ChooseColumn("amount"))?,
            currency: Currency::KES,
        })
    }
}

/// Whether a row names columns: a date, and another that we know. Else the first row of three cells or more is taken for it.
fn is_head(names: &[String]) -> bool {
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&key(name).as_str()));
    has(&DATE) && (has(&AMOUNT) || has(&WENT) || has(&CAME) || has(&DESCRIPTION))
}

fn table(octets: &[u8]) -> Result<Table, Problem> {
    let text = table::text(octets);
    if let Some(table) = table::read(&text, is_head)? {
        return Ok(table);
    }
    let any = |names: &[String]| names.iter().filter(|name| !name.is_empty()).count() >= 3;
    table::read(&text, any)?.ok_or(Problem::NoTable("a bank's statement", "a date, a description and an amount"))
}

/// What the columns of a file are, as far as it can be told.
///
/// # Errors
/// There is no table in it, or too much.
pub fn guess(octets: &[u8]) -> Result<Guess, Problem> {
    let table = table(octets)?;
    let named = |names: &[&str]| table.column(names).map(|column| column.name);
    let amounts = match (named(&WENT), named(&CAME), named(&AMOUNT)) {
        (Some(went), Some(came), _) => Some(Amounts::Two(went, came)),
        (_, _, Some(amount)) => Some(Amounts::One(amount)),
        _ => None,
    };
    let date = table.column(&DATE);
    let order = date.as_ref().and_then(|column| order_of(&table, column));
    Ok(Guess {
        date: date.map(|column| column.name),
        order,
        description: named(&DESCRIPTION),
        reference: named(&REFERENCE),
        amounts,
        columns: table.columns.iter().filter(|name| !name.is_empty()).cloned().collect(),
    })
}

/// The one order in which all days of a column can be read; `None`: there is none, or more than one.
fn order_of(table: &Table, column: &Column) -> Option<Order> {
    let can_be = |order: &Order| {
        let mut days = table
            .rows
            .iter()
            .map(|row| row.cell(Some(column.place)))
            .filter(|text| text.chars().any(|letter| letter.is_ascii_digit()));
        days.all(|text| moment(text, *order).is_some())
    };
    let possible: Vec<Order> = Order::ALL.into_iter().filter(can_be).collect();
    match possible[..] {
        [one] => Some(one),
        // Months that are written as words, or no day at all.
        [Order::Day, Order::Month] | [Order::Year, Order::Day, Order::Month] => {
            let same = |row: &Row| {
                let text = row.cell(Some(column.place));
                let text = text.split(' ').next().filter(|first| date(first, Order::Day).is_some()).unwrap_or(text);
                moment(text, Order::Day) == moment(text, Order::Month)
            };
            table.rows.iter().all(same).then_some(Order::Day)
        }
        _ => None,
    }
}

/// Reads a file by these columns.
///
/// # Errors
/// What is wrong with it.
pub fn read(octets: &[u8], mapping: &Mapping) -> Result<Statement, Problem> {
    let table = table(octets)?;
    let find = |name: &str| {
        let place = table.columns.iter().position(|column| column == name);
        place.map(|place| Column { place, name: name.to_owned() }).ok_or_else(|| Problem::NoColumn(name.to_owned()))
    };
    let columns = Columns {
        date: find(&mapping.date)?,
        description: find(&mapping.description)?,
        reference: mapping.reference.as_deref().map(find).transpose()?,
        went: match &mapping.amounts {
            Amounts::One(_) => None,
            Amounts::Two(went, _) => Some(find(went)?),
        },
        came: match &mapping.amounts {
            Amounts::One(came) | Amounts::Two(_, came) => find(came)?,
        },
    };
    let style = columns.style(&table);
    let (mut lines, mut passed_over) = (Vec::new(), 0);
    for row in &table.rows {
        match line(row, &columns, mapping, style)? {
            Some(line) => lines.push(line),
            None => passed_over += 1,
        }
    }
    number(&mut lines);
    let first = lines.iter().map(|line| line.at).min().ok_or(Problem::Nothing)?;
    let last = lines.iter().map(|line| line.at).max().ok_or(Problem::Nothing)?;
    // A bank tells of whole days.
    let since = first.to_offset(ZONE).replace_time(time::Time::MIDNIGHT).to_offset(UtcOffset::UTC);
    let until = last.to_offset(ZONE).replace_time(time::Time::MIDNIGHT).to_offset(UtcOffset::UTC);
    Ok(Statement { format: Format::Bank, since, until: until + Duration::DAY - Duration::SECOND, lines, passed_over })
}

struct Columns {
    date: Column,
    description: Column,
    reference: Option<Column>,
    went: Option<Column>,
    came: Column,
}

impl Columns {
    /// How the file writes amounts: the way in which all can be read; else the usual one, whose problems are told.
    fn style(&self, table: &Table) -> Style {
        let reads = |style: Style| {
            let cells =
                |column: &Column| table.rows.iter().all(|row| minor(row.cell(Some(column.place)), style).is_ok());
            cells(&self.came) && self.went.as_ref().is_none_or(cells)
        };
        if !reads(Style::Point) && reads(Style::Comma) { Style::Comma } else { Style::Point }
    }

    /// What came, less what went.
    fn amount(&self, row: &Row, style: Style) -> Result<i64, Problem> {
        let of =
            |column: &Column| minor(row.cell(Some(column.place)), style).map_err(|problem| wrong(row, column, problem));
        let Some(went) = &self.went else { return of(&self.came) };
        match (of(went)?, of(&self.came)?) {
            (went_minor, came) if went_minor != 0 && came != 0 => {
                Err(wrong(row, went, "the row says that money came and went"))
            }
            (went, came) => Ok(came - went.abs()),
        }
    }
}

fn line(row: &Row, columns: &Columns, mapping: &Mapping, style: Style) -> Result<Option<Line>, Problem> {
    let day = row.cell(Some(columns.date.place));
    let description = kept(row.cell(Some(columns.description.place)));
    if !day.chars().any(|letter| letter.is_ascii_digit()) {
        // Balances and sums have no day.
        return Ok(None);
    }
    let minor = columns.amount(row, style)?;
    if minor == 0 {
        return Ok(None);
    }
    let Some((day, time)) = moment(day, mapping.order) else {
        return Err(wrong(row, &columns.date, format!("{day:?} is not a date in the order that was said")));
    };
    let given =
        columns.reference.as_ref().map(|column| cut(row.cell(Some(column.place)), REFERENCE_MAX)).unwrap_or_default();
    let reference =
        [given.as_str(), description.as_str(), "without a reference"].into_iter().find(|text| !text.is_empty());
    Ok(Some(Line {
        row: row.number,
        reference: cut(reference.unwrap_or_default(), REFERENCE_MAX),
        discriminator: format!("{day} {minor}"),
        kind: kind(&description.to_lowercase(), minor),
        at: table::at((day, time)).assume_offset(ZONE).to_offset(UtcOffset::UTC),
        amount: Money { minor, currency: mapping.currency },
        details: description,
        party: String::new(),
        related: String::new(),
    }))
}

/// What a line is, by the bank's words.
fn kind(description: &str, minor: i64) -> Kind {
    let has = |words: &[&str]| words.iter().any(|word| description.contains(word));
    if minor < 0 && has(&["charge", " fee", "fees", "commission", "excise duty", "ledger fee", "stamp duty"]) {
        Kind::Fee
    } else if has(&["mpesa", "m-pesa", "safaricom", "stripe", "settlement", "paybill"]) {
        Kind::Transfer
    } else {
        Kind::Other
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn lines(file: &str) -> Vec<(Kind, i64, String)> {
        let statement = read(file.as_bytes(), &guess(file.as_bytes()).unwrap().mapping().unwrap()).unwrap();
        statement.lines.into_iter().map(|line| (line.kind, line.amount.minor, line.reference)).collect()
    }

    #[test]
    fn columns_are_told_by_their_names_and_days_by_all_rows() {
        let file = "Equity Bank\nAccount,123\n\nTransaction Date,Value Date,Narrative,Transaction Reference,Debit,Credit,Running Balance\n\
                    03/02/2026,03/02/2026,MPESA SETTLEMENT 123456,S1,,\"50,000.00\",\"60,000.00\"\n\
                    13/02/2026,13/02/2026,LEDGER FEE,S2,500.00,,\"59,500.00\"\n\
                    14/02/2026,14/02/2026,RENT,,\"-20,000.00\",,\"39,500.00\"\n\
                    ,,Closing balance,,,,\"39,500.00\"\n";
        assert_eq!(
            lines(file),
            [
                (Kind::Transfer, 5_000_000, "S1".to_owned()),
                (Kind::Fee, -50_000, "S2".to_owned()),
                (Kind::Other, -2_000_000, "RENT".to_owned())
            ]
        );
        let statement = read(file.as_bytes(), &guess(file.as_bytes()).unwrap().mapping().unwrap()).unwrap();
        assert_eq!(statement.lines[0].at, datetime!(2026-02-02 21:00:00 UTC));
        assert_eq!(
            (statement.since, statement.until),
            (datetime!(2026-02-02 21:00:00 UTC), datetime!(2026-02-14 20:59:59 UTC))
        );
    }

    #[test]
    fn what_cannot_be_told_is_asked() {
        let of = |file: &str| guess(file.as_bytes()).unwrap();
        let file = "Date;Text;Amount\n03/02/2026;one;1,00\n04/02/2026;two;-2,50\n";
        assert_eq!(of(file).mapping(), Err(Problem::ChooseOrder));
        let mapping = Guess { order: Some(Order::Day), ..of(file) }.mapping().unwrap();
        let statement = read(file.as_bytes(), &mapping).unwrap();
        assert_eq!(statement.lines[1].amount, Money::kes(-250));
        assert_eq!(of("Date,Text,Amount\n02/13/2026,x,1\n").order, Some(Order::Month));
        assert_eq!(of("Date,Text,Amount\n03-Feb-2026,x,1\n").order, Some(Order::Day));
        assert_eq!(of("Date,Text,Amount\n2026-02-03,x,1\n").order, Some(Order::Year));
        let strange = of("Siku,Maelezo,Kiasi\n2026-02-03,x,1\n");
        assert_eq!((strange.columns.len(), strange.date.clone()), (3, None));
        assert_eq!(strange.mapping(), Err(Problem::ChooseColumn("date")));
        assert!(matches!(guess(b"x\n"), Err(Problem::NoTable(..))));
    }

    #[test]
    fn two_lines_that_are_alike_both_happened() {
        let file = "Date,Text,Amount\n2026-02-03,Deposit,10\n2026-02-03,Deposit,10\n2026-02-03,Deposit,20\n";
        let statement = read(file.as_bytes(), &guess(file.as_bytes()).unwrap().mapping().unwrap()).unwrap();
        let names: Vec<&str> = statement.lines.iter().map(|line| line.discriminator.as_str()).collect();
        assert_eq!(names, ["2026-02-03 1000", "2026-02-03 1000 2", "2026-02-03 2000"]);
    }

    #[test]
    fn a_problem_names_the_row_and_the_column() {
        let file = b"Date,Text,Amount\n2026-02-03,x,1\n2026-02-30,x,1\n";
        let mapping =
            Mapping { order: Order::Year, ..guess(b"Date,Text,Amount\n2026-02-03,x,1\n").unwrap().mapping().unwrap() };
        assert!(read(file, &mapping).unwrap_err().to_string().starts_with("row 3, column \"Date\": \"2026-02-30\""));
        let mapping = Mapping { date: "Day".into(), ..mapping };
        assert_eq!(read(file, &mapping), Err(Problem::NoColumn("Day".into())));
    }
}
