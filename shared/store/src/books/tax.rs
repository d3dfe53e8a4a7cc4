//! What is taxed how: letters with their rates, and the letter of each package, each from a day on.
//!
//! A day is closed with what holds on that day; one that is closed keeps what it was closed with, whatever is set later. A package of which
//! nothing is said has the letter of all packages. Prices hold the tax, which is rounded once for each line, half up.

use std::collections::HashMap;

use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use time::Date;
use uuid::Uuid;

use crate::admin::{self, Audit};
use crate::{Db, Result, StoreError};

/// A whole, in the unit of rates: hundredths of a percent.
const WHOLE: i32 = 10_000;
/// Rows that are listed at most.
const LISTED: i64 = 1000;

/// A rate from a day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rate {
    /// Its letter, as receipts have it.
    pub letter: String,
    /// What it is called.
    pub name: String,
    /// In hundredths of a percent: 1600 is 16 %.
    pub rate: i32,
    /// The first day on which it holds.
    pub since: Date,
}

/// The letter of a package from a day on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The package; `None`: all of which nothing else is said.
    pub package: Option<Uuid>,
    /// What that is called.
    pub package_name: Option<String>,
    /// The letter.
    pub letter: String,
    /// The first day on which it holds.
    pub since: Date,
    /// When it was set.
    pub set_at: OffsetDateTime,
    /// By whom.
    pub set_by: String,
}

/// All rates, by letter, the newest first.
pub async fn rates(db: &Db) -> Result<Vec<Rate>> {
    Ok(sqlx::query_as!(
        Rate,
        "SELECT letter, name, rate, since FROM tax_rates ORDER BY letter, since DESC LIMIT $1",
        LISTED
    )
    .fetch_all(&db.pool)
    .await?)
}

