//! Taking a person out: one transaction over all tables, each in a statement that finds its rows by the customer.
//!
//! Whoever adds a table or a column that tells something about people adds it here, beside it in `export.rs`, and to the table in
//! `docs/operations/data-protection.md`.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

use crate::admin::{Audit, audit_in};
use crate::retention::archived_tables;
use crate::{Db, Result, StoreError};

/// An order that nobody has touched for so long has no payment under way: it was never begun.
const NEVER_BEGUN: Duration = Duration::from_secs(3600);

/// What was taken out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Erased {
    /// The customer's row, which stays.
    pub user: Uuid,
    /// Orders, which stay under another number.
    pub orders: u64,
    /// Sessions that lost their device, address and name.
    pub sessions: u64,
    /// Messages that lost their content.
    pub messages: u64,
    /// Reports of providers that lost their words.
    pub reports: u64,
}

/// Erases the person with that number. `None`: nobody is known by it, or no more. `gives_up`: access that was paid for and not
/// used ends.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence that says what is in the way and what to do.
pub async fn erase(db: &Db, phone: &Phone, gives_up: bool, by: &str, now: OffsetDateTime) -> Result<Option<Erased>> {
    let mut tx = db.begin().await?;
    let found =
        sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1 AND erased_at IS NULL FOR UPDATE", phone.as_str())
            .fetch_optional(&mut *tx)
            .await?;
    let Some(user) = found else { return Ok(None) };
    let erased = erase_in(&mut tx, user, phone, gives_up, by, now).await?;
    tx.commit().await?;
    Ok(Some(erased))
}

