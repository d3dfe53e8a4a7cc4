//! What the desk can do about a story, each with one form: give again, move to another device, disconnect, send again, give money back.
//!
//! A form carries a number of its own, so that pressing twice does it once, and where it came from. What moves access or money is asked
//! twice. The store does it and writes it into the audit log in one transaction.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use shared::mac::Mac;
use shared::notice::Notice;
use shared::rng;
use shared::staff::{Permission, Role, SiteScope};
use shared::time::OffsetDateTime;
use store::accounting::SessionKey;
use store::order::OrderState;
use store::support::{self, Asked, CORRECTED_WITHIN, Done, MAX_REASON, can_be_resent};
use store::timeline::{self, Subject};
use uuid::Uuid;

use super::cause::facts::Facts;
use super::cause::{Finding, Fix, can_go_back};
use super::subject::About;
use super::{Again, tell_again};
use crate::App;
use crate::admin::form::{Field, Fields, Filled, Form, Problems, confirmation, told};
use crate::admin::page::{Page, Tab, answer};
use crate::admin::proof::Proved;
use crate::admin::words;
use crate::admin::{Refusal, messages};
use crate::api::id::{self, Kind};
use crate::session::Staff;
use crate::session::csrf::Posted;

/// Messages that can be chosen to be sent again.
const MOST_MESSAGES: usize = 5;
/// The field with the form's own number.
const NUMBER: &str = "number";
/// The field that says whose story the form came from.
const ABOUT: &str = "about";

/// What can be done about a story.
pub(super) struct Offers<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) findings: &'a [Finding],
    pub(super) about: &'a About,
    pub(super) role: Role,
    /// Devices that were at the portal lately and have nothing.
    pub(super) strangers: &'a [String],
    /// A form that could not be read, with what is wrong.
    pub(super) again: Option<&'a Again>,
    pub(super) now: OffsetDateTime,
}

