//! Campaigns: an offer by message to those who will probably buy, or who stay away, with a part of them held out by lot. What a message did is
//! the difference between the told and the held out, and nothing else.
//!
//! ```text
//!  begin   purchase_chances, of whom may be told ─► campaign_members, each with a lot     one transaction
//!  step    the next lots ─► the outbox of messages ([`crate::notification`])              one after the other, under a lease
//!  stop    what waits in the outbox is not sent
//!  outcome orders since the beginning, of the told and of the held out
//! ```
//!
//! Nobody is told an offer who was not asked for that by itself and said yes ([`crate::person::choose_offers`]); it is looked at when the
//! members are drawn, when a message is written down, and once more when it is sent. Nobody is in two campaigns that are measured at the
//! same time: neither would know what it did.
//!
//! Refused here: a campaign without anybody to compare with.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared::discount::Discount;
use shared::money::Money;
use shared::notice::Notice;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::admin::Author;
use crate::money::money;
use crate::package::{unsigned, whole_seconds};
use crate::{Db, Result, StoreError, discount, notification};

/// Members of a campaign at most: of more the likeliest, or those of the greatest worth, are taken.
const MEMBERS_MAX: i64 = 100_000;
/// How many are told with one step.
const STEP: i64 = 200;
/// A campaign that nobody has gone on with for this long is taken up by another portal.
const LEASE: Duration = Duration::from_secs(60);
/// Campaigns that are listed.
const LISTED: i64 = 200;

/// Whom a campaign is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Those whose chance to buy lies in a range.
    Likely,
    /// Those who seem to stay away.
    Leaving,
}

impl Kind {
    /// Its word in the database and in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Likely => "likely",
            Kind::Leaving => "leaving",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Kind> {
        [Kind::Likely, Kind::Leaving].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The filter of a campaign's audience.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Audience {
    /// Whom it is for.
    pub kind: Kind,
    /// The chance of how many days is meant: 7 or 30.
    pub window_days: i32,
    /// From this chance on.
    pub least: f64,
    /// Until this one, which belongs to it.
    pub most: f64,
    /// Who usually buys at this site.
    pub site: Option<Uuid>,
    /// Who has bought so often at least.
    pub purchases_least: i32,
    /// And so often at most.
    pub purchases_most: i32,
}

/// The audience's own condition, of `purchase_chances c JOIN users u`. Its arguments are the first eight.
macro_rules! audience {
    ($type:ident, $before:literal, $after:literal, $audience:expr, $sites:expr, $now:expr $(, $argument:expr)*) => {
        sqlx::query_as!(
            $type,
            $before
                + "FROM purchase_chances c JOIN users u ON u.id = c.user_id
                   WHERE u.erased_at IS NULL AND ($1::text <> 'leaving' OR c.is_leaving)
                     AND CASE WHEN $2::integer = 7 THEN c.chance_7 ELSE c.chance_30 END BETWEEN $3 AND $4
                     AND ($5::uuid IS NULL OR c.site_id = $5) AND ($6::uuid[] IS NULL OR c.site_id = ANY ($6))
                     AND c.purchases BETWEEN $7 AND $8 "
                + $after,
            $audience.kind.as_str(),
            $audience.window_days,
            $audience.least,
            $audience.most,
            $audience.site,
            $sites.filter() as Option<&[Uuid]>,
            $audience.purchases_least,
            $audience.purchases_most,
            $now
            $(, $argument)*
        )
    };
}

/// How many an audience is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reach {
    /// In all.
    pub all: u64,
    /// Who wants offers, and may be told.
    pub willing: u64,
    /// Who is in no other campaign that is still measured: what is left.
    pub free: u64,
}

struct Reached {
    all: i64,
    willing: i64,
    free: i64,
}

/// How many somebody would reach now.
pub async fn reach(db: &Db, audience: &Audience, sites: &SiteScope, now: OffsetDateTime) -> Result<Reach> {
    let row = audience!(
        Reached,
        r#"SELECT count(*) AS "all!", count(*) FILTER (WHERE u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)) AS "willing!",
                  count(*) FILTER (WHERE u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)
                      AND NOT EXISTS (SELECT FROM campaign_members m JOIN campaigns k ON k.id = m.campaign_id
                                      WHERE m.user_id = u.id AND k.measured_until > $9 AND k.state <> 'stopped')) AS "free!" "#,
        "",
        audience,
        sites,
        now
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(Reach { all: unsigned(row.all), willing: unsigned(row.willing), free: unsigned(row.free) })
}

