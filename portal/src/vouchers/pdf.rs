//! A batch on paper, as a PDF: forty vouchers on an A4 sheet, or one a page for the roll of a receipt printer.
//!
//! An A4 sheet is four columns of ten cells of 52.5 × 29.7 mm, the size of ready-cut labels, with dashed lines for who cuts
//! plain paper. What matters keeps off the sheet's edge, where office printers cannot print. A roll is 58 or 80 mm wide, of
//! which printers reach 48 and 72 mm; its printer cuts after each page.
//!
//! A voucher shows the code as it is typed, large, and as a QR code for phones that would rather look than type. Text is
//! measured, and cut where its cell ends ([`super::font`]). Nothing is compressed: HTTP does that on the way, and the QR codes
//! are drawn as rows of squares in whole numbers, which take some 3 kB a voucher.

use pdf_writer::{Content, Name, Pdf, Rect, Ref, Str, TextStr};
use shared::voucher::printed;

use super::font::{Font, encode};
use super::{Batch, Voucher};
use crate::views::qr;

/// Points of a millimetre: a point is 1/72 inch.
const MM: f32 = 72.0 / 25.4;

/// What the vouchers are printed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sheet {
    /// A4, forty a page.
    A4,
    /// A roll of 58 mm, one a page.
    Roll58,
    /// A roll of 80 mm, one a page.
    Roll80,
}

impl Sheet {
    /// All of them.
    pub const ALL: [Sheet; 3] = [Sheet::A4, Sheet::Roll58, Sheet::Roll80];

    /// Its name in commands and URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Sheet::A4 => "a4",
            Sheet::Roll58 => "58mm",
            Sheet::Roll80 => "80mm",
        }
    }

    /// Reads its name.
    pub fn parse(text: &str) -> Option<Sheet> {
        Sheet::ALL.into_iter().find(|sheet| sheet.as_str() == text)
    }

    /// Vouchers on a page.
    pub fn per_page(self) -> usize {
        match self {
            Sheet::A4 => COLUMNS * ROWS,
            Sheet::Roll58 | Sheet::Roll80 => 1,
        }
    }

    /// Width and height of a page, in points.
    fn size(self) -> (f32, f32) {
        match self {
            Sheet::A4 => (CELL_WIDTH * COLUMNS as f32, CELL_HEIGHT * ROWS as f32),
            Sheet::Roll58 => (ROLL_58.width, ROLL_58.height),
            Sheet::Roll80 => (ROLL_80.width, ROLL_80.height),
        }
    }
}

