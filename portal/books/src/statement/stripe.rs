//! Stripe's balance transactions: what its pages export of *Balances*, or the itemised report of changes of the balance.
//!
//! ```text
//!  id, Type, Source, Amount, Fee, Net, Currency, Created (UTC), Available On (UTC), Description, …
//!  balance_transaction_id, created_utc, currency, gross, fee, net, reporting_category, source_id, payment_intent_id, charge_id, …
//! ```
//!
//! A row is two lines where something was kept of it: the whole amount, and the fee, both of the balance transaction's name. A payment is
//! known to us by its payment intent; where a file does not name it, the order's metadata or the charge are told as what it is related to.

use time::UtcOffset;

use shared::money::{Currency, Money};

use super::table::{self, Column, Order, Row, Style, Table, cut, kept, key, minor, moment, wrong};
use super::{Format, Kind, Line, Problem, REFERENCE_MAX, Statement, tell_apart};

const ID: [&str; 2] = ["balancetransactionid", "id"];
const TYPE: [&str; 2] = ["reportingcategory", "type"];
const GROSS: [&str; 2] = ["gross", "amount"];
const CREATED: [&str; 2] = ["createdutc", "created"];

/// Whether these are the columns of such a statement.
pub(super) fn is_head(names: &[String]) -> bool {
    let has = |wanted: &[&str]| names.iter().any(|name| wanted.contains(&key(name).as_str()));
    has(&ID) && has(&TYPE) && has(&GROSS) && has(&CREATED) && has(&["net"]) && has(&["currency"])
}

struct Columns {
    id: Column,
    kind: Column,
    gross: Column,
    created: Column,
    net: Column,
    currency: Column,
    fee: Option<Column>,
    description: Option<usize>,
    source: Option<usize>,
    /// What names a payment, the best first.
    payment: Vec<usize>,
}

impl Columns {
    fn of(table: &Table) -> Option<Columns> {
        let place = |names: &[&str]| table.column(names).map(|column| column.place);
        let payment =
            ["paymentintentid", "paymentmetadata", "paymentmetadatapayment", "chargeid", "sourceid", "source"];
        Some(Columns {
            id: table.column(&ID)?,
            kind: table.column(&TYPE)?,
            gross: table.column(&GROSS)?,
            created: table.column(&CREATED)?,
            net: table.column(&["net"])?,
            currency: table.column(&["currency"])?,
            fee: table.column(&["fee", "fees"]),
            description: place(&["description"]),
            source: place(&["sourceid", "source"]),
            payment: payment.iter().filter_map(|name| place(&[name])).collect(),
        })
    }
}

/// Reads it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(octets: &[u8]) -> Result<Statement, Problem> {
    const NEEDED: &str = "id, Type, Amount, Net, Currency, Created (UTC); or balance_transaction_id, reporting_category, gross, net, currency, created_utc";
    let missing = Problem::NoTable("Stripe's balance transactions", NEEDED);
    let table = table::read(&table::text(octets), is_head)?.ok_or(missing.clone())?;
    let columns = Columns::of(&table).ok_or(missing)?;
    let (mut lines, mut passed_over) = (Vec::new(), 0);
    for row in &table.rows {
        let before = lines.len();
        add(row, &columns, &mut lines)?;
        passed_over += usize::from(lines.len() == before);
    }
    passed_over += tell_apart(&mut lines);
    let since = lines.iter().map(|line| line.at).min().ok_or(Problem::Nothing)?;
    let until = lines.iter().map(|line| line.at).max().ok_or(Problem::Nothing)?;
    Ok(Statement { format: Format::Stripe, since, until, lines, passed_over })
}

/// Adds the lines of a row.
fn add(row: &Row, columns: &Columns, lines: &mut Vec<Line>) -> Result<(), Problem> {
    let id = cut(row.cell(Some(columns.id.place)), REFERENCE_MAX);
    let created = row.cell(Some(columns.created.place));
    if id.is_empty() && created.is_empty() {
        return Ok(());
    }
    if id.is_empty() {
        return Err(wrong(row, &columns.id, "it is empty"));
    }
    let Some((day, Some(time))) = moment(created, Order::Year) else {
        return Err(wrong(
            row,
            &columns.created,
            format!("{created:?} is not a day and a time such as 2026-11-22 09:15"),
        ));
    };
    let amount = |column: &Column| {
        minor(row.cell(Some(column.place)), Style::Point).map_err(|problem| wrong(row, column, problem))
    };
    let (gross, net) = (amount(&columns.gross)?, amount(&columns.net)?);
    let fee = columns.fee.as_ref().map_or(Ok(0), amount)?;
    if gross - fee != net {
        return Err(wrong(row, &columns.net, "it is not the amount without the fee"));
    }
    let currency = row.cell(Some(columns.currency.place)).to_uppercase();
    let currency: Currency = currency
        .parse()
        .map_err(|_| wrong(row, &columns.currency, format!("{currency:?} is not a currency such as KES")))?;
    let word = key(row.cell(Some(columns.kind.place)));
    let kind = kind(&word);
    let line = Line {
        row: row.number,
        reference: id,
        discriminator: if kind == Kind::Payment { String::new() } else { cut(&word, REFERENCE_MAX) },
        kind,
        at: day.with_time(time).assume_offset(UtcOffset::UTC),
        amount: Money { minor: gross, currency },
        details: kept(&match row.cell(columns.description) {
            "" => row.cell(Some(columns.kind.place)).to_owned(),
            description => format!("{}: {description}", row.cell(Some(columns.kind.place))),
        }),
        party: String::new(),
        related: cut(related(row, columns, kind), REFERENCE_MAX),
    };
    if fee != 0 {
        let amount = Money { minor: -fee, currency };
        lines.push(Line { kind: Kind::Fee, amount, discriminator: String::new(), ..line.clone() });
    }
    if gross != 0 {
        lines.push(line);
    }
    Ok(())
}

