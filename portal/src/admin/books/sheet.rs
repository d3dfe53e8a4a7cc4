//! A table of the books with its sums: below it on a page and on paper, and not in a file, where a program would take a sum for one more line.

use crate::admin::listing::Cell;
use crate::admin::reports::amounts;
use crate::admin::reports::file;
use crate::admin::reports::report::Section;

/// Rows that a page shows at most: the file has all.
const SHOWN: usize = 2_000;

/// A column: its heading, its name in files, and whether it is a number.
pub(super) type Head = (&'static str, &'static str, bool);

/// A table, and what it comes to.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    section: Section,
    totals: Vec<Vec<Cell>>,
}

impl Sheet {
    pub(super) fn new(id: &'static str, title: impl Into<String>, heads: &[Head], nothing: &'static str) -> Sheet {
        let owned = |(label, key, is_number): &Head| ((*label).to_owned(), (*key).to_owned(), *is_number);
        let section = Section {
            id,
            title: title.into(),
            notes: Vec::new(),
            chart: None,
            heads: heads.iter().map(owned).collect(),
            rows: Vec::new(),
            nothing,
        };
        Sheet { section, totals: Vec::new() }
    }

    /// The same with words above it.
    pub(super) fn note(mut self, note: impl Into<String>) -> Sheet {
        self.section.notes.push(note.into());
        self
    }

    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.section.heads.len(), "{}: a cell a column", self.section.id);
        self.section.rows.push(cells);
    }

    /// A sum below it.
    pub(super) fn total(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.section.heads.len(), "{}: a cell a column", self.section.id);
        self.totals.push(cells);
    }

    /// What a file has.
    pub(super) fn csv(&self) -> Vec<u8> {
        file::csv(Some(&self.section))
    }

    /// What paper has.
    pub(super) fn on_paper(&self) -> Section {
        let mut section = self.section.clone();
        section.rows.extend(self.totals.iter().cloned());
        section
    }

    /// What a page has; `file` is where its file is, empty: nowhere.
    pub(super) fn drawn(&self, file: impl Into<String>) -> Drawn {
        let section = &self.section;
        let shown = |row: &Vec<Cell>| {
            let cells = section.heads.iter().zip(row);
            let shown = |((_, _, is_number), cell): (&(String, String, bool), &Cell)| Shown {
                is_number: *is_number,
                cell: cell.clone(),
            };
            cells.map(shown).collect::<Vec<Shown>>()
        };
        let count = section.rows.len();
        Drawn {
            id: section.id,
            title: section.title.clone(),
            notes: section.notes.clone(),
            heads: section.heads.iter().map(|(label, _, is_number)| (label.clone(), *is_number)).collect(),
            rows: section.rows.iter().take(SHOWN).map(shown).collect(),
            totals: self.totals.iter().map(shown).collect(),
            nothing: section.nothing,
            file: if count == 0 { String::new() } else { file.into() },
            beyond: (count > SHOWN).then_some(count),
        }
    }
}

/// A table on a page.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) notes: Vec<String>,
    pub(super) heads: Vec<(String, bool)>,
    pub(super) rows: Vec<Vec<Shown>>,
    pub(super) totals: Vec<Vec<Shown>>,
    pub(super) nothing: &'static str,
    pub(super) file: String,
    /// How many rows there are, if a page has no room for all.
    pub(super) beyond: Option<usize>,
}

/// A cell of it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) is_number: bool,
    pub(super) cell: Cell,
}

/// Several amounts by name, added up. Of the names only what was added is there, in the order in which it came.
#[derive(Clone, Debug)]
pub(super) struct Sums<K, const N: usize>(Vec<(K, [i64; N])>);

impl<K: PartialEq, const N: usize> Sums<K, N> {
    pub(super) fn new() -> Sums<K, N> {
        Sums(Vec::new())
    }

    pub(super) fn add(&mut self, key: K, amounts: [i64; N]) {
        let at = self.0.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
            self.0.push((key, [0; N]));
            self.0.len() - 1
        });
        for (sum, amount) in self.0[at].1.iter_mut().zip(amounts) {
            *sum = sum.saturating_add(amount);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, [i64; N])> {
        self.0.iter().map(|(key, sums)| (key, *sums))
    }
}

/// Amounts in cells.
pub(super) fn cells<const N: usize>(minor: [i64; N], currency: &str) -> [Cell; N] {
    minor.map(|minor| amounts::cell(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn sample(rows: usize) -> Sheet {
        let heads = [("Day", "day", false), ("Sold", "sold", true)];
        let mut sheet = Sheet::new("days", HOSTILE, &heads, "No day is closed.").note(HOSTILE);
        for _ in 0..rows {
            sheet.row(vec![Cell::text(HOSTILE).link("/admin/books").small(HOSTILE), Cell::text("1")]);
        }
        sheet.total(vec![Cell::text("Together"), Cell::text("7")]);
        sheet
    }

    #[test]
    fn sums_stand_on_pages_and_on_paper_and_in_no_file() {
        let sheet = sample(3);
        assert_eq!(sheet.on_paper().rows.len(), 4);
        let drawn = sheet.drawn("/file.csv");
        assert_eq!((drawn.rows.len(), drawn.totals.len(), drawn.beyond), (3, 1, None));
        let file = String::from_utf8(sheet.csv()).expect("UTF-8");
        assert_eq!(file.lines().count(), 4, "a heading and three rows: {file}");
        assert!(!file.contains("Together"), "{file}");
    }

    #[test]
    fn a_table_without_rows_has_no_file_and_a_long_one_says_that_it_is_cut() {
        assert_eq!(sample(0).drawn("/file.csv").file, "");
        let drawn = sample(SHOWN + 1).drawn("/file.csv");
        assert_eq!((drawn.rows.len(), drawn.beyond), (SHOWN, Some(SHOWN + 1)));
    }

    #[test]
    fn amounts_are_added_up_by_their_name() {
        let mut sums = Sums::new();
        for (currency, amounts) in [("KES", [1, 2]), ("USD", [5, 5]), ("KES", [10, -2])] {
            sums.add(currency, amounts);
        }
        assert_eq!(sums.iter().collect::<Vec<_>>(), [(&"KES", [11, 0]), (&"USD", [5, 5])]);
    }
}