impl Offers<'_> {
    /// The forms, those first that what is the matter asks for.
    pub(super) fn forms(&self) -> Vec<Form> {
        let mut forms: Vec<Form> = [self.grant(), self.move_device(), self.disconnect(), self.resend(), self.refund()]
            .into_iter()
            .flatten()
            .collect();
        let wanted =
            |form: &Form| self.findings.iter().any(|one| one.fix.as_ref().is_some_and(|fix| is_by(fix, form.id)));
        forms.sort_by_key(|form| !wanted(form));
        forms
    }

    /// What a form begins with: what was sent when it could not be read, else what helps.
    fn begin(&self, id: &'static str, likely: Fields) -> (Fields, Problems) {
        match self.again.filter(|again| again.form == id) {
            Some(again) => (again.sent.clone(), again.problems.clone()),
            None => (likely, Problems::default()),
        }
    }

    fn form(&self, id: &'static str, button: &str) -> Form {
        Form::new(id, format!("/admin/support/{id}"), button)
            .field(Field::hidden(NUMBER, &rng::id(self.now).to_string()))
            .field(Field::hidden(ABOUT, &self.about.spelt()))
    }

    fn grant(&self) -> Option<Form> {
        let is_fit = |order: &&store::timeline::Order| {
            order.state == OrderState::Paid
                && order.amount.minor > 0
                && order.paid_at.is_some_and(|at| self.now - at < CORRECTED_WITHIN)
                && !self.facts.usable().any(|package| package.order == Some(order.id))
        };
        let orders = self.facts.orders.iter().copied().filter(is_fit);
        let options: Vec<(String, String)> = orders
            .map(|order| {
                (
                    order.code.clone(),
                    format!("{}: {}, made {}", order.code, order.package, words::ago(order.created_at, self.now)),
                )
            })
            .collect();
        let likely = self.findings.iter().find_map(|one| match &one.fix {
            Some(Fix::Grant(order)) => {
                self.facts.orders.iter().find(|known| known.id == *order).map(|known| &known.code)
            }
            _ => None,
        });
        let likely = likely.map_or_else(Fields::default, |code| Fields::default().with("order", code));
        let (sent, problems) = self.begin("grant", likely);
        let filled = Filled { sent: &sent, problems: &problems };
        let hint = "For what was paid and could not be used through a fault of ours. The same package, from the next login on.";
        let form = self.form("grant", "Give it again").titled("Give it again", hint);
        let device = filled.text("device", "Address of the device").hint("Empty: the device that it was bought with.");
        let reason = filled.text("reason", "Why").hint("It stands in the audit log.").required();
        Some(one_of(form, filled, "order", "Order", options)?.field(device).field(reason))
    }

    fn move_device(&self) -> Option<Form> {
        let usable: Vec<_> = self.facts.usable().collect();
        let on = |devices: &[Mac]| match devices {
            [] => "on no device".to_owned(),
            some => format!("on {}", some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        let options: Vec<(String, String)> = usable
            .iter()
            .map(|package| {
                (id::spell(Kind::Entitlement, package.id), format!("{}, {}", package.package, on(&package.devices)))
            })
            .collect();
        let mut places = vec![(String::new(), "none: there is a free place".to_owned())];
        for mac in usable.iter().flat_map(|package| &package.devices) {
            if !places.iter().any(|(known, _)| *known == mac.to_string()) {
                places.push((mac.to_string(), mac.to_string()));
            }
        }
        let helps = self.findings.iter().find_map(|one| match &one.fix {
            Some(Fix::Move { package, from, to }) => Some((*package, *from, *to)),
            _ => None,
        });
        let spelt = |mac: Option<Mac>| mac.map(|mac| mac.to_string()).unwrap_or_default();
        let likely = match (helps, usable.first()) {
            (Some((package, from, to)), _) => Fields::default()
                .with("package", id::spell(Kind::Entitlement, package))
                .with("from", spelt(from))
                .with("to", spelt(to)),
            (None, Some(package)) => {
                Fields::default().with("from", spelt(super::cause::facts::takes_place_of(package)))
            }
            (None, None) => Fields::default(),
        };
        let (sent, problems) = self.begin("move", likely);
        let filled = Filled { sent: &sent, problems: &problems };
        let hint = "For a phone that has made itself a new address, or was changed. The device in whose place it comes is cut off.";
        let form = self.form("move", "Move it").titled("Move it to another device", hint);
        let seen = match self.strangers {
            [] => "Such as 4C:5E:0C:12:34:56; it stands in the phone’s Wi-Fi settings.".to_owned(),
            some => format!("At the portal lately, without a package: {}.", some.join(", ")),
        };
        let form = one_of(form, filled, "package", "Package", options)?;
        Some(
            form.field(filled.choice("from", "In the place of", &places))
                .field(filled.text("to", "Address of the new device").hint(seen).required())
                .field(filled.text("reason", "Why")),
        )
    }

    fn disconnect(&self) -> Option<Form> {
        let open = self.facts.stays.iter().map(|stay| &stay.session).filter(|session| session.ended_at.is_none());
        let options: Vec<(String, String)> = open
            .map(|session| {
                let who = session.mac.map_or_else(|| words::login(&session.user_name), |mac| mac.to_string());
                (id::spell(Kind::Session, session.id), format!("{who} at {}", session.nas))
            })
            .collect();
        let likely = self.findings.iter().find_map(|one| match &one.fix {
            Some(Fix::Disconnect(session)) => Some(id::spell(Kind::Session, *session)),
            _ => None,
        });
        let (sent, problems) = self.begin("disconnect", Fields::default().with("session", likely.unwrap_or_default()));
        let filled = Filled { sent: &sent, problems: &problems };
        let hint = "The router is asked to end the session; the device can log in anew. A router that refused before is asked once more.";
        let form = self.form("disconnect", "Disconnect").titled("Disconnect", hint).danger();
        one_of(form, filled, "session", "Session", options)
    }

    fn resend(&self) -> Option<Form> {
        let fit = self.facts.messages.iter().filter_map(|(at, message)| {
            let notice = Notice::parse(&message.kind).filter(|notice| can_be_resent(*notice))?;
            let (state, ago) = (messages::state(&message.state).text, words::ago(*at, self.now));
            Some((message.id.to_string(), format!("{}, {ago} ({state})", messages::name(notice))))
        });
        let options: Vec<(String, String)> = fit.take(MOST_MESSAGES).collect();
        let likely = self.findings.iter().find_map(|one| match &one.fix {
            Some(Fix::Resend(message)) => Some(message.to_string()),
            _ => None,
        });
        let (sent, problems) = self.begin("resend", Fields::default().with("message", likely.unwrap_or_default()));
        let filled = Filled { sent: &sent, problems: &problems };
        let form = self
            .form("resend", "Send it again")
            .titled("Send a message again", "It goes to the customer’s number, or by e-mail.");
        one_of(form, filled, "message", "Message", options)
    }

    fn refund(&self) -> Option<Form> {
        if !self.role.may(Permission::MoveMoney) {
            return None;
        }
        let fit = self.facts.payments.iter().filter(|payment| can_go_back(payment));
        let options: Vec<(String, String)> = fit
            .map(|payment| {
                (id::spell(Kind::Payment, payment.id), format!("{} of order {}", payment.amount, payment.order_code))
            })
            .collect();
        let likely = self.findings.iter().find_map(|one| match &one.fix {
            Some(Fix::Refund(payment)) => Some(id::spell(Kind::Payment, *payment)),
            _ => None,
        });
        let (sent, problems) = self.begin("refund", Fields::default().with("payment", likely.unwrap_or_default()));
        let filled = Filled { sent: &sent, problems: &problems };
        let hint = "The whole payment goes back to the card, and what it bought ends now.";
        let form = self.form("refund", "Give it back").titled("Give a payment by card back", hint).danger();
        Some(one_of(form, filled, "payment", "Payment", options)?.field(filled.text("reason", "Why")))
    }
}

/// Whether a fix is done by that form.
fn is_by(fix: &Fix, form: &str) -> bool {
    form_of(fix) == Some(form)
}

/// The form that does a fix.
pub(super) fn form_of(fix: &Fix) -> Option<&'static str> {
    match fix {
        Fix::Grant(_) => Some("grant"),
        Fix::Move { .. } => Some("move"),
        Fix::Disconnect(_) => Some("disconnect"),
        Fix::Resend(_) => Some("resend"),
        Fix::Refund(_) => Some("refund"),
        Fix::Money(_) | Fix::Payment(_) => None,
    }
}

