//! The audit log as it is read, and the proof that it is whole.
//!
//! Each row has the hash of itself and of the one before, made by the database under one lock; `admin_log_head` has the number
//! and the hash of the last. [`verify`] reads all of it in batches and computes the hashes anew, here and not in the database:
//! a row that was changed, taken out or put in breaks the chain where it stands, and one that was taken from the end
//! makes the log shorter than its head says. Who can change the head as well can cut off the end and hide it: so a head
//! that was noted elsewhere is compared too.
//!
//! Writing is [`crate::admin::audit`].

use sha2::{Digest as _, Sha256};
use shared::time::OffsetDateTime;

use crate::{Db, Result};

/// Rows that are read at a time.
const BATCH: i64 = 1000;
/// How far from each other two rows can be numbered that were written at the same moment, before numbers were given with the
/// hash.
const NEIGHBOURS: i64 = 64;

/// Which rows are asked for. What is not said does not matter.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// Who: the whole of it.
    pub actor: Option<String>,
    /// What: the beginning of it, such as `money`.
    pub action: Option<String>,
    /// Not before this.
    pub from: Option<OffsetDateTime>,
    /// Before this.
    pub until: Option<OffsetDateTime>,
    /// Only rows with a smaller number: for the next page.
    pub before: Option<i64>,
}

/// A row.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To which thing.
    pub object: String,
    /// More; empty where there is no more.
    pub detail: serde_json::Value,
    /// From where.
    pub address: Option<String>,
}

/// The newest rows that are asked for.
pub async fn list(db: &Db, filter: &Filter, limit: u32) -> Result<Vec<Line>> {
    Ok(sqlx::query_as!(
        Line,
        r#"SELECT id, at, actor, action, object, detail, host(address) AS address FROM admin_logs
           WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR starts_with(action, $2))
             AND ($3::timestamptz IS NULL OR at >= $3) AND ($4::timestamptz IS NULL OR at < $4)
             AND ($5::bigint IS NULL OR id < $5)
           ORDER BY id DESC LIMIT $6"#,
        filter.actor.as_deref(),
        filter.action.as_deref(),
        filter.from as Option<OffsetDateTime>,
        filter.until as Option<OffsetDateTime>,
        filter.before as Option<i64>,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?)
}

/// The last row, by which the whole log is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its number; 0: there is none.
    pub id: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// What is wrong with the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// This row was changed, or the one before it was.
    Changed(i64),
    /// This row is not there.
    Missing(i64),
    /// The log ends with another row than its head says.
    End {
        /// What the head says.
        head: i64,
        /// The last row that is there.
        last: i64,
    },
    /// The row that was noted elsewhere has another hash now, or is not there.
    NotAsNoted(i64),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Changed(id) => {
                write!(
                    f,
                    "row {id} does not follow from the row before it: one of them was changed, or one between is gone"
                )
            }
            Fault::Missing(id) => write!(f, "row {id} is missing"),
            Fault::End { head, last } => {
                write!(f, "the log ends with row {last}, and its head says {head}: the end was changed or is missing")
            }
            Fault::NotAsNoted(id) => write!(f, "row {id} is not the one that was noted: the log was written anew"),
        }
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// Rows that were looked at and are good.
    pub rows: u64,
    /// The last of them: to be noted elsewhere, and compared the next time.
    pub head: Head,
    /// The first that is wrong.
    pub fault: Option<Fault>,
}

/// Reads the whole log and computes its hashes anew. `noted`: a head that was noted elsewhere at an earlier time.
pub async fn verify(db: &Db, noted: Option<&Head>) -> Result<Verified> {
    // What is written meanwhile is left for the next time.
    let told = sqlx::query!("SELECT id, hash, ordered_after FROM admin_log_head").fetch_one(&db.pool).await?;
    let mut chain = Chain::new(told.ordered_after);
    let mut was_noted = noted.is_none_or(|noted| noted.id == 0);
    let mut rows = 0;
    let stopped = |chain: &Chain, rows, fault| Verified { rows, head: chain.head.clone(), fault };
    loop {
        let batch = batch(db, chain.head.id, told.id).await?;
        if batch.is_empty() {
            break;
        }
        for row in batch {
            if let Err(fault) = chain.follow(&row) {
                let is_old = row.id <= told.ordered_after && fault == Fault::Changed(row.id);
                if !is_old || !(chain.begins_late(&row) || follows_a_neighbour(db, &row).await?) {
                    return Ok(stopped(&chain, rows, Some(fault)));
                }
                chain.accept(&row);
            }
            if let Some(noted) = noted.filter(|noted| noted.id == row.id) {
                was_noted = noted.hash == row.hash;
                if !was_noted {
                    return Ok(stopped(&chain, rows, Some(Fault::NotAsNoted(row.id))));
                }
            }
            rows += 1;
        }
    }
    let fault = if chain.head.id != told.id || chain.head.hash != told.hash {
        Some(Fault::End { head: told.id, last: chain.head.id })
    } else if was_noted {
        None
    } else {
        noted.map(|noted| Fault::NotAsNoted(noted.id))
    };
    Ok(stopped(&chain, rows, fault))
}

/// A row as it was hashed.
#[derive(Clone, Debug)]
struct Hashed {
    id: i64,
    /// What the trigger has put together.
    text: String,
    hash: Vec<u8>,
}

async fn batch(db: &Db, after: i64, until: i64) -> Result<Vec<Hashed>> {
    Ok(sqlx::query_as!(
        Hashed,
        r#"SELECT id, hash,
                  concat_ws(E'\x1f', id, extract(epoch FROM at), actor, action, object, detail, address) AS "text!"
           FROM admin_logs WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3"#,
        after,
        until,
        BATCH
    )
    .fetch_all(&db.pool)
    .await?)
}

