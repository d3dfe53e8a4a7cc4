//! A receipt: what was paid, for what, to whom, the tax in it, and, where the tax authority has signed, its signature. A page shows it to the
//! customer, and [`render`] writes the same lines on paper.
//!
//! The operator's name and number are those of `[books]`; without them it is a receipt of the brand. The tax is that of the day of the
//! payment, the same with which that day is closed. Of what bought nothing there is no tax.

use pdf_writer::{Content, Name, Pdf, Rect, Ref, Str, TextStr};
use shared::config::Etims;
use shared::language::Language;
use shared::money::Money;
use store::StoreError;
use store::books::etims::{self, Stamp};
use store::order::{Order, OrderState};
use store::returned::{self, Returned};

use crate::App;
use crate::views::text::say;
use crate::views::{qr, time, words};
use crate::vouchers::font::{Font, encode};

/// A receipt in words.
#[derive(Clone, Default, Debug)]
pub(crate) struct Receipt {
    /// Its heading.
    pub(crate) heading: String,
    /// What is said, and how it is called.
    pub(crate) lines: Vec<(String, String)>,
    /// Where the authority shows the same: what its QR code holds.
    pub(crate) check: Option<String>,
    /// Whether its signature is to come.
    pub(crate) waits: bool,
}

/// The receipt of an order; `None`: it is not paid.
pub(crate) async fn of(app: &App, language: Language, order: &Order) -> Result<Option<Receipt>, StoreError> {
    let Some(paid_at) = order.paid_at else { return Ok(None) };
    let (books, portal) = (&app.config.books, &app.config.portal);
    let mut lines = Lines { language, lines: Vec::new() };
    lines.add("receipt-paid-to", books.legal_name.as_deref().unwrap_or(&portal.brand));
    lines.maybe("receipt-tax-number", books.tax_number.as_deref());
    lines.maybe("receipt-address", books.address.as_deref());
    lines.maybe("receipt-phone", books.phone.as_deref());
    lines.add("receipt-order", &order.code);
    lines.add("receipt-for", order.package_in(language));
    lines.add("receipt-amount", order.amount);
    for applied in store::discount::of_order(&app.db, order.id).await? {
        let saving = say(language, "order-saving").with("discount", &applied.name).with("amount", applied.saving);
        lines.add("receipt-saved", saving);
    }
    let has_bought = order.state == OrderState::Paid;
    let stamps = etims::of_order(&app.db, order.id).await?;
    if has_bought || !stamps.is_empty() {
        let (letter, rate) = store::books::receipt::tax_of(&app.db, order.id).await?;
        lines.add("receipt-tax", tax(language, order.amount, &letter, rate));
    }
    lines.add("receipt-when", time::stamp(language, paid_at));
    lines.add("receipt-by", order.phone.masked());
    if let Some(receipt) = store::payment::receipt_of(&app.db, order.id).await? {
        lines.add(words::receipt(&receipt.provider), receipt.number);
    }
    if let Some(Returned::Gone { amount, at, .. } | Returned::TakenBack { amount, at }) =
        returned::of_order(&app.db, order.id).await?
    {
        let when = time::stamp(language, at);
        lines.add(
            "receipt-given-back",
            say(language, "receipt-given-back-line").with("amount", amount).with("when", when),
        );
    }
    stamps.iter().for_each(|stamp| lines.stamp(stamp));
    let sale = stamps.iter().find(|stamp| !stamp.is_credit);
    Ok(Some(Receipt {
        heading: say(language, "receipt-heading").to_string(),
        lines: lines.lines,
        check: sale.and_then(|stamp| super::etims::page_of(app, stamp)),
        waits: has_bought && sale.is_none() && app.config.etims.as_ref().is_some_and(Etims::signs_orders),
    }))
}

/// `B, 16 %: KSh 2.76`.
fn tax(language: Language, amount: Money, letter: &str, rate: i32) -> String {
    let of_gross = |rate: ::books::tax::Rate| rate.of_gross(amount.minor);
    let tax = ::books::tax::Rate::from_basis_points(rate).map_or(0, of_gross);
    let (whole, rest) = (rate / 100, rate % 100);
    let percent = if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:02}") };
    let tax = Money { minor: tax, ..amount };
    say(language, "receipt-tax-line").with("letter", letter).with("percent", percent).with("amount", tax).to_string()
}