/// The same with one of these to choose; `None`: there is none. A single one needs no choice, and is said.
fn one_of(form: Form, filled: Filled<'_>, name: &str, label: &str, options: Vec<(String, String)>) -> Option<Form> {
    match options.as_slice() {
        [] => None,
        [(value, words)] => {
            let hint = format!("{label}: {words}. {}", form.hint);
            let form = Form { hint, ..form };
            Some(form.field(Field::hidden(name, value)))
        }
        _ => Some(form.field(filled.choice(name, label, &options))),
    }
}

/// A form of a story that was sent.
struct Sent<'a> {
    app: &'a App,
    staff: &'a Staff,
    fields: &'a Fields,
    number: Uuid,
    about: About,
    /// Which form.
    id: &'static str,
}

impl<'a> Sent<'a> {
    /// A form without its number, or of no story, is none of ours.
    fn read(app: &'a App, posted: &'a Posted<Fields>, id: &'static str) -> Result<Sent<'a>, Refusal> {
        let fields = &posted.form;
        let number = Uuid::try_parse(fields.text(NUMBER)).map_err(|_| Refusal::NotFound)?;
        let about = About::read(fields.text(ABOUT)).ok_or(Refusal::NotFound)?;
        Ok(Sent { app, staff: &posted.staff, fields, number, about, id })
    }

    /// Whoever is limited to some sites helps there alone.
    async fn reaches(&self, subject: Subject) -> Result<(), Refusal> {
        let (db, sites) = (&self.app.db, self.staff.sites());
        Ok(timeline::reaches(db, &subject, sites, self.app.clock.now()).await?)
    }

    fn asked(&self) -> Asked<'a> {
        Asked {
            form: self.number,
            by: &self.staff.admin.email,
            reason: self.fields.text("reason"),
            from: Some(self.staff.from),
        }
    }

