//! The network's part of a story: packages and their devices, sessions and what was asked of routers about them, refused logins.

use shared::entitlement::State;
use shared::mac::Mac;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::scope::{Scope, first_day};
use super::{Access, Change, Command, Event, Found, Place, Refusal, Standing, Stay, Window, rows};
use crate::history::Asked;
use crate::session::{Row, Session};
use crate::{Db, Result, StoreError};

/// Packages: when they were given, began and ended, and what purchases made of them.
pub(super) async fn packages(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT e.id, e.package_name, e.state, e.order_id, o.code AS "order_code?", b.number AS "batch?", v.serial AS "serial?",
                  v.state AS "voucher?", v.redeemed_at AS "redeemed_at?", e.hours IS NOT NULL AS "has_hours!", e.device_limit, e.created_at,
                  e.starts_at, e.expires_at,
                  EXISTS (SELECT FROM support_actions a WHERE a.entitlement_id = e.id AND a.kind = 'grant') AS "is_again!",
                  ARRAY(SELECT d.mac::text FROM entitlement_devices d WHERE d.entitlement_id = e.id ORDER BY d.bound_at, d.mac) AS "devices!",
                  (SELECT count(*) FROM sessions s WHERE s.entitlement_id = e.id AND s.ended_at IS NULL) AS "online!"
           FROM entitlements e LEFT JOIN orders o ON o.id = e.order_id LEFT JOIN vouchers v ON v.entitlement_id = e.id
                LEFT JOIN voucher_batches b ON b.id = v.batch_id
           WHERE e.id = ANY ($1) AND e.created_at < $2 ORDER BY e.created_at DESC LIMIT $3"#,
        &scope.entitlements,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let state = State::parse(&row.state);
        let state = state.ok_or_else(|| StoreError::corrupt("entitlements", row.id, "unknown state"))?;
        let is_over = row.expires_at.is_some_and(|end| end <= window.now);
        let voucher = row.batch.zip(row.serial).zip(row.voucher);
        let access = Access {
            id: row.id,
            package: row.package_name,
            standing: match state {
                State::Exhausted => Standing::UsedUp,
                State::Revoked => Standing::TakenBack,
                State::Expired => Standing::Over,
                State::Active if is_over => Standing::Over,
                State::Active if row.starts_at.is_none() => Standing::Waiting,
                State::Active => Standing::Usable,
            },
            order: row.order_id,
            order_code: row.order_code,
            voucher: voucher.map(|((batch, serial), state)| (whole(batch), whole(serial), state)),
            is_again: row.is_again,
            has_hours: row.has_hours,
            device_limit: whole(row.device_limit),
            devices: row.devices.iter().filter_map(|mac| mac.parse().ok()).collect(),
            online: u32::try_from(row.online).unwrap_or(0),
            created_at: row.created_at,
            starts_at: row.starts_at,
            expires_at: row.expires_at,
        };
        if let Some(at) = row.redeemed_at {
            found.tell(at, Event::Redeemed(access.clone()));
        }
        if let Some(at) = access.starts_at {
            found.tell(at, Event::Started(access.clone()));
        }
        if let Some(at) = access.expires_at.filter(|_| access.standing == Standing::Over) {
            found.tell(at, Event::Ended(access.clone()));
        }
        found.tell(access.created_at, Event::Granted(access));
    }
    changes(db, scope, window, found).await
}

async fn changes(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT c.entitlement_id, e.package_name, c.order_id, o.code AS "order_code!", c.kind, c.at
           FROM entitlement_changes c JOIN entitlements e ON e.id = c.entitlement_id JOIN orders o ON o.id = c.order_id
           WHERE c.entitlement_id = ANY ($1) AND c.at < $2 ORDER BY c.at DESC LIMIT $3"#,
        &scope.entitlements,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let change = Change {
            entitlement: row.entitlement_id,
            package: row.package_name,
            order: row.order_id,
            order_code: row.order_code,
            is_longer: row.kind == "extend",
        };
        found.tell(row.at, Event::Changed(change));
    }
    Ok(())
}

