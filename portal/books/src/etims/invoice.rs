//! What is said of a sale: an invoice, a credit note, and an item before it is sold. Pure: the same is said whenever it is asked for.
//!
//! All amounts are exact. They are counted in cents and written as shillings, and hold the tax: what is taxed and what is paid are the
//! same (`taxblAmt` = `totAmt`), and the tax of a line is what its price holds, rounded half up once ([`Rate::of_gross`]). What stands
//! above the lines is their sum. A credit note says the same with amounts above zero, and names what it gives back.
//!
//! A discount is in the price: nothing is said of it. Of several that did not cost the same each, one line tells all together as one.

use serde_json::{Value, json};
use time::{OffsetDateTime, UtcOffset};

use crate::tax::Rate;

/// Kenya's time, which all moments are told in.
pub(super) const EAT: UtcOffset = time::macros::offset!(+3);
/// The letters of taxes: exempt, 16 %, zero, not under VAT, 8 %.
pub const LETTERS: [char; 5] = ['A', 'B', 'C', 'D', 'E'];
/// Who says all this, as the authority keeps it.
const WE: &str = "Mlango";
/// How it is packed and counted: not at all, and by the piece (code lists 17 and 10).
const PACKED: &str = "NT";
const COUNTED: &str = "U";
/// A service, of which there is no stock (code list 24).
const SERVICE: &str = "3";
/// Given back to the customer (code list 32).
const REFUND: &str = "06";
/// Most lines of an invoice.
pub const LINES_MAX: usize = 999;
/// Most characters of a name, of our own number, of the shop's name, of its address.
const NAME_MAX: usize = 200;
const REFERENCE_MAX: usize = 50;
const SHOP_MAX: usize = 20;
const ADDRESS_MAX: usize = 200;

/// How it was paid (code list 07).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PaymentType {
    /// Notes and coins.
    Cash,
    /// By card.
    Card,
    /// From a phone.
    MobileMoney,
    /// Otherwise.
    Other,
}

impl PaymentType {
    /// How a provider's payments are made; by the store's words.
    pub fn of_provider(provider: &str) -> PaymentType {
        match provider {
            "mpesa" => PaymentType::MobileMoney,
            "stripe" => PaymentType::Card,
            "cash" => PaymentType::Cash,
            _ => PaymentType::Other,
        }
    }

    fn code(self) -> &'static str {
        match self {
            PaymentType::Cash => "01",
            PaymentType::Card => "05",
            PaymentType::MobileMoney => "06",
            PaymentType::Other => "07",
        }
    }
}

/// What is sold, before it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item<'a> {
    /// Its code, of the taxpayer's making ([`Item::code`]).
    pub code: &'a str,
    /// Its class in the authority's list, ten digits.
    pub class: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The letter of its tax.
    pub letter: char,
    /// What it costs, tax included, in cents.
    pub price: i64,
}

impl Item<'_> {
    /// The code of the item of this number, as section 4.19 recommends: made in Kenya, a service, how it is packed and counted.
    pub fn code(number: u32) -> String {
        format!("KE{SERVICE}{PACKED}{COUNTED}{number:07}")
    }

    /// What is said of it.
    pub(super) fn body(&self) -> Value {
        json!({
            "itemCd": self.code, "itemClsCd": self.class, "itemTyCd": SERVICE, "itemNm": cut(self.name, NAME_MAX),
            "itemStdNm": null, "orgnNatCd": "KE", "pkgUnitCd": PACKED, "qtyUnitCd": COUNTED, "taxTyCd": self.letter.to_string(),
            "btchNo": null, "bcd": null, "dftPrc": shillings(self.price), "grpPrcL1": null, "grpPrcL2": null, "grpPrcL3": null,
            "grpPrcL4": null, "grpPrcL5": null, "addInfo": null, "sftyQty": null, "isrcAplcbYn": "N", "useYn": "Y",
            "regrId": WE, "regrNm": WE, "modrId": WE, "modrNm": WE
        })
    }
}

