//! Lists that are too long to be read: customers, sessions, orders, money, messages, a page at a time in both directions.
//!
//! ```text
//!  Sort      a column that has an index, and an identity where that is equal
//!  Window    which sort, which way, from which Place on, how many
//!  filter    a value of the list's own type; what is not asked for is no condition at all
//!    └─► Statement ──► Slice: the rows, each with its Place, and whether it goes on
//! ```
//!
//! A page costs what it shows, however long the list is: no count, no OFFSET, and nothing is sorted that an index has not sorted already.
//! Statements are put together here and not by macros, because a condition that is there and always true ("or the parameter is null")
//! leaves PostgreSQL one plan for all filters. For the same reason they are planned anew each time, with the values in sight.
//!
//! Refused here: columns, conditions and orders from outside. Only values come from there.

pub mod customers;
pub mod devices;
pub mod ledger;
pub mod messages;
pub mod orders;
pub mod payments;
pub mod sessions;

use serde::{Deserialize, Serialize};
use shared::staff::SiteScope;
use sqlx::postgres::PgRow;
use sqlx::{Encode, FromRow, Postgres, QueryBuilder, Row as _, Type};
use uuid::Uuid;

use crate::{Db, Result};

/// Rows of one page of a list at most.
pub const MAX_ROWS: u32 = 5_000;

/// What a list can be sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    /// Its name in addresses.
    pub name: &'static str,
    /// Whether the greatest comes first where nobody says otherwise.
    pub descending: bool,
    /// The column, and its type. It is never null.
    column: (&'static str, &'static str),
    /// What tells rows apart where that is equal, and its type.
    tie: (&'static str, &'static str),
}

/// Where a row stands in its list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Place {
    value: String,
    tie: String,
}

/// Which rows of a list are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    /// In which order.
    pub sort: Sort,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Those beyond this place; else from the end on.
    pub from: Option<Place>,
    /// Those before that place, and not those behind it.
    pub backward: bool,
    /// How many at most. 1 to [`MAX_ROWS`].
    pub limit: u32,
}

impl Window {
    /// The first rows in the usual order.
    pub fn first(sort: Sort, limit: u32) -> Window {
        Window { sort, descending: sort.descending, from: None, backward: false, limit }
    }
}

/// Some rows of a list, in its order.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The rows with their places.
    pub rows: Vec<(Place, T)>,
    /// Whether there are more beyond them, the way that was asked for.
    pub goes_on: bool,
}

impl<T> Slice<T> {
    /// The same with each row as something else.
    pub fn map<U>(self, mut change: impl FnMut(T) -> U) -> Slice<U> {
        Slice { rows: self.rows.into_iter().map(|(place, row)| (place, change(row))).collect(), goes_on: self.goes_on }
    }
}

/// A question for rows, put together condition by condition.
pub(crate) struct Statement(QueryBuilder<Postgres>);

impl Statement {
    /// These columns of these tables, and the places of the rows.
    pub(crate) fn new(columns: &str, tables: &str, sort: Sort) -> Statement {
        let Sort { column: (column, _), tie: (tie, _), .. } = sort;
        Statement(QueryBuilder::new(format!(
            "SELECT {columns}, ({column})::text AS place_value, ({tie})::text AS place_tie FROM {tables} WHERE true"
        )))
    }

    /// Those alone for which that holds.
    pub(crate) fn and(&mut self, condition: &str) {
        self.0.push(" AND (").push(condition).push(")");
    }

    /// Those alone for which that holds, with the value in place of its `?`. Without a value nothing is asked.
    pub(crate) fn when<'v, V>(&mut self, condition: &str, value: Option<V>)
    where
        V: Encode<'v, Postgres> + Type<Postgres>,
    {
        let (Some(value), Some((before, after))) = (value, condition.split_once('?')) else { return };
        self.0.push(" AND (").push(before).push_bind(value).push(after).push(")");
    }

    /// Those alone of routers at these sites; what stands at no site is only seen without a limit.
    pub(crate) fn at(&mut self, nas: &str, sites: &SiteScope) {
        let condition = format!("{nas} IN (SELECT id FROM nas WHERE site_id = ANY (?))");
        self.when(&condition, sites.filter().map(<[Uuid]>::to_vec));
    }

    /// The rows of a window.
    pub(crate) async fn page<T>(mut self, db: &Db, window: &Window) -> Result<Slice<T>>
    where
        T: for<'r> FromRow<'r, PgRow>,
    {
        let Sort { column: (column, kind), tie: (tie, tie_kind), .. } = window.sort;
        let upwards = window.descending == window.backward;
        if let Some(place) = &window.from {
            let (reaches, beyond, tied) = if upwards { (">=", ">", "<") } else { ("<=", "<", ">") };
            self.0
                .push(format_args!(" AND {column} {reaches} "))
                .push_bind(place.value.clone())
                .push(format_args!("::{kind} AND ({column} {beyond} "))
                .push_bind(place.value.clone())
                .push(format_args!("::{kind} OR {tie} {tied} "))
                .push_bind(place.tie.clone())
                .push(format_args!("::{tie_kind})"));
        }
        let (way, tied) = if upwards { ("", " DESC") } else { (" DESC", "") };
        let limit = window.limit.clamp(1, MAX_ROWS);
        self.0.push(format_args!(" ORDER BY {column}{way}, {tie}{tied} LIMIT {}", limit + 1));
        let found = self.0.build().persistent(false).fetch_all(&db.pool).await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut rows = Vec::with_capacity(found.len().min(limit));
        for row in found.iter().take(limit) {
            let place = Place { value: row.try_get("place_value")?, tie: row.try_get("place_tie")? };
            rows.push((place, T::from_row(row)?));
        }
        if window.backward {
            rows.reverse();
        }
        Ok(Slice { rows, goes_on: found.len() > limit })
    }
}

/// A text as the beginning of a pattern, in which none of its characters means something else.
pub(crate) fn beginning(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_beginning_and_nothing_else() {
        for (text, pattern) in [("+2547", "+2547%"), ("50%_off\\", "50\\%\\_off\\\\%"), ("", "%")] {
            assert_eq!(beginning(text), pattern);
        }
    }

    #[test]
    fn only_what_is_asked_for_is_a_condition() {
        let mut statement = Statement::new("u.id", "users u", customers::SORTS[0]);
        statement.when("u.status = ?", None::<String>);
        statement.when("u.name = ?", Some("x".to_owned()));
        statement.at("s.nas_id", &SiteScope::All);
        assert_eq!(
            statement.0.sql().as_str(),
            "SELECT u.id, (u.created_at)::text AS place_value, (u.id)::text AS place_tie FROM users u WHERE true AND (u.name = $1)"
        );
    }
}