/// A campaign that is to be.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// Its identity.
    pub id: Uuid,
    /// What staff call it.
    pub name: &'a str,
    /// The discount whose code it tells.
    pub discount: Option<Uuid>,
    /// One that is made with it.
    pub new_discount: Option<&'a Discount>,
    /// What is told, in English.
    pub text: &'a str,
    /// The same in Swahili.
    pub text_sw: &'a str,
    /// Whom.
    pub audience: &'a Audience,
    /// The sites that whoever makes it is limited to.
    pub sites: &'a SiteScope,
    /// How many of a hundred are held out, 5 to 50.
    pub held_out_percent: i16,
    /// With what the lot is drawn.
    pub seed: &'a str,
    /// Until when purchases are counted.
    pub measured_until: OffsetDateTime,
    /// Whom it is for, in a word or two: for the audit log.
    pub whom: &'a str,
    /// Who makes it.
    pub by: Author<'a>,
}

/// Whoever is told, and whoever is not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Drawn {
    /// So many are told.
    pub told: u64,
    /// So many are held out.
    pub held_out: u64,
}

/// Makes a campaign and draws its members, who are told from then on.
///
/// # Errors
/// [`StoreError::Conflict`], with a sentence: there is nobody to tell, or nobody to compare with; the discount cannot be kept.
pub async fn begin(db: &Db, new: &New<'_>, now: OffsetDateTime) -> Result<Drawn> {
    let mut tx = db.begin().await?;
    // Two that are made at once would draw the same people.
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('campaigns'), 0)").fetch_all(&mut *tx).await?;
    if let Some(discount) = new.new_discount {
        discount::save_in(&mut tx, discount, now).await?;
    }
    write(&mut tx, new, now).await?;
    let drawn = draw(&mut tx, new, now).await?;
    if drawn.told == 0 || drawn.held_out == 0 {
        return Err(StoreError::Conflict(
            "there are too few who may be told: at least one is told, and one is held out to compare with".into(),
        ));
    }
    sqlx::query!(
        "UPDATE campaigns SET to_tell = $2::bigint, held_out = $3::bigint WHERE id = $1",
        new.id,
        i64::try_from(drawn.told).unwrap_or(i64::MAX),
        i64::try_from(drawn.held_out).unwrap_or(i64::MAX)
    )
    .execute(&mut *tx)
    .await?;
    let detail = json!({ "for": new.whom, "told": drawn.told, "held_out": drawn.held_out });
    new.by.note_with(&mut tx, &detail, now).await?;
    tx.commit().await?;
    Ok(drawn)
}

async fn write(tx: &mut PgConnection, new: &New<'_>, now: OffsetDateTime) -> Result<()> {
    let filter = serde_json::to_value(new.audience).map_err(|error| StoreError::corrupt("campaigns", new.id, error))?;
    let site_ids: Vec<Uuid> = match new.audience.site {
        Some(site) => vec![site],
        None => new.sites.filter().unwrap_or_default().to_vec(),
    };
    sqlx::query!(
        "INSERT INTO campaigns (id, name, discount_id, text, text_sw, audience, filter, site_ids, seed, held_out_percent,
             measured_until, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        new.id,
        new.name,
        new.discount,
        new.text,
        new.text_sw,
        new.audience.kind.as_str(),
        filter,
        &site_ids,
        new.seed,
        new.held_out_percent,
        new.measured_until,
        new.by.name,
        now
    )
    .execute(tx)
    .await?;
    Ok(())
}

struct Counted {
    told: i64,
    held_out: i64,
}

