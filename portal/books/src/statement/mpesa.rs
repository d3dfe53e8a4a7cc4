//! The statement of an organisation, as M-Pesa's portal exports it: some lines of whom it is of and of which time, then the table.
//!
//! ```text
//!  Receipt No. | Completion Time | Initiation Time | Details | Transaction Status | Paid In | Withdrawn | Balance | Balance Confirmed |
//!  Reason Type | Other Party Info | Linked Transaction ID | A/C No. | Currency
//! ```
//!
//! Not every export has every column; needed are the receipt, the completion time and what came or went. A payment and what M-Pesa takes of
//! it stand in two lines of one receipt, often with one reason type: which is which is said by the details. What went is written with or
//! without a minus. Times are those of Nairobi (UTC+3 all year). Only what is completed happened.

use time::macros::offset;
use time::{Duration, OffsetDateTime, UtcOffset};

use shared::money::{Currency, Money};

use super::table::{self, Column, Order, Row, Style, Table, cut, kept, key, minor, moment, wrong};
use super::{Format, Kind, Line, Problem, REFERENCE_MAX, Statement, tell_apart};

/// East Africa Time.
const ZONE: UtcOffset = offset!(+3);
/// The longest that a line is told apart by, in characters.
const LABEL_MAX: usize = 60;

const RECEIPT: [&str; 5] = ["receiptno", "receiptnumber", "receipt", "transactionid", "transid"];
const COMPLETED: [&str; 4] = ["completiontime", "completiondate", "transactiontime", "transactiondate"];
const PAID_IN: [&str; 2] = ["paidin", "credit"];
const WITHDRAWN: [&str; 3] = ["withdrawn", "withdrawal", "debit"];

/// Whether these are the columns of such a statement.
pub(super) fn is_head(names: &[String]) -> bool {
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&key(name).as_str()));
    has(&RECEIPT) && has(&COMPLETED) && (has(&PAID_IN) || has(&WITHDRAWN))
}

struct Columns {
    receipt: Column,
    completed: Column,
    paid_in: Option<Column>,
    withdrawn: Option<Column>,
    details: Option<usize>,
    status: Option<usize>,
    reason: Option<usize>,
    party: Option<usize>,
    linked: Option<usize>,
    account: Option<usize>,
    currency: Option<Column>,
}

impl Columns {
    fn of(table: &Table) -> Option<Columns> {
        let place = |names: &[&str]| table.column(names).map(|column| column.place);
        Some(Columns {
            receipt: table.column(&RECEIPT)?,
            completed: table.column(&COMPLETED)?,
            paid_in: table.column(&PAID_IN),
            withdrawn: table.column(&WITHDRAWN),
            details: place(&["details", "description"]),
            status: place(&["transactionstatus", "status"]),
            reason: place(&["reasontype", "transactiontype"]),
            party: place(&["otherpartyinfo", "oppositeparty"]),
            linked: place(&["linkedtransactionid"]),
            account: place(&["acno", "accountno", "accno", "accountnumber"]),
            currency: table.column(&["currency"]),
        })
    }
}

/// Reads it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(octets: &[u8]) -> Result<Statement, Problem> {
    const NEEDED: &str = "Receipt No., Completion Time, Paid In, Withdrawn";
    let missing = Problem::NoTable("an M-Pesa statement", NEEDED);
    let table = table::read(&table::text(octets), is_head)?.ok_or(missing.clone())?;
    let columns = Columns::of(&table).ok_or(missing)?;
    let (mut lines, mut passed_over) = (Vec::new(), 0);
    for row in &table.rows {
        match line(row, &columns)? {
            Some(line) => lines.push(line),
            None => passed_over += 1,
        }
    }
    passed_over += tell_apart(&mut lines);
    let first = lines.iter().map(|line| line.at).min().ok_or(Problem::Nothing)?;
    let last = lines.iter().map(|line| line.at).max().ok_or(Problem::Nothing)?;
    let (since, until) = period(&table).unwrap_or((first, last));
    Ok(Statement { format: Format::Mpesa, since: since.min(first), until: until.max(last), lines, passed_over })
}

