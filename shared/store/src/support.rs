//! What the desk does about what a customer complains of, each once for a form, with a line in the audit log in the same transaction.
//!
//! A form has a number of its own ([`Asked::form`]); sent twice, at the same moment or later, it does its work once. What was done stands in
//! the customer's story ([`crate::timeline`]) with who did it and why.
//!
//! Refused here, with a sentence for the desk: access that nobody has paid for, the same access while it can still be used, and more
//! than a few corrections of one order. Giving a package away is the business of [`crate::entitlement::grant`].

use std::net::IpAddr;
use std::time::Duration;

use shared::entitlement::State;
use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::admin::{self, Audit};
use crate::entitlement::{self, Sale};
use crate::order::OrderState;
use crate::package::{Package, Starts};
use crate::{Db, Result, StoreError, notification, refund, session};

/// How often what an order bought is given again: once for the fault, and once more for whoever corrected it wrongly.
pub const MOST_AGAIN: usize = 2;
/// How long after its payment an order is corrected.
pub const CORRECTED_WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);
/// A message is not sent again so shortly after the same one was written.
const NOT_AGAIN_WITHIN: Duration = Duration::from_secs(60);
/// Characters of a reason at most.
pub const MAX_REASON: usize = 200;

/// What kind of thing was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What an order bought was given again.
    Grant,
    /// A package was moved to another device.
    Move,
    /// A router was asked to end a session.
    Disconnect,
    /// A message was sent again.
    Resend,
    /// A payment by card goes back.
    Refund,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Grant, Kind::Move, Kind::Disconnect, Kind::Resend, Kind::Refund];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Grant => "grant",
            Kind::Move => "move",
            Kind::Disconnect => "disconnect",
            Kind::Resend => "resend",
            Kind::Refund => "refund",
        }
    }

    /// Its word in the audit log.
    fn action(self) -> &'static str {
        match self {
            Kind::Grant => "support.grant",
            Kind::Move => "support.move",
            Kind::Disconnect => "support.disconnect",
            Kind::Resend => "support.resend",
            Kind::Refund => "support.refund",
        }
    }

    /// Reads the word in the database.
    pub(crate) fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Who asks for a change, by which form, and why.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The form's own number.
    pub form: Uuid,
    /// Who.
    pub by: &'a str,
    /// Why, in their words; may be empty.
    pub reason: &'a str,
    /// From where.
    pub from: Option<IpAddr>,
}

/// Whether a form did something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Done {
    /// It is done now.
    Now,
    /// This form did it before.
    Before,
}

/// What was done, and to what.
#[derive(Debug)]
struct Action {
    kind: Kind,
    object: String,
    /// What the audit log has in place of the object, where that names a device: it is kept for good, and the story is not.
    for_good: Option<String>,
    user: Option<Uuid>,
    order: Option<Uuid>,
    entitlement: Option<Uuid>,
    mac: Option<Mac>,
}

/// Waits for whoever sends the same form. Returns whether it did nothing yet.
async fn is_first(tx: &mut PgConnection, asked: &Asked<'_>) -> Result<bool> {
    let key = asked.form.to_string();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('support'), hashtext($1))", key).fetch_all(&mut *tx).await?;
    let is_done =
        sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM support_actions WHERE id = $1) AS "exists!""#, asked.form)
            .fetch_one(tx)
            .await?;
    Ok(!is_done)
}

/// Writes down what was done, for the story and for the audit log.
async fn note(tx: &mut PgConnection, asked: &Asked<'_>, action: &Action, now: OffsetDateTime) -> Result<()> {
    let reason: String = asked.reason.trim().chars().take(MAX_REASON).collect();
    sqlx::query!(
        "INSERT INTO support_actions (id, kind, actor, reason, object, user_id, order_id, entitlement_id, mac, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::macaddr, $10)",
        asked.form,
        action.kind.as_str(),
        asked.by,
        reason,
        action.object,
        action.user,
        action.order,
        action.entitlement,
        action.mac.map(|mac| mac.to_string()),
        now
    )
    .execute(&mut *tx)
    .await?;
    let object = action.for_good.as_ref().unwrap_or(&action.object);
    let object = if reason.is_empty() { object.clone() } else { format!("{object} ({reason})") };
    let line = Audit { actor: asked.by, action: action.kind.action(), object: &object, address: asked.from };
    admin::audit_in(tx, &line, now).await
}

