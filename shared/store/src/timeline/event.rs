//! What can happen to a customer: each event, and the row that it is a moment of, as that row stands now.
//!
//! Names of routers and packages are those of now; what was removed says so. No row here holds a secret.

use shared::mac::Mac;
use shared::money::Money;
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use uuid::Uuid;

use crate::history::Asked;
use crate::order::{OrderState, Wish};
use crate::returned::To;
use crate::session::Session;
use crate::visit::Step;
use crate::{security, support};

/// What can happen: a moment of a row, which is as it stands now.
#[derive(Clone, Debug)]
pub enum Event {
    /// A device was at the portal.
    Visited(Visit),
    /// Somebody wanted to buy.
    Ordered(Order),
    /// The order was paid; or its money came and buys nothing.
    Paid(Order),
    /// A provider was asked for the money.
    PaymentBegan(Payment),
    /// The payment came to its end.
    PaymentEnded(Payment),
    /// A provider reported something about a payment.
    Reported(Report),
    /// Money came by itself.
    MoneyCame(Received),
    /// It had gone back to its payer.
    MoneyWentBack(Received),
    /// A payment is to go back.
    RefundAsked(Refund),
    /// It has, or could not.
    RefundEnded(Refund),
    /// Somebody got a package.
    Granted(Access),
    /// Its clock began.
    Started(Access),
    /// Its time was over.
    Ended(Access),
    /// A purchase made a package longer, or another one.
    Changed(Change),
    /// A device has a place in a package.
    Bound(Place),
    /// A voucher had its first login.
    Redeemed(Access),
    /// A session began.
    SessionBegan(Stay),
    /// A router spoke of an open session last.
    SessionHeard(Stay),
    /// A session ended.
    SessionEnded(Stay),
    /// Logins were refused.
    Refused(Refusal),
    /// A router was to be asked.
    Commanded(Command),
    /// It answered.
    Answered(Command),
    /// News was written for a customer.
    Written(Message),
    /// A provider took it.
    Sent(Message),
    /// It arrived.
    Delivered(Message),
    /// Something that somebody should look at who minds the place.
    Noticed(Security),
    /// A router went dark.
    OutageBegan(Outage),
    /// It is back.
    OutageEnded(Outage),
    /// The desk did something.
    Helped(Help),
}

/// A device at the portal, within an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Visit {
    /// The device, as the router's redirect said.
    pub mac: Mac,
    /// The router.
    pub nas: String,
    /// Its site.
    pub site: Option<String>,
    /// How far its guest came.
    pub step: Step,
    /// What the router said; empty: nothing.
    pub said: String,
    /// How often the page was asked for.
    pub times: u32,
    /// The first time in that hour.
    pub first_at: OffsetDateTime,
}

/// An order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Its identity.
    pub id: Uuid,
    /// Its code.
    pub code: String,
    /// Who pays.
    pub phone: Option<Phone>,
    /// What.
    pub package: String,
    /// For how much.
    pub amount: Money,
    /// Where it stands.
    pub state: OrderState,
    /// Why it failed, as the provider's code.
    pub reason: String,
    /// What shall become of it.
    pub wish: Wish,
    /// The device that shall go online.
    pub mac: Option<Mac>,
    /// The router it stood behind.
    pub nas: Option<String>,
    /// When that router was last heard.
    pub nas_heard_at: Option<OffsetDateTime>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it was paid.
    pub paid_at: Option<OffsetDateTime>,
}

/// An attempt to collect an order's money.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Payment {
    /// Its identity.
    pub id: Uuid,
    /// The order.
    pub order: Uuid,
    /// Its code.
    pub order_code: String,
    /// Who is asked.
    pub provider: String,
    /// How much.
    pub amount: Money,
    /// `created`, `prompted`, `unknown`, `confirming`, `succeeded` or `failed`.
    pub state: String,
    /// The provider's receipt.
    pub receipt: Option<String>,
    /// The provider's code, if it failed.
    pub code: String,
    /// The provider's words.
    pub text: String,
    /// How often it was asked.
    pub checks: u32,
    /// When it began.
    pub created_at: OffsetDateTime,
    /// Whether its money has gone back or is on its way.
    pub is_refunded: bool,
    /// Whether only a statement told of its money: then nobody can be asked to give it back, and a person does.
    pub is_by_hand: bool,
}

impl Payment {
    /// Whether news of it may still come by itself.
    pub fn is_open(&self) -> bool {
        !matches!(self.state.as_str(), "succeeded" | "failed")
    }
}

/// What a provider reported, without its words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The order that it is about.
    pub order: Uuid,
    /// Its code.
    pub order_code: String,
    /// Who.
    pub provider: String,
    /// What became of it; `None`: it waits to be worked on.
    pub outcome: Option<String>,
    /// How often it was taken up.
    pub attempts: u32,
}

