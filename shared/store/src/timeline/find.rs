//! Looking up what somebody pasted: each thing that the text can mean, by an index of its own.
//!
//! A voucher's code is found as a login finds it, by the keyed hash of its one spelling. What a router calls a session, or an address that it
//! gave a device, is not unique: the newest few are found, and whoever asks chooses.

use std::time::Duration;

use shared::mac::Mac;
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use shared::voucher::Code;
use uuid::Uuid;

use super::{Guess, Subject, money};
use crate::accounting::SessionKey;
use crate::money::money;
use crate::{Db, Result, StoreError};

/// Most things of one kind that are found: more than a person compares.
const MOST_OF_A_KIND: i64 = 10;
/// A session that has ended is found by its address if it began so shortly before the moment that is asked about.
const ADDRESS_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Something that a text means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// Whose story to tell.
    pub subject: Subject,
    /// What it is, for whoever chooses.
    pub named: Named,
}

/// What something that was found is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Named {
    /// A customer.
    Customer {
        /// Their number.
        phone: Phone,
    },
    /// A device.
    Device {
        /// Its address.
        mac: Mac,
    },
    /// An order.
    Order {
        /// Its code.
        code: String,
        /// What was bought.
        package: String,
        /// When it was made.
        at: OffsetDateTime,
    },
    /// Money that came.
    Receipt {
        /// Its receipt.
        receipt: String,
        /// How much.
        amount: Money,
        /// When.
        at: OffsetDateTime,
    },
    /// A voucher.
    Voucher {
        /// Its batch.
        batch: u32,
        /// Its place there.
        serial: u32,
        /// What it is good for.
        package: String,
    },
    /// A session.
    Session {
        /// Its identity.
        id: Uuid,
        /// The device.
        mac: Option<Mac>,
        /// The router.
        nas: String,
        /// When it began.
        at: OffsetDateTime,
        /// Whether it goes on.
        is_open: bool,
    },
}

/// What there is of one thing that a text can mean. `at`: when an address was in use; `None`: now, or lately.
pub async fn find(db: &Db, guess: &Guess, at: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<Vec<Match>> {
    match guess {
        Guess::Phone(phone) => by_phone(db, phone).await,
        Guess::Email(email) => by_email(db, email.as_str()).await,
        Guess::Mac(mac) => by_mac(db, *mac).await,
        Guess::Address(address) => by_address(db, &address.to_string(), at, now).await,
        Guess::Order(code) => by_code(db, code).await,
        Guess::Receipt(receipt) | Guess::Card(receipt) => by_receipt(db, receipt).await,
        Guess::Voucher(code) => by_voucher(db, code).await,
        Guess::MistypedVoucher => Ok(Vec::new()),
        Guess::Paper(batch, serial) => by_paper(db, *batch, *serial).await,
        Guess::Session(id) => by_session(db, *id).await,
        Guess::RouterSession(name) => by_router_session(db, name).await,
    }
}

/// The order with that code.
pub async fn order_of(db: &Db, code: &str) -> Result<Uuid> {
    sqlx::query_scalar!("SELECT id FROM orders WHERE code = $1", code)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("order", code))
}

/// What the voucher with that number on its paper is good for.
pub async fn voucher_of(db: &Db, batch: u32, serial: u32) -> Result<Uuid> {
    let (number, place) = (i32::try_from(batch).unwrap_or(i32::MAX), i32::try_from(serial).unwrap_or(i32::MAX));
    sqlx::query_scalar!(
        "SELECT v.entitlement_id FROM vouchers v JOIN voucher_batches b ON b.id = v.batch_id WHERE b.number = $1 AND v.serial = $2",
        number,
        place
    )
    .fetch_optional(&db.pool)
    .await?
    .ok_or_else(|| StoreError::missing("voucher", shared::voucher::paper_number(batch, serial)))
}

/// The customer, and money that may be theirs and waits.
async fn by_phone(db: &Db, phone: &Phone) -> Result<Vec<Match>> {
    let user =
        sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone.as_str()).fetch_optional(&db.pool).await?;
    if let Some(user) = user {
        // Such money is in the customer's story.
        return Ok(vec![Match { subject: Subject::Customer(user), named: Named::Customer { phone: phone.clone() } }]);
    }
    let waiting = money::waiting_of(db, phone).await?;
    Ok(waiting
        .into_iter()
        .filter(|(_, money)| money.is_certain)
        .map(|(at, money)| Match {
            named: Named::Receipt { receipt: money.receipt.clone(), amount: money.amount, at },
            subject: Subject::Receipt(money.receipt),
        })
        .collect())
}