/// Draws the members: all who may be told get a lot, of which the first are held out.
async fn draw(tx: &mut PgConnection, new: &New<'_>, now: OffsetDateTime) -> Result<Drawn> {
    let row = audience!(
        Counted,
        "WITH reached AS (SELECT c.user_id ",
        r#"AND u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)
           AND NOT EXISTS (SELECT FROM campaign_members m JOIN campaigns k ON k.id = m.campaign_id
                           WHERE m.user_id = u.id AND k.measured_until > $9 AND k.state <> 'stopped')
           ORDER BY CASE WHEN $1 = 'leaving' THEN c.worth_minor::double precision
                         WHEN $2 = 7 THEN c.chance_7 ELSE c.chance_30 END DESC, c.user_id LIMIT $10),
           lots AS (SELECT user_id, row_number() OVER (ORDER BY md5($11 || user_id::text), user_id)::integer AS lot, count(*) OVER () AS people
                    FROM reached),
           drawn AS (INSERT INTO campaign_members (campaign_id, user_id, lot, is_held_out)
                     SELECT $12::uuid, user_id, lot, lot <= ceil(people * $13::smallint / 100.0) FROM lots RETURNING is_held_out)
           SELECT count(*) FILTER (WHERE NOT is_held_out) AS "told!", count(*) FILTER (WHERE is_held_out) AS "held_out!" FROM drawn"#,
        new.audience,
        new.sites,
        now,
        MEMBERS_MAX,
        new.seed,
        new.id,
        new.held_out_percent
    )
    .fetch_one(tx)
    .await?;
    Ok(Drawn { told: unsigned(row.told), held_out: unsigned(row.held_out) })
}