fn line(row: &Row, columns: &Columns) -> Result<Option<Line>, Problem> {
    let receipt = cut(row.cell(Some(columns.receipt.place)), REFERENCE_MAX).to_uppercase();
    let completed = row.cell(Some(columns.completed.place));
    // Sums below the table name no time.
    if completed.is_empty() && (receipt.is_empty() || !receipt.bytes().any(|octet| octet.is_ascii_digit())) {
        return Ok(None);
    }
    let status = key(row.cell(columns.status));
    if columns.status.is_some() && !matches!(status.as_str(), "completed" | "complete" | "success" | "successful") {
        return Ok(None);
    }
    if receipt.is_empty() {
        return Err(wrong(row, &columns.receipt, "it is empty, and the row has a time"));
    }
    let Some((day, Some(time))) = moment(completed, Order::Day).or_else(|| moment(completed, Order::Year)) else {
        return Err(wrong(
            row,
            &columns.completed,
            format!("{completed:?} is not a day and a time such as 22-11-2026 09:15:02"),
        ));
    };
    let minor = amount(row, columns)?;
    if minor == 0 {
        return Ok(None);
    }
    let currency = currency(row, columns)?;
    let (details, reason) = (row.cell(columns.details), row.cell(columns.reason));
    let name = called(if details.is_empty() { reason } else { details });
    let label = name.to_lowercase();
    let kind = kind(&label, &reason.to_lowercase(), minor);
    let related = match kind {
        Kind::Payment => account(row.cell(columns.account), details),
        _ => row.cell(columns.linked).to_uppercase(),
    };
    Ok(Some(Line {
        row: row.number,
        reference: receipt,
        discriminator: if kind == Kind::Payment { String::new() } else { cut(&label, LABEL_MAX) },
        kind,
        at: day.with_time(time).assume_offset(ZONE).to_offset(UtcOffset::UTC),
        amount: Money { minor, currency },
        // Who it is of stands beside it, and is kept only as long as it is of use.
        details: kept(name),
        party: kept(row.cell(columns.party)),
        related: cut(&related, REFERENCE_MAX),
    }))
}

/// What came, less what went.
fn amount(row: &Row, columns: &Columns) -> Result<i64, Problem> {
    let of = |column: &Option<Column>| match column {
        Some(column) => {
            let text = row.cell(Some(column.place));
            minor(text, Style::Point).map_err(|problem| wrong(row, column, problem))
        }
        None => Ok(0),
    };
    let (came, went) = (of(&columns.paid_in)?, of(&columns.withdrawn)?);
    match &columns.paid_in {
        Some(column) if came < 0 => Err(wrong(row, column, "what was paid in is below zero")),
        Some(column) if came != 0 && went != 0 => Err(wrong(row, column, "the row says that money came and went")),
        _ => Ok(came - went.abs()),
    }
}

fn currency(row: &Row, columns: &Columns) -> Result<Currency, Problem> {
    let Some(column) = &columns.currency else { return Ok(Currency::KES) };
    match row.cell(Some(column.place)).to_uppercase().as_str() {
        "" => Ok(Currency::KES),
        text => text.parse().map_err(|_| wrong(row, column, format!("{text:?} is not a currency such as KES"))),
    }
}

/// What a line is called, without whom it is of: `Pay Bill from 2547… - JANE Acc. 12` is `Pay Bill`.
fn called(details: &str) -> &str {
    // Of as many octets as before, so that a place in it is a place in the other.
    let lower = details.to_ascii_lowercase();
    let end = [" from ", " to 2", " to 0", " to +", " acc.", " - "].iter().filter_map(|word| lower.find(word)).min();
    details[..end.unwrap_or(details.len())].trim()
}