/// The file. Without vouchers it has no page.
///
/// A URL that is longer than any QR code can hold (over two thousand characters) leaves its place empty; the code is printed
/// all the same.
pub fn render(sheet: Sheet, batch: &Batch<'_>, vouchers: &[Voucher]) -> Vec<u8> {
    let mut next = Ref::new(1);
    let (catalog, information, tree) = (next.bump(), next.bump(), next.bump());
    let fonts = Font::ALL.map(|font| (font, next.bump()));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.document_info(information).title(TextStr(&format!("{} {}", batch.brand, batch.number)));
    for (font, id) in fonts {
        pdf.type1_font(id).base_font(Name(font.base_name())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let mut pages = Vec::new();
    for on_page in vouchers.chunks(sheet.per_page()) {
        let (page, content) = (next.bump(), next.bump());
        pdf.page(page).parent(tree).contents(content);
        pdf.stream(content, &draw(sheet, batch, on_page));
        pages.push(page);
    }
    let (width, height) = sheet.size();
    let mut root = pdf.pages(tree);
    root.count(i32::try_from(pages.len()).unwrap_or(i32::MAX)).kids(pages);
    // Every page takes these from here.
    root.media_box(Rect::new(0.0, 0.0, width, height));
    root.resources().fonts().pairs(fonts.map(|(font, id)| (Name(font.name()), id)));
    drop(root);
    pdf.finish()
}

fn draw(sheet: Sheet, batch: &Batch<'_>, vouchers: &[Voucher]) -> Vec<u8> {
    let mut pen = Pen(Content::new());
    match sheet {
        Sheet::A4 => {
            pen.cut_lines();
            for (place, voucher) in vouchers.iter().enumerate() {
                let left = (place % COLUMNS) as f32 * CELL_WIDTH;
                let top = (ROWS - place / COLUMNS) as f32 * CELL_HEIGHT;
                pen.cell(batch, voucher, left, top);
            }
        }
        Sheet::Roll58 => vouchers.iter().for_each(|voucher| pen.slip(batch, voucher, &ROLL_58)),
        Sheet::Roll80 => vouchers.iter().for_each(|voucher| pen.slip(batch, voucher, &ROLL_80)),
    }
    pen.0.finish().into_vec()
}

const COLUMNS: usize = 4;
const ROWS: usize = 10;
const CELL_WIDTH: f32 = 52.5 * MM;
const CELL_HEIGHT: f32 = 29.7 * MM;
/// Kept free at the left and the right of a cell: more than printers leave white at the edge of the sheet.
const CELL_INSET: f32 = 4.2 * MM;
/// A side of the QR code in a cell.
const CELL_QR: f32 = 14.0 * MM;
/// Between the QR code and the text beside it: four squares and more, as the standard asks for (ISO/IEC 18004).
const CELL_GAP: f32 = 2.2 * MM;
/// The largest code that is written; where there is less room, it is smaller.
const CODE_SIZE: f32 = 24.0;

/// A page of a receipt printer's roll, in points.
struct Roll {
    width: f32,
    height: f32,
    /// What the printer does not reach, at either side.
    inset: f32,
    /// A side of the QR code.
    qr: f32,
}

const ROLL_58: Roll = Roll { width: 58.0 * MM, height: 80.0 * MM, inset: 5.0 * MM, qr: 30.0 * MM };
const ROLL_80: Roll = Roll { width: 80.0 * MM, height: 90.0 * MM, inset: 4.0 * MM, qr: 36.0 * MM };

/// From the top of a slip to its first line, and from the last one to the cut.
const SLIP_MARGIN: f32 = 4.0 * MM;
/// Above and below a slip's QR code.
const SLIP_GAP: f32 = 5.0 * MM;
/// From line to line, for a font of size 1.
const LEADING: f32 = 1.3;

/// A font and its size in points.
#[derive(Clone, Copy)]
struct Style(Font, f32);

/// What draws a page. Lengths are points; from the lower left corner x goes to the right and y upwards.
struct Pen(Content);

impl Pen {
    /// Dashed lines between the cells of a sheet.
    fn cut_lines(&mut self) {
        let (width, height) = Sheet::A4.size();
        self.0.save_state().set_stroke_gray(0.6).set_line_width(0.4).set_dash_pattern([2.0, 2.0], 0.0);
        for column in 1..COLUMNS {
            let x = column as f32 * CELL_WIDTH;
            self.0.move_to(x, 0.0).line_to(x, height);
        }
        for row in 1..ROWS {
            let y = row as f32 * CELL_HEIGHT;
            self.0.move_to(0.0, y).line_to(width, y);
        }
        self.0.stroke().restore_state();
    }

    /// A voucher in the cell that has this upper left corner: words at the left, the QR code at the right, the code below.
    fn cell(&mut self, batch: &Batch<'_>, voucher: &Voucher, left: f32, top: f32) {
        let (left, room) = (left + CELL_INSET, CELL_WIDTH - 2.0 * CELL_INSET);
        let beside = room - CELL_QR - CELL_GAP;
        let (price, number, support) = words(batch, voucher);
        let last_day = use_by(batch);
        // Where there is a last day, the small lines stand closer.
        let [price_at, number_at, day_at, support_at] =
            if last_day.is_empty() { [38.0, 45.5, 45.5, 52.0] } else { [37.0, 43.5, 49.5, 55.5] };
        for (style, text, below) in [
            (Style(Font::Bold, 8.0), batch.brand, 17.0),
            (Style(Font::Regular, 7.5), batch.package, 26.5),
            (Style(Font::Bold, 10.0), price.as_str(), price_at),
            (Style(Font::Regular, 6.0), number.as_str(), number_at),
            (Style(Font::Bold, 6.0), last_day.as_str(), day_at),
            (Style(Font::Regular, 6.0), support.as_str(), support_at),
        ] {
            self.write(style, text, left, top - below, beside);
        }
        qr::draw(&mut self.0, &batch.url(voucher), left + room - CELL_QR, top - 11.0, CELL_QR);
        let code = printed(&voucher.code);
        self.centre(code_style(&code, room), &code, left, top - 69.0, room);
    }

    /// A voucher on a page of its own, from top to bottom.
    fn slip(&mut self, batch: &Batch<'_>, voucher: &Voucher, roll: &Roll) {
        let room = roll.width - 2.0 * roll.inset;
        let (price, number, support) = words(batch, voucher);
        let code = printed(&voucher.code);
        let mut y = roll.height - SLIP_MARGIN;
        for (style, text) in [
            (Style(Font::Bold, 12.0), batch.brand),
            (Style(Font::Regular, 10.0), batch.package),
            (Style(Font::Bold, 14.0), price.as_str()),
            (code_style(&code, room), code.as_str()),
        ] {
            y -= style.1 * LEADING;
            self.centre(style, text, roll.inset, y, room);
        }
        y -= SLIP_GAP;
        qr::draw(&mut self.0, &batch.url(voucher), (roll.width - roll.qr) / 2.0, y, roll.qr);
        y -= roll.qr + SLIP_GAP;
        let last_day = use_by(batch);
        let number = if last_day.is_empty() { number } else { format!("{number}. {last_day}") };
        for text in [&number, &support] {
            y -= 8.0 * LEADING;
            self.centre(Style(Font::Regular, 8.0), text, roll.inset, y, room);
        }
    }

    /// As much of a line as has room, from `x` on.
    fn write(&mut self, Style(font, size): Style, text: &str, x: f32, y: f32, room: f32) {
        let text = font.shorten(encode(text), size, room);
        self.show(Style(font, size), &text, x, y);
    }

    /// As much of a line as has room, in the middle of it.
    fn centre(&mut self, Style(font, size): Style, text: &str, x: f32, y: f32, room: f32) {
        let text = font.shorten(encode(text), size, room);
        self.show(Style(font, size), &text, x + (room - font.width(&text, size)) / 2.0, y);
    }

    fn show(&mut self, Style(font, size): Style, text: &[u8], x: f32, y: f32) {
        if !text.is_empty() {
            self.0.begin_text().set_font(Name(font.name()), size).next_line(x, y).show(Str(text)).end_text();
        }
    }
}

/// Price, number and support as they are written; no support, no words.
fn words(batch: &Batch<'_>, voucher: &Voucher) -> (String, String, String) {
    let support = if batch.support.is_empty() { String::new() } else { format!("Help: {}", batch.support) };
    (batch.price.to_string(), format!("No. {}", batch.paper_number(voucher)), support)
}

/// The last day, as it is written; empty where there is none.
fn use_by(batch: &Batch<'_>) -> String {
    match batch.last_day() {
        day if day.is_empty() => day,
        day => format!("Use by {day}"),
    }
}

/// The largest style in which a code has room.
fn code_style(code: &str, room: f32) -> Style {
    Style(Font::Mono, (room / Font::Mono.width(code.as_bytes(), 1.0)).min(CODE_SIZE))
}

#[cfg(test)]
mod tests {
    use qrcode::{Color, QrCode};

    use super::super::samples;
    use super::*;

    /// A file as text: what is not is in its second line only.
    fn file(sheet: Sheet, count: u32) -> String {
        String::from_utf8_lossy(&render(sheet, &samples::batch(), &samples::vouchers(count))).into_owned()
    }

    /// The operands of every operation of that name.
    fn operands(file: &str, operator: &str) -> Vec<Vec<f32>> {
        let is_it = |line: &&str| line.split_ascii_whitespace().next_back() == Some(operator);
        let numbers =
            |line: &str| line.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<f32>>();
        file.lines().filter(is_it).map(numbers).collect()
    }

    #[test]
    fn sheets_read_what_they_write() {
        for sheet in Sheet::ALL {
            assert_eq!(Sheet::parse(sheet.as_str()), Some(sheet));
        }
        assert_eq!(Sheet::parse("a5"), None);
    }

    #[test]
    fn a_page_has_as_many_vouchers_as_the_sheet() {
        for (sheet, count, pages) in [
            (Sheet::A4, 1, 1),
            (Sheet::A4, 40, 1),
            (Sheet::A4, 41, 2),
            (Sheet::Roll58, 3, 3),
            (Sheet::Roll80, 3, 3),
            (Sheet::A4, 0, 0),
        ] {
            let file = file(sheet, count);
            assert!(file.starts_with("%PDF-1.7\n") && file.trim_end().ends_with("%%EOF"), "{sheet:?}");
            assert!(file.contains(&format!("/Count {pages}\n")), "{sheet:?}: {count}");
            assert_eq!(file.matches("/Contents ").count(), pages, "{sheet:?}: {count}");
        }
    }

    #[test]
    fn every_voucher_shows_its_code_and_number() {
        let vouchers = samples::vouchers(45);
        for sheet in Sheet::ALL {
            let file = String::from_utf8_lossy(&render(sheet, &samples::batch(), &vouchers)).into_owned();
            for voucher in &vouchers {
                assert_eq!(file.matches(&format!("({}) Tj", printed(&voucher.code))).count(), 1, "{sheet:?}");
                assert_eq!(file.matches(&format!("(No. 42-{:04}) Tj", voucher.serial)).count(), 1, "{sheet:?}");
            }
            assert_eq!(file.matches("(Help: +254 700 000 000) Tj").count(), 45);
            assert_eq!(file.matches("(KSh 20) Tj").count(), 45);
            // "Kiambu Wi-Fi (Café)" in WinAnsiEncoding.
            let brand =
                if sheet == Sheet::A4 { "<4B69616D62752057692D466920" } else { "<4B69616D62752057692D466920284361" };
            assert_eq!(file.matches(brand).count(), 45, "{sheet:?}");
        }
    }

    #[test]
    fn a_last_day_is_written_on_each_and_covers_nothing() {
        let vouchers = samples::vouchers(2);
        for sheet in Sheet::ALL {
            let file = render(sheet, &samples::batch_with_a_last_day(), &vouchers);
            let file = String::from_utf8_lossy(&file).into_owned();
            assert_eq!(file.matches("Use by 31 Dec 2026) Tj").count(), 2, "{sheet:?}");
            let lines = if sheet == Sheet::A4 { 7 } else { 6 };
            assert_eq!(operands(&file, "Td").len(), 2 * lines, "{sheet:?}: no line is cut off");
            let mut heights: Vec<f32> = operands(&file, "Td")[..lines].iter().map(|place| place[1]).collect();
            heights.sort_by(f32::total_cmp);
            assert!(heights.windows(2).all(|pair| pair[1] - pair[0] >= 5.9), "{sheet:?}: {heights:?}");
        }
        let without = render(Sheet::A4, &samples::batch(), &vouchers);
        assert!(!String::from_utf8_lossy(&without).contains("Use by"));
    }

    #[test]
    fn without_support_nothing_is_written_of_it() {
        let batch = Batch { support: "", ..samples::batch() };
        for sheet in Sheet::ALL {
            let file = render(sheet, &batch, &samples::vouchers(1));
            assert!(!String::from_utf8_lossy(&file).contains("Help"), "{sheet:?}");
        }
    }

    #[test]
    fn all_dark_squares_of_the_qr_code_are_drawn() {
        let vouchers = samples::vouchers(1);
        let code = QrCode::new(samples::batch().url(&vouchers[0])).expect("fits");
        let dark = code.to_colors().into_iter().filter(|&color| color == Color::Dark).count();
        for sheet in Sheet::ALL {
            let file = String::from_utf8_lossy(&render(sheet, &samples::batch(), &vouchers)).into_owned();
            let drawn: f32 = operands(&file, "re").iter().map(|rectangle| rectangle[2] * rectangle[3]).sum();
            assert_eq!(drawn as usize, dark, "{sheet:?}");
            // The upper edges of the two upper corner marks.
            let last = code.width() - 7;
            assert!(file.contains("\n0 0 7 1 re\n") && file.contains(&format!("\n{last} 0 7 1 re\n")), "{sheet:?}");
        }
    }

    #[test]
    fn all_text_begins_on_the_page_and_the_first_voucher_is_at_the_top() {
        for sheet in Sheet::ALL {
            let (width, height) = sheet.size();
            let file = file(sheet, 40);
            let places = operands(&file, "Td");
            assert_eq!(places.len(), 40 * 6, "{sheet:?}: six lines each");
            for place in &places {
                assert!((1.0..width).contains(&place[0]) && (4.0..height).contains(&place[1]), "{sheet:?}: {place:?}");
            }
            assert!(places[0][1] > height - 30.0, "{sheet:?}: {:?}", places[0]);
        }
    }

    #[test]
    fn a_code_is_as_large_as_its_room_allows() {
        let Style(font, size) = code_style("ABCD-EFGH-JKL", 100.0);
        assert!(font == Font::Mono && font.width(b"ABCD-EFGH-JKL", size) <= 100.01 && size > 12.0);
        assert_eq!(code_style("ABCD-EFGH-JKL", 1000.0).1, CODE_SIZE);
    }

    #[test]
    fn a_url_that_no_qr_code_holds_leaves_its_place_empty() {
        let url_base = format!("https://wifi.example/{}", "x".repeat(3_000));
        let batch = Batch { url_base: &url_base, ..samples::batch() };
        let file = render(Sheet::Roll58, &batch, &samples::vouchers(1));
        assert!(operands(&String::from_utf8_lossy(&file), "re").is_empty());
    }
}