/// Money that a provider told of by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// Its receipt.
    pub receipt: String,
    /// How much.
    pub amount: Money,
    /// Who paid, as told.
    pub payer: String,
    /// What was typed as account number.
    pub typed: String,
    /// `matched`, `unmatched`, `assigned` or `refunded`.
    pub state: String,
    /// Code of the order that it pays for.
    pub order_code: Option<String>,
    /// Whether it is certain that it is this customer's.
    pub is_certain: bool,
    /// When it had gone back.
    pub given_back_at: Option<OffsetDateTime>,
}

/// A payment that goes back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refund {
    /// The order's code.
    pub order_code: String,
    /// How much.
    pub amount: Money,
    /// `created`, `unknown`, `pending`, `done`, `failed` or `refused`.
    pub state: String,
    /// Where to.
    pub to: To,
    /// Why it was not done, or is not known.
    pub reason: String,
    /// What proves that a person did it; empty: nobody did.
    pub proof: String,
    /// Who asked for it.
    pub by: String,
}

/// Whether a package can be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Yes; its clock has not begun.
    Waiting,
    /// Yes.
    Usable,
    /// All its data, or time online, is used.
    UsedUp,
    /// Its time is over.
    Over,
    /// It was taken back.
    TakenBack,
}

/// A package that somebody has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Access {
    /// Its identity.
    pub id: Uuid,
    /// Its name.
    pub package: String,
    /// Whether it can be used now.
    pub standing: Standing,
    /// The order that bought it.
    pub order: Option<Uuid>,
    /// That order's code.
    pub order_code: Option<String>,
    /// Batch and serial of the voucher that it is, and where that stands.
    pub voucher: Option<(u32, u32, String)>,
    /// Whether the desk gave it, as a correction.
    pub is_again: bool,
    /// Whether it may be used at certain hours only.
    pub has_hours: bool,
    /// How many devices it is good for.
    pub device_limit: u32,
    /// The devices that have a place, the first one first.
    pub devices: Vec<Mac>,
    /// Sessions that use it now.
    pub online: u32,
    /// When it was given.
    pub created_at: OffsetDateTime,
    /// When its clock began.
    pub starts_at: Option<OffsetDateTime>,
    /// When it ends.
    pub expires_at: Option<OffsetDateTime>,
}

impl Access {
    /// Whether it lets anybody in, hours of the week aside.
    pub fn is_usable(&self) -> bool {
        matches!(self.standing, Standing::Waiting | Standing::Usable)
    }
}

/// What a purchase made of a package that was there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// The package.
    pub entitlement: Uuid,
    /// Its name now.
    pub package: String,
    /// The order.
    pub order: Uuid,
    /// Its code.
    pub order_code: String,
    /// Whether it became longer; otherwise another package took its place.
    pub is_longer: bool,
}

/// A device's place in a package.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The package.
    pub entitlement: Uuid,
    /// Its name.
    pub package: String,
    /// The device.
    pub mac: Mac,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Stay {
    /// As the desk lists it; [`Session::cut`] is not filled in.
    pub session: Session,
    /// Whether it was closed without a Stop.
    pub is_lost: bool,
}

/// Logins that were refused for the same reason within an hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The device, if the router named it.
    pub mac: Option<Mac>,
    /// The router.
    pub nas: String,
    /// Why, as [`shared::denial::Denial::label`] says.
    pub reason: String,
    /// How the name begins; `…` alone: the device was asked about by its address.
    pub name: String,
    /// How often.
    pub times: u32,
    /// The first time in that hour.
    pub first_at: OffsetDateTime,
    /// Whether the name opens one of the packages of this story.
    pub is_of_package: bool,
}

/// Something that was asked of a router about a session.
#[derive(Clone, Debug)]
pub struct Command {
    /// What, and what became of it.
    pub asked: Asked,
    /// The session.
    pub session: Uuid,
    /// The router.
    pub nas: String,
    /// Whether the session goes on.
    pub is_open: bool,
}

/// A message to a customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Its identity.
    pub id: Uuid,
    /// What kind of news, by its name.
    pub kind: String,
    /// Whom it is for.
    pub phone: Option<Phone>,
    /// `pending`, `sent`, `delivered`, `undelivered`, `failed`, `expired` or `skipped`.
    pub state: String,
    /// Why it was not sent, or not delivered.
    pub detail: String,
    /// `sms` or `email`, once it was sent.
    pub channel: Option<String>,
    /// Who took it.
    pub provider: Option<String>,
}

/// A line of the security log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Security {
    /// What kind of thing.
    pub kind: security::Kind,
    /// Which device.
    pub mac: Option<Mac>,
    /// At which router.
    pub nas: Option<String>,
    /// More.
    pub detail: String,
}

/// A router that went dark while a package of this story was in use there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outage {
    /// The router.
    pub nas: String,
    /// When it was heard again.
    pub ended_at: Option<OffsetDateTime>,
    /// Whether the lost time was given back.
    pub is_given_back: bool,
}

/// Something that the desk did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Help {
    /// What.
    pub kind: support::Kind,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// To what.
    pub object: String,
}
