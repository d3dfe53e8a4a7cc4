//! `/admin/sessions` and `/admin/sessions/ended`: who is online, and who was. Those that leak are a board of their own
//! ([`super::super::sessions`]).

use std::time::Duration;

use shared::staff::{Permission, Role, SiteScope};
use shared::time::OffsetDateTime;
use store::StoreError;
use store::listing::sessions::{self, Filter, SORTS};
use store::listing::{Slice, Window};
use store::overview::SOON;
use store::session::Session;
use uuid::Uuid;

use crate::App;
use crate::admin::form::Fields;
use crate::admin::listing::{Asked, Cell, Column, List, Listing, Row, column};
use crate::admin::page::Tab;
use crate::admin::words;
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Seconds after which the list of open sessions loads itself again.
const REFRESH: u32 = 10;
const ENDING: &str = "ending";
const VIEWS: &[(&str, &str)] = &[
    ("/admin/sessions", "Online now"),
    ("/admin/sessions/leaking", "Leaking"),
    ("/admin/sessions/ended", "Ended"),
    ("/admin/jobs", "Jobs"),
];

/// Which open sessions are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Online {
    filter: Filter,
    /// Whether only those are wanted that must end soon: then until when is counted anew with each reading.
    ending: bool,
    sites: SiteScope,
    role: Role,
}

/// Which ended sessions are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Ended {
    filter: Filter,
    sites: SiteScope,
    role: Role,
}

impl Online {
    /// Those of a customer.
    pub(in crate::admin) fn of(customer: Uuid, role: Role, sites: SiteScope) -> Online {
        Online { filter: Filter { customer: Some(customer), ..Filter::default() }, ending: false, sites, role }
    }
}

impl Ended {
    /// Those of a customer.
    pub(in crate::admin) fn of(customer: Uuid, role: Role, sites: SiteScope) -> Ended {
        Ended { filter: Filter { customer: Some(customer), ..Filter::default() }, sites, role }
    }
}

const OPEN_COLUMNS: &[Column] = &[
    column("Customer", "customer"),
    column("Device", "device"),
    column("Package", "package"),
    column("Router", "router"),
    column("Since", "began").sorted("began"),
    column("Down", "down_octets").number(),
    column("Up", "up_octets").number(),
    column("Until", "until"),
    column("Cut", "cut"),
];

const ENDED_COLUMNS: &[Column] = &[
    column("Customer", "customer"),
    column("Device", "device"),
    column("Package", "package"),
    column("Router", "router"),
    column("Began", "began").sorted("began"),
    column("Ended", "ended"),
    column("Down", "down_octets").number(),
    column("Up", "up_octets").number(),
    column("Why", "cause"),
    column("Cut", "cut"),
];

impl Listing for Online {
    const LIST: List = List {
        path: "/admin/sessions",
        title: "Online",
        tab: Tab::Sessions,
        columns: OPEN_COLUMNS,
        sorts: &SORTS,
        views: VIEWS,
        nothing: "Nobody is online.",
        has_phones: true,
        refresh: Some(REFRESH),
    };

    async fn read(app: &App, staff: &Staff, asked: &mut Asked) -> Result<Online, StoreError> {
        let sites = super::sites(app, staff.sites()).await?;
        let site = asked.choice("site", "Site", "All", &sites).and_then(|id| id.parse().ok());
        let filter = Filter { site, ..read(app, staff, asked).await? };
        let minutes = SOON.as_secs() / 60;
        let soon = [(ENDING.to_owned(), format!("must end within {minutes} minutes"))];
        let ending = asked.choice("which", "Which", "All", &soon).is_some();
        Ok(Online { filter, ending, sites: staff.sites().clone(), role: staff.admin.role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        let filter = Filter { ending_by: self.ending.then(|| now + SOON), ..self.filter.clone() };
        let slice = sessions::open(&app.db, &filter, &self.sites, window).await?;
        Ok(slice.map(|session| open_row(&session, role, now)))
    }

    async fn notes(&self, app: &App) -> Result<Vec<String>, StoreError> {
        let total: u64 = store::overview::online(&app.db, &self.sites).await?.iter().map(|(_, count)| count).sum();
        Ok(vec![format!("{total} online.")])
    }

    fn done(sent: &Fields) -> &'static str {
        if sent.is_on("asked") {
            "The router is being asked to end the session. The list shows when it has proved that it did."
        } else {
            ""
        }
    }
}

impl Listing for Ended {
    const LIST: List = List {
        path: "/admin/sessions/ended",
        title: "Ended sessions",
        tab: Tab::Sessions,
        columns: ENDED_COLUMNS,
        sorts: &SORTS,
        views: VIEWS,
        nothing: "No such session has ended.",
        has_phones: true,
        refresh: None,
    };

