//! A batch of vouchers as files that people take away: [`csv`] for spreadsheets and other shops' printers, [`pdf`] for paper.
//!
//! Both are functions of what they are given and hold whole codes: whoever sees the file can use the vouchers. So they are made
//! when somebody asks for them, from codes that the store has just opened, and are kept nowhere. Who may ask is decided by the
//! caller, and so is which vouchers are worth printing again: a file of redeemed ones is paper for the bin.

pub mod csv;
pub(crate) mod day;
pub(crate) mod font;
pub mod pdf;

use shared::money::Money;
use shared::time::OffsetDateTime;
use shared::voucher::{Code, paper_number};

/// What stands on all vouchers of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The batch's number.
    pub number: u32,
    /// Whose Wi-Fi it is.
    pub brand: &'a str,
    /// Number that customers may call; empty: none is shown.
    pub support: &'a str,
    /// What a voucher is good for.
    pub package: &'a str,
    /// What it costs.
    pub price: Money,
    /// From when on it is worth nothing, if nobody has used it.
    pub redeem_before: Option<OffsetDateTime>,
    /// The address that the QR code leads to, without the code: `https://wifi.example/v`. A short one makes a QR code of larger
    /// squares, which more phones can read.
    pub url_base: &'a str,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub struct Voucher {
    /// Its place in the batch, from 1.
    pub serial: u32,
    /// Its code.
    pub code: Code,
}

impl Batch<'_> {
    /// The number on a voucher's paper.
    fn paper_number(&self, voucher: &Voucher) -> String {
        paper_number(self.number, voucher.serial)
    }

    /// `31 Dec 2026`, the last day on which a voucher can be used; empty: there is none.
    fn last_day(&self) -> String {
        self.redeem_before.map(day::last_before).unwrap_or_default()
    }

    /// Where a voucher's QR code leads.
    fn url(&self, voucher: &Voucher) -> String {
        format!("{}/{}", self.url_base.trim_end_matches('/'), &*voucher.code)
    }
}

impl From<&store::voucher::Voucher> for Voucher {
    fn from(stored: &store::voucher::Voucher) -> Voucher {
        Voucher { serial: stored.serial, code: stored.code }
    }
}

#[cfg(test)]
mod samples {
    use shared::voucher::normalise;

    use super::*;

    /// A batch with letters that not every font has, and signs that a spreadsheet would calculate with.
    pub(super) fn batch() -> Batch<'static> {
        Batch {
            number: 42,
            brand: "Kĩambu Wi-Fi (Café)",
            support: "+254 700 000 000",
            package: "=1 hour, \"fast\"",
            price: Money::kes(2_000),
            redeem_before: None,
            url_base: "https://wifi.example/v/",
        }
    }

    /// The same batch with a last day: 31 December 2026.
    pub(super) fn batch_with_a_last_day() -> Batch<'static> {
        Batch { redeem_before: Some(day::end_of("2026-12-31").expect("a day")), ..batch() }
    }

    /// So many vouchers, with codes that differ. Every other one has a code of before.
    pub(super) fn vouchers(count: u32) -> Vec<Voucher> {
        let code = |serial: u32| match serial % 2 {
            0 => normalise(format!("ABCDE2{}", spelled(serial))).expect("ten characters of the alphabet"),
            _ => shared::voucher::new_code(),
        };
        (1..=count).map(|serial| Voucher { serial, code: code(serial) }).collect()
    }

    /// A number in four digits from 2 to 9.
    fn spelled(number: u32) -> String {
        [512, 64, 8, 1].map(|place| char::from(b"23456789"[(number / place % 8) as usize])).iter().collect()
    }

    #[test]
    fn a_vouchers_address_ends_with_its_code() {
        let voucher = Voucher { serial: 7, code: normalise("ABCDE23456G").expect("a code") };
        assert_eq!(batch().url(&voucher), "https://wifi.example/v/ABCDE23456G");
        assert_eq!(Batch { url_base: "https://wifi.example/v", ..batch() }.url(&voucher), batch().url(&voucher));
        assert_eq!(batch().paper_number(&voucher), "42-0007");
    }
}
