//! A report on paper, as a PDF: A4, with what was asked above, the figures, and each section with its chart, if lines and bars can draw it, and its
//! table. Pages are numbered, and a table that goes on has its headings again.
//!
//! Letters are those of [`crate::vouchers::font`], which every reader of PDF has; what has no room in its cell is cut. Heat maps, parts, funnels and
//! the like are tables alone here: the screen draws them.
//!
//! Refused here: more than [`MOST`] rows of a table. A file for spreadsheets has all.

use pdf_writer::{Content, Name, Pdf, Rect, Ref, Str, TextStr};

use super::chart::{Chart, Shape};
use super::report::{Answer, Figure, Section};
use crate::vouchers::font::{Font, encode};

/// Points of a millimetre: a point is 1/72 inch.
const MM: f32 = 72.0 / 25.4;
const WIDTH: f32 = 210.0 * MM;
const HEIGHT: f32 = 297.0 * MM;
/// Kept free around: office printers cannot print to the edge.
const MARGIN: f32 = 15.0 * MM;
const ROOM: f32 = WIDTH - 2.0 * MARGIN;
/// Where what is on a page ends, above its number.
const BOTTOM: f32 = MARGIN + 8.0 * MM;
/// Rows of a table at most: some twenty pages.
const MOST: usize = 1_000;
/// The widest that a column wishes to be, and between two of them.
const WIDEST: f32 = 60.0 * MM;
const GAP: f32 = 2.0 * MM;
/// From line to line, for a font of size 1.
const LEADING: f32 = 1.35;
const CHART: f32 = 45.0 * MM;
/// What is left of columns of words at least where those of numbers need the room.
const LEAST: f32 = 0.3;

/// What is written.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct Paper<'a> {
    pub(in crate::admin) brand: &'a str,
    pub(in crate::admin) title: &'a str,
    pub(in crate::admin) question: &'a str,
    /// For what it is an answer, and as of when.
    pub(in crate::admin) said: &'a [String],
    pub(in crate::admin) answer: &'a Answer,
}

/// The file.
pub(in crate::admin) fn render(paper: &Paper<'_>) -> Vec<u8> {
    let mut sheets = Sheets::new();
    sheets.lines(Font::Bold, 18.0, paper.title);
    sheets.lines(Font::Regular, 10.0, paper.question);
    for words in paper.said {
        sheets.lines(Font::Regular, 8.0, words);
    }
    sheets.gap(3.0 * MM);
    for figure in &paper.answer.figures {
        sheets.figure(figure);
    }
    for note in &paper.answer.notes {
        sheets.lines(Font::Regular, 8.0, note);
    }
    for section in &paper.answer.sections {
        sheets.section(section);
    }
    file(paper, sheets.over())
}

fn file(paper: &Paper<'_>, contents: Vec<Content>) -> Vec<u8> {
    let mut next = Ref::new(1);
    let (catalog, information, tree) = (next.bump(), next.bump(), next.bump());
    let fonts = Font::ALL.map(|font| (font, next.bump()));
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(tree);
    pdf.document_info(information).title(TextStr(&format!("{}: {}", paper.brand, paper.title)));
    for (font, id) in fonts {
        pdf.type1_font(id).base_font(Name(font.base_name())).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    let (count, mut pages) = (contents.len(), Vec::new());
    for (at, mut drawn) in contents.into_iter().enumerate() {
        let (page, content) = (next.bump(), next.bump());
        let number = format!("Page {} of {count}", at + 1);
        show(&mut drawn, Font::Regular, 8.0, &encode(paper.brand), MARGIN, MARGIN);
        let octets = encode(&number);
        show(&mut drawn, Font::Regular, 8.0, &octets, WIDTH - MARGIN - Font::Regular.width(&octets, 8.0), MARGIN);
        pdf.page(page).parent(tree).contents(content);
        pdf.stream(content, &drawn.finish().into_vec());
        pages.push(page);
    }
    let mut root = pdf.pages(tree);
    root.count(i32::try_from(count).unwrap_or(i32::MAX)).kids(pages);
    root.media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT));
    root.resources().fonts().pairs(fonts.map(|(font, id)| (Name(font.name()), id)));
    drop(root);
    pdf.finish()
}

fn show(content: &mut Content, font: Font, size: f32, text: &[u8], x: f32, y: f32) {
    if !text.is_empty() {
        content.begin_text().set_font(Name(font.name()), size).next_line(x, y).show(Str(text)).end_text();
    }
}