    /// The story again, with what is wrong with the form, or why nothing was done.
    async fn again(&self, status: StatusCode, problem: String, problems: Problems) -> Result<Response, Refusal> {
        let again = Again { form: self.id, sent: self.fields.clone(), problems, problem, status };
        tell_again(self.app, self.staff, &self.about, again).await
    }

    async fn wrong(&self, problems: Problems) -> Result<Response, Refusal> {
        let problem = "Something is missing in the form below; nothing was done.".to_owned();
        self.again(StatusCode::UNPROCESSABLE_ENTITY, problem, problems).await
    }

    /// Asks whether that is right.
    fn sure(&self, title: &str, lines: Vec<String>, button: &str) -> Result<Response, Refusal> {
        let page = Page::new(self.app, self.staff, Tab::Support);
        let form = Form::new("sure", format!("/admin/support/{}", self.id), button).danger();
        let back = self.about.path();
        answer(
            StatusCode::OK,
            &confirmation(page, title, (back.as_str(), "Back to the story"), lines, form, self.fields),
        )
    }

    /// What the store did: back to the story, which has it.
    async fn done(&self, done: store::Result<Done>) -> Result<Response, Refusal> {
        let word = match told(done)? {
            Ok(Done::Now) => self.id,
            Ok(Done::Before) => "before",
            Err(problem) => return self.again(StatusCode::CONFLICT, problem, Problems::default()).await,
        };
        Ok(Redirect::to(&format!("{}?done={word}", self.about.path())).into_response())
    }
}

/// A device's address that may stay empty.
fn device(text: &str) -> Result<Mac, &'static str> {
    text.parse::<Mac>().map_err(|_| "write an address such as 4C:5E:0C:12:34:56")
}

/// Why, in bounds.
fn check_reason(fields: &Fields, problems: &mut Problems, is_needed: bool) {
    let length = fields.text("reason").chars().count();
    if length > MAX_REASON || (is_needed && length == 0) {
        problems.note("reason", format!("say why, in at most {MAX_REASON} characters"));
    }
}

/// `POST /admin/support/grant`.
pub(in crate::admin) async fn grant(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let sent = Sent::read(&app, &posted, "grant")?;
    let mut problems = Problems::default();
    let mac = problems.optional(sent.fields, "device", device);
    check_reason(sent.fields, &mut problems, true);
    if !problems.is_empty() {
        return sent.wrong(problems).await;
    }
    let code = sent.fields.text("order").to_ascii_uppercase();
    let order = timeline::order_of(&app.db, &code).await?;
    sent.reaches(Subject::Order(order)).await?;
    if !sent.fields.is_confirmed() {
        let device = mac.map_or_else(|| "the device that it was bought with".to_owned(), |mac| mac.to_string());
        let lines = vec![
            format!("What order {code} bought is given once more, for {device}. Nothing is paid for it."),
            format!("The audit log has it with your name and your reason: {}", sent.fields.text("reason")),
        ];
        return sent.sure("Give it again?", lines, "Yes, give it again");
    }
    sent.done(support::grant_again(&app.db, order, mac, &sent.asked(), app.clock.now()).await).await
}