/// What a line is, by what it is called.
fn kind(label: &str, reason: &str, minor: i64) -> Kind {
    let is = |words: &[&str]| words.iter().any(|word| label.contains(word) || reason.contains(word));
    if ["charge", "tariff", "fee"].iter().any(|word| label.split_whitespace().any(|part| part.starts_with(word))) {
        return Kind::Fee;
    }
    const TRANSFER: [&str; 8] = [
        "settle",
        "to bank",
        "from bank",
        "withdraw",
        "account to",
        "organization to",
        "organisation to",
        "transfer of funds",
    ];
    if minor > 0 {
        return match () {
            () if is(&["revers"]) => Kind::Other,
            () if is(&TRANSFER) => Kind::Transfer,
            () => Kind::Payment,
        };
    }
    match () {
        () if is(&["revers", "refund"]) => Kind::Refund,
        () if is(&TRANSFER) => Kind::Transfer,
        () if is(&["business payment", "payment to customer", "promotion payment"]) => Kind::Refund,
        () => Kind::Other,
    }
}

/// The account number that the payer typed: in its own column, or in the details.
fn account(cell: &str, details: &str) -> String {
    if !cell.is_empty() {
        return cell.to_owned();
    }
    details.rsplit_once("Acc. ").map(|(_, account)| account.trim().to_owned()).unwrap_or_default()
}

