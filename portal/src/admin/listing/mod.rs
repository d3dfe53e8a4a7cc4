//! What every long list of the desk is made of: a filter, an order, pages in both directions, and the same as a file.
//!
//! ```text
//!  ?state=paid&sort=-made&cursor=…
//!    └─► Asked   reads each value, notes what is wrong with it at its field, and has the form's fields ready
//!          └─► Listing::read    the list's own filter          Listing::rows    the store's Slice, as cells
//!                └─► show: a page (ListPage)      file: all pages, one after the other, as CSV ([`file`])
//! ```
//!
//! A list is a type that is its filter ([`Listing`]), beside a constant that says what it is called and which columns it has ([`List`]). Both
//! answers come from the same rows, so that a file has what the page has, with phone numbers as whoever asks may see them.
//!
//! A cursor is sealed for its list, order and filter: one that was cut out of another address opens nothing, and that is said. Refused
//! here: leaving out what could not be read. A list that is not filtered as somebody asked is mistaken for one that is.

mod asked;
mod file;
mod page;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared::staff::Role;
use shared::token;
use store::StoreError;
use store::listing::{Place, Slice, Sort, Window};

use super::form::Fields;
use super::page::{Page, Tab, answer};
use super::{Refusal, words};
use crate::App;
use crate::session::Staff;

pub(super) use asked::Asked;
pub(super) use file::{MARK, MEDIA, file, lines};
pub(super) use page::{Cell, ListPage, Row, Table};

/// Rows of a page.
const SHOWN: u32 = 50;
/// The parameter that says in which order.
const SORT: &str = "sort";
/// The parameter that says from where on.
const CURSOR: &str = "cursor";

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    /// Its heading.
    label: &'static str,
    /// Its name in the file.
    key: &'static str,
    /// The sort that it stands for.
    sort: Option<&'static str>,
    is_number: bool,
    is_only_in_file: bool,
}

/// A column of words.
pub(super) const fn column(label: &'static str, key: &'static str) -> Column {
    Column { label, key, sort: None, is_number: false, is_only_in_file: false }
}

impl Column {
    /// The same, of numbers.
    pub(super) const fn number(self) -> Column {
        Column { is_number: true, ..self }
    }

    /// The same, by which the list can be sorted.
    pub(super) const fn sorted(self, sort: &'static str) -> Column {
        Column { sort: Some(sort), ..self }
    }

    /// The same, for which a page has no room.
    pub(super) const fn only_in_file(self) -> Column {
        Column { is_only_in_file: true, ..self }
    }
}

/// What a list is.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    /// Where it is. Its file is at the same address with `.csv` behind it.
    pub(super) path: &'static str,
    pub(super) title: &'static str,
    pub(super) tab: Tab,
    pub(super) columns: &'static [Column],
    /// The first is the usual one.
    pub(super) sorts: &'static [Sort],
    /// Pages beside it: address and name. That with the list's own address is marked.
    pub(super) views: &'static [(&'static str, &'static str)],
    /// What is said where there is nothing.
    pub(super) nothing: &'static str,
    /// Whether it tells phone numbers: then a file of it is written down in the audit log.
    pub(super) has_phones: bool,
    /// Seconds after which its first page is read again.
    pub(super) refresh: Option<u32>,
}

/// A list: its value is a filter that somebody has asked for.
pub(super) trait Listing: Sized + Clone + Send + Sync + 'static {
    /// What it is.
    const LIST: List;

    /// Reads what is asked for.
    fn read(app: &App, staff: &Staff, asked: &mut Asked) -> impl Future<Output = Result<Self, StoreError>> + Send;

    /// The rows of a window. A row has a cell for each column.
    fn rows(&self, app: &App, window: &Window) -> impl Future<Output = Result<Slice<Row>, StoreError>> + Send;

    /// What there is to know above it.
    fn notes(&self, _app: &App) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send {
        async { Ok(Vec::new()) }
    }

    /// What its address may say after something was done, and the sentence for that.
    fn done(_sent: &Fields) -> &'static str {
        ""
    }
}

/// What a cursor holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Cursor {
    place: Place,
    backward: bool,
}

/// A list as it was asked for.
struct Wanted<L> {
    list: L,
    asked: Asked,
    window: Window,
}