struct Lines {
    language: Language,
    lines: Vec<(String, String)>,
}

impl Lines {
    fn add(&mut self, label: &'static str, value: impl std::fmt::Display) {
        self.lines.push((say(self.language, label).to_string(), value.to_string()));
    }

    fn maybe(&mut self, label: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }

    /// What the authority says: of a credit note its number alone.
    fn stamp(&mut self, stamp: &Stamp) {
        if stamp.is_credit {
            return self.add("receipt-kra-credit", stamp.number);
        }
        self.add("receipt-kra-invoice", stamp.number);
        self.maybe("receipt-kra-device", Some(stamp.device.as_str()).filter(|device| !device.is_empty()));
        if let Some(number) = stamp.receipt_number {
            self.add("receipt-kra-number", number);
        }
        if let Some(signature) = &stamp.signature {
            self.add("receipt-kra-signature", grouped(signature));
        }
        let internal = stamp.internal_data.as_deref().filter(|data| !data.is_empty());
        if let Some(data) = internal {
            self.add("receipt-kra-internal", grouped(data));
        }
        self.add("receipt-kra-when", time::stamp(self.language, stamp.signed_at));
    }
}

/// In groups of four, as the authority wants it printed.
fn grouped(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}

/// Points of a millimetre: a point is 1/72 inch.
const MM: f32 = 72.0 / 25.4;
/// A6, which prints on a quarter of a sheet and is read on a phone.
const WIDTH: f32 = 105.0 * MM;
const HEIGHT: f32 = 148.0 * MM;
/// Kept free around.
const MARGIN: f32 = 8.0 * MM;
/// How wide the names of lines may be.
const LABELS: f32 = 30.0 * MM;
const GAP: f32 = 2.0 * MM;
const LEADING: f32 = 1.35;
/// A side of the QR code.
const QR: f32 = 30.0 * MM;
const TITLE: f32 = 14.0;
/// The largest letters of lines; where there are many, they are smaller.
const LETTERS: f32 = 8.5;

/// The receipt as a PDF: one page.
pub(crate) fn render(receipt: &Receipt, code: &str) -> Vec<u8> {
    let mut next = Ref::new(1);
    let (catalog, information, tree) = (next.bump(), next.bump(), next.bump());
    let (page, content) = (next.bump(), next.bump());
    let fonts = Font::ALL.map(|font| (font, next.bump()));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.document_info(information).title(TextStr(&format!("{} {code}", receipt.heading)));
    for (font, id) in fonts {
        pdf.type1_font(id).base_font(Name(font.base_name())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    pdf.page(page).parent(tree).contents(content);
    pdf.stream(content, &drawn(receipt));
    let mut root = pdf.pages(tree);
    root.count(1).kids([page]);
    root.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT));
    root.resources().fonts().pairs(fonts.map(|(font, id)| (Name(font.name()), id)));
    drop(root);
    pdf.finish()
}

fn drawn(receipt: &Receipt) -> Vec<u8> {
    let mut content = Content::new();
    let mut y = HEIGHT - MARGIN - TITLE;
    show(&mut content, Font::Bold, TITLE, &encode(&receipt.heading), MARGIN, y);
    y -= GAP;
    let below = if receipt.check.is_some() { QR + 2.0 * GAP } else { 0.0 };
    let values = WIDTH - 2.0 * MARGIN - LABELS - GAP;
    // A size at which all lines have room; a receipt has some twenty of them.
    let rows = |size: f32| -> Vec<(Vec<u8>, Vec<Vec<u8>>)> {
        let row = |(label, value): &(String, String)| {
            (Font::Regular.shorten(encode(label), size, LABELS), broken(Font::Bold, size, value, values))
        };
        receipt.lines.iter().map(row).collect()
    };
    let height = |size: f32| rows(size).iter().map(|(_, value)| value.len() as f32 * size * LEADING).sum::<f32>();
    let room = y - MARGIN - below;
    let size = [LETTERS, 7.5, 6.5, 5.5].into_iter().find(|size| height(*size) <= room).unwrap_or(4.5);
    for (label, value) in rows(size) {
        for (at, line) in value.iter().enumerate() {
            y -= size * LEADING;
            if at == 0 {
                show(&mut content, Font::Regular, size, &label, MARGIN, y);
            }
            show(&mut content, Font::Bold, size, line, MARGIN + LABELS + GAP, y);
        }
    }
    if let Some(check) = &receipt.check {
        qr::draw(&mut content, check, (WIDTH - QR) / 2.0, y - 2.0 * GAP, QR);
    }
    content.finish().into_vec()
}

