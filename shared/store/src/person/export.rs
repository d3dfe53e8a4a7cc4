//! What is known of a person, as one JSON value: to be handed over on request. Everything is as of one moment.
//!
//! Secrets are not in it, the person's own included: passwords, codes of vouchers, links that open pages.

use serde_json::{Value, json};
use shared::phone::Phone;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Db, Result};

/// Most rows of one kind: more than a customer leaves in a life.
const ROWS_MAX: i64 = 100_000;

/// All that is known of the person with that number. `None`: nobody is known by it.
pub async fn export(db: &Db, phone: &Phone) -> Result<Option<Value>> {
    let mut tx = db.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let found =
        sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone.as_str()).fetch_optional(&mut *tx).await?;
    let Some(user) = found else { return Ok(None) };
    let devices = super::devices_of(&mut tx, user).await?;
    let whole = json!({
        "customer": customer(&mut tx, user).await?,
        "devices": named_devices(&mut tx, user).await?,
        "packages": packages(&mut tx, user).await?,
        "orders": orders(&mut tx, user, phone).await?,
        "payments": payments(&mut tx, user).await?,
        "sessions": sessions(&mut tx, user).await?,
        "messages": messages(&mut tx, user).await?,
        "security": security(&mut tx, user).await?,
        "refused_logins": refused_logins(&mut tx, &devices).await?,
        "visits": visits(&mut tx, &devices).await?,
        "help": help(&mut tx, user).await?,
        "months": months(&mut tx, user).await?,
        "predictions": predictions(&mut tx, user).await?,
        "campaigns": campaigns(&mut tx, user).await?,
        "accountants_programs": accountants_programs(&mut tx, user).await?,
        "audit": audit(&mut tx, user, phone).await?,
    });
    tx.commit().await?;
    Ok(Some(whole))
}

async fn customer(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT jsonb_build_object('phone', phone, 'phone_proved_at', otp_verified_at, 'name', name, 'email', email,
                      'email_proved_at', email_verified_at, 'news_by', news_by, 'not_told', muted, 'language', locale, 'status', status,
                      'wants_offers', offers, 'said_so_at', offers_said_at, 'known_since', created_at) AS "v!"
           FROM users WHERE id = $1"#,
        user
    )
    .fetch_one(tx)
    .await?)
}

async fn named_devices(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(jsonb_build_object('mac', mac, 'label', label, 'since', bound_at) ORDER BY bound_at), '[]') AS "v!"
           FROM devices WHERE user_id = $1"#,
        user
    )
    .fetch_one(tx)
    .await?)
}

async fn packages(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'since'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('package', e.package_name, 'state', e.state, 'since', e.created_at, 'starts_at', e.starts_at,
                          'expires_at', e.expires_at, 'used_seconds', u.seconds, 'used_up_octets', u.input_octets,
                          'used_down_octets', u.output_octets, 'voucher', v.state, 'redeemed_at', v.redeemed_at,
                          'redeemed_on', v.redeemed_mac,
                          'devices', (SELECT coalesce(jsonb_agg(d.mac ORDER BY d.bound_at), '[]') FROM entitlement_devices d
                                      WHERE d.entitlement_id = e.id)) AS line
               FROM entitlements e LEFT JOIN entitlement_usage u ON u.entitlement_id = e.id
                    LEFT JOIN vouchers v ON v.entitlement_id = e.id
               WHERE e.user_id = $1 ORDER BY e.created_at LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

async fn orders(tx: &mut PgConnection, user: Uuid, phone: &Phone) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'at'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('code', o.code, 'at', o.created_at, 'package', o.package->>'name', 'amount_minor', o.amount_minor,
                          'currency', o.currency, 'state', o.state, 'reason', o.reason, 'paid_at', o.paid_at, 'device', o.mac,
                          'visit', o.visit, 'paid_for', CASE WHEN o.user_id = $1 THEN a.recipient END, 'paid_by_another', o.user_id <> $1,
                          'discounts', (SELECT coalesce(jsonb_agg(d.name ORDER BY d.name), '[]') FROM order_discounts t
                                        JOIN discounts d ON d.id = t.discount_id WHERE t.order_id = o.id)) AS line
               FROM orders o LEFT JOIN orders_for_another a ON a.order_id = o.id
               WHERE o.user_id = $1 OR a.recipient = $2 ORDER BY o.created_at LIMIT $3) lines"#,
        user,
        phone.as_str(),
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