/// `POST /admin/support/move`.
pub(in crate::admin) async fn move_device(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let sent = Sent::read(&app, &posted, "move")?;
    let package = id::read(Kind::Entitlement, sent.fields.text("package")).ok_or(Refusal::NotFound)?;
    // Whatever gave it, its story is that of a package by itself.
    sent.reaches(Subject::Voucher(package)).await?;
    let mut problems = Problems::default();
    let from = problems.optional(sent.fields, "from", device);
    let to = problems.keep("to", device(sent.fields.text("to")));
    check_reason(sent.fields, &mut problems, false);
    let Some(to) = to.filter(|_| problems.is_empty()) else { return sent.wrong(problems).await };
    if !sent.fields.is_confirmed() {
        let lines = match from {
            Some(from) => vec![format!("{to} gets the package. {from} loses its place, and is cut off.")],
            None => vec![format!("{to} gets a place in the package.")],
        };
        return sent.sure("Move it?", lines, "Yes, move it");
    }
    sent.done(support::move_device(&app.db, package, from, to, &sent.asked(), app.clock.now()).await).await
}

/// `POST /admin/support/disconnect`.
pub(in crate::admin) async fn disconnect(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let sent = Sent::read(&app, &posted, "disconnect")?;
    let session = id::read(Kind::Session, sent.fields.text("session")).ok_or(Refusal::NotFound)?;
    let key = SessionKey::of(session).ok_or(Refusal::NotFound)?;
    store::site::reaches_session(&app.db, sent.staff.sites(), key).await?;
    if !sent.fields.is_confirmed() {
        let lines = vec!["The router is asked to end the session. The device can log in anew.".to_owned()];
        return sent.sure("Disconnect?", lines, "Yes, disconnect");
    }
    sent.done(support::disconnect(&app.db, session, &sent.asked(), app.clock.now()).await).await
}

/// `POST /admin/support/resend`.
pub(in crate::admin) async fn resend(State(app): State<App>, posted: Posted<Fields>) -> Result<Response, Refusal> {
    let sent = Sent::read(&app, &posted, "resend")?;
    let message = Uuid::try_parse(sent.fields.text("message")).map_err(|_| Refusal::NotFound)?;
    sent.reaches(Subject::Customer(timeline::addressee_of(&app.db, message).await?)).await?;
    sent.done(support::resend(&app.db, message, &sent.asked(), app.clock.now()).await).await
}

/// `POST /admin/support/refund`: by whoever has proved lately to be who they are, as all that gives money back.
pub(in crate::admin) async fn refund(State(app): State<App>, proved: Proved<Fields>) -> Result<Response, Refusal> {
    let posted = Posted { staff: proved.staff, form: proved.form };
    let sent = Sent::read(&app, &posted, "refund")?;
    let payment = id::read(Kind::Payment, sent.fields.text("payment")).ok_or(Refusal::NotFound)?;
    sent.reaches(Subject::Order(timeline::order_of_payment(&app.db, payment).await?)).await?;
    let mut problems = Problems::default();
    check_reason(sent.fields, &mut problems, false);
    if !problems.is_empty() {
        return sent.wrong(problems).await;
    }
    // What this person may reach was asked above.
    let balance = store::refund::balance(&app.db, payment, &SiteScope::All).await?;
    if balance.is_by_hand {
        let problem = format!(
            "Only a statement told of the money of order {}, so nobody can be asked to give it back. Give it back by hand, and say so on the \
             payment’s page.",
            balance.order
        );
        return sent.again(StatusCode::CONFLICT, problem, Problems::default()).await;
    }
    if !sent.fields.is_confirmed() {
        let lines = vec!["The whole payment goes back to the card, and what it bought ends now.".to_owned()];
        return sent.sure("Give it back?", lines, "Yes, give it back");
    }
    if app.stripe.is_none() {
        let problem = "No card can get its money back: there is no [stripe] in the configuration.";
        return sent.again(StatusCode::CONFLICT, problem.to_owned(), Problems::default()).await;
    }
    sent.done(support::refund(&app.db, payment, &sent.asked(), app.clock.now()).await).await
}