async fn by_email(db: &Db, email: &str) -> Result<Vec<Match>> {
    let rows = sqlx::query!(
        "SELECT id, phone FROM users WHERE email IS NOT NULL AND lower(email) = lower($1) ORDER BY created_at DESC LIMIT $2",
        email,
        MOST_OF_A_KIND
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let phone = row.phone.parse().map_err(|error| StoreError::corrupt("users", row.id, error))?;
            Ok(Match { subject: Subject::Customer(row.id), named: Named::Customer { phone } })
        })
        .collect()
}

/// A device of which anything is known.
async fn by_mac(db: &Db, mac: Mac) -> Result<Vec<Match>> {
    let is_known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM entitlement_devices WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM orders WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM devices WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM sessions WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM sessions_ended WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM login_refusals WHERE mac = $1::text::macaddr)
               OR EXISTS (SELECT FROM device_visits WHERE mac = $1::text::macaddr) AS "is_known!""#,
        mac.to_string()
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(is_known.then_some(Match { subject: Subject::Device(mac), named: Named::Device { mac } }).into_iter().collect())
}

async fn by_code(db: &Db, code: &str) -> Result<Vec<Match>> {
    let row = sqlx::query!(
        r#"SELECT id, code, package->>'name' AS "package!", created_at FROM orders WHERE code = $1"#,
        code
    )
    .fetch_optional(&db.pool)
    .await?;
    let found = row.map(|row| Match {
        subject: Subject::Order(row.id),
        named: Named::Order { code: row.code, package: row.package, at: row.created_at },
    });
    Ok(found.into_iter().collect())
}

/// A payment of an order, or money that came by itself.
async fn by_receipt(db: &Db, receipt: &str) -> Result<Vec<Match>> {
    let row = sqlx::query!(
        r#"SELECT amount_minor AS "minor!", currency AS "currency!", created_at AS "at!" FROM payments
           WHERE provider IN ('mpesa', 'stripe') AND (receipt = $1 OR checkout_request_id = $1)
           UNION ALL SELECT amount_minor, currency, received_at FROM received_money WHERE receipt = $1
           LIMIT 1"#,
        receipt
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    let amount = money("payments", receipt, row.minor, &row.currency)?;
    Ok(vec![Match {
        subject: Subject::Receipt(receipt.to_owned()),
        named: Named::Receipt { receipt: receipt.to_owned(), amount, at: row.at },
    }])
}

async fn by_voucher(db: &Db, code: &Code) -> Result<Vec<Match>> {
    let row = sqlx::query!(
        "SELECT v.entitlement_id, b.number, v.serial, e.package_name
         FROM credentials c JOIN vouchers v ON v.entitlement_id = c.entitlement_id
              JOIN voucher_batches b ON b.id = v.batch_id JOIN entitlements e ON e.id = v.entitlement_id
         WHERE c.lookup = $1 AND c.kind = 'voucher'",
        &db.seal.lookup(code.as_bytes())[..]
    )
    .fetch_optional(&db.pool)
    .await?;
    let found = row.map(|row| Match {
        subject: Subject::Voucher(row.entitlement_id),
        named: Named::Voucher { batch: whole(row.number), serial: whole(row.serial), package: row.package_name },
    });
    Ok(found.into_iter().collect())
}

async fn by_paper(db: &Db, batch: u32, serial: u32) -> Result<Vec<Match>> {
    let (number, place) = (i32::try_from(batch).unwrap_or(i32::MAX), i32::try_from(serial).unwrap_or(i32::MAX));
    let row = sqlx::query!(
        "SELECT v.entitlement_id, e.package_name
         FROM voucher_batches b JOIN vouchers v ON v.batch_id = b.id JOIN entitlements e ON e.id = v.entitlement_id
         WHERE b.number = $1 AND v.serial = $2",
        number,
        place
    )
    .fetch_optional(&db.pool)
    .await?;
    let found = row.map(|row| Match {
        subject: Subject::Voucher(row.entitlement_id),
        named: Named::Voucher { batch, serial, package: row.package_name },
    });
    Ok(found.into_iter().collect())
}

/// Sessions, by what follows the table that they stand in.
macro_rules! sessions {
    ($rest:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT s.id AS "id!", n.name AS "nas?", s.mac::text AS mac, s.started_at AS "started_at!", s.ended_at FROM "# + $rest,
            $($argument),+
        )
    };
}