/// Erases a customer of whom nothing was heard for long. `None`: something is in the way, or it is done.
pub async fn erase_quietly(db: &Db, user: Uuid, by: &str, now: OffsetDateTime) -> Result<Option<Erased>> {
    let mut tx = db.begin().await?;
    let phone = sqlx::query_scalar!("SELECT phone FROM users WHERE id = $1 AND erased_at IS NULL FOR UPDATE", user)
        .fetch_optional(&mut *tx)
        .await?;
    let Some(phone) = phone else { return Ok(None) };
    let phone: Phone = phone.parse().map_err(|error| StoreError::corrupt("users", user, error))?;
    match erase_in(&mut tx, user, &phone, false, by, now).await {
        Ok(erased) => {
            tx.commit().await?;
            Ok(Some(erased))
        }
        Err(StoreError::Conflict(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn erase_in(
    tx: &mut PgConnection,
    user: Uuid,
    phone: &Phone,
    gives_up: bool,
    by: &str,
    now: OffsetDateTime,
) -> Result<Erased> {
    refuse_payments(tx, user, phone, now).await?;
    refuse_access(tx, user, gives_up, now).await?;
    let nobody = Phone::erased();
    let reports = forget_reports(tx, user, phone).await?;
    forget_answers(tx, phone).await?;
    // By the devices, as long as it is known which they are.
    forget_help(tx, user).await?;
    forget_sums(tx, user).await?;
    forget_devices(tx, user).await?;
    let sessions = forget_sessions(tx, user).await?;
    let messages = forget_messages(tx, user).await?;
    forget_predictions(tx, user).await?;
    let orders = forget_orders(tx, user, phone, &nobody).await?;
    sqlx::query!(
        "UPDATE users SET phone = $2, name = '', email = NULL, email_claim = NULL, email_verified_at = NULL, news_by = 'sms',
             otp_verified_at = NULL, muted = '{}', offers = false, offers_said_at = NULL, status = 'suspended', erased_at = $3
         WHERE id = $1",
        user,
        nobody.as_str(),
        now
    )
    .execute(&mut *tx)
    .await?;
    let line = Audit { actor: by, action: "person.erase", object: &user.to_string(), address: None };
    audit_in(&mut *tx, &line, now).await?;
    Ok(Erased { user, orders, sessions, messages, reports })
}

/// As long as money is on its way, or owed, it must be known whose it is.
async fn refuse_payments(tx: &mut PgConnection, user: Uuid, phone: &Phone, now: OffsetDateTime) -> Result<()> {
    let known = spellings(phone);
    let row = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM orders WHERE user_id = $1
                          AND (state IN ('prompted', 'unknown', 'confirming') OR (state = 'created' AND updated_at > $2))) AS "pays!",
                  EXISTS (SELECT FROM refunds r JOIN payments p ON p.id = r.payment_id JOIN orders o ON o.id = p.order_id
                          WHERE o.user_id = $1 AND r.state IN ('created', 'unknown', 'pending')) AS "goes_back!",
                  EXISTS (SELECT FROM orders o JOIN ledger_transactions t ON t.order_id = o.id
                              JOIN ledger_entries l ON l.transaction_id = t.id JOIN ledger_accounts a ON a.id = l.account_id
                          WHERE o.user_id = $1 AND a.code = 'refunds_due'
                          GROUP BY o.id, l.currency HAVING sum(l.amount_minor) <> 0) AS "is_owed!",
                  EXISTS (SELECT FROM received_money WHERE payer_number = ANY ($3)
                          AND ((state = 'unmatched' AND ignored_at IS NULL) OR (state = 'refunded' AND given_back_at IS NULL)))
                      AS "waits!""#,
        user,
        now - NEVER_BEGUN,
        &known
    )
    .fetch_one(tx)
    .await?;
    if row.pays {
        return Err(StoreError::Conflict("a payment of this person is under way: wait until it is decided".into()));
    }
    if row.goes_back || row.is_owed || row.waits {
        return Err(StoreError::Conflict(
            "money is owed to this person, or waits for somebody to say whose it is: settle that first (`portal money list`)".into(),
        ));
    }
    Ok(())
}

/// Who is online would go on leaving traces, and who has paid would lose it.
async fn refuse_access(tx: &mut PgConnection, user: Uuid, gives_up: bool, now: OffsetDateTime) -> Result<()> {
    let is_online = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sessions s JOIN entitlements e ON e.id = s.entitlement_id
                          WHERE e.user_id = $1 AND s.ended_at IS NULL) AS "is!""#,
        user
    )
    .fetch_one(&mut *tx)
    .await?;
    if is_online {
        return Err(StoreError::Conflict(
            "this person is online: end the session first (`portal session list`, `portal session disconnect`)".into(),
        ));
    }
    let running = sqlx::query!(
        "SELECT id, package_name, expires_at FROM entitlements
         WHERE user_id = $1 AND state = 'active' AND (expires_at IS NULL OR expires_at > $2)
         ORDER BY expires_at DESC NULLS FIRST FOR UPDATE",
        user,
        now
    )
    .fetch_all(&mut *tx)
    .await?;
    let Some(longest) = running.first() else { return Ok(()) };
    if !gives_up {
        let until = longest
            .expires_at
            .map_or_else(|| "without an end".to_owned(), |end| format!("until {}", shared::time::rfc3339(end)));
        return Err(StoreError::Conflict(format!(
            "this person has access with {}, {until}: wait, or end it with --give-up-access",
            longest.package_name
        )));
    }
    let ids: Vec<Uuid> = running.iter().map(|row| row.id).collect();
    sqlx::query!("UPDATE entitlements SET state = 'revoked' WHERE id = ANY ($1)", &ids).execute(tx).await?;
    Ok(())
}

/// How providers and people spell a number, in digits, and as M-Pesa hashes it.
fn spellings(phone: &Phone) -> Vec<String> {
    let msisdn = phone.msisdn();
    let national = msisdn.strip_prefix("254").unwrap_or(msisdn);
    vec![
        phone.as_str().to_owned(),
        msisdn.to_owned(),
        format!("0{national}"),
        national.to_owned(),
        hex::encode(Sha256::digest(msisdn)),
    ]
}