async fn payments(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'at'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('order', o.code, 'at', p.created_at, 'by', p.provider, 'amount_minor', p.amount_minor,
                          'currency', p.currency, 'state', p.state, 'receipt', p.receipt, 'result', p.result_text,
                          'payer_name', m.payer_name, 'payer_number', m.payer_number, 'typed', m.reference,
                          'reports', (SELECT coalesce(jsonb_agg(jsonb_build_object('at', v.received_at, 'outcome', v.outcome,
                                                                    'octets', octet_length(v.body)) ORDER BY v.received_at), '[]')
                                      FROM payment_events v WHERE v.payment_id = p.id)) AS line
               FROM payments p JOIN orders o ON o.id = p.order_id
                    LEFT JOIN received_money m ON m.receipt = p.receipt
               WHERE o.user_id = $1 ORDER BY p.created_at LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

async fn sessions(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'from'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('from', s.started_at, 'until', s.ended_at, 'router', n.name, 'site', t.name, 'device', s.mac,
                          'address', host(s.framed_ip), 'login', s.user_name, 'seconds', s.session_seconds,
                          'up_octets', s.input_octets, 'down_octets', s.output_octets, 'ended_by', s.terminate_cause) AS line
               FROM (SELECT nas_id, entitlement_id, started_at, ended_at, mac, framed_ip, user_name, session_seconds, input_octets,
                            output_octets, terminate_cause FROM sessions
                     UNION ALL
                     SELECT nas_id, entitlement_id, started_at, ended_at, mac, framed_ip, user_name, session_seconds, input_octets,
                            output_octets, terminate_cause FROM sessions_ended) s
                    JOIN entitlements e ON e.id = s.entitlement_id
                    LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN sites t ON t.id = n.site_id
               WHERE e.user_id = $1 ORDER BY s.started_at DESC LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

async fn messages(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'at'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('kind', template, 'about', payload - 'claim', 'state', state, 'by', coalesce(channel, 'sms'),
                          'at', created_at, 'sent_at', sent_at, 'delivered_at', delivered_at) AS line
               FROM notifications WHERE user_id = $1 ORDER BY created_at LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

async fn security(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(jsonb_build_object('at', at, 'kind', kind, 'device', mac, 'login', user_name, 'detail', detail)
                                     ORDER BY at), '[]') AS "v!"
           FROM security_events
           WHERE mac IN (SELECT mac FROM devices WHERE user_id = $1
                         UNION SELECT d.mac FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id WHERE e.user_id = $1
                         UNION SELECT mac FROM orders WHERE user_id = $1 AND mac IS NOT NULL)"#,
        user
    )
    .fetch_one(tx)
    .await?)
}

/// Logins of the person's devices that were refused, as long as they are remembered.
async fn refused_logins(tx: &mut PgConnection, devices: &[String]) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'from'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('from', r.first_at, 'until', r.last_at, 'times', r.times, 'router', n.name, 'device', r.mac,
                          'login_began_with', r.name, 'why', r.reason) AS line
               FROM login_refusals r LEFT JOIN nas n ON n.id = r.nas_id
               WHERE r.mac = ANY ($1::text[]::macaddr[]) ORDER BY r.first_at LIMIT $2) lines"#,
        devices,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// Visits of the person's devices at the portal, as long as they are remembered.
async fn visits(tx: &mut PgConnection, devices: &[String]) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'from'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('from', v.first_at, 'until', v.last_at, 'times', v.times, 'router', n.name, 'device', v.mac,
                          'step', v.step, 'router_said', v.said) AS line
               FROM device_visits v LEFT JOIN nas n ON n.id = v.nas_id
               WHERE v.mac = ANY ($1::text[]::macaddr[]) ORDER BY v.first_at LIMIT $2) lines"#,
        devices,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// What the desk did for the person.
