//! A batch as comma-separated values (RFC 4180): a line a voucher, under `code,package,price,batch,serial,last_day`.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and calculates it, which lets the name of a
//! package do things on the computer of whoever opens the file. Such a cell gets an apostrophe in front, which spreadsheets
//! read as "this is text". A number below zero, digits alone behind its sign, stays one: nothing can be hidden in it, and a sum over texts is
//! wrong. Codes stand as they are printed: with dashes no spreadsheet takes one for a number.

use std::borrow::Cow;

use shared::voucher::printed;

use super::{Batch, Voucher, day};

const HEADER: [&str; 6] = ["code", "package", "price", "batch", "serial", "last_day"];

/// The file, in UTF-8.
pub fn render(batch: &Batch<'_>, vouchers: &[Voucher]) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let mut line = |cells: [&str; 6]| {
        let cells = cells.map(cell);
        writer.write_record(cells.iter().map(|cell| cell.as_bytes())).expect("memory takes lines of six cells");
    };
    line(HEADER);
    let (price, number) = (batch.price.to_string(), batch.number.to_string());
    let last_day = batch.redeem_before.map(day::typed).unwrap_or_default();
    for voucher in vouchers {
        line([&printed(&voucher.code), batch.package, &price, &number, &voucher.serial.to_string(), &last_day]);
    }
    writer.into_inner().expect("memory takes all of it")
}

/// A cell that no spreadsheet calculates.
pub(crate) fn cell(text: &str) -> Cow<'_, str> {
    let could_be = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && !is_below_zero(text);
    if could_be { format!("'{text}").into() } else { text.into() }
}

/// Whether it is a number such as `-5` or `-20.50`, and nothing more.
fn is_below_zero(text: &str) -> bool {
    let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_digit());
    text.strip_prefix('-').is_some_and(|number| match number.split_once('.') {
        Some((whole, rest)) => is_digits(whole) && is_digits(rest),
        None => is_digits(number),
    })
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn every_voucher_has_a_line_with_its_code() {
        let vouchers = samples::vouchers(3);
        let file = String::from_utf8(render(&samples::batch(), &vouchers)).expect("UTF-8");
        let lines: Vec<&str> = file.split_terminator("\r\n").collect();
        assert_eq!(lines[0], "code,package,price,batch,serial,last_day");
        assert_eq!(lines.len(), 4);
        for (line, voucher) in lines[1..].iter().zip(&vouchers) {
            let rest = format!(",\"'=1 hour, \"\"fast\"\"\",KSh 20,42,{},", voucher.serial);
            assert_eq!(*line, printed(&voucher.code) + &rest);
        }
    }

    #[test]
    fn a_last_day_stands_in_the_last_cell() {
        let file = render(&samples::batch_with_a_last_day(), &samples::vouchers(1));
        assert!(String::from_utf8(file).expect("UTF-8").ends_with(",1,2026-12-31\r\n"));
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1+1", "-", "-.5", "-1.", "-1.2.3", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "1 hour", "a=b", "'=1", "-1", "-20.50"] {
            assert_eq!(cell(text), text);
        }
    }
}