/// Pages one after the other, and how far down the last one is written.
struct Sheets {
    full: Vec<Content>,
    now: Content,
    y: f32,
}

impl Sheets {
    fn new() -> Sheets {
        Sheets { full: Vec::new(), now: Content::new(), y: HEIGHT - MARGIN }
    }

    fn over(mut self) -> Vec<Content> {
        self.full.push(self.now);
        self.full
    }

    fn turn(&mut self) {
        self.full.push(std::mem::replace(&mut self.now, Content::new()));
        self.y = HEIGHT - MARGIN;
    }

    /// Goes down by so much, on the next page if there is no room for it. Whether a page was turned.
    fn down(&mut self, by: f32) -> bool {
        let turns = self.y - by < BOTTOM;
        if turns {
            self.turn();
        }
        self.y -= by;
        turns
    }

    fn gap(&mut self, by: f32) {
        self.y -= by;
    }

    /// A text, in as many lines as it takes.
    fn lines(&mut self, font: Font, size: f32, text: &str) {
        for line in broken(font, size, text, ROOM) {
            self.down(size * LEADING);
            show(&mut self.now, font, size, &line, MARGIN, self.y);
        }
    }

    fn figure(&mut self, figure: &Figure) {
        self.down(11.0 * LEADING);
        let value = Font::Bold.shorten(encode(&figure.value), 11.0, ROOM / 3.0);
        show(&mut self.now, Font::Bold, 11.0, &value, MARGIN, self.y);
        let rest = match figure.beside.is_empty() {
            true => figure.label.clone(),
            false => format!("{} ({})", figure.label, figure.beside),
        };
        let rest = Font::Regular.shorten(encode(&rest), 9.0, ROOM * 2.0 / 3.0 - GAP);
        show(&mut self.now, Font::Regular, 9.0, &rest, MARGIN + ROOM / 3.0 + GAP, self.y);
    }

    fn section(&mut self, section: &Section) {
        self.gap(5.0 * MM);
        // A heading does not stand alone at the foot of a page.
        if self.y - 30.0 * MM < BOTTOM {
            self.turn();
        }
        self.lines(Font::Bold, 12.0, &section.title);
        for note in &section.notes {
            self.lines(Font::Regular, 8.0, note);
        }
        if section.rows.is_empty() {
            self.lines(Font::Regular, 9.0, section.nothing);
            return;
        }
        if let Some(chart) = &section.chart {
            self.chart(chart);
        }
        self.table(section);
        if section.rows.len() > MOST {
            let words = format!("The first {MOST} of {} rows: a file for spreadsheets has all.", section.rows.len());
            self.lines(Font::Regular, 8.0, &words);
        }
    }

    fn table(&mut self, section: &Section) {
        let size = if section.heads.len() > 8 { 6.5 } else { 8.0 };
        let columns = columns(section, size);
        let heads: Vec<Vec<u8>> = section.heads.iter().map(|(label, ..)| encode(label)).collect();
        self.down(size * LEADING);
        self.row(Font::Bold, size, &heads, &columns);
        for row in section.rows.iter().take(MOST) {
            if self.down(size * LEADING) {
                self.row(Font::Bold, size, &heads, &columns);
                self.y -= size * LEADING;
            }
            let cells: Vec<Vec<u8>> = row.iter().map(|cell| encode(&words(cell))).collect();
            self.row(Font::Regular, size, &cells, &columns);
        }
    }

    fn row(&mut self, font: Font, size: f32, cells: &[Vec<u8>], columns: &[Column]) {
        for (cell, column) in cells.iter().zip(columns) {
            let text = font.shorten(cell.clone(), size, column.width);
            let indent = if column.is_number { column.width - font.width(&text, size) } else { 0.0 };
            show(&mut self.now, font, size, &text, column.left + indent, self.y);
        }
    }