async fn help(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'at'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('at', a.at, 'what', a.kind, 'to', a.object, 'why', a.reason, 'device', a.mac) AS line
               FROM support_actions a
               WHERE a.user_id = $1 OR a.entitlement_id = ANY (ARRAY(SELECT id FROM entitlements WHERE user_id = $1))
               ORDER BY a.at LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// What is summed up of the person by the month, as reports show it.
async fn months(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'month'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('month', to_char(c.month, 'YYYY-MM'), 'site', t.name, 'purchases', c.purchases,
                          'amount_minor', c.amount_minor, 'currency', c.currency, 'up_octets', c.input_octets,
                          'down_octets', c.output_octets, 'seconds', c.session_seconds) AS line
               FROM customer_monthly c LEFT JOIN sites t ON t.id = c.site_id
               WHERE c.user_id = $1 ORDER BY c.month, c.site_id LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// What is predicted of the person, and what was before.
async fn predictions(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT jsonb_build_object(
               'now', (SELECT jsonb_build_object('made_at', c.made_at, 'buys_within_7_days', c.chance_7, 'buys_within_30_days', c.chance_30,
                              'expected_minor', c.expected_minor, 'currency', c.currency, 'likely_hour', c.likely_hour,
                              'last_purchase_at', c.last_at, 'purchases', c.purchases, 'is_leaving', c.is_leaving, 'why', c.reasons)
                       FROM purchase_chances c WHERE c.user_id = $1),
               'before', (SELECT coalesce(jsonb_agg(line ORDER BY line->>'made_at'), '[]') FROM (
                   SELECT jsonb_build_object('made_at', m.made_at, 'within_days', m.window_days, 'chance', s.chance) AS line
                   FROM purchase_said s JOIN purchase_models m ON m.id = s.model_id
                   WHERE s.user_id = $1 ORDER BY m.made_at LIMIT $2) lines)) AS "v!""#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// Who the person is in accountants' programs, if each sale is told there for itself.
async fn accountants_programs(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line), '[]') AS "lines!" FROM (
               SELECT jsonb_build_object('program', b.provider, 'company', b.name, 'customer', c.external_id, 'since', c.set_at) AS line
               FROM book_customers c JOIN book_connections b ON b.id = c.connection_id WHERE c.user_id = $1) x"#,
        user
    )
    .fetch_one(tx)
    .await?)
}

/// Which offers the person was sent, or was left out of by lot so that their effect can be measured.
async fn campaigns(tx: &mut PgConnection, user: Uuid) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(line ORDER BY line->>'at'), '[]') AS "v!" FROM (
               SELECT jsonb_build_object('campaign', c.name, 'at', c.created_at, 'left_out', m.is_held_out, 'told_at', m.told_at) AS line
               FROM campaign_members m JOIN campaigns c ON c.id = m.campaign_id
               WHERE m.user_id = $1 ORDER BY c.created_at LIMIT $2) lines"#,
        user,
        ROWS_MAX
    )
    .fetch_one(tx)
    .await?)
}

/// Lines of the audit log that name this person. They stay when everything else goes.
async fn audit(tx: &mut PgConnection, user: Uuid, phone: &Phone) -> Result<Value> {
    Ok(sqlx::query_scalar!(
        r#"SELECT coalesce(jsonb_agg(jsonb_build_object('at', at, 'action', action, 'object', object) ORDER BY id), '[]') AS "v!"
           FROM admin_logs
           WHERE actor = 'customer ' || $1::uuid::text OR object LIKE '%' || $1::uuid::text || '%' OR object LIKE '%' || replace($1::uuid::text, '-', '') || '%' OR object LIKE '%' || $2::text || '%'"#,
        user,
        phone.as_str()
    )
    .fetch_one(tx)
    .await?)
}