/// The time that the lines above the table say: `Time Period:,From,01-11-2026 00:00:00,To,30-11-2026 23:59:59`.
fn period(table: &Table) -> Option<(OffsetDateTime, OffsetDateTime)> {
    let row = table.above.iter().find(|row| row.iter().any(|cell| key(cell).contains("period")))?;
    let text = row.iter().collect::<Vec<_>>().join(" ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut moments = Vec::new();
    for (place, word) in words.iter().enumerate() {
        let Some(day) = table::date(word, Order::Day).or_else(|| table::date(word, Order::Year)) else { continue };
        let time = words
            .get(place + 1)
            .and_then(|next| moment(&format!("{day} {next}"), Order::Year))
            .and_then(|(_, time)| time);
        moments.push((day, time));
    }
    let [first, last] = moments[..] else { return None };
    let until = table::at(last).assume_offset(ZONE);
    // A day without a time is meant whole.
    let until = if last.1.is_none() { until + Duration::DAY - Duration::SECOND } else { until };
    let since = table::at(first).assume_offset(ZONE);
    (since <= until).then(|| (since.to_offset(UtcOffset::UTC), until.to_offset(UtcOffset::UTC)))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const HEAD: &str = "Receipt No.,Completion Time,Initiation Time,Details,Transaction Status,Paid In,Withdrawn,Balance,Balance Confirmed,\
                        Reason Type,Other Party Info,Linked Transaction ID,A/C No.";

    fn of(rows: &[&str]) -> Result<Statement, Problem> {
        read(format!("Account Holder:,MLANGO LTD\r\n{HEAD}\r\n{}\r\n", rows.join("\r\n")).as_bytes())
    }

    #[test]
    fn a_payment_and_its_charge_are_two_lines_of_one_receipt() {
        let statement = of(&[
            "TKT1A2B3C4,22-11-2026 09:15:02,22-11-2026 09:15:01,Pay Bill Charge,Completed,,-0.55,999.45,true,Pay Utility,SP,,",
            "TKT1A2B3C4,22-11-2026 09:15:02,22-11-2026 09:15:01,Pay Bill from 25472****108 - JANE DOE Acc. AB12CD34,Completed,\
             \"1,050.00\",,1000.00,true,Pay Utility,25472****108 - JANE DOE,,AB12CD34",
        ])
        .unwrap();
        let [fee, payment] = &statement.lines[..] else { panic!("{statement:?}") };
        assert_eq!((fee.kind, fee.amount), (Kind::Fee, Money::kes(-55)));
        assert!(fee.discriminator.starts_with("pay bill charge -55 "), "{}", fee.discriminator);
        assert_eq!(
            (payment.kind, payment.amount, payment.discriminator.as_str()),
            (Kind::Payment, Money::kes(105_000), "")
        );
        assert_eq!((payment.reference.as_str(), payment.related.as_str()), ("TKT1A2B3C4", "AB12CD34"));
        assert_eq!((payment.details.as_str(), payment.party.as_str()), ("Pay Bill", "25472****108 - JANE DOE"));
        assert_eq!(payment.at, datetime!(2026-11-22 06:15:02 UTC));
        assert_eq!(payment.row, 4);
    }

    #[test]
    fn lines_are_told_by_what_they_are_called() {
        for (details, reason, paid_in, withdrawn, kind) in [
            ("Pay Bill Online from 2547****1 - A Acc. charge", "Pay Bill Online", "10", "", Kind::Payment),
            ("Merchant Payment from 2547****1 - A", "Pay Merchant", "10", "", Kind::Payment),
            ("Pay merchant Charge", "Pay Merchant", "", "10", Kind::Fee),
            ("Business Pay Bill Charge", "", "", "-10", Kind::Fee),
            ("Merchant Account to Organization Settlement Account", "", "", "-10", Kind::Transfer),
            ("Organization Settle to Bank", "Withdraw Funds to Bank", "", "10", Kind::Transfer),
            ("Utility Account to Organization Settlement Account", "", "", "10", Kind::Transfer),
            ("Pay Bill Reversal to 25472****108 - JANE", "Reversal", "", "10", Kind::Refund),
            ("Business Payment to Customer via API to 2547****1", "Business Payment", "", "10", Kind::Refund),
            ("Buy Goods Online to another till", "Merchant to Merchant", "", "10", Kind::Other),
            ("", "Pay Utility with OD via STK", "10", "", Kind::Payment),
        ] {
            let row = format!("R1,22-11-2026 09:15:02,,{details},Completed,{paid_in},{withdrawn},,,{reason},,,");
            assert_eq!(of(&[&row]).unwrap().lines[0].kind, kind, "{details} {reason}");
        }
    }

    #[test]
    fn a_reversal_names_what_it_reverses() {
        let row = "TKT9,22-11-2026 10:00:00,,Pay Bill Reversal,Completed,,-1050.00,,true,Reversal,25472****108 - JANE,TKT1A2B3C4,";
        let line = of(&[row]).unwrap().lines.remove(0);
        assert_eq!((line.kind, line.related.as_str(), line.amount), (Kind::Refund, "TKT1A2B3C4", Money::kes(-105_000)));
    }

    #[test]
    fn what_did_not_happen_is_passed_over_and_the_same_again_too() {
        let good = "TKT1,2026-11-22 09:15:02,,Pay Bill,Completed,50.00,,,,,,,X";
        let statement = of(&[
            good,
            "TKT2,22-11-2026 09:16:00,,Pay Bill,Failed,50.00,,,,,,,X",
            "TKT3,22-11-2026 09:16:00,,Pay Bill,Completed,0.00,,,,,,,X",
            good,
            "Total,,,,,100.00,,,,,,,",
        ])
        .unwrap();
        assert_eq!((statement.lines.len(), statement.passed_over), (1, 4));
        assert_eq!(of(&["TKT2,22-11-2026 09:16:00,,Pay Bill,Failed,50.00,,,,,,,X"]), Err(Problem::Nothing));
    }

    #[test]
    fn a_charge_is_the_same_whatever_file_has_it() {
        let charge = |at: &str, minor: &str| format!("T1,{at},,Charge,Completed,,{minor},,,,,,");
        let (one, two) = (charge("22-11-2026 09:15:02", "1.00"), charge("22-11-2026 09:15:02", "2.00"));
        let later = charge("22-11-2026 09:16:02", "1.00");
        let names = |rows: &[&String]| {
            let rows: Vec<&str> = rows.iter().map(|row| row.as_str()).collect();
            let lines = of(&rows).unwrap().lines;
            let mut names: Vec<(i64, String)> =
                lines.into_iter().map(|line| (line.amount.minor, line.discriminator)).collect();
            names.sort();
            names
        };
        let all = names(&[&one, &two, &later]);
        assert_eq!(all, names(&[&later, &two, &one]), "in any order");
        assert_eq!(all.iter().collect::<std::collections::HashSet<_>>().len(), 3, "{all:?}");
        for (row, file) in [(&one, names(&[&one])), (&two, names(&[&two])), (&later, names(&[&later, &two]))] {
            assert!(file.iter().all(|name| all.contains(name)), "{row} in a shorter file: {file:?} of {all:?}");
        }
        // A spreadsheet has saved it.
        assert_eq!(names(&[&charge("22/11/2026 09:15", "1.00")]), names(&[&one]));
    }

    #[test]
    fn two_payments_of_one_receipt_are_told_apart() {
        let names = |rows: &[&str]| -> Vec<String> {
            of(rows).unwrap().lines.into_iter().map(|line| line.discriminator).collect()
        };
        let rows = [
            "T1,22-11-2026 09:15:02,,Pay Bill,Completed,1.00,,,,,,,",
            "T1,22-11-2026 09:15:02,,Pay Bill,Completed,2.00,,,,,,,",
            "T2,22-11-2026 09:15:02,,Pay Bill,Completed,2.00,,,,,,,",
        ];
        let [one, two, other] = &names(&rows)[..] else { panic!("three lines") };
        assert!(one != two && other.is_empty());
    }

    #[test]
    fn the_period_above_the_table_counts() {
        let line = "T1,22-11-2026 09:15:02,,Pay Bill,Completed,1.00,,,,,,,";
        for (period, until) in [
            ("Time Period:,From,01-11-2026 00:00:00,To,30-11-2026 23:59:59", datetime!(2026-11-30 20:59:59 UTC)),
            ("Time Period:,From 01-11-2026 00:00:00,,To 30-11-2026 12:00:00", datetime!(2026-11-30 09:00:00 UTC)),
            // A time of day could be read as a day of a month, too.
            ("Time Period:,From,01-11-2026 00:00:00,To,30-11-2026 08:11:26", datetime!(2026-11-30 05:11:26 UTC)),
            ("Statement Period,01-11-2026 to 30-11-2026", datetime!(2026-11-30 20:59:59 UTC)),
            ("Time Period:,2026-11-01 - 2026-11-30", datetime!(2026-11-30 20:59:59 UTC)),
        ] {
            let statement = read(format!("{period}\n{HEAD}\n{line}\n").as_bytes()).unwrap();
            assert_eq!((statement.since, statement.until), (datetime!(2026-10-31 21:00:00 UTC), until), "{period}");
        }
        let statement = of(&[line]).unwrap();
        assert_eq!((statement.since, statement.until), (statement.lines[0].at, statement.lines[0].at));
    }

    #[test]
    fn a_problem_names_the_row_and_the_column() {
        let problem =
            |row: &str| of(&["T0,22-11-2026 09:15:02,,Pay Bill,Completed,1.00,,,,,,,", row]).unwrap_err().to_string();
        assert_eq!(
            problem("T1,22-11-2026 09:15:02,,Pay Bill,Completed,\"1,00\",,,,,,,"),
            "row 4, column \"Paid In\": \"1,00\" is not an amount of money"
        );
        assert_eq!(
            problem("T1,22-13-2026 09:15:02,,Pay Bill,Completed,1.00,,,,,,,"),
            "row 4, column \"Completion Time\": \"22-13-2026 09:15:02\" is not a day and a time such as 22-11-2026 09:15:02"
        );
        assert!(problem(",22-11-2026 09:15:02,,Pay Bill,Completed,1.00,,,,,,,").contains("\"Receipt No.\""));
        assert!(matches!(read(b"a,b\n1,2\n"), Err(Problem::NoTable(..))));
    }
}