/// `GET`: a page of a list.
pub(super) async fn show<L: Listing>(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let done = L::done(&sent);
    let wanted = wanted::<L>(&app, &staff, sent).await?;
    let mut page = Page::new(&app, &staff, L::LIST.tab);
    if let (Some(seconds), None, true) = (L::LIST.refresh, &wanted.window.from, wanted.asked.is_fine()) {
        page = page.refreshed(seconds);
    }
    if !wanted.asked.is_fine() {
        let page = ListPage::new(page, &L::LIST, &wanted.asked, &wanted.window, Vec::new());
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let slice = wanted.list.rows(&app, &wanted.window).await?;
    let notes = wanted.list.notes(&app).await?;
    let page = ListPage::new(page, &L::LIST, &wanted.asked, &wanted.window, notes);
    let beyond =
        |place, backward| next_address(&app, &L::LIST, &wanted.asked, &wanted.window, &Cursor { place, backward });
    let page = page.done(done).filled(&L::LIST, &wanted.asked, slice, beyond, &wanted.window);
    answer(StatusCode::OK, &page)
}

/// Reads an address.
async fn wanted<L: Listing>(app: &App, staff: &Staff, sent: Fields) -> Result<Wanted<L>, Refusal> {
    let mut asked = Asked::new(sent);
    let list = L::read(app, staff, &mut asked).await?;
    let (sort, descending) = asked.sort(L::LIST.sorts);
    let mut window = Window { descending, ..Window::first(sort, SHOWN) };
    if let Some(sealed) = asked.cursor() {
        match token::uncarry::<Cursor>(app.db.seal(), &seal_of(&L::LIST, &asked, &window), &sealed) {
            Some(Cursor { place, backward }) => (window.from, window.backward) = (Some(place), backward),
            None => asked.is_lost(),
        }
    }
    Ok(Wanted { list, asked, window })
}

/// What a cursor is sealed for.
fn seal_of(list: &List, asked: &Asked, window: &Window) -> String {
    format!("desk {} {} {} {}", list.path, window.sort.name, window.descending, asked.query())
}

fn next_address(app: &App, list: &List, asked: &Asked, window: &Window, cursor: &Cursor) -> String {
    let sealed = token::carry(app.db.seal(), &seal_of(list, asked, window), cursor);
    address(list, asked, &[(SORT, sort_word(window.sort, window.descending)), (CURSOR, sealed)])
}

/// The word for an order: `-since` if the greatest comes first.
fn sort_word(sort: Sort, descending: bool) -> String {
    if descending { format!("-{}", sort.name) } else { sort.name.to_owned() }
}

/// The address of a list with its filter, and with these parameters.
fn address(list: &List, asked: &Asked, more: &[(&str, String)]) -> String {
    asked.address(list.path, more)
}

/// A number as that role may see it, also one that is no Kenyan number.
pub(super) fn phone(role: Role, text: &str) -> String {
    match text.parse() {
        Ok(phone) => words::phone(role, &phone),
        Err(_) if role.may(shared::staff::Permission::SeePeople) => text.to_owned(),
        Err(_) => {
            let end: String = text.chars().skip(text.chars().count().saturating_sub(3)).collect();
            format!("xxx xxx {end}")
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use shared::seal::SealKey;
    use store::listing::customers;

    use super::*;
    pub(in crate::admin) use page::tests::{problem, sample};

    const LIST: List = List {
        path: "/admin/customers",
        title: "Customers",
        tab: Tab::Customers,
        columns: &[],
        sorts: &customers::SORTS,
        views: &[],
        nothing: "Nobody.",
        has_phones: true,
        refresh: None,
    };

    fn sent(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().fold(Fields::default(), |fields, (name, value)| fields.with(name, *value))
    }

    #[test]
    fn a_cursor_opens_for_its_list_its_order_and_its_filter_alone() {
        let key = SealKey::from_hex(&"5a".repeat(32)).expect("64 digits");
        let place: Place = serde_json::from_value(serde_json::json!({ "value": "2026", "tie": "x" })).expect("a place");
        let cursor = Cursor { place, backward: true };
        let window = Window::first(customers::SORTS[0], 50);
        let seal = |list: &List, name: &str, window: &Window| {
            let mut asked = Asked::new(sent(&[("name", name)]));
            asked.text("name", "Name", 50);
            seal_of(list, &asked, window)
        };
        let sealed = token::carry(&key, &seal(&LIST, "asha", &window), &cursor);
        let opens = |context: &str| token::uncarry::<Cursor>(&key, context, &sealed);
        assert_eq!(opens(&seal(&LIST, "asha", &window)), Some(cursor));
        assert_eq!(opens(&seal(&LIST, "juma", &window)), None);
        assert_eq!(opens(&seal(&LIST, "asha", &Window { descending: false, ..window.clone() })), None);
        assert_eq!(opens(&seal(&LIST, "asha", &Window::first(customers::SORTS[1], 50))), None);
        assert_eq!(opens(&seal(&List { path: "/admin/orders", ..LIST }, "asha", &window)), None);
    }

    #[test]
    fn whoever_may_not_see_people_sees_the_end_of_any_number() {
        for (role, number, shown) in [
            (Role::Support, "+254712345678", "+254712345678"),
            (Role::Cashier, "+254712345678", "07xx xxx 678"),
            (Role::ReadOnly, "+9990000007", "xxx xxx 007"),
            (Role::Owner, "+9990000007", "+9990000007"),
        ] {
            assert_eq!(phone(role, number), shown, "{role}");
        }
    }
}