/// What providers wrote of this person's payments. A report that is not worked on yet is of no payment that is decided.
async fn forget_reports(tx: &mut PgConnection, user: Uuid, phone: &Phone) -> Result<u64> {
    let known = spellings(phone);
    let reports = sqlx::query!(
        "UPDATE payment_events SET body = '', headers = '{}', source = NULL
         WHERE processed_at IS NOT NULL AND octet_length(body) > 0
           AND (payment_id IN (SELECT p.id FROM payments p JOIN orders o ON o.id = p.order_id WHERE o.user_id = $1)
                OR id IN (SELECT m.event_id FROM received_money m LEFT JOIN orders o ON o.id = m.order_id
                          WHERE o.user_id = $1 OR m.payer_number = ANY ($2)))",
        user,
        &known
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query!(
        "UPDATE received_money m SET payer_name = '', payer_number = '',
             reference = CASE WHEN provider <> 'mpesa' OR regexp_replace(reference, '[^0-9]', '', 'g') = ANY ($2) THEN '' ELSE reference END
         WHERE m.payer_number = ANY ($2) OR regexp_replace(m.reference, '[^0-9]', '', 'g') = ANY ($2)
            OR m.order_id IN (SELECT id FROM orders WHERE user_id = $1)",
        user,
        &known
    )
    .execute(&mut *tx)
    .await?;
    // A line keeps its reference: by that a file that comes again is known.
    sqlx::query!(
        "WITH stated AS (
             SELECT m.provider, m.receipt, o.id AS order_id FROM received_money m JOIN orders o ON o.id = m.order_id
             WHERE o.user_id = $1 AND m.provider <> 'mpesa'),
         booked AS (
             SELECT 'received:' || provider || ':' || receipt AS key FROM stated
             -- What Stripe told of late is its payment's.
             UNION ALL SELECT 'payment:' || p.id FROM stated s JOIN payments p ON p.order_id = s.order_id AND p.provider = s.provider)
         UPDATE statement_lines l SET details = ''
         FROM booked b JOIN ledger_transactions t ON t.key = b.key WHERE l.transaction_id = t.id",
        user
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE payments SET pay_url = NULL, pay_until = NULL
         WHERE pay_url IS NOT NULL AND order_id IN (SELECT id FROM orders WHERE user_id = $1)",
        user
    )
    .execute(tx)
    .await?;
    Ok(reports)
}

