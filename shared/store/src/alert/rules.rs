//! Rules that an operator has changed, kinds of which nobody is told for a while, and who wants to be told from which severity on.

use std::collections::BTreeMap;

use shared::alert::{Kind, Rule, Severity};
use shared::email::EmailAddress;
use shared::phone::Phone;
use shared::staff::{Role, SiteScope};
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::{Db, Result, StoreError};

/// The rules in force, one for each kind. What was written that its rule cannot work with any more is as if it were not.
pub async fn all(db: &Db) -> Result<BTreeMap<Kind, Rule>> {
    let rows = sqlx::query!(
        "SELECT kind, is_on, threshold, window_minutes, severity, by_sms, by_email, escalate_minutes, wakes FROM alert_rules"
    )
    .fetch_all(&db.pool)
    .await?;
    let mut rules: BTreeMap<Kind, Rule> = Kind::ALL.into_iter().map(|kind| (kind, Rule::of(kind))).collect();
    for row in rows {
        let (Some(kind), Some(severity)) = (Kind::parse(&row.kind), Severity::parse(&row.severity)) else { continue };
        let rule = Rule {
            is_on: row.is_on,
            threshold: u32::try_from(row.threshold).unwrap_or(0),
            window_minutes: u32::try_from(row.window_minutes).unwrap_or(0),
            severity,
            by_sms: row.by_sms,
            by_email: row.by_email,
            escalate_minutes: row.escalate_minutes.and_then(|minutes| u32::try_from(minutes).ok()),
            wakes: row.wakes,
        };
        if rule.check(kind) {
            rules.insert(kind, rule);
        }
    }
    Ok(rules)
}

/// Sets a rule; one that is as the program has it is not kept, so that it follows the program.
pub async fn save(db: &Db, kind: Kind, rule: &Rule, by: &str, now: OffsetDateTime) -> Result<()> {
    if *rule == Rule::of(kind) {
        sqlx::query!("DELETE FROM alert_rules WHERE kind = $1", kind.as_str()).execute(&db.pool).await?;
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO alert_rules (kind, is_on, threshold, window_minutes, severity, by_sms, by_email, escalate_minutes, wakes, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (kind) DO UPDATE SET is_on = EXCLUDED.is_on, threshold = EXCLUDED.threshold, window_minutes = EXCLUDED.window_minutes,
             severity = EXCLUDED.severity, by_sms = EXCLUDED.by_sms, by_email = EXCLUDED.by_email,
             escalate_minutes = EXCLUDED.escalate_minutes, wakes = EXCLUDED.wakes, updated_at = EXCLUDED.updated_at,
             updated_by = EXCLUDED.updated_by",
        kind.as_str(),
        rule.is_on,
        signed(rule.threshold),
        signed(rule.window_minutes),
        rule.severity.as_str(),
        rule.by_sms,
        rule.by_email,
        rule.escalate_minutes.map(signed),
        rule.wakes,
        now,
        by
    )
    .execute(&db.pool)
    .await?;
    Ok(())
}

fn signed(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A kind of which nobody is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mute {
    /// Until then.
    pub until: OffsetDateTime,
    /// Who wanted it.
    pub by: String,
}

/// The kinds of which nobody is told now.
pub async fn mutes(db: &Db, now: OffsetDateTime) -> Result<BTreeMap<Kind, Mute>> {
    let rows =
        sqlx::query!("SELECT kind, until, muted_by FROM alert_mutes WHERE until > $1", now).fetch_all(&db.pool).await?;
    let mute = |(kind, until, by): (String, _, _)| Some((Kind::parse(&kind)?, Mute { until, by }));
    Ok(rows.into_iter().filter_map(|row| mute((row.kind, row.until, row.muted_by))).collect())
}

/// Tells nobody of a kind until then; `None`: people are told again.
pub async fn mute(db: &Db, kind: Kind, until: Option<OffsetDateTime>, by: &str) -> Result<()> {
    match until {
        Some(until) => sqlx::query!(
            "INSERT INTO alert_mutes (kind, until, muted_by) VALUES ($1, $2, $3)
             ON CONFLICT (kind) DO UPDATE SET until = EXCLUDED.until, muted_by = EXCLUDED.muted_by",
            kind.as_str(),
            until,
            by
        ),
        None => sqlx::query!("DELETE FROM alert_mutes WHERE kind = $1", kind.as_str()),
    }
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// From which severity on somebody wants to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wish {
    /// Nobody has said it: an owner is told of what is critical, by e-mail; others of nothing.
    Unsaid,
    /// Of nothing.
    Nothing,
    /// From this one on.
    From(Severity),
}

impl Wish {
    fn read(text: Option<&str>) -> Wish {
        match text {
            None => Wish::Unsaid,
            Some(text) => Severity::parse(text).map_or(Wish::Nothing, Wish::From),
        }
    }

    fn word(self) -> Option<&'static str> {
        match self {
            Wish::Unsaid => None,
            Wish::Nothing => Some("none"),
            Wish::From(severity) => Some(severity.as_str()),
        }
    }
}

/// Somebody who may be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// Who.
    pub id: Uuid,
    /// What they are.
    pub role: Role,
    /// Where an e-mail finds them, if their address is such.
    pub email: Option<EmailAddress>,
    /// Where a text message finds them.
    pub phone: Option<Phone>,
    /// What they want to be told.
    pub wish: Wish,
    /// The sites that they are limited to.
    pub sites: SiteScope,
}