    /// Lines or bars in a frame, with the greatest number at its upper corner and the first and the last name below it.
    fn chart(&mut self, chart: &Chart) {
        let series: Vec<&[Option<f64>]> = match chart.shape {
            Shape::Line => chart.series.iter().map(|one| one.values.as_slice()).collect(),
            // The value, the lines of its narrower band, and what follows the bands.
            Shape::Band => {
                let kept = chart.series.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
                kept.map(|(_, one)| one.values.as_slice()).collect()
            }
            Shape::Bars => chart.series.iter().take(1).map(|one| one.values.as_slice()).collect(),
            _ => return,
        };
        let most = series.iter().flat_map(|values| values.iter().flatten()).copied().fold(0.0, f64::max);
        if most <= 0.0 || chart.x.is_empty() {
            return;
        }
        self.down(CHART + 12.0);
        let (left, low) = (MARGIN, self.y + 12.0);
        self.now.save_state().set_line_width(0.4).set_stroke_gray(0.6);
        self.now.rect(left, low, ROOM, CHART).stroke();
        let step = ROOM / chart.x.len() as f32;
        let height = |value: f64| low + (value.max(0.0) / most) as f32 * CHART;
        for (at, values) in series.iter().enumerate() {
            self.now.set_stroke_gray(if at == 0 { 0.0 } else { 0.55 });
            if chart.shape == Shape::Bars {
                bars(&mut self.now, values, step, low, &height);
            } else {
                line(&mut self.now, values, step, &height);
            }
        }
        self.now.restore_state();
        let label = format!("{most:.0} {}", chart.unit);
        show(&mut self.now, Font::Regular, 7.0, &encode(&label), left + 2.0, low + CHART - 8.0);
        let ends = [chart.x.first(), chart.x.last()].map(|name| encode(name.map_or("", String::as_str)));
        let [first, last] = ends;
        show(&mut self.now, Font::Regular, 7.0, &first, left, self.y + 2.0);
        let right = left + ROOM - Font::Regular.width(&last, 7.0);
        show(&mut self.now, Font::Regular, 7.0, &last, right, self.y + 2.0);
        self.gap(2.0 * MM);
    }
}

fn bars(content: &mut Content, values: &[Option<f64>], step: f32, low: f32, height: &impl Fn(f64) -> f32) {
    content.set_fill_gray(0.35);
    for (at, value) in values.iter().enumerate() {
        if let Some(value) = value {
            content.rect(MARGIN + (at as f32 + 0.15) * step, low, step * 0.7, height(*value) - low);
        }
    }
    content.fill_nonzero();
}

/// A line, with a gap where there is no number.
fn line(content: &mut Content, values: &[Option<f64>], step: f32, height: &impl Fn(f64) -> f32) {
    let mut is_drawing = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (MARGIN + (at as f32 + 0.5) * step, height(*value));
        if is_drawing {
            content.line_to(x, y);
        } else {
            content.move_to(x, y);
        }
        is_drawing = true;
    }
    content.stroke();
}

/// A column of a table.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Column {
    left: f32,
    width: f32,
    is_number: bool,
}

/// As wide as what stands in them, or as far as there is room.
fn columns(section: &Section, size: f32) -> Vec<Column> {
    let wish = |at: usize, label: &str| {
        let cells = section.rows.iter().take(MOST).filter_map(|row| row.get(at));
        let widest = cells.map(|cell| Font::Regular.width(&encode(&words(cell)), size)).fold(0.0, f32::max);
        widest.max(Font::Bold.width(&encode(label), size)).min(WIDEST) + 0.1
    };
    let wishes: Vec<f32> = section.heads.iter().enumerate().map(|(at, (label, ..))| wish(at, label)).collect();
    let room = ROOM - GAP * section.heads.len().saturating_sub(1) as f32;
    let sum = |numbers: bool| {
        let kept = wishes.iter().zip(&section.heads).filter(|(_, (.., is_number))| *is_number == numbers);
        kept.map(|(width, _)| width).sum::<f32>()
    };
    let (words, numbers) = (sum(false), sum(true));
    // A word that is cut is still read, and a number that is cut is another one: words go first, as far as some of each is left.
    let (of_words, of_numbers) = match room - numbers {
        left if left >= words * LEAST => ((left / words.max(1.0)).min(1.0), 1.0),
        _ => (room / (words + numbers), room / (words + numbers)),
    };
    let mut left = MARGIN;
    let column = |(width, (.., is_number)): (f32, &(String, String, bool))| {
        let scale = if *is_number { of_numbers } else { of_words };
        let column = Column { left, width: width * scale, is_number: *is_number };
        left += column.width + GAP;
        column
    };
    wishes.into_iter().zip(&section.heads).map(column).collect()
}

