//! A list as a page: the form of its filter, its table, and where the pages before and behind it are. On a phone each row is a card.

use askama::Template;
use shared::money::Money;
use shared::staff::{Permission, Role};
use shared::time::{OffsetDateTime, rfc3339};
use store::listing::{Place, Slice, Window};

use super::{Asked, Column, List, SORT, address, sort_word};
use crate::admin::form::Form;
use crate::admin::page::{Page, style};
use crate::admin::words::{self, Said};

/// A cell: what a page shows and what a file has.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Cell {
    pub(in crate::admin) text: String,
    /// What stands below it, smaller.
    pub(in crate::admin) small: String,
    /// What stands out below it, and what a file does not have either; empty: nothing.
    pub(in crate::admin) alarm: String,
    /// Where the customer's story is that it is about; empty: nowhere.
    pub(in crate::admin) story: String,
    /// Where it leads; empty: nowhere.
    pub(in crate::admin) link: String,
    /// Its class, if it is a state.
    pub(in crate::admin) state: &'static str,
    pub(in crate::admin) is_code: bool,
    /// What the file has.
    pub(in crate::admin) value: String,
}

impl Cell {
    /// Words.
    pub(in crate::admin) fn text(text: impl Into<String>) -> Cell {
        let text = text.into();
        Cell { value: text.clone(), text, ..Cell::default() }
    }

    /// What is spelt letter by letter.
    pub(in crate::admin) fn code(text: impl Into<String>) -> Cell {
        Cell { is_code: true, ..Cell::text(text) }
    }

    /// A state.
    pub(in crate::admin) fn state(said: &Said) -> Cell {
        Cell { state: said.tone.class(), ..Cell::text(said.text) }
    }

    /// A moment.
    pub(in crate::admin) fn moment(at: Option<OffsetDateTime>, now: OffsetDateTime) -> Cell {
        let text = at.map(|at| words::moment(at, now)).unwrap_or_default();
        Cell { value: at.map(rfc3339).unwrap_or_default(), ..Cell::text(text) }
    }

    /// An amount of money. Its currency stands in the text alone.
    pub(in crate::admin) fn money(amount: Option<Money>) -> Cell {
        let text = amount.map(|amount| amount.to_string()).unwrap_or_default();
        Cell { value: amount.map(decimal).unwrap_or_default(), ..Cell::text(text) }
    }

    /// So much data.
    pub(in crate::admin) fn data(octets: u64) -> Cell {
        Cell { value: octets.to_string(), ..Cell::text(words::data(octets)) }
    }

    /// The same with smaller words below it, which a file does not have.
    pub(in crate::admin) fn small(self, small: impl Into<String>) -> Cell {
        Cell { small: small.into(), ..self }
    }

    /// The same with what somebody should look at below it.
    pub(in crate::admin) fn alarm(self, alarm: impl Into<String>) -> Cell {
        Cell { alarm: alarm.into(), ..self }
    }

    /// The same with a way to the story of that kind and name, for those who may read it.
    pub(in crate::admin) fn story(self, role: Role, kind: &str, name: &str) -> Cell {
        let story = if role.may(Permission::Support) { format!("/admin/support/{kind}/{name}") } else { String::new() };
        Cell { story, ..self }
    }

    /// The same, leading somewhere.
    pub(in crate::admin) fn link(self, address: impl Into<String>) -> Cell {
        Cell { link: address.into(), ..self }
    }

    /// The same with something else in the file.
    pub(in crate::admin) fn value(self, value: impl Into<String>) -> Cell {
        Cell { value: value.into(), ..self }
    }
}

/// `20.50`.
fn decimal(amount: Money) -> String {
    let sign = if amount.minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", amount.minor.unsigned_abs() / 100, amount.minor.unsigned_abs() % 100)
}

/// A row: a cell for each column, and what can be done with it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Row {
    pub(in crate::admin) cells: Vec<Cell>,
    pub(in crate::admin) action: Option<Action>,
}

/// A button that does something with a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Action {
    pub(in crate::admin) address: String,
    pub(in crate::admin) label: &'static str,
    /// With what, for those who do not see the row.
    pub(in crate::admin) object: String,
}

impl Row {
    pub(in crate::admin) fn new(cells: Vec<Cell>) -> Row {
        Row { cells, action: None }
    }

    /// The same with a button.
    pub(in crate::admin) fn action(self, address: String, label: &'static str, object: String) -> Row {
        Row { action: Some(Action { address, label, object }), ..self }
    }
}

/// A heading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Head {
    pub(in crate::admin) label: &'static str,
    pub(in crate::admin) is_number: bool,
    /// Where the list is sorted by it, the other way if it is already; empty: nowhere.
    pub(in crate::admin) link: String,
    /// `ascending` or `descending`, if the list is sorted by it.
    pub(in crate::admin) sorted: &'static str,
}

/// A cell below its heading.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Shown {
    pub(in crate::admin) label: &'static str,
    pub(in crate::admin) is_number: bool,
    pub(in crate::admin) cell: Cell,
}