/// What a credit note gives back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit {
    /// The number of the invoice.
    pub of: i64,
}

/// An invoice, or a credit note.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invoice<'a> {
    /// Its number: at each branch 1, 2, 3 and so on, without a gap, credit notes among the others.
    pub number: i64,
    /// Our own name of it: the code of an order, the number of a document.
    pub reference: &'a str,
    /// What it gives back, if it is a credit note.
    pub credit: Option<Credit>,
    /// How it was paid.
    pub payment: PaymentType,
    /// When it was sold, or given back.
    pub at: OffsetDateTime,
    /// The name of the shop.
    pub shop: &'a str,
    /// Its address; may be empty.
    pub address: &'a str,
    /// Its lines; never empty, and at most [`LINES_MAX`].
    pub lines: Vec<Line>,
}

/// A line of an [`Invoice`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The code of the item, which is registered.
    pub code: String,
    /// Its class.
    pub class: String,
    /// Its name.
    pub name: String,
    /// How many.
    pub quantity: i64,
    /// What they came to together, tax included, in cents.
    pub gross: i64,
    /// The letter of the tax.
    pub letter: char,
    /// Its rate.
    pub rate: Rate,
}

impl Line {
    /// The tax in it, in cents.
    pub fn tax(&self) -> i64 {
        self.rate.of_gross(self.gross)
    }

    fn body(&self, position: usize) -> Value {
        let (quantity, name) = match self.quantity {
            many if many > 0 && self.gross % many == 0 => (many, self.name.clone()),
            // Each did not cost the same.
            many => (1, format!("{many} × {}", self.name)),
        };
        json!({
            "itemSeq": position, "itemClsCd": self.class, "itemCd": self.code, "itemNm": cut(&name, NAME_MAX), "bcd": null,
            "qtyUnitCd": COUNTED, "qty": quantity, "pkgUnitCd": PACKED, "pkg": quantity,
            "prc": shillings(self.gross / quantity), "splyAmt": shillings(self.gross), "dcRt": 0, "dcAmt": 0,
            "isrccCd": null, "isrccNm": null, "isrcRt": null, "isrcAmt": null, "taxTyCd": self.letter.to_string(),
            "taxblAmt": shillings(self.gross), "taxAmt": shillings(self.tax()), "totAmt": shillings(self.gross)
        })
    }
}

impl Invoice<'_> {
    /// What it comes to, in cents.
    pub fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.gross).sum()
    }

    /// What is said of it, without who says it. It is kept as it is, and sent again as it is.
    pub fn body(&self) -> Value {
        let at = moment(self.at);
        let reference = cut(self.reference, REFERENCE_MAX);
        let mut body = json!({
            "trdInvcNo": reference, "invcNo": self.number, "orgInvcNo": self.credit.map_or(0, |credit| credit.of),
            "custTin": null, "custNm": null, "salesTyCd": "N", "rcptTyCd": if self.credit.is_some() { "R" } else { "S" },
            "pmtTyCd": self.payment.code(), "salesSttsCd": "02", "cfmDt": at, "salesDt": &at[..8], "stockRlsDt": null,
            "cnclReqDt": null, "cnclDt": null, "rfdDt": self.credit.map(|_| &at), "rfdRsnCd": self.credit.map(|_| REFUND),
            "totItemCnt": self.lines.len(), "prchrAcptcYn": "N", "remark": null,
            "regrId": WE, "regrNm": WE, "modrId": WE, "modrNm": WE,
            "receipt": {
                "custTin": null, "custMblNo": null, "rcptPbctDt": at, "trdeNm": cut(self.shop, SHOP_MAX),
                "adrs": optional(&cut(self.address, ADDRESS_MAX)), "topMsg": null, "btmMsg": null, "prchrAcptcYn": "N"
            },
            "itemList": self.lines.iter().enumerate().map(|(at, line)| line.body(at + 1)).collect::<Vec<Value>>()
        });
        for letter in LETTERS {
            let of_letter = || self.lines.iter().filter(move |line| line.letter == letter);
            let rate = of_letter().next().map_or(usual(letter), |line| line.rate);
            body[format!("taxblAmt{letter}")] = shillings(of_letter().map(|line| line.gross).sum());
            body[format!("taxRt{letter}")] = shillings(rate.basis_points().into());
            body[format!("taxAmt{letter}")] = shillings(of_letter().map(Line::tax).sum());
        }
        let tax = self.lines.iter().map(Line::tax).sum();
        body["totTaxblAmt"] = shillings(self.total());
        body["totTaxAmt"] = shillings(tax);
        body["totAmt"] = shillings(self.total());
        body
    }
}

