//! A section of a report as a file: comma-separated values as the lists have them ([`crate::admin::listing`]), with the names of the columns
//! that programs read and values without words, signs or separators between thousands.

use super::report::{Answer, Section};
use crate::admin::listing::{Cell, MARK, lines};

/// The section with this name; without a name the first, since a file is one table.
pub(super) fn section<'a>(answer: &'a Answer, id: &str) -> Option<&'a Section> {
    match id {
        "" => answer.sections.first(),
        id => answer.sections.iter().find(|section| section.id == id),
    }
}

/// Its rows. A report that has nothing to say gives a file without a line.
pub(in crate::admin) fn csv(section: Option<&Section>) -> Vec<u8> {
    let mut octets = MARK.as_bytes().to_vec();
    let Some(section) = section else { return octets };
    let head: Vec<String> = section.heads.iter().map(|(_, key, _)| key.clone()).collect();
    let values = |row: &Vec<Cell>| row.iter().map(|cell| cell.value.clone()).collect();
    octets.extend(lines(std::iter::once(head).chain(section.rows.iter().map(values))));
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_section_and_no_formula() {
        let section = |id: &'static str| Section {
            id,
            title: "Packages".into(),
            notes: Vec::new(),
            chart: None,
            heads: vec![("Package".into(), "package".into(), false), ("Sales".into(), "sales".into(), true)],
            rows: vec![vec![Cell::text("=1+1"), Cell::text("1,000").value("1000")]],
            nothing: "Nothing was sold.",
        };
        let answer = Answer { sections: vec![section("one"), section("two")], ..Answer::default() };
        assert_eq!(super::section(&answer, "").map(|section| section.id), Some("one"));
        assert_eq!(super::section(&answer, "two").map(|section| section.id), Some("two"));
        assert!(super::section(&answer, "three").is_none() && super::section(&Answer::default(), "").is_none());
        let file = csv(answer.sections.first());
        assert_eq!(String::from_utf8(file).expect("UTF-8"), "\u{feff}package,sales\r\n'=1+1,1000\r\n");
        assert_eq!(csv(None), MARK.as_bytes());
    }
}
