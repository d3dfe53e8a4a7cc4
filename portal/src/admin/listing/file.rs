//! A list as a file: comma-separated values (RFC 4180) in UTF-8, read and sent some thousand rows at a time, so that a million of them need
//! no more memory than a page does.
//!
//! The file begins with a byte order mark: without it the most common spreadsheet takes a name with an accent for something else, and no
//! other minds. A cell that a spreadsheet would calculate is made a text ([`cell`]). Moments are RFC 3339 in UTC, amounts have a point and no
//! currency beside the number.
//!
//! Rows that come while it is read are in it or not; none is in it twice. Refused here: more than [`MOST`] rows.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use shared::staff::Permission;
use store::StoreError;
use store::listing::Window;

use super::page::ListPage;
use super::{Column, List, Listing, Row, wanted};
use crate::App;
use crate::admin::Refusal;
use crate::admin::audit::audit;
use crate::admin::form::Fields;
use crate::admin::page::{Page, answer};
use crate::session::Staff;
use crate::vouchers::csv::cell;

/// Rows that are read at once.
const AT_ONCE: u32 = 2_000;
/// Rows of one file at most: what a spreadsheet can hold.
const MOST: u64 = 1_000_000;
/// How a file begins that says that it is UTF-8.
pub(in crate::admin) const MARK: &str = "\u{feff}";
/// What such a file is.
pub(in crate::admin) const MEDIA: &str = "text/csv; charset=utf-8";
const CUT: &str = "There are more: ask for less with the filter.";

/// What is still to be written.
struct Rest<L> {
    app: App,
    list: L,
    window: Window,
    written: u64,
    is_over: bool,
}

/// `GET`: a list as a file.
pub(in crate::admin) async fn file<L: Listing>(
    State(app): State<App>,
    staff: Staff,
    Query(sent): Query<Fields>,
) -> Result<Response, Refusal> {
    let asked = wanted::<L>(&app, &staff, sent).await?;
    if !asked.asked.is_fine() {
        let page = Page::new(&app, &staff, L::LIST.tab);
        let page = ListPage::new(page, &L::LIST, &asked.asked, &asked.window, Vec::new());
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    if L::LIST.has_phones && staff.may(Permission::SeePeople) {
        audit(&app, &staff, "list.export", &asked.asked.told(L::LIST.path)).await?;
    }
    // From the beginning, whichever page it was asked for on.
    let window = Window { from: None, backward: false, limit: AT_ONCE, ..asked.window };
    let rest = Rest { app, list: asked.list, window, written: 0, is_over: false };
    let head = stream::once(async { Ok::<_, StoreError>(head(&L::LIST)) });
    let rows = stream::try_unfold(rest, |rest| async move {
        next(rest).await.inspect_err(|error| tracing::error!(%error, list = L::LIST.path, "a file ends before its end"))
    });
    let body = Body::from_stream(futures::StreamExt::chain(head, rows));
    let name = L::LIST.path.rsplit('/').next().unwrap_or("list");
    let name = format!("attachment; filename=\"{name}.csv\"");
    let kind = MEDIA.to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], body).into_response())
}

async fn next<L: Listing>(mut rest: Rest<L>) -> Result<Option<(Vec<u8>, Rest<L>)>, StoreError> {
    if rest.is_over {
        return Ok(None);
    }
    let slice = rest.list.rows(&rest.app, &rest.window).await?;
    rest.written += u64::try_from(slice.rows.len()).unwrap_or(u64::MAX);
    rest.is_over = !slice.goes_on || rest.written >= MOST;
    let is_cut = slice.goes_on && rest.is_over;
    rest.window.from = slice.rows.last().map(|(place, _)| place.clone());
    let mut lines = lines(slice.rows.iter().map(|(_, row)| values(row)));
    if is_cut {
        lines.extend(self::lines(std::iter::once(vec![CUT.to_owned()])));
    }
    Ok(Some((lines, rest)))
}

fn head(list: &List) -> Vec<u8> {
    let names = |column: &Column| column.key.to_owned();
    let mut octets = MARK.as_bytes().to_vec();
    octets.extend(lines(std::iter::once(list.columns.iter().map(names).collect())));
    octets
}

fn values(row: &Row) -> Vec<String> {
    row.cells.iter().map(|cell| cell.value.clone()).collect()
}

/// Rows as lines of a file, without a cell that a spreadsheet would calculate.
pub(in crate::admin) fn lines(rows: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new().flexible(true).terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        let cells = row.iter().map(|text| cell(text));
        writer.write_record(cells.map(|cell| cell.as_bytes().to_vec())).expect("memory takes lines of cells");
    }
    writer.into_inner().expect("memory takes all of it")
}

#[cfg(test)]
mod tests {
    use super::super::column;
    use super::super::page::tests::LIST;
    use super::*;

    #[test]
    fn a_file_has_no_formula_and_says_that_it_is_utf8() {
        const COLUMNS: &[Column] = &[column("Name", "name"), column("Phone", "phone")];
        let list = List { columns: COLUMNS, ..LIST };
        assert_eq!(head(&list), b"\xef\xbb\xbfname,phone\r\n");
        let rows = [["=1+1", "+254712345678"], ["Asha, \"A\"", "@x"], ["-1+1", "\tx"], ["\rx", "plain"]];
        let written = lines(rows.iter().map(|row| row.map(str::to_owned).to_vec()));
        assert_eq!(
            String::from_utf8(written).expect("UTF-8"),
            "'=1+1,'+254712345678\r\n\"Asha, \"\"A\"\"\",'@x\r\n'-1+1,'\tx\r\n\"'\rx\",plain\r\n"
        );
    }
}