/// What programs were answered about this person's money and is kept for a request that comes again: that it was done stays.
async fn forget_answers(tx: &mut PgConnection, phone: &Phone) -> Result<()> {
    let known = vec![phone.msisdn().to_owned(), hex::encode(Sha256::digest(phone.msisdn()))];
    sqlx::query!(
        "UPDATE idempotency_keys SET body = convert_to('{}', 'UTF8')
         WHERE body IS NOT NULL AND EXISTS (SELECT FROM unnest($1::text[]) AS known (spelling)
                                            WHERE position(convert_to(known.spelling, 'UTF8') IN body) > 0)",
        &known
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// What is summed up of this person by name; sums of an hour or a site tell of nobody.
async fn forget_sums(tx: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM customer_monthly WHERE user_id = $1", user).execute(tx).await?;
    Ok(())
}

/// What is remembered so that the person can be helped: logins that were refused, visits at the portal, and what the desk did, of which
/// stays that it was done.
async fn forget_help(tx: &mut PgConnection, user: Uuid) -> Result<()> {
    let devices = super::devices_of(&mut *tx, user).await?;
    sqlx::query!(
        "DELETE FROM login_refusals
         WHERE mac = ANY ($2::text[]::macaddr[])
            OR lookup = ANY (ARRAY(SELECT c.lookup FROM credentials c JOIN entitlements e ON e.id = c.entitlement_id WHERE e.user_id = $1))",
        user,
        &devices
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM device_visits WHERE mac = ANY ($1::text[]::macaddr[])", &devices)
        .execute(&mut *tx)
        .await?;
    sqlx::query!(
        "UPDATE support_actions SET mac = NULL, object = '', reason = ''
         WHERE user_id = $1 OR mac = ANY ($2::text[]::macaddr[])
            OR order_id = ANY (ARRAY(SELECT id FROM orders WHERE user_id = $1))
            OR entitlement_id = ANY (ARRAY(SELECT id FROM entitlements WHERE user_id = $1))",
        user,
        &devices
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Devices, and what opens packages on them. The security log forgets the devices too.
async fn forget_devices(tx: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!(
        "UPDATE security_events SET mac = NULL, user_name = NULL, detail = ''
         WHERE mac IN (SELECT mac FROM devices WHERE user_id = $1
                       UNION SELECT d.mac FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id WHERE e.user_id = $1
                       UNION SELECT mac FROM orders WHERE user_id = $1 AND mac IS NOT NULL)",
        user
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!("DELETE FROM devices WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!(
        "DELETE FROM entitlement_devices WHERE entitlement_id IN (SELECT id FROM entitlements WHERE user_id = $1)",
        user
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM credentials WHERE entitlement_id IN (SELECT id FROM entitlements WHERE user_id = $1)",
        user
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE vouchers SET redeemed_mac = NULL
         WHERE redeemed_mac IS NOT NULL AND entitlement_id IN (SELECT id FROM entitlements WHERE user_id = $1)",
        user
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// The history: that there was a session stays, and whose it was not. Months that were archived are history too.
async fn forget_sessions(tx: &mut PgConnection, user: Uuid) -> Result<u64> {
    sqlx::query!(
        "UPDATE nas_commands SET user_name = '', framed_ip = NULL
         WHERE session_id IN (SELECT s.id FROM sessions_ended s JOIN entitlements e ON e.id = s.entitlement_id WHERE e.user_id = $1)",
        user
    )
    .execute(&mut *tx)
    .await?;
    let mut sessions = sqlx::query!(
        "UPDATE sessions_ended SET mac = NULL, framed_ip = NULL, user_name = ''
         WHERE entitlement_id IN (SELECT id FROM entitlements WHERE user_id = $1)
           AND (mac IS NOT NULL OR framed_ip IS NOT NULL OR user_name <> '')",
        user
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    for (table, _) in archived_tables(&mut *tx).await? {
        let statement = format!(
            "UPDATE {table} SET mac = NULL, framed_ip = NULL, user_name = ''
             WHERE entitlement_id IN (SELECT id FROM entitlements WHERE user_id = $1)"
        );
        // The name has the shape that `archived_tables` asks for: letters, digits and underscores.
        sessions += sqlx::query(AssertSqlSafe(statement)).bind(user).execute(&mut *tx).await?.rows_affected();
    }
    Ok(sessions)
}

/// Messages that went out keep their kind and their time, and lose what they said; those that wait are not sent.
async fn forget_messages(tx: &mut PgConnection, user: Uuid) -> Result<u64> {
    Ok(sqlx::query!(
        "UPDATE notifications SET payload = '{}', detail = '', reference = NULL, next_attempt_at = NULL, lease_until = NULL,
             state = CASE WHEN state = 'pending' THEN 'skipped' ELSE state END
         WHERE user_id = $1",
        user
    )
    .execute(tx)
    .await?
    .rows_affected())
}

/// What was said of the person's next purchases, in which campaigns they were, and who they are in accountants' programs. What a campaign did
/// is counted without them from then on.
async fn forget_predictions(tx: &mut PgConnection, user: Uuid) -> Result<()> {
    sqlx::query!("DELETE FROM purchase_chances WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM purchase_said WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM campaign_members WHERE user_id = $1", user).execute(&mut *tx).await?;
    sqlx::query!("DELETE FROM book_customers WHERE user_id = $1", user).execute(tx).await?;
    Ok(())
}

/// Orders stay, as the law asks for, under the number that stands for nobody; and so do those that others paid for this person.
async fn forget_orders(tx: &mut PgConnection, user: Uuid, phone: &Phone, nobody: &Phone) -> Result<u64> {
    sqlx::query!("UPDATE orders_for_another SET recipient = $2 WHERE recipient = $1", phone.as_str(), nobody.as_str())
        .execute(&mut *tx)
        .await?;
    Ok(sqlx::query!("UPDATE orders SET phone = $2, mac = NULL, visit = '{}' WHERE user_id = $1", user, nobody.as_str())
        .execute(tx)
        .await?
        .rows_affected())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_however_it_was_told() {
        let phone: Phone = "0712345678".parse().expect("a number");
        let known = spellings(&phone);
        for told in ["+254712345678", "254712345678", "0712345678", "712345678"] {
            assert!(known.iter().any(|spelling| spelling == told), "{told}");
        }
        assert!(known.iter().any(|spelling| spelling.len() == 64), "hashed");
    }
}
