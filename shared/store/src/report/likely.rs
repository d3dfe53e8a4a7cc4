//! Those who will probably buy: what is said of each, the likeliest first, and how far that may be trusted.

use shared::money::Money;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::money::money;
use crate::package::unsigned;
use crate::{Db, Result};

/// Who is asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Filter {
    /// The chance of how many days is meant: 7, else 30.
    pub window_days: u8,
    /// From this chance on.
    pub least: f64,
    /// Until this one, which belongs to it.
    pub most: f64,
    /// Whether they may be sent offers; `None`: all.
    pub may_be_told: Option<bool>,
    /// Who usually buys at this site.
    pub site: Option<Uuid>,
}

/// What is said of a customer.
#[derive(Clone, PartialEq, Debug)]
pub struct Buyer {
    /// Who.
    pub user: Uuid,
    /// The number.
    pub phone: String,
    /// Where they usually buy; `None`: at no site.
    pub site: Option<String>,
    /// When they bought last.
    pub last_at: OffsetDateTime,
    /// How often they have bought.
    pub purchases: u64,
    /// How long they usually wait; `None`: they have bought once.
    pub gap_seconds: Option<i64>,
    /// The chance to buy within 7 days.
    pub week: f64,
    /// The chance to buy within 30 days.
    pub month: f64,
    /// What they will probably spend in the next 30 days.
    pub expected: Money,
    /// What they spend in 30 days in which they buy.
    pub worth: Money,
    /// The hour of the day in which they usually buy, by the clock of the site.
    pub likely_hour: Option<i16>,
    /// Why, in the store's words.
    pub reasons: Vec<String>,
    /// Whether they have said yes to offers, and nothing is in the way of one.
    pub may_be_told: bool,
}

/// A row of a report of customers.
pub(super) struct Row {
    pub(super) user_id: Uuid,
    pub(super) phone: String,
    pub(super) site: Option<String>,
    pub(super) last_at: OffsetDateTime,
    pub(super) purchases: i32,
    pub(super) gap_seconds: Option<i64>,
    pub(super) chance_7: f64,
    pub(super) chance_30: f64,
    pub(super) expected_minor: i64,
    pub(super) worth_minor: i64,
    pub(super) currency: String,
    pub(super) likely_hour: Option<i16>,
    pub(super) reasons: Vec<String>,
    pub(super) may_be_told: bool,
}

impl Row {
    pub(super) fn buyer(self) -> Result<Buyer> {
        let amount = |minor| money("purchase_chances", self.user_id, minor, &self.currency);
        Ok(Buyer {
            expected: amount(self.expected_minor)?,
            worth: amount(self.worth_minor)?,
            user: self.user_id,
            phone: self.phone,
            site: self.site,
            last_at: self.last_at,
            purchases: unsigned(self.purchases.into()),
            gap_seconds: self.gap_seconds,
            week: self.chance_7,
            month: self.chance_30,
            likely_hour: self.likely_hour,
            reasons: self.reasons,
            may_be_told: self.may_be_told,
        })
    }
}

/// Customers by a condition, in an order. Whether one may be told an offer is what [`crate::campaign`] asks too.
macro_rules! buyers {
    ($rest:literal $(, $argument:expr)*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT c.user_id, u.phone, t.name AS "site?", c.last_at, c.purchases, c.gap_seconds, c.chance_7, c.chance_30, c.expected_minor,
                      c.worth_minor, c.currency::text AS "currency!", c.likely_hour, c.reasons,
                      (u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)) AS "may_be_told!"
               FROM purchase_chances c JOIN users u ON u.id = c.user_id LEFT JOIN sites t ON t.id = c.site_id
               WHERE u.erased_at IS NULL "# + $rest,
            $($argument),*
        )
    };
}
pub(super) use buyers;

/// The likeliest, at most so many.
pub async fn likely(db: &Db, filter: &Filter, sites: &SiteScope, limit: u32) -> Result<Vec<Buyer>> {
    let limit = i64::from(limit);
    // Each order has an index of its own.
    let rows = if filter.window_days == 7 {
        buyers!(
            "AND c.chance_7 BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR c.site_id = $3) AND ($4::uuid[] IS NULL OR c.site_id = ANY ($4))
             AND ($5::boolean IS NULL OR (u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)) = $5)
             ORDER BY c.chance_7 DESC, c.user_id LIMIT $6",
            filter.least,
            filter.most,
            filter.site,
            sites.filter() as Option<&[Uuid]>,
            filter.may_be_told,
            limit
        )
        .fetch_all(&db.pool)
        .await?
    } else {
        buyers!(
            "AND c.chance_30 BETWEEN $1 AND $2 AND ($3::uuid IS NULL OR c.site_id = $3) AND ($4::uuid[] IS NULL OR c.site_id = ANY ($4))
             AND ($5::boolean IS NULL OR (u.offers AND u.status = 'active' AND NOT 'offer' = ANY (u.muted)) = $5)
             ORDER BY c.chance_30 DESC, c.user_id LIMIT $6",
            filter.least,
            filter.most,
            filter.site,
            sites.filter() as Option<&[Uuid]>,
            filter.may_be_told,
            limit
        )
        .fetch_all(&db.pool)
        .await?
    };
    rows.into_iter().map(Row::buyer).collect()
}

/// A model, and how far it may be trusted.
#[derive(Clone, PartialEq, Debug)]
pub struct Model {
    /// How far it looks: 7 or 30 days.
    pub window_days: i16,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// AUC and Brier score on the last window that was over.
    pub score: Option<(f64, f64)>,
    /// The same of "as in the last period".
    pub baseline: Option<(f64, f64)>,
    /// Whether it is what is shown; else it is the last period.
    pub is_used: bool,
}

/// The newest model of each window, the shorter first. None before the first night.
pub async fn models(db: &Db) -> Result<Vec<Model>> {
    let rows = sqlx::query!(
        "SELECT DISTINCT ON (window_days) window_days, made_at, auc, brier, baseline_auc, baseline_brier, is_used
         FROM purchase_models ORDER BY window_days, made_at DESC"
    )
    .fetch_all(&db.pool)
    .await?;
    let model = rows.into_iter().map(|row| Model {
        window_days: row.window_days,
        made_at: row.made_at,
        score: row.auc.zip(row.brier),
        baseline: row.baseline_auc.zip(row.baseline_brier),
        is_used: row.is_used,
    });
    Ok(model.collect())
}

/// How a prediction turned out, once its window was over.
#[derive(Clone, PartialEq, Debug)]
pub struct Turned {
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// AUC and Brier score of what was said.
    pub score: Option<(f64, f64)>,
    /// By tenths of the customers: the mean chance, the share of those who bought, and how many they were.
    pub tenths: Vec<(f64, f64, u64)>,
}

/// How the last prediction of that window turned out whose window is over; `None`: none is yet.
pub async fn turned(db: &Db, window_days: i16) -> Result<Option<Turned>> {
    let row = sqlx::query!(
        r#"SELECT made_at, scored_auc, scored_brier, said AS "said!", did AS "did!", people AS "people!" FROM purchase_models
           WHERE window_days = $1 AND scored_at IS NOT NULL AND cardinality(people) > 0 ORDER BY made_at DESC LIMIT 1"#,
        window_days
    )
    .fetch_optional(&db.pool)
    .await?;
    Ok(row.map(|row| Turned {
        made_at: row.made_at,
        score: row.scored_auc.zip(row.scored_brier),
        tenths: row
            .said
            .into_iter()
            .zip(row.did)
            .zip(row.people)
            .map(|((said, did), people)| (said, did, unsigned(people)))
            .collect(),
    }))
}