/// The rate of a letter of which nothing was sold.
fn usual(letter: char) -> Rate {
    let points = match letter {
        'B' => 1600,
        'E' => 800,
        _ => 0,
    };
    Rate::from_basis_points(points).unwrap_or(Rate::ZERO)
}

/// Hundredths as a number with at most two places, exactly: it is written as text and read as a number, and never counted with. Up to
/// fifteen digits, ten million million shillings, a number keeps its text.
fn shillings(cents: i64) -> Value {
    let (sign, whole, rest) =
        (if cents < 0 { "-" } else { "" }, cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let text = match rest {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{rest:02}"),
    };
    Value::Number(text.parse().expect("digits are a number"))
}

/// `yyyyMMddHHmmss` in Kenya.
fn moment(at: OffsetDateTime) -> String {
    let at = at.to_offset(EAT);
    let (day, time) = (at.date(), at.time());
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}",
        day.year(),
        u8::from(day.month()),
        day.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn optional(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    fn line(letter: char, points: i32, quantity: i64, gross: i64) -> Line {
        Line {
            code: Item::code(1),
            class: "8111210000".into(),
            name: "1 hour".into(),
            quantity,
            gross,
            letter,
            rate: Rate::from_basis_points(points).unwrap(),
        }
    }

    fn invoice(lines: Vec<Line>) -> Invoice<'static> {
        Invoice {
            number: 7,
            reference: "AB2CD3EF",
            credit: None,
            payment: PaymentType::MobileMoney,
            at: datetime!(2026-11-22 21:30:05 UTC),
            shop: "Kiambu Wi-Fi and everything else",
            address: "",
            lines,
        }
    }

    #[test]
    fn a_sale_is_told_to_the_cent_and_in_kenyas_time() {
        let body = invoice(vec![line('B', 1600, 1, 2000)]).body();
        for (name, value) in [
            ("invcNo", json!(7)),
            ("orgInvcNo", json!(0)),
            ("trdInvcNo", json!("AB2CD3EF")),
            ("rcptTyCd", json!("S")),
            ("pmtTyCd", json!("06")),
            // It was half past midnight of the next day there.
            ("cfmDt", json!("20261123003005")),
            ("salesDt", json!("20261123")),
            ("rfdDt", Value::Null),
            ("totItemCnt", json!(1)),
            ("taxblAmtB", json!(20)),
            ("taxRtB", json!(16)),
            ("taxAmtB", json!(2.76)),
            ("taxblAmtA", json!(0)),
            ("taxRtE", json!(8)),
            ("totTaxblAmt", json!(20)),
            ("totTaxAmt", json!(2.76)),
            ("totAmt", json!(20)),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        assert_eq!(body["receipt"]["trdeNm"], json!("Kiambu Wi-Fi and eve"));
        assert_eq!(body["receipt"]["adrs"], Value::Null);
        let line = &body["itemList"][0];
        assert_eq!((&line["itemSeq"], &line["itemCd"], &line["prc"]), (&json!(1), &json!("KE3NTU0000001"), &json!(20)));
        assert!(body.get("cmcKey").is_none(), "what is kept holds no key");
    }

    #[test]
    fn a_credit_note_names_what_it_gives_back() {
        let note = Invoice { credit: Some(Credit { of: 3 }), ..invoice(vec![line('B', 1600, 1, 2000)]) };
        let body = note.body();
        assert_eq!((&body["rcptTyCd"], &body["orgInvcNo"]), (&json!("R"), &json!(3)));
        assert_eq!((&body["rfdRsnCd"], &body["rfdDt"]), (&json!("06"), &json!("20261123003005")));
        assert_eq!(body["totAmt"], json!(20));
    }

    #[test]
    fn a_price_that_cannot_be_divided_is_told_as_one() {
        let lines = vec![line('D', 0, 3, 5000), line('D', 0, 3, 6000)];
        let body = invoice(lines).body();
        let [first, second] = [&body["itemList"][0], &body["itemList"][1]];
        assert_eq!((&first["qty"], &first["prc"], &first["itemNm"]), (&json!(1), &json!(50), &json!("3 × 1 hour")));
        assert_eq!((&second["qty"], &second["prc"], &second["itemNm"]), (&json!(3), &json!(20), &json!("1 hour")));
        assert_eq!((&body["taxblAmtD"], &body["totTaxAmt"]), (&json!(110), &json!(0)));
    }

    #[test]
    fn amounts_are_written_exactly() {
        for (cents, text) in [
            (0, "0"),
            (5, "0.05"),
            (50, "0.5"),
            (2000, "20"),
            (-2005, "-20.05"),
            (999_999_999_999_999, "9999999999999.99"),
        ] {
            assert_eq!(shillings(cents).to_string(), text);
        }
    }

    #[test]
    fn an_item_is_a_service_with_a_code_of_its_own() {
        let item = Item { code: &Item::code(12), class: "8111210000", name: "1 hour", letter: 'B', price: 2050 };
        let body = item.body();
        assert_eq!((&body["itemCd"], &body["itemTyCd"]), (&json!("KE3NTU0000012"), &json!("3")));
        assert_eq!((&body["dftPrc"], &body["taxTyCd"]), (&json!(20.5), &json!("B")));
        assert!(Item::code(9_999_999).len() <= 20);
    }

    fn cents(value: &Value) -> i64 {
        let text = value.to_string();
        let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
        whole.parse::<i64>().unwrap() * 100 + format!("{rest:0<2}").parse::<i64>().unwrap()
    }

    proptest! {
        /// What stands above the lines is their sum, letter by letter, and each price times its number is what was paid.
        #[test]
        fn sums_are_those_of_the_lines(sold in proptest::collection::vec((0_usize..5, 1_i64..50, 1_i64..1_000_000), 1..20)) {
            let rates = [0, 1600, 0, 0, 800];
            let lines = sold.iter().map(|&(at, quantity, gross)| line(LETTERS[at], rates[at], quantity, gross)).collect();
            let body = invoice(lines).body();
            let lines = body["itemList"].as_array().unwrap();
            let sum = |name: &str, letter: Option<char>| -> i64 {
                let is_it = |line: &&Value| letter.is_none_or(|letter| line["taxTyCd"] == letter.to_string());
                lines.iter().filter(is_it).map(|line| cents(&line[name])).sum()
            };
            for letter in LETTERS {
                prop_assert_eq!(cents(&body[format!("taxblAmt{letter}")]), sum("taxblAmt", Some(letter)));
                prop_assert_eq!(cents(&body[format!("taxAmt{letter}")]), sum("taxAmt", Some(letter)));
            }
            prop_assert_eq!(cents(&body["totAmt"]), sum("totAmt", None));
            prop_assert_eq!(cents(&body["totTaxAmt"]), sum("taxAmt", None));
            for line in lines {
                prop_assert_eq!(line["qty"].as_i64().unwrap() * cents(&line["prc"]), cents(&line["splyAmt"]));
            }
        }
    }
}