/// All staff who can be told something: not who is suspended, or has not accepted an invitation.
pub async fn people(db: &Db) -> Result<Vec<Person>> {
    let rows = sqlx::query!(
        r#"SELECT u.id, u.role, u.email, u.alert_phone, u.alert_min_severity,
                  ARRAY(SELECT s.site_id FROM admin_sites s WHERE s.admin_id = u.id ORDER BY s.site_id) AS "sites!"
           FROM admin_users u WHERE u.suspended_at IS NULL AND NOT u.invited ORDER BY u.created_at, u.id LIMIT 200"#
    )
    .fetch_all(&db.pool)
    .await?;
    rows.into_iter()
        .map(|row| {
            let phone = row.alert_phone.map(|phone| phone.parse::<Phone>()).transpose();
            Ok(Person {
                role: Role::parse(&row.role)
                    .ok_or_else(|| StoreError::corrupt("admin_users", row.id, "unknown role"))?,
                email: row.email.parse().ok(),
                phone: phone.map_err(|error| StoreError::corrupt("admin_users", row.id, error))?,
                wish: Wish::read(row.alert_min_severity.as_deref()),
                sites: SiteScope::of(row.sites),
                id: row.id,
            })
        })
        .collect()
}

/// What somebody wants to be told, and by which phone.
pub async fn wish(db: &Db, admin: Uuid) -> Result<(Wish, Option<Phone>)> {
    let row = sqlx::query!("SELECT alert_phone, alert_min_severity FROM admin_users WHERE id = $1", admin)
        .fetch_optional(&db.pool)
        .await?
        .ok_or_else(|| StoreError::missing("member of staff", admin))?;
    let phone = row.alert_phone.map(|phone| phone.parse::<Phone>()).transpose();
    let phone = phone.map_err(|error| StoreError::corrupt("admin_users", admin, error))?;
    Ok((Wish::read(row.alert_min_severity.as_deref()), phone))
}

/// Sets it.
pub async fn set_wish(db: &Db, admin: Uuid, wish: Wish, phone: Option<&Phone>) -> Result<()> {
    let done = sqlx::query!(
        "UPDATE admin_users SET alert_phone = $2, alert_min_severity = $3 WHERE id = $1",
        admin,
        phone.map(Phone::as_str),
        wish.word()
    )
    .execute(&db.pool)
    .await?
    .rows_affected();
    if done == 1 { Ok(()) } else { Err(StoreError::missing("member of staff", admin)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_they_are_written() {
        for wish in [Wish::Unsaid, Wish::Nothing, Wish::From(Severity::Info), Wish::From(Severity::Critical)] {
            assert_eq!(Wish::read(wish.word()), wish);
        }
    }
}