/// What a row is, by Stripe's word for it.
fn kind(word: &str) -> Kind {
    match word {
        "charge" | "payment" => Kind::Payment,
        "refund" | "paymentrefund" | "refundfailure" | "paymentfailurerefund" | "partialcapturereversal" => {
            Kind::Refund
        }
        "payout" | "payoutcancel" | "payoutfailure" | "payoutreversal" | "transfer" | "topup" | "topupreversal" => {
            Kind::Transfer
        }
        "stripefee" | "stripefxfee" | "fee" | "networkcost" | "taxfee" | "tax" | "applicationfee" => Kind::Fee,
        _ => Kind::Other,
    }
}

/// What else it names. A refund and a dispute are known by themselves, a payment by its intent.
fn related<'a>(row: &'a Row, columns: &Columns, kind: Kind) -> &'a str {
    let source = row.cell(columns.source);
    if kind != Kind::Payment && !source.is_empty() && !source.starts_with("ch_") {
        return source;
    }
    columns.payment.iter().map(|place| row.cell(Some(*place))).find(|text| !text.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn the_export_and_the_itemised_report_say_the_same() {
        let export = "id,Type,Source,Amount,Fee,Net,Currency,Created (UTC),Available On (UTC),Description,payment (metadata)\n\
                      txn_1,charge,ch_1,\"1,200.00\",42.10,\"1,157.90\",kes,2026-11-22 09:15,2026-11-24 00:00,Order AB12CD34,0192e4a0\n\
                      txn_2,refund,re_1,-200.00,0.00,-200.00,kes,2026-11-22 10:00,2026-11-24 00:00,REFUND FOR CHARGE,\n\
                      txn_3,payout,po_1,-957.90,0.00,-957.90,kes,2026-11-23 00:05,2026-11-24 00:00,STRIPE PAYOUT,\n";
        let report = "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id,payment_intent_id,charge_id\r\n\
                      txn_1,2026-11-22 09:15:27,kes,1200.00,42.10,1157.90,charge,ch_1,pi_1,ch_1\r\n\
                      txn_2,2026-11-22 10:00:59,kes,-200.00,0.00,-200.00,refund,re_1,pi_1,ch_1\r\n\
                      txn_3,2026-11-23 00:05:00,kes,-957.90,0.00,-957.90,payout,po_1,,\r\n";
        let of = |file: &str| {
            let lines = read(file.as_bytes()).unwrap().lines;
            lines
                .into_iter()
                .map(|line| (line.reference, line.kind, line.discriminator, line.amount))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(export), of(report));
        let lines = read(report.as_bytes()).unwrap().lines;
        let short: Vec<_> = lines.iter().map(|line| (line.kind, line.amount.minor, line.related.as_str())).collect();
        assert_eq!(
            short,
            [
                (Kind::Fee, -4210, "pi_1"),
                (Kind::Payment, 120_000, "pi_1"),
                (Kind::Refund, -20_000, "re_1"),
                (Kind::Transfer, -95_790, "po_1")
            ]
        );
        assert_eq!(lines[0].at, datetime!(2026-11-22 09:15:27 UTC));
        let lines = read(export.as_bytes()).unwrap().lines;
        assert_eq!((lines[1].related.as_str(), lines[1].details.as_str()), ("0192e4a0", "charge: Order AB12CD34"));
    }

    #[test]
    fn a_problem_names_the_row_and_the_column() {
        let of = |row: &str| {
            let file = format!("id,Type,Source,Amount,Fee,Net,Currency,Created (UTC)\n{row}\n");
            read(file.as_bytes()).unwrap_err().to_string()
        };
        assert!(
            of("txn_1,charge,ch_1,10.00,1.00,10.00,kes,2026-11-22 09:15")
                .starts_with("row 2, column \"Net\": it is not")
        );
        assert!(of("txn_1,charge,ch_1,10.00,1.00,9.00,shilling,2026-11-22 09:15").contains("column \"Currency\""));
        assert!(of("txn_1,charge,ch_1,10.00,1.00,9.00,kes,22/11/2026").contains("column \"Created (UTC)\""));
        assert!(of(",charge,ch_1,10.00,1.00,9.00,kes,2026-11-22 09:15").contains("column \"id\""));
    }
}
