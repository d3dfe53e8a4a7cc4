//! QR codes, drawn: as the path of an SVG picture for pages, and into a PDF. Squares that touch are one rectangle, so that no hairline shows
//! between them. A text that no code holds (over two thousand characters) leaves its place empty.

use pdf_writer::Content;
use qrcode::{Color, QrCode};

/// White squares around a code, which readers ask for (ISO/IEC 18004).
const QUIET: usize = 4;

/// The side of a picture in squares, with the white ones around the code, and the path of its dark ones.
pub(crate) fn path(text: &str) -> (usize, String) {
    let Ok(code) = QrCode::new(text) else { return (1, String::new()) };
    let path: String =
        runs(&code).map(|(column, row, run)| format!("M{} {}h{run}v1h-{run}z", column + QUIET, row + QUIET)).collect();
    (code.width() + 2 * QUIET, path)
}

/// Draws a code with this upper left corner. The white around it is the caller's.
pub(crate) fn draw(content: &mut Content, text: &str, left: f32, top: f32, side: f32) {
    let Ok(code) = QrCode::new(text) else { return };
    let square = side / code.width() as f32;
    // From here on a square is 1 × 1, and y goes down.
    content.save_state().transform([square, 0.0, 0.0, -square, left, top]);
    for (column, row, run) in runs(&code) {
        content.rect(column as f32, row as f32, run as f32, 1.0);
    }
    content.fill_nonzero().restore_state();
}

/// Column, row and length of each run of dark squares.
fn runs(code: &QrCode) -> impl Iterator<Item = (usize, usize, usize)> {
    let width = code.width();
    (0..width).flat_map(move |row| {
        let mut column = 0;
        std::iter::from_fn(move || {
            column += (column..width).take_while(|&column| code[(column, row)] != Color::Dark).count();
            let run = (column..width).take_while(|&column| code[(column, row)] == Color::Dark).count();
            let found = (run > 0).then_some((column, row, run));
            column += run;
            found
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_square_is_drawn_once() {
        let text = "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData?Data=P051234567A00V249J39CFJ48HE2W";
        let code = QrCode::new(text).expect("it fits");
        let places = (0..code.width()).flat_map(|row| (0..code.width()).map(move |column| (column, row)));
        let dark = places.filter(|place| code[*place] == Color::Dark).count();
        assert_eq!(runs(&code).map(|(.., run)| run).sum::<usize>(), dark);
        let (side, path) = path(text);
        assert_eq!(side, code.width() + 8);
        assert!(path.starts_with("M4 4h7v1h-7z"), "the first finder: {path}");
        assert_eq!(super::path(&"x".repeat(5_000)), (1, String::new()));
    }
}
