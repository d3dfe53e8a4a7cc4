//! A batch as comma-separated values (RFC 4180): a line a voucher, under `code,package,price,batch,serial`.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula and calculates it, which lets the name of a
//! package do things on the computer of whoever opens the file. Such a cell gets an apostrophe in front, which spreadsheets
//! read as "this is text". Codes stand as they are printed: with dashes no spreadsheet takes one for a number.

use std::borrow::Cow;

use shared::voucher::printed;

use super::{Batch, Voucher};

const HEADER: [&str; 5] = ["code", "package", "price", "batch", "serial"];

/// The file, in UTF-8.
pub fn render(batch: &Batch<'_>, vouchers: &[Voucher]) -> Vec<u8> {
    let mut writer = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(Vec::new());
    let mut line = |cells: [&str; 5]| {
        let cells = cells.map(cell);
        writer.write_record(cells.iter().map(|cell| cell.as_bytes())).expect("memory takes lines of five cells");
    };
    line(HEADER);
    let (price, number) = (batch.price.to_string(), batch.number.to_string());
    for voucher in vouchers {
        line([&printed(&voucher.code), batch.package, &price, &number, &voucher.serial.to_string()]);
    }
    writer.into_inner().expect("memory takes all of it")
}

/// A cell that no spreadsheet calculates.
fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) { format!("'{text}").into() } else { text.into() }
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
        assert_eq!(lines[0], "code,package,price,batch,serial");
        assert_eq!(lines.len(), 4);
        for (line, voucher) in lines[1..].iter().zip(&vouchers) {
            let rest = format!(",\"'=1 hour, \"\"fast\"\"\",KSh 20,42,{}", voucher.serial);
            assert_eq!(*line, printed(&voucher.code) + &rest);
        }
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"] {
            assert_eq!(cell(text), format!("'{text}"));
        }
        for text in ["", "1 hour", "a=b", "'=1"] {
            assert_eq!(cell(text), text);
        }
    }
}