/// All letters: of all packages first, then by package, the newest first.
pub async fn letters(db: &Db) -> Result<Vec<Letter>> {
    Ok(sqlx::query_as!(
        Letter,
        r#"SELECT t.package_id AS package, p.name AS "package_name?", t.letter, t.since, t.set_at, t.set_by
           FROM package_taxes t LEFT JOIN packages p ON p.id = t.package_id
           ORDER BY p.name NULLS FIRST, t.package_id, t.since DESC LIMIT $1"#,
        LISTED
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Sets the letter of a package, or of all of which nothing else is said, from a day on. Days that are closed keep theirs.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: the letter has no rate on that day. [`StoreError::Missing`]: there is no such
/// package.
pub async fn set_letter(
    db: &Db,
    package: Option<Uuid>,
    letter: &str,
    since: Date,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let mut tx = db.begin().await?;
    let name = match package {
        None => "all packages".to_owned(),
        Some(id) => sqlx::query_scalar!("SELECT name FROM packages WHERE id = $1", id)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or_else(|| StoreError::missing("package", id))?,
    };
    if !Taxes::on(&mut tx, since).await?.rates.contains_key(letter) {
        return Err(StoreError::Conflict(format!("tax letter {letter} has no rate on {since}: set that first")));
    }
    sqlx::query!(
        "INSERT INTO package_taxes (package_id, letter, since, set_at, set_by) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (package_id, since) DO UPDATE SET letter = EXCLUDED.letter, set_at = EXCLUDED.set_at, set_by = EXCLUDED.set_by",
        package,
        letter,
        since,
        now,
        by
    )
    .execute(&mut *tx)
    .await?;
    let object = format!("{letter} for {name} from {since}");
    let line = Audit { actor: by, action: "books.tax_letter", object: &object, address: None };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Sets the rate of a letter from a day on, in hundredths of a percent. Days that are closed keep theirs.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence for the desk: that is no letter, no name or no rate.
pub async fn set_rate(
    db: &Db,
    letter: &str,
    name: &str,
    rate: i32,
    since: Date,
    by: &str,
    now: OffsetDateTime,
) -> Result<()> {
    let name = name.trim();
    let refused = match letter.as_bytes() {
        _ if name.is_empty() => Some("a rate needs a name"),
        [b'A'..=b'Z'] if (0..=WHOLE).contains(&rate) => None,
        [b'A'..=b'Z'] => Some("a rate lies between 0 and 100 percent"),
        _ => Some("a tax letter is one capital letter"),
    };
    if let Some(refused) = refused {
        return Err(StoreError::Conflict(refused.into()));
    }
    let mut tx = db.begin().await?;
    sqlx::query!(
        "INSERT INTO tax_rates (letter, name, rate, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (letter, since) DO UPDATE SET name = EXCLUDED.name, rate = EXCLUDED.rate",
        letter,
        name,
        rate,
        since
    )
    .execute(&mut *tx)
    .await?;
    let object = format!("{letter} ({name}): {}.{:02} % from {since}", rate / 100, rate % 100);
    let line = Audit { actor: by, action: "books.tax_rate", object: &object, address: None };
    admin::audit_in(&mut tx, &line, now).await?;
    tx.commit().await?;
    Ok(())
}

/// The letter and the rate, in hundredths of a percent, of a package on a day. `None`: of what is no package.
///
/// # Errors
/// [`StoreError::Corrupt`]: nothing is said of that day at all.
pub async fn letter_of(db: &Db, package: Option<Uuid>, day: Date) -> Result<(String, i32)> {
    let mut connection = db.pool.acquire().await?;
    Taxes::on(&mut connection, day).await?.of(package)
}

/// What holds on a day.
#[derive(Debug)]
pub(crate) struct Taxes {
    day: Date,
    letters: HashMap<Option<Uuid>, String>,
    rates: HashMap<String, i32>,
}

impl Taxes {
    pub(crate) async fn on(tx: &mut PgConnection, day: Date) -> Result<Taxes> {
        let letters = sqlx::query!(
            "SELECT DISTINCT ON (package_id) package_id, letter FROM package_taxes WHERE since <= $1 ORDER BY package_id, since DESC",
            day
        )
        .fetch_all(&mut *tx)
        .await?;
        let rates = sqlx::query!(
            "SELECT DISTINCT ON (letter) letter, rate FROM tax_rates WHERE since <= $1 ORDER BY letter, since DESC",
            day
        )
        .fetch_all(tx)
        .await?;
        Ok(Taxes {
            day,
            letters: letters.into_iter().map(|row| (row.package_id, row.letter)).collect(),
            rates: rates.into_iter().map(|row| (row.letter, row.rate)).collect(),
        })
    }

    pub(crate) fn of(&self, package: Option<Uuid>) -> Result<(String, i32)> {
        let corrupt = |table, problem: &str| StoreError::corrupt(table, self.day, problem);
        let letter = self.letters.get(&package).or_else(|| self.letters.get(&None));
        let letter = letter.ok_or_else(|| corrupt("package_taxes", "no letter holds on this day"))?;
        let rate = self.rates.get(letter).ok_or_else(|| corrupt("tax_rates", "a letter has no rate on this day"))?;
        Ok((letter.clone(), *rate))
    }
}

/// The tax that a gross amount holds at a rate in hundredths of a percent, in minor units, rounded half up; of what goes back (below zero)
/// as much as of what came.
pub fn of_gross(gross: i64, rate: i32) -> i64 {
    let (rate, amount) = (i128::from(rate.clamp(0, WHOLE)), i128::from(gross.unsigned_abs()));
    let whole = i128::from(WHOLE) + rate;
    let tax = i64::try_from((2 * amount * rate + whole) / (2 * whole)).unwrap_or(i64::MAX);
    if gross < 0 { -tax } else { tax }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tax_in_a_price_is_rounded_half_up_once() {
        for (gross, tax) in [(11_600, 1600), (5000, 690), (2000, 276), (3, 0), (4, 1), (0, 0), (-5000, -690)] {
            assert_eq!(of_gross(gross, 1600), tax, "of {gross}");
        }
        assert_eq!(of_gross(10_800, 800), 800);
        assert_eq!(of_gross(5000, 0), 0);
    }

    #[test]
    fn a_package_of_which_nothing_is_said_has_the_letter_of_all() {
        let day = time::macros::date!(2026 - 11 - 22);
        let (own, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let letters = [(None, "B".to_owned()), (Some(own), "A".to_owned())].into();
        let taxes = Taxes { day, letters, rates: [("B".to_owned(), 1600)].into() };
        assert_eq!(taxes.of(Some(other)).unwrap(), ("B".to_owned(), 1600));
        assert_eq!(taxes.of(None).unwrap(), ("B".to_owned(), 1600));
        assert!(taxes.of(Some(own)).is_err(), "its letter has no rate");
    }
}
