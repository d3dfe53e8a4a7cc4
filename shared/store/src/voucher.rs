//! Vouchers: paper that is worth access, from the printing to the first login.
//!
//! A voucher is an entitlement that waits, with a credential whose name and password are its code; here is what the till must
//! know of it. [`print_batch`] makes many in one transaction ([`printing`]), and [`batch`] opens their codes again, to print what
//! was lost in the printer. [`hand_over`] says who has the paper, [`sell`] that somebody paid, [`void`] that it is worth nothing
//! any more; a login redeems it ([`custody`]). A batch may have a date before which that must be; who has redeemed it by then goes on.
//!
//! Refused here: money. What an agent owes for what was sold is the business of [`crate::books::cash`].

mod custody;
mod printing;

use shared::mac::Mac;
use shared::money::Money;
use shared::time::OffsetDateTime;
use shared::voucher::{Code, normalise};
use uuid::Uuid;

use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result, StoreError, entitlement};

pub(crate) use self::custody::redeem;
pub use self::custody::{Which, hand_over, sell, void};
pub use self::printing::{MAX_BATCH, Paper, Printed, print_batch, print_batch_as};

/// Characters of an agent's name at most, as the table has it.
pub const MAX_AGENT: usize = 100;

/// Where a voucher stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// On paper, and not known to be sold.
    Printed,
    /// Somebody paid for it.
    Sold,
    /// Somebody has logged in with it.
    Redeemed,
    /// Worth nothing any more.
    Void,
}

impl State {
    /// The spelling in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Printed => "printed",
            State::Sold => "sold",
            State::Redeemed => "redeemed",
            State::Void => "void",
        }
    }

    /// Reads the database's spelling.
    pub fn parse(text: &str) -> Option<State> {
        [State::Printed, State::Sold, State::Redeemed, State::Void].into_iter().find(|state| state.as_str() == text)
    }
}

/// A batch, as the desk shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Its identity.
    pub id: Uuid,
    /// Its number on the paper.
    pub number: u32,
    /// The package's name, as the paper says.
    pub package: String,
    /// The price, as the paper says.
    pub price: Money,
    /// What it was printed for, in the operator's words.
    pub label: String,
    /// Who has the paper; `None`: the operator.
    pub agent: Option<String>,
    /// Vouchers in it.
    pub size: u32,
    /// How many of them stand where.
    pub counts: Counts,
    /// From when on those that nobody has used are worth nothing; `None`: never.
    pub redeem_before: Option<OffsetDateTime>,
    /// Who printed it.
    pub created_by: String,
    /// When.
    pub created_at: OffsetDateTime,
}

/// How many vouchers stand where.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// [`State::Printed`].
    pub printed: u64,
    /// [`State::Sold`].
    pub sold: u64,
    /// [`State::Redeemed`].
    pub redeemed: u64,
    /// [`State::Void`].
    pub void: u64,
    /// Whose sale was noted, whatever became of them.
    pub ever_sold: u64,
}

struct BatchRow {
    id: Uuid,
    number: i32,
    package: String,
    price_minor: i64,
    currency: String,
    label: String,
    agent: Option<String>,
    size: i32,
    redeem_before: Option<OffsetDateTime>,
    created_by: String,
    created_at: OffsetDateTime,
    printed: i64,
    sold: i64,
    redeemed: i64,
    void: i64,
    ever_sold: i64,
}

impl TryFrom<BatchRow> for Batch {
    type Error = StoreError;
    fn try_from(row: BatchRow) -> Result<Batch> {
        Ok(Batch {
            id: row.id,
            number: whole(row.number),
            package: row.package,
            price: money("voucher_batches", row.id, row.price_minor, &row.currency)?,
            label: row.label,
            agent: row.agent,
            size: whole(row.size),
            counts: Counts {
                printed: unsigned(row.printed),
                sold: unsigned(row.sold),
                redeemed: unsigned(row.redeemed),
                void: unsigned(row.void),
                ever_sold: unsigned(row.ever_sold),
            },
            redeem_before: row.redeem_before,
            created_by: row.created_by,
            created_at: row.created_at,
        })
    }
}

/// Batches, the newest first, from a clause that chooses them before their vouchers are counted.
macro_rules! batches {
    ($from:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            BatchRow,
            r#"SELECT b.id, b.number, coalesce(b.package_name, p.name) AS "package!", coalesce(b.price_minor, p.price_minor) AS "price_minor!",
                      coalesce(b.currency, p.currency)::text AS "currency!", b.label, b.agent, b.size, b.redeem_before, b.created_by, b.created_at,
                      c.printed AS "printed!", c.sold AS "sold!", c.redeemed AS "redeemed!", c.void AS "void!", c.ever_sold AS "ever_sold!"
               FROM "# + $from + r#" b JOIN packages p ON p.id = b.package_id,
                    LATERAL (SELECT count(*) FILTER (WHERE v.state = 'printed') AS printed, count(*) FILTER (WHERE v.state = 'sold') AS sold,
                                    count(*) FILTER (WHERE v.state = 'redeemed') AS redeemed, count(*) FILTER (WHERE v.state = 'void') AS void,
                                    count(v.sold_at) AS ever_sold
                             FROM vouchers v WHERE v.batch_id = b.id) c
               ORDER BY b.number DESC"#,
            $($argument),+
        )
    };
}

