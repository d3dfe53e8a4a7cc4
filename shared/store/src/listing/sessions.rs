//! The lists of sessions: those that are open, and those that have ended, the one that began last first.

use shared::mac::Mac;
use shared::staff::SiteScope;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use super::{Slice, Sort, Statement, Window};
use crate::session::{Row, Session};
use crate::{Db, Result};

/// What sessions can be sorted by.
pub const SORTS: [Sort; 1] =
    [Sort { name: "began", descending: true, column: ("s.started_at", "timestamptz"), tie: ("s.id", "uuid") }];

/// Which sessions.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Those at this router.
    pub router: Option<Uuid>,
    /// Those at the routers of this site. For open sessions.
    pub site: Option<Uuid>,
    /// Those of this device.
    pub mac: Option<Mac>,
    /// Those of this customer.
    pub customer: Option<Uuid>,
    /// Those whose access ends by then and was not cut yet. For open sessions.
    pub ending_by: Option<OffsetDateTime>,
    /// Those that began then or later, and before.
    pub from: Option<OffsetDateTime>,
    /// The end of that time.
    pub until: Option<OffsetDateTime>,
}

const COLUMNS: &str = "s.id, n.name AS nas, u.phone, e.package_name AS package, s.entitlement_id AS entitlement,
    s.user_name, s.mac::text AS mac, host(s.framed_ip) AS framed_ip, s.acct_session_id, s.started_at, s.last_heard_at,
    s.input_octets, s.output_octets, s.cutoff_at, s.ended_at, s.terminate_cause,
    (SELECT c.state FROM nas_commands c WHERE c.session_id = s.id AND c.kind = 'disconnect' ORDER BY c.created_at DESC LIMIT 1) AS cut";
const NAMES: &str = "LEFT JOIN nas n ON n.id = s.nas_id LEFT JOIN entitlements e ON e.id = s.entitlement_id
    LEFT JOIN users u ON u.id = e.user_id";

/// The open sessions of a window.
pub async fn open(db: &Db, filter: &Filter, sites: &SiteScope, window: &Window) -> Result<Slice<Session>> {
    let mut statement = Statement::new(COLUMNS, &format!("sessions s {NAMES}"), window.sort);
    statement.and("s.ended_at IS NULL");
    statement.when("s.nas_id IN (SELECT id FROM nas WHERE site_id = ?)", filter.site);
    statement.when("s.cut_requested_at IS NULL AND s.cutoff_at <= ?", filter.ending_by);
    page(statement, db, filter, sites, window).await
}

/// The ended sessions of a window.
pub async fn ended(db: &Db, filter: &Filter, sites: &SiteScope, window: &Window) -> Result<Slice<Session>> {
    let mut statement = Statement::new(COLUMNS, &format!("sessions_ended s {NAMES}"), window.sort);
    // Only the months in question are looked into: a session stands in that in which its ticket was made, a moment before it began.
    statement.when("s.opened_on >= (?::timestamptz AT TIME ZONE 'UTC')::date - 1", filter.from);
    statement.when("s.opened_on <= (?::timestamptz AT TIME ZONE 'UTC')::date + 1", filter.until);
    page(statement, db, filter, sites, window).await
}

async fn page(
    mut statement: Statement,
    db: &Db,
    filter: &Filter,
    sites: &SiteScope,
    window: &Window,
) -> Result<Slice<Session>> {
    // PostgreSQL plans for the routers and the packages that these are: a site without sessions must not cost a reading of all.
    let routers = match sites.filter() {
        Some(sites) => {
            Some(sqlx::query_scalar!("SELECT id FROM nas WHERE site_id = ANY ($1)", sites).fetch_all(&db.pool).await?)
        }
        None => None,
    };
    let owned = match filter.customer {
        Some(user) => Some(
            sqlx::query_scalar!(
                "SELECT id FROM entitlements WHERE user_id = $1 ORDER BY created_at DESC LIMIT 10000",
                user
            )
            .fetch_all(&db.pool)
            .await?,
        ),
        None => None,
    };
    statement.when("s.nas_id = ANY (?)", routers);
    statement.when("s.nas_id = ?", filter.router);
    statement.when("s.mac = ?::text::macaddr", filter.mac.map(|mac| mac.to_string()));
    statement.when("s.entitlement_id = ANY (?)", owned);
    statement.when("s.started_at >= ?", filter.from);
    statement.when("s.started_at < ?", filter.until);
    Ok(statement.page::<Row>(db, window).await?.map(Session::from))
}