/// Whether an old row follows from one that was written at the same moment and is numbered near it.
async fn follows_a_neighbour(db: &Db, row: &Hashed) -> Result<bool> {
    let hashes = sqlx::query_scalar!(
        "SELECT hash FROM admin_logs WHERE id BETWEEN $1 AND $2 AND id <> $3",
        row.id - NEIGHBOURS,
        row.id + NEIGHBOURS,
        row.id
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(hashes.iter().any(|hash| chained(hash, &row.text) == row.hash))
}

/// How far the log was followed.
#[derive(Clone, Debug)]
struct Chain {
    head: Head,
    /// After this row none is left out.
    ordered_after: i64,
    /// The number of the first row that is there.
    first: Option<i64>,
    /// Whether the row was seen with which the chain begins. There is one.
    has_begun: bool,
}

impl Chain {
    fn new(ordered_after: i64) -> Chain {
        Chain { head: Head { id: 0, hash: Vec::new() }, ordered_after, first: None, has_begun: false }
    }

    /// Goes on to the next row, if it is that.
    fn follow(&mut self, row: &Hashed) -> std::result::Result<(), Fault> {
        let next = self.head.id.max(self.ordered_after) + 1;
        if row.id > next {
            return Err(Fault::Missing(next));
        }
        if chained(&self.head.hash, &row.text) != row.hash {
            return Err(Fault::Changed(row.id));
        }
        // What follows from nothing is what the chain begins with.
        self.has_begun |= self.head.hash.is_empty();
        self.accept(row);
        Ok(())
    }

    /// Whether the chain begins with this old row, although it is not the first: two were written as the first at the same moment, and
    /// the one that is numbered first was chained to the other.
    fn begins_late(&mut self, row: &Hashed) -> bool {
        let is_near = self.first.is_some_and(|first| row.id - first <= NEIGHBOURS);
        let begins = is_near && !self.has_begun && chained(&[], &row.text) == row.hash;
        self.has_begun |= begins;
        begins
    }

    fn accept(&mut self, row: &Hashed) {
        self.first.get_or_insert(row.id);
        self.head = Head { id: row.id, hash: row.hash.clone() };
    }
}

/// The hash of a row, as `admin_logs_chain` makes it.
fn chained(previous: &[u8], text: &str) -> Vec<u8> {
    Sha256::new().chain_update(previous).chain_update(text).finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(count: i64) -> Vec<Hashed> {
        let mut previous = Vec::new();
        let mut rows = Vec::new();
        for id in 1..=count {
            let text = format!("{id}\u{1f}what happened");
            previous = chained(&previous, &text);
            rows.push(Hashed { id, text, hash: previous.clone() });
        }
        rows
    }

    fn first_fault(rows: &[Hashed], ordered_after: i64) -> Option<Fault> {
        let mut chain = Chain::new(ordered_after);
        rows.iter().find_map(|row| chain.follow(row).err())
    }

    #[test]
    fn a_log_that_nobody_touched_is_followed_to_its_end() {
        assert_eq!(first_fault(&log(5), 0), None);
        assert_eq!(first_fault(&log(5), 3), None, "rows of before are chained as well");
        assert_eq!(first_fault(&[], 0), None);
    }

    #[test]
    fn a_chain_of_before_begins_once_and_near_its_first_row() {
        let text = |id: i64| format!("{id}\u{1f}what happened");
        let row = |id, previous: &[u8]| Hashed { id, text: text(id), hash: chained(previous, &text(id)) };
        let second = row(2, &[]);
        let first = row(1, &second.hash);
        let mut chain = Chain::new(5);
        assert_eq!(chain.follow(&first), Err(Fault::Changed(1)));
        assert!(!chain.begins_late(&first), "it follows from the second");
        chain.accept(&first);
        assert_eq!(chain.follow(&second), Err(Fault::Changed(2)));
        let mut far = chain.clone();
        assert!(!far.begins_late(&row(2 + NEIGHBOURS, &[])));
        assert!(chain.begins_late(&second));
        chain.accept(&second);
        assert_eq!(chain.follow(&row(3, &second.hash)), Ok(()));
        assert!(!chain.begins_late(&row(4, &[])), "it has begun: whoever cuts off the beginning makes no other one");
        let mut usual = Chain::new(5);
        assert_eq!(usual.follow(&row(1, &[])), Ok(()));
        assert!(!usual.begins_late(&row(2, &[])));
    }

    #[test]
    fn a_changed_row_is_named() {
        let mut rows = log(5);
        rows[2].text.push('!');
        assert_eq!(first_fault(&rows, 0), Some(Fault::Changed(3)));
        // Whoever also makes its hash anew breaks the next one.
        rows[2].hash = chained(&rows[1].hash, &rows[2].text);
        assert_eq!(first_fault(&rows, 0), Some(Fault::Changed(4)));
    }

    #[test]
    fn a_missing_row_is_named() {
        for missing in 1..5 {
            let mut rows = log(5);
            rows.remove(missing - 1);
            let missing = i64::try_from(missing).expect("small");
            assert_eq!(first_fault(&rows, 0), Some(Fault::Missing(missing)));
        }
        // Before numbers were given with the hash, some were left out: there the chain alone tells.
        let mut rows = log(5);
        rows.remove(1);
        assert_eq!(first_fault(&rows, 5), Some(Fault::Changed(3)));
    }
}
