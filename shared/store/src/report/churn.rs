//! Those who seem to stay away, those who were worth most first.

use shared::staff::SiteScope;
use uuid::Uuid;

use super::likely::{Buyer, Row, buyers};
use crate::{Db, Result};

/// Who is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Who has bought so often at least.
    pub purchases_least: i32,
    /// And so often at most.
    pub purchases_most: i32,
    /// Who usually buys at this site.
    pub site: Option<Uuid>,
}

/// Those who stay away, at most so many.
pub async fn leaving(db: &Db, filter: &Filter, sites: &SiteScope, limit: u32) -> Result<Vec<Buyer>> {
    let rows = buyers!(
        "AND c.is_leaving AND c.purchases BETWEEN $1 AND $2
         AND ($3::uuid IS NULL OR c.site_id = $3) AND ($4::uuid[] IS NULL OR c.site_id = ANY ($4))
         ORDER BY c.worth_minor DESC, c.user_id LIMIT $5",
        filter.purchases_least,
        filter.purchases_most,
        filter.site,
        sites.filter() as Option<&[Uuid]>,
        i64::from(limit)
    )
    .fetch_all(&mut *db.begin_report().await?)
    .await?;
    rows.into_iter().map(Row::buyer).collect()
}