/// What a cell says, with what stands below it on the screen.
fn words(cell: &crate::admin::listing::Cell) -> String {
    let parts = [&cell.text, &cell.small, &cell.alarm];
    let parts: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

/// A text in lines that have room. A word that has none by itself is cut.
fn broken(font: Font, size: f32, text: &str, room: f32) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut now: Vec<u8> = Vec::new();
    for word in text.split_whitespace() {
        let word = encode(word);
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
    use super::super::chart::Series;
    use super::*;
    use crate::admin::listing::Cell;

    fn section(rows: usize, chart: Option<Chart>) -> Section {
        Section {
            id: "trend",
            title: "By the day".into(),
            notes: vec!["A note.".into()],
            chart,
            heads: vec![("Day".into(), "day".into(), false), ("Net".into(), "net".into(), true)],
            rows: (0..rows).map(|row| vec![Cell::text(format!("day-{row}-end")), Cell::text("1").small("x")]).collect(),
            nothing: "Nothing was sold.",
        }
    }

    fn file(sections: Vec<Section>) -> String {
        let figure = Figure { label: "net".into(), value: "KSh 40".into(), beside: "+5 %".into(), tone: "good" };
        let answer = Answer { figures: vec![figure], notes: Vec::new(), sections, extra: Vec::new() };
        let said = ["November 2026".to_owned()];
        let paper =
            Paper { brand: "Mlango", title: "Revenue", question: "Are we growing?", said: &said, answer: &answer };
        String::from_utf8_lossy(&render(&paper)).into_owned()
    }

    #[test]
    fn a_table_goes_on_over_pages_that_are_numbered() {
        let file = file(vec![section(150, None), section(0, None)]);
        assert!(file.starts_with("%PDF-1.7\n") && file.trim_end().ends_with("%%EOF"));
        let pages = file.matches("/Contents ").count();
        assert!(pages >= 2 && file.contains(&format!("(Page {pages} of {pages}) Tj")), "{pages}");
        for row in 0..150 {
            assert_eq!(file.matches(&format!("(day-{row}-end) Tj")).count(), 1, "{row}");
        }
        assert!(file.matches("(Day) Tj").count() >= 2, "the headings come again");
        for words in ["(Revenue) Tj", "(KSh 40) Tj", "(Nothing was sold.) Tj", "(November 2026) Tj"] {
            assert!(file.contains(words), "{words}");
        }
    }

    #[test]
    fn nothing_is_written_below_the_page() {
        let file = file((0..12).map(|_| section(9, None)).collect());
        let heights = file.lines().filter(|line| line.ends_with(" Td")).filter_map(|line| line.split(' ').nth(1));
        let heights: Vec<f32> = heights.filter_map(|text| text.parse().ok()).collect();
        assert!(heights.len() > 100 && heights.iter().all(|y| (MARGIN - 0.1..HEIGHT).contains(y)), "{heights:?}");
    }

    #[test]
    fn a_line_has_a_gap_where_there_is_no_number() {
        let values = vec![Some(1.0), Some(2.0), None, Some(2.0), Some(1.0)];
        let series = vec![Series { name: "a".into(), values, counts: Vec::new() }];
        let x = (1..=5).map(|day| day.to_string()).collect();
        let chart = Chart { shape: Shape::Line, unit: "sales".into(), x, series, cap: None };
        let count = |file: &str, ending: &str| file.lines().filter(|line| line.ends_with(ending)).count();
        let drawn = file(vec![section(1, Some(chart.clone()))]);
        assert_eq!((count(&drawn, " m"), count(&drawn, " l")), (2, 2));
        let table = file(vec![section(1, Some(Chart { shape: Shape::Heat, ..chart }))]);
        assert_eq!((count(&table, " m"), count(&table, " l")), (0, 0));
    }

    #[test]
    fn where_there_is_little_room_words_are_cut_and_numbers_are_not() {
        let mut wide = section(0, None);
        wide.heads = (0..10).map(|at| (format!("Column {at}"), format!("c{at}"), at > 2)).collect();
        let words = (0..3).map(|_| Cell::text("a description that goes on and on and on"));
        wide.rows = vec![words.chain((0..7).map(|at| Cell::text(format!("1234567.5{at}")))).collect()];
        let file = file(vec![wide]);
        for at in 0..7 {
            assert!(file.contains(&format!("(1234567.5{at}) Tj")), "{at}");
        }
        // With the mark of what was cut a text is written in digits: `a desc` and what is left of it.
        assert!(!file.contains("on and on and on) Tj") && file.contains("<612064657363"), "{file}");
    }

    #[test]
    fn a_text_is_broken_into_lines_that_fit() {
        let lines = broken(Font::Regular, 10.0, &"word ".repeat(100), 100.0);
        assert!(lines.len() > 10 && lines.iter().all(|line| Font::Regular.width(line, 10.0) <= 100.0));
    }
}