fn show(content: &mut Content, font: Font, size: f32, text: &[u8], x: f32, y: f32) {
    if !text.is_empty() {
        content.begin_text().set_font(Name(font.name()), size).next_line(x, y).show(Str(text)).end_text();
    }
}

/// A text in lines that have room. A word that has none by itself is cut.
fn broken(font: Font, size: f32, text: &str, room: f32) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut now: Vec<u8> = Vec::new();
    for word in text.split_whitespace().map(encode) {
        let longer = if now.is_empty() { word.clone() } else { [now.as_slice(), b" ", &word].concat() };
        if now.is_empty() || font.width(&longer, size) <= room {
            now = longer;
        } else {
            lines.push(std::mem::replace(&mut now, word));
        }
    }
    lines.push(now);
    lines.into_iter().map(|line| font.shorten(line, size, room)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tax_is_said_with_its_letter_and_rate() {
        let said = |rate| tax(Language::English, Money::kes(2_000), "B", rate);
        assert_eq!(said(1600), "B, 16 %: KSh 2.76");
        assert_eq!(said(850), "B, 8.50 %: KSh 1.57");
        assert_eq!(said(0), "B, 0 %: KSh 0");
    }

    #[test]
    fn a_signature_is_printed_in_groups() {
        assert_eq!(grouped("V249J39CFJ48HE2W"), "V249-J39C-FJ48-HE2W");
        assert_eq!(grouped("V249J"), "V249-J");
    }

    #[test]
    fn what_the_authority_says_stands_in_every_language() {
        let stamp = Stamp {
            is_credit: false,
            tin: "P051234567A".into(),
            branch: "00".into(),
            device: "KRACU0100000001".into(),
            number: 41,
            receipt_number: Some(17),
            signature: Some("V249J39CFJ48HE2W".into()),
            internal_data: Some("ABCDE".into()),
            signed_at: shared::time::OffsetDateTime::UNIX_EPOCH,
        };
        for language in Language::ALL {
            let mut lines = Lines { language, lines: Vec::new() };
            lines.stamp(&stamp);
            lines.stamp(&Stamp { is_credit: true, number: 42, ..stamp.clone() });
            lines.stamp(&Stamp { signature: None, receipt_number: None, internal_data: None, ..stamp.clone() });
            let values: Vec<&str> = lines.lines.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(values[..5], ["41", "KRACU0100000001", "17", "V249-J39C-FJ48-HE2W", "ABCD-E"], "{language:?}");
            assert_eq!((values[6], values.len()), ("42", 10), "{language:?}");
        }
    }

    #[test]
    fn everything_has_room_on_one_page_of_paper() {
        let line = |at: usize| {
            (format!("Label {at}"), format!("value-{at}-end and some more words of it, such as an address"))
        };
        let receipt = Receipt {
            heading: "Receipt".into(),
            lines: (0..20).map(line).collect(),
            check: Some(
                "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData?Data=P051234567A00V249".into(),
            ),
            waits: false,
        };
        let file = String::from_utf8_lossy(&render(&receipt, "AB2CD3EF")).into_owned();
        assert!(file.starts_with("%PDF-1.7\n") && file.trim_end().ends_with("%%EOF"));
        for at in 0..20 {
            assert_eq!(file.matches(&format!("(Label {at}) Tj")).count(), 1, "{at}");
        }
        let heights = file.lines().filter(|line| line.ends_with(" Td")).filter_map(|line| line.split(' ').nth(1));
        let heights: Vec<f32> = heights.filter_map(|text| text.parse().ok()).collect();
        let lowest = heights.iter().copied().fold(HEIGHT, f32::min);
        assert!(lowest - QR - 2.0 * GAP >= MARGIN - 0.1, "the code has room: {lowest}");
        assert!(file.contains(" re\n"), "the code is drawn");
    }
}