/// Gives what a paid order bought once more, for the device that is named or the one of the order. Its clock begins at the next login.
///
/// # Errors
/// [`StoreError::Conflict`]: it is not paid, not lately, was given often enough, or can still be used.
pub async fn grant_again(
    db: &Db,
    order: Uuid,
    device: Option<Mac>,
    asked: &Asked<'_>,
    now: OffsetDateTime,
) -> Result<Done> {
    let mut tx = db.begin().await?;
    if !is_first(&mut tx, asked).await? {
        return Ok(Done::Before);
    }
    let row = sqlx::query!(
        "SELECT code, state, user_id, package, amount_minor, nas_id, mac::text AS mac, wish, paid_at FROM orders
         WHERE id = $1 FOR UPDATE",
        order
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("order", order))?;
    let code = &row.code;
    if row.state != OrderState::Paid.as_str() || row.amount_minor == 0 {
        return Err(StoreError::Conflict(format!("order {code} is not paid, so there is nothing to give again")));
    }
    if row.paid_at.is_none_or(|at| now - at > CORRECTED_WITHIN) {
        return Err(StoreError::Conflict(format!("order {code} was paid more than thirty days ago")));
    }
    let bought = bought(&mut tx, order, now).await?;
    may_be_given(code, &bought).map_err(StoreError::Conflict)?;
    let package: Package =
        serde_json::from_value(row.package).map_err(|error| StoreError::corrupt("orders", code, error))?;
    let package = Package { starts: Starts::FirstLogin, ..package };
    let user = bought.iter().find_map(|one| one.user).unwrap_or(row.user_id);
    let id = rng::id(now);
    let sale = Sale { user: Some(user), order: None, paid: Some(0), nas: row.nas_id };
    entitlement::insert(&mut tx, id, &package, sale, now).await?;
    let of_order = row.mac.as_deref().and_then(|text| text.parse::<Mac>().ok()).filter(|_| row.wish != "another");
    let mac = device.or(of_order);
    if let Some(mac) = mac {
        entitlement::place(&mut tx, id, mac, now).await?;
    }
    let object = format!("{} of order {code}", package.name);
    let action = Action {
        kind: Kind::Grant,
        object,
        for_good: None,
        user: Some(user),
        order: Some(order),
        entitlement: Some(id),
        mac,
    };
    note(&mut tx, asked, &action, now).await?;
    tx.commit().await?;
    Ok(Done::Now)
}

/// Something that an order bought.
#[derive(Clone, Copy, Debug)]
struct Bought {
    user: Option<Uuid>,
    is_usable: bool,
    is_revoked: bool,
    /// Whether the desk has given it.
    is_again: bool,
}

/// Whether what an order bought may be given again; otherwise why not, as a sentence.
fn may_be_given(code: &str, bought: &[Bought]) -> std::result::Result<(), String> {
    if bought.iter().any(|one| one.is_usable) {
        return Err(format!(
            "what order {code} bought can still be used: move it to the device, or disconnect the device, so that it logs in anew"
        ));
    }
    if bought.iter().any(|one| one.is_revoked) {
        return Err(format!("what order {code} bought was taken back: ask whoever did that"));
    }
    if bought.iter().filter(|one| one.is_again).count() >= MOST_AGAIN {
        return Err(format!(
            "what order {code} bought was given again {MOST_AGAIN} times already: ask whoever runs the place"
        ));
    }
    Ok(())
}

async fn bought(tx: &mut PgConnection, order: Uuid, now: OffsetDateTime) -> Result<Vec<Bought>> {
    let rows = sqlx::query!(
        r#"SELECT e.user_id, e.state, e.expires_at, b.again AS "again!"
           FROM (SELECT id, false AS again FROM entitlements WHERE order_id = $1
                 UNION SELECT entitlement_id, false FROM entitlement_changes WHERE order_id = $1
                 UNION SELECT entitlement_id, false FROM vouchers WHERE order_id = $1
                 UNION SELECT entitlement_id, true FROM support_actions WHERE order_id = $1 AND kind = 'grant') b
                JOIN entitlements e ON e.id = b.id"#,
        order
    )
    .fetch_all(tx)
    .await?;
    let bought = rows.into_iter().map(|row| Bought {
        user: row.user_id,
        is_usable: row.state == State::Active.as_str() && row.expires_at.is_none_or(|end| end > now),
        is_revoked: row.state == State::Revoked.as_str(),
        is_again: row.again,
    });
    Ok(bought.collect())
}

