//! The rest of a story: visits at the portal, messages, the security log, outages, and what the desk did.

use uuid::Uuid;

use super::scope::Scope;
use super::{Event, Found, Help, Message, Outage, Security, Visit, Window, rows};
use crate::visit::Step;
use crate::{Db, Result, security, support};

/// Devices at the portal.
pub(super) async fn visits(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let macs = scope.devices();
    let rows = sqlx::query!(
        r#"SELECT v.mac::text AS "mac!", v.nas_id, n.name AS "nas?", t.name AS "site?", v.step, v.said, v.times, v.first_at, v.last_at
           FROM device_visits v LEFT JOIN nas n ON n.id = v.nas_id LEFT JOIN sites t ON t.id = n.site_id
           WHERE v.mac = ANY ($1::text[]::macaddr[]) AND v.hour >= $2 AND v.first_at < $3
             AND ($5::uuid[] IS NULL OR v.nas_id = ANY ($5))
           ORDER BY v.hour DESC LIMIT $4"#,
        &macs,
        window.since,
        window.before,
        rows(),
        scope.routers()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let Ok(mac) = row.mac.parse() else { continue };
        found.was_at(Some(row.nas_id), row.last_at);
        let visit = Visit {
            mac,
            nas: row.nas.unwrap_or_else(|| "(removed router)".into()),
            site: row.site,
            step: Step::of(row.step),
            said: row.said,
            times: u32::try_from(row.times).unwrap_or(1),
            first_at: row.first_at,
        };
        // Where it began: what followed from it comes after it.
        found.tell(row.first_at, Event::Visited(visit));
    }
    Ok(())
}

/// Messages to the customer, or those about the orders and packages.
pub(super) async fn messages(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let (orders, packages) = (scope.order_texts(), scope.entitlement_texts());
    let rows = sqlx::query!(
        r#"SELECT m.id, m.template, u.phone, m.state, m.detail, m.channel, m.provider, m.created_at, m.sent_at, m.delivered_at
           FROM notifications m JOIN users u ON u.id = m.user_id
           WHERE (m.user_id = ANY ($1) OR (m.user_id = ANY ($2) AND (m.payload->>'order' = ANY ($3) OR m.payload->>'for_another' = ANY ($3)
                                                                    OR m.payload->>'entitlement' = ANY ($4))))
             AND m.created_at >= $5 AND m.created_at < $6
           ORDER BY m.created_at DESC LIMIT $7"#,
        &scope.users,
        &scope.owners,
        &orders,
        &packages,
        window.since,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let message = Message {
            id: row.id,
            kind: row.template,
            phone: row.phone.parse().ok(),
            state: row.state,
            detail: row.detail,
            channel: row.channel,
            provider: row.provider,
        };
        if let Some(at) = row.delivered_at {
            found.tell(at, Event::Delivered(message.clone()));
        }
        if let Some(at) = row.sent_at {
            found.tell(at, Event::Sent(message.clone()));
        }
        found.tell(row.created_at, Event::Written(message));
    }
    Ok(())
}

/// What the security log has of these devices.
pub(super) async fn security(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let macs = scope.devices();
    let rows = sqlx::query!(
        r#"SELECT e.at, e.kind, e.mac::text AS mac, n.name AS "nas?", e.detail
           FROM security_events e LEFT JOIN nas n ON n.id = e.nas_id
           WHERE e.mac = ANY ($1::text[]::macaddr[]) AND e.at >= $2 AND e.at < $3
             AND ($5::uuid[] IS NULL OR e.nas_id IS NULL OR e.nas_id = ANY ($5))
           ORDER BY e.at DESC LIMIT $4"#,
        &macs,
        window.since,
        window.before,
        rows(),
        scope.routers()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        // A kind that is newer than this program is left out, as in the log itself.
        let Some(kind) = security::Kind::parse(&row.kind) else { continue };
        let mac = row.mac.and_then(|mac| mac.parse().ok());
        found.tell(row.at, Event::Noticed(Security { kind, mac, nas: row.nas, detail: row.detail }));
    }
    Ok(())
}

/// Routers that went dark while these packages were in use there, and those that are dark now where something happened.
pub(super) async fn outages(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let mut routers: Vec<Uuid> = found.routers.iter().map(|(_, nas)| *nas).collect();
    routers.sort_unstable();
    routers.dedup();
    let rows = sqlx::query!(
        r#"SELECT coalesce(n.name, '(removed router)') AS "nas!", o.started_at, o.ended_at, o.given_back_at IS NOT NULL AS "is_given_back!"
           FROM outages o LEFT JOIN nas n ON n.id = o.nas_id
           WHERE o.id IN (SELECT outage_id FROM outage_entitlements WHERE entitlement_id = ANY ($1)
                          UNION SELECT id FROM outages WHERE ended_at IS NULL AND nas_id = ANY ($2))
             AND o.started_at >= $3 AND o.started_at < $4 AND ($6::uuid[] IS NULL OR o.nas_id = ANY ($6))
           ORDER BY o.started_at DESC LIMIT $5"#,
        &scope.entitlements,
        &routers,
        window.since,
        window.before,
        rows(),
        scope.routers()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let outage = Outage { nas: row.nas, ended_at: row.ended_at, is_given_back: row.is_given_back };
        if let Some(at) = row.ended_at {
            found.tell(at, Event::OutageEnded(outage.clone()));
        }
        found.tell(row.started_at, Event::OutageBegan(outage));
    }
    Ok(())
}

/// What the desk did.
pub(super) async fn help(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let macs = scope.devices();
    let rows = sqlx::query!(
        "SELECT kind, actor, reason, object, at FROM support_actions
         WHERE (user_id = ANY ($1) OR order_id = ANY ($2) OR entitlement_id = ANY ($3) OR mac = ANY ($4::text[]::macaddr[]))
           AND at >= $5 AND at < $6 ORDER BY at DESC LIMIT $7",
        &scope.users,
        &scope.orders,
        &scope.entitlements,
        &macs,
        window.since,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let Some(kind) = support::Kind::parse(&row.kind) else { continue };
        let help = Help { kind, by: row.actor, reason: row.reason, object: row.object };
        found.tell(row.at, Event::Helped(help));
    }
    Ok(())
}