/// Devices that have a place.
pub(super) async fn places(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT d.entitlement_id, e.package_name, d.mac::text AS "mac!", d.bound_at
           FROM entitlement_devices d JOIN entitlements e ON e.id = d.entitlement_id
           WHERE d.entitlement_id = ANY ($1) AND d.bound_at < $2 ORDER BY d.bound_at DESC LIMIT $3"#,
        &scope.entitlements,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let mac = row.mac.parse();
        let mac = mac.map_err(|error| StoreError::corrupt("entitlement_devices", row.entitlement_id, error))?;
        let place = Place { entitlement: row.entitlement_id, package: row.package_name, mac };
        found.tell(row.bound_at, Event::Bound(place));
    }
    Ok(())
}

struct StayRow {
    id: Uuid,
    nas_id: Uuid,
    nas: Option<String>,
    phone: Option<String>,
    package: Option<String>,
    entitlement: Option<Uuid>,
    user_name: String,
    mac: Option<String>,
    framed_ip: Option<String>,
    acct_session_id: String,
    started_at: OffsetDateTime,
    last_heard_at: OffsetDateTime,
    input_octets: i64,
    output_octets: i64,
    cutoff_at: Option<OffsetDateTime>,
    ended_at: Option<OffsetDateTime>,
    terminate_cause: Option<String>,
    lost: bool,
}

impl From<StayRow> for Stay {
    fn from(row: StayRow) -> Stay {
        let session = Session::from(Row {
            id: row.id,
            nas: row.nas,
            phone: row.phone,
            package: row.package,
            entitlement: row.entitlement,
            user_name: row.user_name,
            mac: row.mac,
            framed_ip: row.framed_ip,
            acct_session_id: row.acct_session_id,
            started_at: row.started_at,
            last_heard_at: row.last_heard_at,
            input_octets: row.input_octets,
            output_octets: row.output_octets,
            cutoff_at: row.cutoff_at,
            ended_at: row.ended_at,
            terminate_cause: row.terminate_cause,
            cut: None,
        });
        Stay { session, is_lost: row.lost }
    }
}

/// Sessions, from a clause that names their table and which of them are meant.
macro_rules! stays {
    ($from:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            StayRow,
            r#"SELECT s.id, s.nas_id, n.name AS "nas?", u.phone AS "phone?", e.package_name AS "package?", s.entitlement_id AS entitlement,
                      s.user_name, s.mac::text AS mac, host(s.framed_ip) AS framed_ip, s.acct_session_id, s.started_at,
                      s.last_heard_at, s.input_octets, s.output_octets, s.cutoff_at, s.ended_at, s.terminate_cause, s.lost
               FROM "# + $from + r#" s LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN entitlements e ON e.id = s.entitlement_id
                    LEFT JOIN users u ON u.id = e.user_id
               ORDER BY s.started_at DESC, s.id"#,
            $($argument),+
        )
    };
}

/// Sessions of these devices and packages, and what was asked of their routers.
pub(super) async fn sessions(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let (macs, session) = (scope.devices(), scope.session.map(|key| key.id));
    let mut stays = stays!(
        "(SELECT * FROM sessions
          WHERE (mac = ANY ($1::text[]::macaddr[]) OR entitlement_id = ANY ($2) OR id = $3) AND started_at < $4
            AND ($6::uuid[] IS NULL OR nas_id = ANY ($6))
          ORDER BY started_at DESC LIMIT $5)",
        &macs,
        &scope.entitlements,
        session,
        window.before,
        rows(),
        scope.routers()
    )
    .fetch_all(&db.pool)
    .await?;
    stays.extend(
        stays!(
            "(SELECT * FROM sessions_ended
              WHERE opened_on >= $3 AND (mac = ANY ($1::text[]::macaddr[]) OR entitlement_id = ANY ($2))
                AND started_at >= $4 AND started_at < $5 AND ($7::uuid[] IS NULL OR nas_id = ANY ($7))
              ORDER BY started_at DESC LIMIT $6)",
            &macs,
            &scope.entitlements,
            first_day(window),
            window.since,
            window.before,
            rows(),
            scope.routers()
        )
        .fetch_all(&db.pool)
        .await?,
    );
    if let Some(key) = scope.session.filter(|key| !stays.iter().any(|stay| stay.id == key.id)) {
        let asked_for =
            stays!("(SELECT * FROM sessions_ended WHERE opened_on = $1 AND id = $2)", key.opened_on, key.id);
        stays.extend(asked_for.fetch_optional(&db.pool).await?);
    }
    let ids: Vec<Uuid> = stays.iter().map(|stay| stay.id).collect();
    for row in stays {
        found.was_at(Some(row.nas_id), row.last_heard_at);
        let stay = Stay::from(row);
        match stay.session.ended_at {
            Some(at) => found.tell(at, Event::SessionEnded(stay.clone())),
            None if stay.session.last_heard_at > stay.session.started_at => {
                found.tell(stay.session.last_heard_at, Event::SessionHeard(stay.clone()));
            }
            None => {}
        }
        found.tell(stay.session.started_at, Event::SessionBegan(stay));
    }
    commands(db, &ids, window, found).await
}