struct Row {
    id: Uuid,
    nas: Option<String>,
    mac: Option<String>,
    started_at: OffsetDateTime,
    ended_at: Option<OffsetDateTime>,
}

impl Row {
    /// A session whose identity is not one of ours has no story of its own.
    fn found(self) -> Option<Match> {
        Some(Match {
            subject: Subject::Session(SessionKey::of(self.id)?),
            named: Named::Session {
                id: self.id,
                mac: self.mac.and_then(|mac| mac.parse().ok()),
                nas: self.nas.unwrap_or_else(|| "(removed router)".into()),
                at: self.started_at,
                is_open: self.ended_at.is_none(),
            },
        })
    }
}

async fn by_session(db: &Db, id: Uuid) -> Result<Vec<Match>> {
    let Some(key) = SessionKey::of(id) else { return Ok(Vec::new()) };
    let open =
        sessions!("sessions s LEFT JOIN nas n ON n.id = s.nas_id WHERE s.id = $1", id).fetch_optional(&db.pool).await?;
    if let Some(row) = open {
        return Ok(row.found().into_iter().collect());
    }
    let ended = sessions!(
        "sessions_ended s LEFT JOIN nas n ON n.id = s.nas_id WHERE s.opened_on = $1 AND s.id = $2",
        key.opened_on,
        id
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(ended.and_then(Row::found).into_iter().collect())
}

/// Routers count their sessions, each for itself: several may have one of that name, and one may have had it before.
async fn by_router_session(db: &Db, name: &str) -> Result<Vec<Match>> {
    let mut rows = sessions!(
        "nas n JOIN sessions s ON s.nas_id = n.id AND s.acct_session_id = $1 ORDER BY s.started_at DESC LIMIT $2",
        name,
        MOST_OF_A_KIND
    )
    .fetch_all(&db.pool)
    .await?;
    rows.extend(
        sessions!(
            "nas n JOIN sessions_ended s ON s.nas_id = n.id AND s.acct_session_id = $1 ORDER BY s.started_at DESC LIMIT $2",
            name,
            MOST_OF_A_KIND
        )
        .fetch_all(&db.pool)
        .await?,
    );
    Ok(rows.into_iter().filter_map(Row::found).collect())
}

/// Who has an address, or had it at a moment.
async fn by_address(db: &Db, address: &str, at: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<Vec<Match>> {
    let moment = at.unwrap_or(now);
    let mut rows = sessions!(
        "nas n JOIN sessions s ON s.nas_id = n.id AND s.framed_ip = $1::text::inet
         WHERE s.started_at <= $2 ORDER BY s.started_at DESC LIMIT $3",
        address,
        moment,
        MOST_OF_A_KIND
    )
    .fetch_all(&db.pool)
    .await?;
    // Where a moment is named, the session went on then; else it ended lately.
    let ended_after = at.unwrap_or(now - ADDRESS_WITHIN);
    let first = moment - ADDRESS_WITHIN;
    rows.extend(
        sessions!(
            "sessions_ended s LEFT JOIN nas n ON n.id = s.nas_id
             WHERE s.opened_on BETWEEN $5 AND $6 AND s.started_at BETWEEN $4 AND $2 AND s.framed_ip = $1::text::inet
               AND s.ended_at >= $3 ORDER BY s.started_at DESC LIMIT $7",
            address,
            moment,
            ended_after,
            first,
            (first - ADDRESS_WITHIN).date(),
            (moment + ADDRESS_WITHIN).date(),
            MOST_OF_A_KIND
        )
        .fetch_all(&db.pool)
        .await?,
    );
    Ok(rows.into_iter().filter_map(Row::found).collect())
}

/// What a CHECK keeps positive.
fn whole(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