/// Moves a package to another device, in the place of `from` if that is named; the sessions of that one end.
///
/// # Errors
/// [`StoreError::Conflict`]: the package is over, the device has access already, or has no place.
pub async fn move_device(
    db: &Db,
    id: Uuid,
    from: Option<Mac>,
    to: Mac,
    asked: &Asked<'_>,
    now: OffsetDateTime,
) -> Result<Done> {
    let mut tx = db.begin().await?;
    if !is_first(&mut tx, asked).await? {
        return Ok(Done::Before);
    }
    let row = sqlx::query!("SELECT user_id, order_id, package_name FROM entitlements WHERE id = $1", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("entitlement", id))?;
    entitlement::move_device(&mut tx, id, from, to, now).await?;
    let object = match from {
        Some(from) => format!("{} from {from} to {to}", row.package_name),
        None => format!("{} to {to}", row.package_name),
    };
    let whose = match row.user_id {
        Some(user) => format!("customer {user}"),
        None => format!("entitlement {id}"),
    };
    let action = Action {
        kind: Kind::Move,
        object,
        for_good: Some(format!("{} of {whose}", row.package_name)),
        user: row.user_id,
        order: row.order_id,
        entitlement: Some(id),
        mac: Some(to),
    };
    note(&mut tx, asked, &action, now).await?;
    tx.commit().await?;
    Ok(Done::Now)
}

/// Asks the router of an open session to end it, anew if it has refused or not answered.
///
/// # Errors
/// [`StoreError::Missing`]: the session is over.
pub async fn disconnect(db: &Db, id: Uuid, asked: &Asked<'_>, now: OffsetDateTime) -> Result<Done> {
    let mut tx = db.begin().await?;
    if !is_first(&mut tx, asked).await? {
        return Ok(Done::Before);
    }
    let row = sqlx::query!(
        r#"SELECT s.entitlement_id, s.mac::text AS mac, s.acct_session_id,
                  (SELECT name FROM nas WHERE nas.id = s.nas_id) AS nas,
                  (SELECT user_id FROM entitlements e WHERE e.id = s.entitlement_id) AS user_id
           FROM sessions s WHERE s.id = $1 AND s.ended_at IS NULL FOR UPDATE OF s"#,
        id
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("open session", id))?;
    session::request_cuts(&mut tx, &[id], Some("operator"), now).await?;
    let nas = row.nas.unwrap_or_else(|| "(removed router)".into());
    let action = Action {
        kind: Kind::Disconnect,
        object: format!("session {} at {nas}", row.acct_session_id),
        for_good: None,
        user: row.user_id,
        order: None,
        entitlement: row.entitlement_id,
        mac: row.mac.as_deref().and_then(|text| text.parse().ok()),
    };
    note(&mut tx, asked, &action, now).await?;
    tx.commit().await?;
    Ok(Done::Now)
}

/// Whether a kind of news says something that is still so when it is read later.
pub fn can_be_resent(notice: Notice) -> bool {
    match notice {
        Notice::PaymentReceived | Notice::Given | Notice::NewDevice | Notice::Ended => true,
        Notice::EndsSoon | Notice::DataLow | Notice::DataNearlyUsed => false,
        Notice::Trouble | Notice::TroubleOver | Notice::AddressProof | Notice::Offer => false,
    }
}