/// A table of rows.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(in crate::admin) struct Table {
    pub(in crate::admin) heads: Vec<Head>,
    pub(in crate::admin) rows: Vec<(Vec<Shown>, Option<Action>)>,
    pub(in crate::admin) has_actions: bool,
}

impl Table {
    /// A table whose headings lead nowhere.
    pub(in crate::admin) fn of(columns: &'static [Column], rows: impl IntoIterator<Item = Row>) -> Table {
        let heads = columns.iter().filter(|column| !column.is_only_in_file).map(|column| Head {
            label: column.label,
            is_number: column.is_number,
            link: String::new(),
            sorted: "",
        });
        Table { heads: heads.collect(), ..Table::default() }.with(columns, rows)
    }

    fn with(self, columns: &'static [Column], rows: impl IntoIterator<Item = Row>) -> Table {
        let shown = |row: Row| {
            let cells = columns.iter().zip(row.cells).filter(|(column, _)| !column.is_only_in_file);
            let cells = cells.map(|(column, cell)| Shown { label: column.label, is_number: column.is_number, cell });
            let cells: Vec<Shown> = cells.collect();
            (cells, row.action)
        };
        let rows: Vec<(Vec<Shown>, Option<Action>)> = rows.into_iter().map(shown).collect();
        Table { has_actions: rows.iter().any(|(_, action)| action.is_some()), rows, ..self }
    }

    /// Whether there is no row.
    pub(in crate::admin) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// A page of a list.
#[derive(Debug, Template)]
#[template(path = "admin/list.html")]
pub(in crate::admin) struct ListPage {
    page: Page,
    style: String,
    title: &'static str,
    views: Vec<(&'static str, &'static str, bool)>,
    done: &'static str,
    problem: String,
    notes: Vec<String>,
    /// One, or none if nothing can be asked for.
    filters: Vec<Form>,
    /// Where nothing is asked for; empty: nothing is.
    unfiltered: &'static str,
    tables: Vec<Table>,
    nothing: &'static str,
    /// Where the file is; empty: there is nothing to put into one.
    file: String,
    /// Where the pages before and behind this one are; empty: there is none.
    newer: String,
    older: String,
}

impl ListPage {
    /// A page without rows.
    pub(super) fn new(page: Page, list: &'static List, asked: &Asked, window: &Window, notes: Vec<String>) -> ListPage {
        let usual = list.sorts.first().is_some_and(|sort| *sort == window.sort && sort.descending == window.descending);
        let form = asked.form(list.path, (!usual).then(|| sort_word(window.sort, window.descending)));
        let has_fields = form.fields.iter().any(|field| !field.is_hidden());
        ListPage {
            page,
            style: style(),
            title: list.title,
            views: list.views.iter().map(|(address, label)| (*address, *label, *address == list.path)).collect(),
            done: "",
            problem: asked.problem().to_owned(),
            notes,
            filters: if has_fields { vec![form] } else { Vec::new() },
            unfiltered: if asked.query().is_empty() { "" } else { list.path },
            tables: Vec::new(),
            nothing: list.nothing,
            file: String::new(),
            newer: String::new(),
            older: String::new(),
        }
    }

    pub(super) fn done(self, done: &'static str) -> ListPage {
        ListPage { done, ..self }
    }