/// Tells the next members of the oldest campaign that nobody is at. Returns whether there was one.
pub async fn step(db: &Db, now: OffsetDateTime) -> Result<bool> {
    let claimed = sqlx::query_scalar!(
        "UPDATE campaigns SET lease_until = $2 WHERE id = (
             SELECT id FROM campaigns WHERE state = 'sending' AND (lease_until IS NULL OR lease_until < $1)
             ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING id",
        now,
        now + LEASE
    )
    .fetch_optional(&db.pool)
    .await?;
    let Some(campaign) = claimed else { return Ok(false) };
    let mut tx = db.begin().await?;
    // It may have been stopped since.
    let place =
        sqlx::query_scalar!("SELECT place FROM campaigns WHERE id = $1 AND state = 'sending' FOR UPDATE", campaign)
            .fetch_optional(&mut *tx)
            .await?;
    let Some(place) = place else { return Ok(true) };
    let next = sqlx::query!(
        r#"SELECT m.user_id, m.lot, (u.offers AND u.status = 'active' AND u.erased_at IS NULL AND NOT 'offer' = ANY (u.muted)) AS "may!"
           FROM campaign_members m JOIN users u ON u.id = m.user_id
           WHERE m.campaign_id = $1 AND m.lot > $2 AND NOT m.is_held_out ORDER BY m.lot LIMIT $3"#,
        campaign,
        place,
        STEP
    )
    .fetch_all(&mut *tx)
    .await?;
    let is_over = i64::try_from(next.len()).unwrap_or(i64::MAX) < STEP;
    let place = next.last().map_or(place, |member| member.lot);
    let users: Vec<Uuid> = next.into_iter().filter(|member| member.may).map(|member| member.user_id).collect();
    let told = tell(&mut tx, campaign, &users, now).await?;
    sqlx::query!(
        "UPDATE campaigns SET place = $2, lease_until = NULL, state = CASE WHEN $3 THEN 'sent' ELSE state END,
             ended_at = CASE WHEN $3 THEN $4::timestamptz END, told = told + $5::bigint
         WHERE id = $1",
        campaign,
        place,
        is_over,
        now,
        told
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

/// Writes the message down for each of them. Returns how many they are.
async fn tell(tx: &mut PgConnection, campaign: Uuid, users: &[Uuid], now: OffsetDateTime) -> Result<i64> {
    sqlx::query!(
        "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
         SELECT gen_random_uuid(), t.user_id, $3::text, jsonb_build_object('campaign', $1::uuid), $3 || ':' || $1 || ':' || t.user_id,
                $4::timestamptz, $4 + $5::bigint * interval '1 second', $4
         FROM unnest($2::uuid[]) AS t (user_id)
         ON CONFLICT (key) DO NOTHING",
        campaign,
        users,
        Notice::Offer.as_str(),
        now,
        whole_seconds(notification::good_for(Notice::Offer))
    )
    .execute(&mut *tx)
    .await?;
    let told = sqlx::query!(
        "UPDATE campaign_members SET told_at = $3 WHERE campaign_id = $1 AND user_id = ANY ($2)",
        campaign,
        users,
        now
    )
    .execute(tx)
    .await?
    .rows_affected();
    Ok(i64::try_from(told).unwrap_or(i64::MAX))
}

/// Stops a campaign: nobody else is told, and what waits to be sent is not. Whoever was to read that counts as not told. Returns whether
/// there was anything to stop.
pub async fn stop(db: &Db, id: Uuid, by: impl Into<Author<'_>>, now: OffsetDateTime) -> Result<bool> {
    let by: Author<'_> = by.into();
    let mut tx = db.begin().await?;
    let stopped = sqlx::query!(
        "UPDATE campaigns SET state = 'stopped', lease_until = NULL, ended_at = $2, ended_by = $3
         WHERE id = $1 AND state <> 'stopped' AND measured_until > $2",
        id,
        now,
        by.name
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if stopped == 0 {
        return Ok(false);
    }
    let untold = sqlx::query!(
        "WITH unsent AS (
             UPDATE notifications SET state = 'skipped', lease_until = NULL, next_attempt_at = NULL, detail = 'the campaign was stopped'
             WHERE template = $2 AND state = 'pending' AND payload ->> 'campaign' = $1::uuid::text RETURNING user_id)
         UPDATE campaign_members m SET told_at = NULL FROM unsent WHERE m.campaign_id = $1 AND m.user_id = unsent.user_id",
        id,
        Notice::Offer.as_str()
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    sqlx::query!(
        "UPDATE campaigns SET told = told - $2::bigint WHERE id = $1",
        id,
        i64::try_from(untold).unwrap_or(i64::MAX)
    )
    .execute(&mut *tx)
    .await?;
    by.note(&mut tx, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// What a campaign tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offered {
    /// In English.
    pub text: String,
    /// In Swahili.
    pub text_sw: String,
}

/// What a customer is to be told, if that still holds: the campaign was not stopped, and they have not said no meanwhile.
pub async fn offered(db: &Db, id: Uuid, user: Uuid) -> Result<Option<Offered>> {
    Ok(sqlx::query_as!(
        Offered,
        "SELECT c.text, c.text_sw FROM campaigns c JOIN users u ON u.id = $2
         WHERE c.id = $1 AND c.state <> 'stopped' AND u.offers AND u.status = 'active' AND u.erased_at IS NULL",
        id,
        user
    )
    .fetch_optional(&db.pool)
    .await?)
}

/// A campaign.
#[derive(Clone, PartialEq, Debug)]
pub struct Campaign {
    /// Identity.
    pub id: Uuid,
    /// What staff call it.
    pub name: String,
    /// The code that it tells, if there is one.
    pub code: Option<String>,
    /// What is told, in English and in Swahili.
    pub texts: (String, String),
    /// Whom.
    pub audience: Audience,
    /// How many of a hundred are held out.
    pub held_out_percent: i16,
    /// `sending`, `sent` or `stopped`.
    pub state: String,
    /// How many were drawn to be told.
    pub to_tell: u64,
    /// Of how many of them a message was written down.
    pub told: u64,
    /// How many were held out.
    pub held_out: u64,
    /// Until when purchases are counted.
    pub measured_until: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: OffsetDateTime,
    /// Who stopped it.
    pub ended_by: String,
}

struct Row {
    id: Uuid,
    name: String,
    code: Option<String>,
    text: String,
    text_sw: String,
    filter: serde_json::Value,
    held_out_percent: i16,
    state: String,
    to_tell: i64,
    told: i64,
    held_out: i64,
    measured_until: OffsetDateTime,
    created_by: String,
    created_at: OffsetDateTime,
    ended_by: String,
}

impl Row {
    fn campaign(self) -> Result<Campaign> {
        let audience =
            serde_json::from_value(self.filter).map_err(|error| StoreError::corrupt("campaigns", self.id, error))?;
        Ok(Campaign {
            id: self.id,
            name: self.name,
            code: self.code,
            texts: (self.text, self.text_sw),
            audience,
            held_out_percent: self.held_out_percent,
            state: self.state,
            to_tell: unsigned(self.to_tell),
            told: unsigned(self.told),
            held_out: unsigned(self.held_out),
            measured_until: self.measured_until,
            created_by: self.created_by,
            created_at: self.created_at,
            ended_by: self.ended_by,
        })
    }
}

/// Campaigns that somebody may see: one who is limited to some sites sees those of these sites alone.
macro_rules! campaigns {
    ($rest:literal, $sites:expr $(, $argument:expr)+) => {
        sqlx::query_as!(
            Row,
            r#"SELECT c.id, c.name, d.code, c.text, c.text_sw, c.filter, c.held_out_percent, c.state, c.to_tell::bigint AS "to_tell!",
                      c.told::bigint AS "told!", c.held_out::bigint AS "held_out!", c.measured_until, c.created_by, c.created_at, c.ended_by
               FROM campaigns c LEFT JOIN discounts d ON d.id = c.discount_id
               WHERE ($1::uuid[] IS NULL OR (c.site_ids <> '{}' AND c.site_ids <@ $1)) "# + $rest,
            $sites.filter() as Option<&[Uuid]>
            $(, $argument)+
        )
    };
}

/// The newest campaigns.
pub async fn list(db: &Db, sites: &SiteScope) -> Result<Vec<Campaign>> {
    let rows = campaigns!("ORDER BY c.created_at DESC, c.id LIMIT $2", sites, LISTED).fetch_all(&db.pool).await?;
    rows.into_iter().map(Row::campaign).collect()
}

/// Those that were begun before that one, the newest first.
pub async fn page(db: &Db, sites: &SiteScope, before: Uuid, rows: u32) -> Result<Vec<Campaign>> {
    let rows = campaigns!("AND c.id < $2 ORDER BY c.id DESC LIMIT $3", sites, before, i64::from(rows));
    rows.fetch_all(&db.pool).await?.into_iter().map(Row::campaign).collect()
}

/// The campaign with that identity.
pub async fn get(db: &Db, sites: &SiteScope, id: Uuid) -> Result<Campaign> {
    let row = campaigns!("AND c.id = $2", sites, id).fetch_optional(&db.pool).await?;
    row.ok_or_else(|| StoreError::missing("campaign", id))?.campaign()
}

/// The told, or the held out.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Arm {
    /// How many.
    pub people: u64,
    /// Who has bought since the campaign began.
    pub bought: u64,
    /// For how much, each currency by itself.
    pub spent: Vec<Money>,
}

/// What became of a campaign.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Outcome {
    /// Of those who were told.
    pub told: Arm,
    /// Of those who were held out.
    pub held_out: Arm,
}

/// What the told and the held out bought from the beginning of the campaign until its end, or until now.
pub async fn outcome(db: &Db, id: Uuid, now: OffsetDateTime) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let people = sqlx::query!(
        r#"SELECT m.is_held_out, count(*) AS "people!",
                  count(*) FILTER (WHERE EXISTS (SELECT FROM orders o WHERE o.user_id = m.user_id AND o.paid_at >= c.created_at
                      AND o.paid_at < least(c.measured_until, $2) AND o.state = 'paid' AND coalesce(o.full_minor, o.amount_minor) > 0))
                      AS "bought!"
           FROM campaign_members m JOIN campaigns c ON c.id = m.campaign_id
           WHERE m.campaign_id = $1 AND (m.is_held_out OR m.told_at IS NOT NULL) GROUP BY m.is_held_out"#,
        id,
        now
    )
    .fetch_all(&db.pool)
    .await?;
    for row in people {
        let arm = if row.is_held_out { &mut outcome.held_out } else { &mut outcome.told };
        (arm.people, arm.bought) = (unsigned(row.people), unsigned(row.bought));
    }
    let spent = sqlx::query!(
        r#"SELECT m.is_held_out, o.currency::text AS "currency!", sum(o.amount_minor)::bigint AS "minor!"
           FROM campaign_members m JOIN campaigns c ON c.id = m.campaign_id
                JOIN orders o ON o.user_id = m.user_id AND o.paid_at >= c.created_at AND o.paid_at < least(c.measured_until, $2)
                    AND o.state = 'paid'
           WHERE m.campaign_id = $1 AND (m.is_held_out OR m.told_at IS NOT NULL)
           GROUP BY m.is_held_out, o.currency ORDER BY o.currency"#,
        id,
        now
    )
    .fetch_all(&db.pool)
    .await?;
    for row in spent {
        let amount = money("orders", id, row.minor, &row.currency)?;
        let arm = if row.is_held_out { &mut outcome.held_out } else { &mut outcome.told };
        arm.spent.push(amount);
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_read_as_it_was_written() {
        for kind in [Kind::Likely, Kind::Leaving] {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            let audience = Audience {
                kind,
                window_days: 7,
                least: 0.2,
                most: 0.9,
                site: Some(Uuid::from_u128(1)),
                purchases_least: 1,
                purchases_most: i32::MAX,
            };
            let json = serde_json::to_value(&audience).expect("JSON");
            assert_eq!(json["kind"], kind.as_str());
            assert_eq!(serde_json::from_value::<Audience>(json).expect("reads"), audience);
        }
        assert_eq!(Kind::parse("everybody"), None);
    }
}