    async fn read(app: &App, staff: &Staff, asked: &mut Asked) -> Result<Ended, StoreError> {
        let filter = read(app, staff, asked).await?;
        let (from, until) = asked.days();
        let filter = Filter { from, until, ..filter };
        Ok(Ended { filter, sites: staff.sites().clone(), role: staff.admin.role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        let slice = sessions::ended(&app.db, &self.filter, &self.sites, window).await?;
        Ok(slice.map(|session| ended_row(&session, role, now)))
    }
}

/// What both can be asked for.
async fn read(app: &App, staff: &Staff, asked: &mut Asked) -> Result<Filter, StoreError> {
    let routers = super::routers(app, staff.sites()).await?;
    let router = asked.choice("router", "Router", "All", &routers).and_then(|id| id.parse().ok());
    let mac = asked.mac("mac", "Device");
    let customer = match super::orders::number(staff.admin.role, asked) {
        Some(phone) => match store::listing::customers::by_phone(&app.db, &phone).await? {
            Some(customer) => Some(customer),
            None => {
                asked.wrong("phone", "no customer has this number");
                None
            }
        },
        None => None,
    };
    Ok(Filter { router, mac, customer, ..Filter::default() })
}

/// Who, on which device, with what, where: the columns that both have.
fn who(session: &Session, role: Role) -> Vec<Cell> {
    let customer = match &session.phone {
        Some(phone) => Cell::text(words::phone(role, phone)).small(words::login(&session.user_name)),
        None => Cell::text(words::login(&session.user_name)),
    };
    vec![
        customer,
        Cell::code(session.mac.map(|mac| mac.to_string()).unwrap_or_default())
            .small(session.framed_ip.map(|ip| ip.to_string()).unwrap_or_default()),
        Cell::text(session.package.clone().unwrap_or_default()),
        Cell::text(session.nas.clone()),
    ]
}

fn open_row(session: &Session, role: Role, now: OffsetDateTime) -> Row {
    let spelt = id::spell(Kind::Session, session.id);
    let cut = session.cut.as_deref();
    let mut cells = who(session, role);
    cells.extend([
        Cell::moment(Some(session.started_at), now)
            .small(lasted(session.started_at, now))
            .link(format!("/admin/sessions/{spelt}"))
            .story(role, "session", &spelt),
        Cell::data(session.output_octets).small(format!("heard {}", words::ago(session.last_heard_at, now))),
        Cell::data(session.input_octets),
        Cell::moment(session.cutoff_at, now),
        Cell::state(&words::cut_of_open(cut, session.cutoff_at.is_some_and(|at| at <= now))),
    ]);
    let row = Row::new(cells);
    if role.may(Permission::Support) && words::can_ask(cut) {
        let device = session.mac.map_or_else(|| words::login(&session.user_name), |mac| mac.to_string());
        return row.action(format!("/admin/sessions/{spelt}/disconnect"), "Disconnect", device);
    }
    row
}

fn ended_row(session: &Session, role: Role, now: OffsetDateTime) -> Row {
    let ended = session.ended_at.unwrap_or(session.last_heard_at);
    let spelt = id::spell(Kind::Session, session.id);
    let mut cells = who(session, role);
    cells.extend([
        Cell::moment(Some(session.started_at), now).link(format!("/admin/sessions/{spelt}")),
        Cell::moment(Some(ended), now).small(lasted(session.started_at, ended)).story(role, "session", &spelt),
        Cell::data(session.output_octets),
        Cell::data(session.input_octets),
        Cell::text(words::cause(session.terminate_cause.as_deref()))
            .value(session.terminate_cause.clone().unwrap_or_default()),
        Cell::state(&words::cut_of_ended(session.cut.as_deref())),
    ]);
    Row::new(cells)
}

fn lasted(from: OffsetDateTime, to: OffsetDateTime) -> String {
    words::span(Duration::try_from(to - from).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::sessions::tests::session;

    #[test]
    fn rows_have_a_cell_for_each_column() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let session = session(None, Some("0712345678"));
        assert_eq!(open_row(&session, Role::Owner, now).cells.len(), OPEN_COLUMNS.len());
        assert_eq!(ended_row(&session, Role::Owner, now).cells.len(), ENDED_COLUMNS.len());
        assert_eq!(open_row(&session, Role::Cashier, now).cells[0].value, "07xx xxx 678");
    }

    #[test]
    fn only_a_session_without_a_cut_under_way_has_a_button_and_only_for_those_who_may() {
        let now = OffsetDateTime::UNIX_EPOCH;
        for (cut, role, has) in [
            (None, Role::Support, true),
            (Some("pending"), Role::Support, false),
            (Some("refused"), Role::Support, true),
            (None, Role::Cashier, false),
        ] {
            assert_eq!(open_row(&session(cut, None), role, now).action.is_some(), has, "{cut:?} {role}");
        }
    }
}