    /// The same with rows. `beyond` gives the address of what is beyond a place.
    pub(super) fn filled(
        mut self,
        list: &'static List,
        asked: &Asked,
        slice: Slice<Row>,
        beyond: impl Fn(Place, bool) -> String,
        window: &Window,
    ) -> ListPage {
        let ends = |place: Option<&(Place, Row)>, backward| {
            place.map(|(place, _)| beyond(place.clone(), backward)).unwrap_or_default()
        };
        let (is_first, is_last) = match window.backward {
            false => (window.from.is_none(), !slice.goes_on),
            true => (!slice.goes_on, false),
        };
        if !is_first {
            self.newer = ends(slice.rows.first(), true);
        }
        if !is_last {
            self.older = ends(slice.rows.last(), false);
        }
        if slice.rows.is_empty() {
            return self;
        }
        self.file = asked.address(&format!("{}.csv", list.path), &[(SORT, sort_word(window.sort, window.descending))]);
        let heads = list.columns.iter().filter(|column| !column.is_only_in_file);
        let table =
            Table { heads: heads.map(|column| head(column, list, asked, window)).collect(), ..Table::default() };
        self.tables = vec![table.with(list.columns, slice.rows.into_iter().map(|(_, row)| row))];
        self
    }
}

fn head(column: &Column, list: &List, asked: &Asked, window: &Window) -> Head {
    let sort = list.sorts.iter().find(|sort| column.sort == Some(sort.name));
    let is_sorted = sort.is_some_and(|sort| *sort == window.sort);
    let link = sort.map(|sort| {
        let descending = if is_sorted { !window.descending } else { sort.descending };
        address(list, asked, &[(SORT, sort_word(*sort, descending))])
    });
    let sorted = match (is_sorted, window.descending) {
        (false, _) => "",
        (true, true) => "descending",
        (true, false) => "ascending",
    };
    Head { label: column.label, is_number: column.is_number, link: link.unwrap_or_default(), sorted }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use store::listing::customers;

    use super::super::column;
    use super::*;
    use crate::admin::form::Fields;
    use crate::admin::page::Tab;
    use crate::admin::page::tests::{HOSTILE, page};
    use crate::admin::words::{Tone, said};

    pub(in crate::admin::listing) const LIST: List = List {
        path: "/admin/customers",
        title: "Customers",
        tab: Tab::Customers,
        columns: &[
            column("Name", "name"),
            column("Since", "since").sorted("since"),
            column("Data", "octets").number(),
            column("Id", "id").only_in_file(),
        ],
        sorts: &customers::SORTS,
        views: &[("/admin/customers", "Customers"), ("/admin/devices", "Devices")],
        nothing: "Nobody.",
        has_phones: true,
        refresh: None,
    };

    fn asked() -> Asked {
        let mut asked = Asked::new(Fields::default().with("name", HOSTILE).with("mac", "x"));
        asked.text("name", "Name", 100);
        asked.mac("mac", "Device");
        asked
    }

    fn rows(goes_on: bool) -> Slice<Row> {
        let place =
            |n: u8| serde_json::from_value(serde_json::json!({ "value": n.to_string(), "tie": "x" })).expect("a place");
        let cells = || {
            vec![
                Cell::text(HOSTILE).small(HOSTILE).link("/admin/customers/cus_1").story(
                    Role::Owner,
                    "customer",
                    "cus_1",
                ),
                Cell::moment(Some(OffsetDateTime::UNIX_EPOCH), OffsetDateTime::UNIX_EPOCH),
                Cell::state(&said(Tone::Bad, "bad")).alarm(HOSTILE),
                Cell::code(HOSTILE),
            ]
        };
        let row = || Row::new(cells()).action("/admin/sessions/ses_1/disconnect".into(), "Disconnect", HOSTILE.into());
        Slice { rows: vec![(place(1), row()), (place(2), row())], goes_on }
    }

    fn filled(window: &Window, goes_on: bool) -> ListPage {
        let beyond = |place: Place, backward: bool| format!("/admin/customers?{place:?}{backward}");
        ListPage::new(page(), &LIST, &asked(), window, vec![HOSTILE.into()]).done("It is done.").filled(
            &LIST,
            &asked(),
            rows(goes_on),
            beyond,
            window,
        )
    }

    pub(in crate::admin) fn sample() -> ListPage {
        filled(&Window::first(customers::SORTS[0], 50), true)
    }

    /// A list with what is wrong with its filter.
    pub(in crate::admin) fn problem(page: Page) -> ListPage {
        let window = Window::first(customers::SORTS[1], 50);
        let page = ListPage::new(page, &LIST, &asked(), &window, Vec::new());
        ListPage { problem: HOSTILE.into(), ..page }
    }

    #[test]
    fn there_is_a_way_on_and_a_way_back_where_there_is_more() {
        let place = rows(false).rows.remove(0).0;
        let first = Window::first(customers::SORTS[0], 50);
        let on = Window { from: Some(place), ..first.clone() };
        let back = Window { backward: true, ..on.clone() };
        for (window, goes_on, newer, older) in [
            (&first, false, false, false),
            (&first, true, false, true),
            (&on, false, true, false),
            (&on, true, true, true),
            (&back, false, false, true),
            (&back, true, true, true),
        ] {
            let page = filled(window, goes_on);
            assert_eq!((!page.newer.is_empty(), !page.older.is_empty()), (newer, older), "{window:?} {goes_on}");
        }
    }

    #[test]
    fn a_heading_sorts_and_turns_the_order_round() {
        let html = sample().render().expect("renders");
        assert!(html.contains("aria-sort=\"descending\"") && html.contains("sort=since"), "{html}");
        assert!(html.contains("/admin/customers.csv?name=") && html.contains("rel=\"next\""), "{html}");
        assert!(!html.contains("data-label=\"Id\""), "{html}");
        let html = problem(page()).render().expect("renders");
        assert!(html.contains("aria-invalid=\"true\"") && !html.contains("<table>"), "{html}");
    }

    #[test]
    fn the_story_is_for_those_who_may_read_it() {
        for (role, expected) in [(Role::Support, "/admin/support/order/ABCD2345"), (Role::Accountant, "")] {
            assert_eq!(Cell::text("").story(role, "order", "ABCD2345").story, expected, "{role}");
        }
    }

    #[test]
    fn a_file_has_values_and_no_words() {
        let at = OffsetDateTime::UNIX_EPOCH;
        for (cell, text, value) in [
            (Cell::moment(Some(at), at), "03:00", "1970-01-01T00:00:00Z"),
            (Cell::money(Some(Money::kes(2050))), "KSh 20.50", "20.50"),
            (Cell::money(Some(Money::kes(-5))), "-KSh 0.05", "-0.05"),
            (Cell::data(1_500_000), "1.5 MB", "1500000"),
            (Cell::text("a").small("b").value("c"), "a", "c"),
        ] {
            assert_eq!((cell.text.as_str(), cell.value.as_str()), (text, value));
        }
    }
}
