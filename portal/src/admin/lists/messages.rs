//! `/admin/messages`: what customers were told, by whom it was sent, what it cost and what became of it.

use shared::money::Money;
use shared::notice::Notice;
use shared::staff::Role;
use shared::time::OffsetDateTime;
use store::listing::messages::{self, Filter, Listed, SORTS, STATES};
use store::listing::{Slice, Window};
use store::{StoreError, notification};
use uuid::Uuid;

use super::orders::number;
use crate::App;
use crate::admin::listing::{Asked, Cell, Column, List, Listing, Row, column};
use crate::admin::messages::{name, state};
use crate::admin::page::Tab;
use crate::admin::words;
use crate::api::id::{self, Kind};
use crate::session::Staff;

/// Seconds after which the page loads itself again.
const REFRESH: u32 = 30;

/// Which messages are looked for.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Messages {
    filter: Filter,
    role: Role,
}

impl Messages {
    /// Those to a customer.
    pub(in crate::admin) fn to(customer: Uuid, role: Role) -> Messages {
        Messages { filter: Filter { customer: Some(customer), ..Filter::default() }, role }
    }
}

const COLUMNS: &[Column] = &[
    column("When", "made").sorted("made"),
    column("To", "phone"),
    column("What", "what"),
    column("State", "state"),
    column("Sent by", "provider"),
    column("Messages", "messages").number(),
    column("Cost", "cost").number(),
    column("Currency", "currency").only_in_file(),
    column("Sent", "sent").only_in_file(),
];

impl Listing for Messages {
    const LIST: List = List {
        path: "/admin/messages",
        title: "Messages",
        tab: Tab::Messages,
        columns: COLUMNS,
        sorts: &SORTS,
        views: &[("/admin/messages", "Sent"), ("/admin/messages/texts", "Texts")],
        nothing: "Nobody has been told such a thing.",
        has_phones: true,
        refresh: Some(REFRESH),
    };

    async fn read(_: &App, staff: &Staff, asked: &mut Asked) -> Result<Messages, StoreError> {
        let role = staff.admin.role;
        let phone = number(role, asked);
        let state = asked.choice("state", "State", "All", &super::words(&STATES));
        let (from, until) = asked.days();
        Ok(Messages { filter: Filter { phone, customer: None, state, from, until }, role })
    }

    async fn rows(&self, app: &App, window: &Window) -> Result<Slice<Row>, StoreError> {
        let (role, now) = (self.role, app.clock.now());
        Ok(messages::page(&app.db, &self.filter, window).await?.map(|message| row(&message, role, now)))
    }

    async fn notes(&self, app: &App) -> Result<Vec<String>, StoreError> {
        let today = words::start_of_day(app.clock.now());
        let cost = Money::kes(notification::cost_since(&app.db, today).await?);
        let (waiting, _) = notification::waiting(&app.db).await?;
        let mut notes = vec![format!("{waiting} wait to be sent. Today: {cost}, as far as providers tell.")];
        if app.sms.is_none() {
            notes.push("No provider of SMS is configured, so none is sent.".into());
        }
        Ok(notes)
    }
}

fn row(message: &Listed, role: Role, now: OffsetDateTime) -> Row {
    let customer = format!("/admin/customers/{}", id::spell(Kind::Customer, message.customer));
    let cost = message.cost().ok().flatten();
    let what = Notice::parse(&message.name).map_or("another kind of news", name);
    Row::new(vec![
        Cell::moment(Some(message.created_at), now),
        Cell::text(super::super::listing::phone(role, &message.phone)).link(customer),
        Cell::text(what).value(message.name.clone()),
        Cell::state(&state(&message.state)).small(message.detail.clone()).value(message.state.clone()),
        Cell::text(message.provider.clone().unwrap_or_default()),
        Cell::text(message.segments.map(|count| count.to_string()).unwrap_or_default()),
        Cell::money(cost),
        Cell::text(cost.map(|cost| cost.currency.as_str().to_owned()).unwrap_or_default()),
        Cell::moment(message.sent_at, now),
    ])
}