async fn commands(db: &Db, sessions: &[Uuid], window: Window, found: &mut Found) -> Result<()> {
    let rows = sqlx::query!(
        r#"SELECT c.session_id, n.name AS "nas?", c.kind, c.reason, c.state, c.error_cause, c.attempts, c.created_at, c.answered_at, c.proved_at,
                  EXISTS (SELECT FROM sessions s WHERE s.id = c.session_id AND s.ended_at IS NULL) AS "is_open!"
           FROM nas_commands c LEFT JOIN nas n ON n.id = c.nas_id
           WHERE c.session_id = ANY ($1) AND c.created_at < $2 ORDER BY c.created_at DESC LIMIT $3"#,
        sessions,
        window.before,
        rows()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        let command = Command {
            asked: Asked {
                kind: row.kind,
                reason: row.reason,
                state: row.state,
                error_cause: row.error_cause,
                attempts: row.attempts,
                asked_at: row.created_at,
                answered_at: row.answered_at,
                proved_at: row.proved_at,
            },
            session: row.session_id,
            nas: row.nas.unwrap_or_else(|| "(removed router)".into()),
            is_open: row.is_open,
        };
        if let Some(at) = row.answered_at {
            found.tell(at, Event::Answered(command.clone()));
        }
        found.tell(row.created_at, Event::Commanded(command));
    }
    Ok(())
}

/// Logins that were refused: of these devices, or with a name that opens one of the packages.
pub(super) async fn refusals(db: &Db, scope: &Scope, window: Window, found: &mut Found) -> Result<()> {
    let macs = scope.devices();
    let rows = sqlx::query!(
        r#"SELECT r.mac::text AS mac, r.nas_id AS "nas_id!", n.name AS "nas?", r.reason AS "reason!", r.name AS "name!", r.times AS "times!",
                  r.first_at AS "first_at!", r.last_at AS "last_at!",
                  r.lookup = ANY ($2) AS "is_of_package!"
           FROM (SELECT * FROM login_refusals WHERE mac = ANY ($1::text[]::macaddr[]) AND hour >= $3
                 UNION SELECT * FROM login_refusals WHERE lookup = ANY ($2) AND hour >= $3) r
                LEFT JOIN nas n ON n.id = r.nas_id
           WHERE r.last_at < $4 AND ($6::uuid[] IS NULL OR r.nas_id = ANY ($6)) ORDER BY r.last_at DESC LIMIT $5"#,
        &macs,
        &scope.names,
        window.since,
        window.before,
        rows(),
        scope.routers()
    )
    .fetch_all(&db.pool)
    .await?;
    for row in rows {
        found.was_at(Some(row.nas_id), row.last_at);
        let refusal = Refusal {
            mac: row.mac.and_then(|mac| mac.parse::<Mac>().ok()),
            nas: row.nas.unwrap_or_else(|| "(removed router)".into()),
            reason: row.reason,
            name: row.name,
            times: whole(row.times),
            first_at: row.first_at,
            is_of_package: row.is_of_package,
        };
        found.tell(row.last_at, Event::Refused(refusal));
    }
    Ok(())
}

/// What a CHECK keeps positive.
fn whole(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