/// The printed batches, or those of an agent, the newest first. What orders made for others is no paper, and is not among them.
pub async fn batches(db: &Db, agent: Option<&str>, limit: u32) -> Result<Vec<Batch>> {
    batches!(
        "(SELECT * FROM voucher_batches WHERE ($1::text IS NULL OR agent = $1) AND NOT for_order ORDER BY number DESC LIMIT $2)",
        agent,
        i64::from(limit)
    )
    .fetch_all(&db.pool)
    .await?
    .into_iter()
    .map(Batch::try_from)
    .collect()
}

/// The batch of that number.
pub async fn by_number(db: &Db, number: u32) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT id FROM voucher_batches WHERE number = $1", i32::try_from(number).unwrap_or(i32::MAX))
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("batch of vouchers", number))
}

/// A voucher with its code. Whoever sees it can use it: show it to who may print, and to nobody else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voucher {
    /// Its identity.
    pub id: Uuid,
    /// Its place in the batch, from 1.
    pub serial: u32,
    /// Its code; printing this for a developer shows nothing.
    pub code: Code,
    /// Where it stands.
    pub state: State,
    /// Its sale.
    pub sold: Option<Sale>,
    /// Its first login.
    pub redeemed: Option<Redemption>,
    /// Why it is worth nothing.
    pub voided: Option<Voiding>,
}

/// That somebody paid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sale {
    /// When it was noted.
    pub at: OffsetDateTime,
    /// Who noted it.
    pub by: String,
}

/// A voucher's first login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Redemption {
    /// When.
    pub at: OffsetDateTime,
    /// The device, if it said which.
    pub mac: Option<Mac>,
}

/// That a voucher became worth nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Voiding {
    /// When.
    pub at: OffsetDateTime,
    /// By whom.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
}

struct VoucherRow {
    id: Uuid,
    serial: i32,
    state: String,
    sold_at: Option<OffsetDateTime>,
    sold_by: Option<String>,
    redeemed_at: Option<OffsetDateTime>,
    redeemed_mac: Option<String>,
    voided_at: Option<OffsetDateTime>,
    voided_by: Option<String>,
    void_reason: Option<String>,
    credential: Uuid,
    sealed: Vec<u8>,
}

impl VoucherRow {
    fn open(self, db: &Db) -> Result<Voucher> {
        let id = self.id;
        let corrupt = |problem: &dyn std::fmt::Display| StoreError::corrupt("vouchers", id, problem);
        let context = entitlement::password_context(self.credential);
        let code = db.seal.open(&context, &self.sealed).map_err(|error| corrupt(&error))?;
        let mac = self.redeemed_mac.map(|text| text.parse::<Mac>()).transpose().map_err(|error| corrupt(&error))?;
        let voided = self.voided_at.zip(self.voided_by).zip(self.void_reason);
        Ok(Voucher {
            id,
            serial: whole(self.serial),
            code: normalise(code.as_slice()).map_err(|error| corrupt(&error))?,
            state: State::parse(&self.state).ok_or_else(|| corrupt(&"unknown state"))?,
            sold: self.sold_at.zip(self.sold_by).map(|(at, by)| Sale { at, by }),
            redeemed: self.redeemed_at.map(|at| Redemption { at, mac }),
            voided: voided.map(|((at, by), reason)| Voiding { at, by, reason }),
        })
    }
}

/// A batch and its vouchers, in the order of their serials.
pub async fn batch(db: &Db, id: Uuid) -> Result<(Batch, Vec<Voucher>)> {
    let batch = batches!("(SELECT * FROM voucher_batches WHERE id = $1)", id)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("batch of vouchers", id))?;
    let rows = sqlx::query_as!(
        VoucherRow,
        r#"SELECT v.id, v.serial, v.state, v.sold_at, v.sold_by, v.redeemed_at, v.redeemed_mac::text AS redeemed_mac,
                  v.voided_at, v.voided_by, v.void_reason, c.id AS "credential!", c.password_sealed AS "sealed!"
           FROM vouchers v JOIN credentials c ON c.entitlement_id = v.entitlement_id AND c.kind = 'voucher'
           WHERE v.batch_id = $1 ORDER BY v.serial"#,
        id
    )
    .fetch_all(&db.pool)
    .await?;
    let vouchers: Vec<Voucher> = rows.into_iter().map(|row| row.open(db)).collect::<Result<_>>()?;
    Ok((batch.try_into()?, vouchers))
}

/// What a CHECK keeps positive.
fn whole(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

fn check_agent(agent: Option<&str>) -> Result<()> {
    match agent.map(|name| name.chars().count()) {
        None | Some(1..=MAX_AGENT) => Ok(()),
        Some(_) => Err(StoreError::Conflict(format!("an agent's name has one character to {MAX_AGENT}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_read_what_they_write() {
        for state in [State::Printed, State::Sold, State::Redeemed, State::Void] {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("lost"), None);
    }

    #[test]
    fn an_agent_has_a_name_of_bounded_length() {
        assert!(check_agent(None).is_ok() && check_agent(Some("Mama Njeri")).is_ok());
        assert!(check_agent(Some("")).is_err());
        assert!(check_agent(Some(&"\u{169}".repeat(MAX_AGENT))).is_ok(), "characters count, not octets");
        assert!(check_agent(Some(&"x".repeat(MAX_AGENT + 1))).is_err());
    }
}