/// Writes a message down once more, to be sent now.
///
/// # Errors
/// [`StoreError::Conflict`]: it says what is not so any more, or was written a moment ago.
pub async fn resend(db: &Db, id: Uuid, asked: &Asked<'_>, now: OffsetDateTime) -> Result<Done> {
    let mut tx = db.begin().await?;
    if !is_first(&mut tx, asked).await? {
        return Ok(Done::Before);
    }
    let row = sqlx::query!("SELECT user_id, template FROM notifications WHERE id = $1 FOR UPDATE", id)
        .fetch_optional(&mut *tx)
        .await?
        .ok_or_else(|| StoreError::missing("message", id))?;
    let Some(notice) = Notice::parse(&row.template).filter(|notice| can_be_resent(*notice)) else {
        return Err(StoreError::Conflict("that message says what is not so any more: it is not sent again".into()));
    };
    let written = sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         SELECT $2::uuid, n.user_id, n.template, n.payload, 'again:' || $2::uuid, $3::timestamptz, $4::timestamptz, $3
         FROM notifications n
         WHERE n.id = $1 AND NOT EXISTS (
             SELECT FROM notifications o WHERE o.user_id = n.user_id AND o.template = n.template AND o.payload = n.payload
               AND o.created_at > $5)",
        id,
        rng::id(now),
        now,
        now + notification::good_for(notice),
        now - NOT_AGAIN_WITHIN
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if written == 0 {
        return Err(StoreError::Conflict("that message was written less than a minute ago: wait for it first".into()));
    }
    let action = Action {
        kind: Kind::Resend,
        object: format!("message {}", row.template),
        for_good: None,
        user: Some(row.user_id),
        order: None,
        entitlement: None,
        mac: None,
    };
    note(&mut tx, asked, &action, now).await?;
    tx.commit().await?;
    Ok(Done::Now)
}

/// Has a payment by card go back; what it bought ends now. Asked by another form it was asked before, too.
///
/// # Errors
/// As [`refund::ask`].
pub async fn refund(db: &Db, payment: Uuid, asked: &Asked<'_>, now: OffsetDateTime) -> Result<Done> {
    let mut tx = db.begin().await?;
    if !is_first(&mut tx, asked).await? {
        return Ok(Done::Before);
    }
    let row = sqlx::query!(
        "SELECT o.id, o.code, o.user_id FROM payments p JOIN orders o ON o.id = p.order_id WHERE p.id = $1",
        payment
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| StoreError::missing("payment", payment))?;
    let refund = refund::ask_in(&mut tx, payment, asked.by, now).await?;
    if !refund.is_new {
        return Ok(Done::Before);
    }
    let action = Action {
        kind: Kind::Refund,
        object: format!("{} of order {}", refund.amount, row.code),
        for_good: None,
        user: Some(row.user_id),
        order: Some(row.id),
        entitlement: None,
        mac: None,
    };
    note(&mut tx, asked, &action, now).await?;
    tx.commit().await?;
    Ok(Done::Now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_they_are_written() {
        assert!(Kind::ALL.iter().all(|kind| Kind::parse(kind.as_str()) == Some(*kind)));
        assert!(Kind::ALL.iter().all(|kind| kind.action() == format!("support.{}", kind.as_str())));
        assert_eq!(Kind::parse("gift"), None);
    }

    #[test]
    fn what_was_bought_is_given_again_only_where_it_cannot_be_used_and_not_often() {
        let over = Bought { user: None, is_usable: false, is_revoked: false, is_again: false };
        let again = Bought { is_again: true, ..over };
        for (bought, problem) in [
            (&[][..], None),
            (&[over], None),
            (&[over, again], None),
            (&[Bought { is_usable: true, ..over }], Some("can still be used")),
            (&[over, Bought { is_usable: true, ..again }], Some("can still be used")),
            (&[Bought { is_revoked: true, ..over }], Some("was taken back")),
            (&[over, again, again], Some("2 times already")),
        ] {
            let said = may_be_given("AB2CD3EF", bought);
            match problem {
                None => assert_eq!(said, Ok(())),
                Some(part) => assert!(said.is_err_and(|text| text.contains(part)), "{part}"),
            }
        }
    }

    #[test]
    fn what_is_not_so_any_more_is_not_said_again() {
        for notice in [Notice::EndsSoon, Notice::DataLow, Notice::DataNearlyUsed, Notice::AddressProof, Notice::Offer] {
            assert!(!can_be_resent(notice), "{notice:?}");
        }
        assert!(can_be_resent(Notice::Given) && can_be_resent(Notice::PaymentReceived));
    }
}
