//! The page of an order, `/o/{token}`: from waiting for the PIN, over going online, to the end of the package.
//!
//! Everything shown follows from the store, so the page can be closed, reopened, and looked at twice. [`Known::stage`] decides
//! what it is about; [`state`] gives the same to the page's script, which reads the page anew when the stage changes.
//! The grant never waits for this page: it only logs the guest in.

mod again;
mod back;
mod card;
mod devices;
mod help;
mod news;
mod stage;

use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;
use shared::discount::Applied;
use shared::language::Language;
use shared::time::OffsetDateTime;
use shared::token::{self, Purpose};
use shared::voucher;
use store::entitlement::{self, Usage};
use store::for_another::{self, ForAnother, Given};
use store::order::{self, Order, OrderState};
use store::payment::{self, Attempt};
use store::returned::{self, Returned};
use store::voucher::State as VoucherState;
use url::Url;

pub(crate) use self::again::again;
use self::devices::devices;
pub(crate) use self::devices::{device_line, remove_device};
use self::news::News;
pub(crate) use self::news::{events, state};
use self::stage::Stage;
use super::login;
use super::visit::{self, Form, Visit};
use crate::App;
use crate::error::AppError;
use crate::middleware::language::{Speech, Wanted};
use crate::payments::STRIPE;
use crate::payments::reason::{Reason, Retry};
use crate::urls;
use crate::views::amount::{self, Base};
use crate::views::customer::{GivenVoucher, LoginForm, Menu, Onward, OrderPage};
use crate::views::text::{Said, say};
use crate::views::{Site, page, time, words};

/// An order whose payment was never begun (its process died in between) may be paid again after this.
const STRANDED: Duration = Duration::from_secs(60);
/// Where money may have moved, a new charge is offered only after this: M-Pesa's message has come by then, and M-Pesa
/// refuses the same amount from the same number within two minutes.
const AFTER_A_WHILE: Duration = Duration::from_secs(180);
/// A waiting guest is offered the packages again after this.
const LONG_WAIT: Duration = Duration::from_secs(120);
/// A prompt that has not come by then will probably not come.
const NO_REQUEST: Duration = Duration::from_secs(12);
/// Kind of payments to a till, in M-Pesa's words.
const TILL: &str = "CustomerBuyGoodsOnline";

/// Everything that the page follows from.
struct Known {
    order: Order,
    usage: Option<Usage>,
    /// Whom it is for, if for another.
    another: Option<ForAnother>,
    /// The attempt to pay that matters, while one does.
    attempt: Option<Attempt>,
    /// What became of the money, where it buys nothing.
    returned: Option<Returned>,
    now: OffsetDateTime,
}

impl Known {
    async fn of(app: &App, token: &str) -> Result<Known, AppError> {
        let id = token::verify(app.db.seal(), Purpose::OrderPage, token).ok_or(AppError::NotFound)?;
        let order = order::get(&app.db, id).await?;
        let usage = match order.entitlement {
            Some(entitlement) => Some(entitlement::usage(&app.db, entitlement).await?),
            None => None,
        };
        let attempt = match order.state {
            OrderState::Paid | OrderState::RefundDue => None,
            _ => payment::latest(&app.db, id).await?,
        };
        let another = for_another::of_order(&app.db, id).await?;
        let returned = match order.state {
            OrderState::RefundDue => returned::of_order(&app.db, id).await?,
            _ => None,
        };
        Ok(Known { order, usage, another, attempt, returned, now: app.clock.now() })
    }

    fn stage(&self) -> Stage {
        match (self.order.state, &self.usage) {
            (OrderState::Created, _) => {
                let stranded = self.attempt.is_none() && self.now - self.order.created_at > STRANDED;
                if stranded { Stage::Stranded } else { Stage::Asking }
            }
            (OrderState::Prompted, _) if self.page().is_some() => Stage::Card,
            (OrderState::Prompted, _) => Stage::Prompted,
            (OrderState::Unknown, _) => Stage::Unsure,
            (OrderState::Confirming, _) => Stage::Confirming,
            (OrderState::RefundDue, _) => match self.returned {
                None => Stage::RefundDue,
                Some(Returned::OnItsWay { .. }) => Stage::Refunding,
                Some(Returned::Gone { .. }) => Stage::Refunded,
                Some(Returned::TakenBack { .. }) => Stage::Disputed,
            },
            (OrderState::Failed, _) => {
                let reason = Reason::of(&self.order.reason);
                let waited = self.attempt.as_ref().is_none_or(|attempt| self.now - attempt.began_at > AFTER_A_WHILE);
                Stage::Failed { reason, again: reason.retry() == Retry::AtOnce || waited }
            }
            (OrderState::Paid, _) if self.another.is_some() => match self.given().map(|given| given.state) {
                Some(VoucherState::Redeemed | VoucherState::Void) => Stage::GivenUsed,
                _ => Stage::Given,
            },
            (OrderState::Paid, Some(usage)) if !usage.is_usable(self.now) => Stage::Ended,
            (OrderState::Paid, Some(usage)) if usage.online > 0 => Stage::Online,
            // A paid order has its entitlement from the same transaction.
            (OrderState::Paid, _) => Stage::GoOnline,
        }
    }

    /// The voucher that was paid for another.
    fn given(&self) -> Option<&Given> {
        self.another.as_ref()?.voucher.as_ref()
    }

    /// The address of the page on which a card can be typed now.
    fn page(&self) -> Option<&str> {
        self.attempt.as_ref().filter(|attempt| attempt.is_open())?.url.as_deref()
    }

    fn is_by_card(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.provider == STRIPE)
    }

    /// The language in which the page is answered: what is chosen now, or was when the order was made.
    fn speech(&self, wanted: Wanted) -> Speech {
        wanted.speech(visit::language_of(&self.order.visit), None)
    }

    /// Headline and sentence of a stage.
    fn words(&self, language: Language, stage: Stage) -> (String, String) {
        let (price, phone) = (self.order.amount, self.order.phone.masked());
        let say = |key| say(language, key);
        let (headline, detail) = match stage {
            Stage::Online => {
                return self.usage.as_ref().map_or_else(Default::default, |usage| online(language, usage, self.now));
            }
            Stage::Failed { reason, .. } if self.is_by_card() => return words::card_failure(language, reason),
            Stage::Failed { reason, .. } => return words::failure(language, reason),
            Stage::Asking if self.is_by_card() => (say("order-card-opening"), say("order-confirming-detail")),
            Stage::Asking => (say("order-asking"), say("order-asking-detail").with("phone", phone)),
            Stage::Card => (say("order-card"), say("order-card-detail")),
            Stage::Stranded => (say("order-stranded"), say("order-stranded-detail")),
            Stage::Prompted => {
                (say("order-prompted"), say("order-prompted-detail").with("phone", phone).with("price", price))
            }
            Stage::Unsure => (say("order-unsure"), say("order-unsure-detail")),
            Stage::Confirming => (say("order-confirming"), say("order-confirming-detail")),
            Stage::GoOnline => (say("order-go-online"), say("order-go-online-detail")),
            Stage::Ended => (say(self.why_it_ended()), say("order-ended-detail")),
            Stage::Given | Stage::GivenUsed => {
                let to = self.another.as_ref().map(|another| another.recipient.masked()).unwrap_or_default();
                let paid = say("order-given").with("package", self.order.package_in(language)).with("phone", to);
                (paid, say(self.where_the_voucher_stands()))
            }
            Stage::RefundDue | Stage::Refunding | Stage::Refunded | Stage::Disputed => {
                back::words(language, self.returned, &self.order.code)
            }
        };
        (headline.to_string(), detail.to_string())
    }

    /// The key of it.
    fn why_it_ended(&self) -> &'static str {
        match &self.usage {
            Some(usage) if usage.expires_at.is_some_and(|end| end <= self.now) => "order-time-is-over",
            Some(usage) if usage.time_is_used() => "order-hours-are-used",
            _ => "order-data-is-used",
        }
    }

    /// The key of what became of what was paid for another.
    fn where_the_voucher_stands(&self) -> &'static str {
        match self.given().map(|given| given.state) {
            Some(VoucherState::Redeemed) => "order-given-in-use",
            Some(VoucherState::Void) => "order-given-withdrawn",
            _ => "order-given-waits",
        }
    }

    /// What is told of it.
    fn news(&self, language: Language) -> News {
        let stage = self.stage();
        let (headline, detail) = self.words(language, stage);
        News { stage: stage.name(), headline, detail }
    }
}

/// `You are online until 21:40`, and what was used.
fn online(language: Language, usage: &Usage, now: OffsetDateTime) -> (String, String) {
    let say = |key| say(language, key);
    let headline = match usage.expires_at {
        Some(end) => say("order-online-until").with("until", time::clock(language, end, now)),
        None => say("order-online"),
    };
    let (rules, spent) = (&usage.rules, usage.used);
    let base = Base::of(rules.quota_octets);
    let used = match spent.octets() {
        0 => "0 MB".to_owned(),
        octets => amount::data(octets, base),
    };
    let used = match rules.quota_octets {
        Some(quota) => say("order-used-of").with("used", used).with("quota", amount::data(quota, base)),
        None => say("order-used").with("used", used),
    };
    let rest = |quota: u64, used: u64| amount::data(quota.saturating_sub(used), Base::of(Some(quota)));
    let up = rules.quota_up.map(|quota| say("order-up-left").with("data", rest(quota, spent.up)));
    let down = rules.quota_down.map(|quota| say("order-down-left").with("data", rest(quota, spent.down)));
    let speed = rules.rate.and_then(amount::speed).map(|speed| say("order-up-to").with("speed", speed));
    let time_left = rules.time_left(spent);
    let left = time_left.map(|rest| say("order-online-left").with("time", amount::span(language, rest)));
    let sentences = [Some(used), up, down, speed, left].into_iter().flatten().map(|said| said.to_string());
    (headline.to_string(), sentences.collect::<Vec<_>>().join(" "))
}

/// The query of `/o/{token}`.
#[derive(Debug, Deserialize)]
pub(crate) struct From {
    /// Present: the router sent the guest back after a login.
    back: Option<String>,
}

/// `GET /o/{token}`
pub(crate) async fn show(
    State(app): State<App>,
    wanted: Wanted,
    Path(token): Path<String>,
    Query(from): Query<From>,
) -> Result<Response, AppError> {
    let known = Known::of(&app, &token).await?;
    let order = &known.order;
    let speech = known.speech(wanted);
    let language = speech.language;
    let visit = remembered(order, wanted);
    let stage = known.stage();
    let (mut headline, mut detail) = known.words(language, stage);
    let site = Site::of(&app, speech).at(&format!("/o/{token}"));
    let waits_for_login = visit.as_ref().filter(|_| stage == Stage::GoOnline);
    let refused = waits_for_login.and_then(|visit| help::refused_login(&app, &site, speech, visit, known.now));
    // A login is sent by itself once. After one that came back, or failed, it is the guest who says when.
    let automatic = from.back.is_none() && refused.is_none();
    let login = match (&visit, stage) {
        (Some(visit), Stage::GoOnline) => Some(login_form(&app, speech, &known, visit, automatic).await?),
        _ => None,
    };
    if stage == Stage::GoOnline && from.back.is_some() {
        headline = say(language, "order-connecting").to_string();
        detail = say(language, "order-connecting-detail").to_string();
    }
    let waits_long = known.now - order.created_at > LONG_WAIT;
    let (packages_label, offer) = match stage {
        Stage::Ended | Stage::Online | Stage::Given | Stage::GivenUsed => ("order-get-more", true),
        // The router has said no, perhaps because this package is for other hours.
        Stage::GoOnline => ("order-choose-another", refused.is_some()),
        Stage::Failed { .. } | Stage::Stranded => ("order-choose-another-or-number", true),
        Stage::Asking | Stage::Prompted | Stage::Card | Stage::Unsure => ("order-start-again", waits_long),
        Stage::Confirming | Stage::RefundDue | Stage::Refunding | Stage::Refunded | Stage::Disputed => {
            ("order-get-more", false)
        }
    };
    let packages = visit.as_ref().filter(|_| offer).map(|visit| speech.to(&packages_url(&app, visit, known.now)));
    let onward = visit.as_ref().filter(|_| stage == Stage::Online).and_then(onward);
    let again = matches!(stage, Stage::Failed { again: true, .. } | Stage::Stranded) && app.mpesa.is_some();
    let menu = menu(&app, language, &known, stage);
    let order_page = format!("/o/{token}");
    let below = |what: &str| speech.to(&format!("{order_page}/{what}"));
    let view = OrderPage {
        site,
        stage: stage.name(),
        state_url: below("state"),
        events_url: below("events"),
        refresh: stage.refresh(),
        busy: stage.is_busy() || (stage == Stage::GoOnline && from.back.is_some()),
        tone: stage.tone(),
        headline,
        detail,
        refused,
        package: order.package_in(language).to_owned(),
        price: order.amount.to_string(),
        savings: savings(&app, language, order).await?,
        code: order.code.clone(),
        login,
        given: given_voucher(&app, language, &known, stage),
        card: card::part(&app, speech, &known, visit.as_ref(), &token).await?,
        paid_twice: help::paid_twice(&app, speech, &known).await?,
        trouble: help::mpesa_trouble(&app, speech, &known, menu.is_some()),
        menu,
        again: again.then(|| below("again")),
        packages,
        packages_label: say(language, packages_label).to_string(),
        onward,
        devices: devices(&app, language, &known, visit.as_ref()).await?,
        devices_url: below("devices"),
        account: (order.paid_at.is_some()).then(|| below("account")),
        receipt: (order.paid_at.is_some() && order.amount.minor > 0).then(|| below("receipt")),
    };
    let response = page(StatusCode::OK, &view)?;
    let page = known.page().and_then(|url| Url::parse(url).ok());
    Ok(match visit {
        Some(visit) => {
            let onward = page.as_ref().or(visit.destination.as_ref());
            login::allow_onward(response, &visit, &app.config.portal.public_url, onward)
        }
        None => response,
    })
}

/// How to pay from the M-Pesa menu, where that is heard of and the phone may have been asked for nothing.
fn menu(app: &App, language: Language, known: &Known, stage: Stage) -> Option<Menu> {
    let mpesa = app.config.mpesa.as_ref().filter(|mpesa| mpesa.menu)?;
    let order = &known.order;
    let is_unpaid = matches!(stage, Stage::Prompted | Stage::Unsure | Stage::Stranded | Stage::Failed { .. });
    if !is_unpaid || known.is_by_card() || order.amount.minor == 0 {
        return None;
    }
    let business = mpesa.party_b.as_ref().unwrap_or(&mpesa.shortcode);
    let how = if mpesa.transaction_type == TILL {
        say(language, "order-menu-till").with("business", business).with("price", order.amount)
    } else {
        say(language, "order-menu-paybill")
            .with("business", business)
            .with("code", &order.code)
            .with("price", order.amount)
    };
    Some(Menu { how: how.to_string(), is_open: known.now - order.created_at > NO_REQUEST || app.trouble.is_on() })
}

/// The voucher as its payer sees it, while it waits.
fn given_voucher(app: &App, language: Language, known: &Known, stage: Stage) -> Option<GivenVoucher> {
    let given = known.given().filter(|_| stage == Stage::Given)?;
    let to = known.another.as_ref()?.recipient.masked();
    let advice = match app.sms {
        Some(_) => say(language, "given-by-sms").with("phone", to),
        None => say(language, "given-by-hand").with("phone", to),
    };
    let link = urls::whole(&app.config.portal.public_url, &urls::scanned(&given.code));
    Some(GivenVoucher { code: voucher::printed(&given.code), link, advice: advice.to_string() })
}

/// The visit that an order remembers, with a language that was chosen since then.
pub(crate) fn remembered(order: &Order, wanted: Wanted) -> Option<Visit> {
    let visit: Visit = serde_json::from_value(order.visit.clone()).ok()?;
    Some(Visit { language: wanted.chosen(visit.language), ..visit })
}

/// `Happy hour: KSh 4 less`, a line for each discount of an order.
pub(crate) async fn savings(app: &App, language: Language, order: &Order) -> Result<Vec<String>, AppError> {
    let applied = store::discount::of_order(&app.db, order.id).await?;
    let line = |applied: &Applied| -> Said {
        say(language, "order-saving").with("discount", &applied.name).with("amount", applied.saving)
    };
    Ok(applied.iter().map(|applied| line(applied).to_string()).collect())
}

/// What answers a form of the page: the page.
fn back_to(app: &App, known: &Known, wanted: Wanted) -> Response {
    let page = known.speech(wanted).to(&urls::order(app.db.seal(), known.order.id));
    Redirect::to(&page).into_response()
}

async fn login_form(
    app: &App,
    speech: Speech,
    known: &Known,
    visit: &Visit,
    automatic: bool,
) -> Result<LoginForm, AppError> {
    let order = &known.order;
    let entitlement = order.entitlement.ok_or(AppError::NotFound)?;
    let password = entitlement::one_time_password(&app.db, entitlement, &order.code, visit.mac, known.now).await?;
    let then = speech.to(&urls::order_after_login(&app.config.portal.public_url, app.db.seal(), order.id));
    Ok(login::form(visit, &order.code, &password, Some(then), automatic))
}

fn packages_url(app: &App, visit: &Visit, now: OffsetDateTime) -> String {
    let visit = Visit { error: String::new(), ..visit.clone() };
    urls::packages(&Form::new(visit, now).seal(app.db.seal()))
}

fn onward(visit: &Visit) -> Option<Onward> {
    let url = visit.destination.as_ref()?;
    Some(Onward { href: url.to_string(), host: url.host_str()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use shared::entitlement::{State as Access, Used};
    use shared::money::Money;
    use store::returned::To;
    use uuid::Uuid;

    use shared::rules::Rules;

    use super::*;

    fn at(seconds: i64) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(seconds).expect("in range")
    }

    fn known(state: OrderState, reason: &str, seconds: i64) -> Known {
        let order = Order {
            id: Uuid::from_u128(1),
            code: "AB12CD34".into(),
            state,
            user_id: Uuid::from_u128(9),
            reason: reason.into(),
            phone: "0712345678".parse().expect("a phone"),
            package_id: Uuid::from_u128(2),
            package: "Hour".into(),
            package_version: Some(1),
            texts: Default::default(),
            amount: Money::kes(2000),
            mac: None,
            nas_id: None,
            visit: serde_json::Value::Null,
            entitlement: None,
            created_at: at(0),
            paid_at: None,
        };
        Known { order, usage: None, another: None, attempt: Some(attempt(0)), returned: None, now: at(seconds) }
    }

    fn attempt(began_at: i64) -> Attempt {
        Attempt {
            id: Uuid::from_u128(4),
            provider: "mpesa".into(),
            state: "prompted".into(),
            began_at: at(began_at),
            url: None,
            grace: None,
        }
    }

    fn usage(online: u64, used_octets: u64) -> Usage {
        Usage {
            id: Uuid::from_u128(3),
            package: "Hour".into(),
            package_id: None,
            state: Access::Active,
            starts_at: Some(at(0)),
            expires_at: Some(at(3600)),
            rules: Rules {
                quota_octets: Some(500_000_000),
                rate: Some(shared::rate::Rate { up_bps: 2_000_000, down_bps: 5_000_000 }),
                ..Rules::default()
            },
            used: Used { up: 0, down: used_octets, seconds: 60 },
            online,
        }
    }

    #[test]
    fn every_state_of_an_order_has_a_stage_with_words() {
        for (state, expected) in [
            (OrderState::Created, "asking"),
            (OrderState::Prompted, "prompted"),
            (OrderState::Unknown, "unsure"),
            (OrderState::Confirming, "confirming"),
            (OrderState::Paid, "go_online"),
            (OrderState::Failed, "failed"),
            (OrderState::RefundDue, "refund_due"),
        ] {
            let known = known(state, "1032", 10);
            let stage = known.stage();
            assert_eq!(stage.name(), expected, "{state:?}");
            for language in Language::ALL {
                let (headline, detail) = known.words(language, stage);
                assert!(!headline.is_empty() && !detail.is_empty(), "{state:?}");
                assert!(!format!("{headline}{detail}").contains("{$"), "{state:?}: {headline} {detail}");
            }
        }
    }

    #[test]
    fn money_that_went_back_is_not_said_to_be_here() {
        let amount = Money::kes(2000);
        for (returned, expected, part) in [
            (Returned::OnItsWay { amount, to: To::Card }, "refunding", "KSh 20 is on its way back to your card"),
            (Returned::OnItsWay { amount, to: To::Phone }, "refunding", "KSh 20 is on its way back to you by M-Pesa"),
            (Returned::Gone { amount, at: at(0), to: To::Card }, "refunded", "to your card on 1 January 1970, 03:00"),
            (Returned::Gone { amount, at: at(0), to: To::Phone }, "refunded", "KSh 20 went back to you by M-Pesa"),
            (Returned::Gone { amount, at: at(0), to: To::Hand }, "refunded", "KSh 20 was given back to you on"),
            (Returned::TakenBack { amount, at: at(0) }, "disputed", "what it paid for has ended"),
        ] {
            let mut known = known(OrderState::RefundDue, "", 10);
            known.returned = Some(returned);
            assert_eq!(known.stage().name(), expected);
            let (headline, detail) = known.words(Language::English, known.stage());
            assert!(detail.contains(part) && !headline.contains("We have"), "{headline} {detail}");
            let (headline, detail) = known.words(Language::Swahili, known.stage());
            assert!(!format!("{headline}{detail}").contains("{$"), "{headline} {detail}");
        }
    }

    #[test]
    fn a_card_has_a_page_while_it_is_open_and_words_of_its_own() {
        let mut known = known(OrderState::Prompted, "", 10);
        let page = Attempt { provider: STRIPE.into(), url: Some("https://checkout.example/c".into()), ..attempt(0) };
        known.attempt = Some(page.clone());
        assert_eq!(known.stage(), Stage::Card);
        known.attempt = Some(Attempt { state: "failed".into(), ..page });
        known.order.state = OrderState::Failed;
        known.order.reason = "card_declined".into();
        assert!(known.page().is_none() && known.words(Language::English, known.stage()).0.contains("card"));
        known.order.reason = "unreachable".into();
        for language in Language::ALL {
            assert!(!known.words(language, known.stage()).1.contains("M-Pesa"), "{language:?}");
        }
    }

    #[test]
    fn a_payment_that_may_have_moved_money_is_not_offered_again_at_once() {
        let again = |reason: &str, seconds| {
            matches!(known(OrderState::Failed, reason, seconds).stage(), Stage::Failed { again: true, .. })
        };
        assert!(again("1032", 10));
        assert!(!again("17", 10) && !again("no_news", 10));
        assert!(again("17", 200));
    }

    #[test]
    fn an_order_without_a_payment_is_offered_again_after_a_minute() {
        let mut known = known(OrderState::Created, "", 10);
        known.attempt = None;
        assert_eq!(known.stage(), Stage::Asking);
        known.now = at(100);
        assert_eq!(known.stage(), Stage::Stranded);
        known.attempt = Some(attempt(1));
        assert_eq!(known.stage(), Stage::Asking, "an attempt is under way");
    }

    #[test]
    fn an_order_for_another_shows_its_voucher_and_logs_nobody_in() {
        let mut known = known(OrderState::Prompted, "", 60);
        let code = voucher::normalise("ABCDE23456G").expect("a code");
        let given = |state| Some(Given { code, state });
        known.another = Some(ForAnother { recipient: "0722345678".parse().expect("a phone"), voucher: None });
        assert_eq!(known.stage(), Stage::Prompted);
        known.order.state = OrderState::Paid;
        for (state, expected) in [
            (VoucherState::Sold, Stage::Given),
            (VoucherState::Redeemed, Stage::GivenUsed),
            (VoucherState::Void, Stage::GivenUsed),
        ] {
            known.another.as_mut().expect("it is for another").voucher = given(state);
            assert_eq!(known.stage(), expected, "{state:?}");
            let (headline, detail) = known.words(Language::English, expected);
            assert!(headline == "Paid: Hour for 07xx xxx 678" && !detail.is_empty(), "{headline} {detail}");
        }
    }

    #[test]
    fn a_paid_order_goes_from_going_online_to_the_end() {
        let mut known = known(OrderState::Paid, "", 60);
        known.usage = Some(usage(0, 0));
        assert_eq!(known.stage(), Stage::GoOnline);
        known.usage = Some(usage(1, 12_300_000));
        assert_eq!(known.stage(), Stage::Online);
        let (headline, detail) = known.words(Language::English, Stage::Online);
        assert_eq!(
            (headline.as_str(), detail.as_str()),
            ("You are online until 04:00", "12.3 MB of 500 MB used. Up to 5 Mbit/s.")
        );
        assert_eq!(
            known.words(Language::Swahili, Stage::Online),
            ("Uko mtandaoni hadi saa 04:00".into(), "Umetumia 12.3 MB kati ya 500 MB. Kasi ni hadi 5 Mbit/s.".into())
        );
        let by_direction = Rules { quota_down: Some(500_000_000), ..Rules::default() };
        known.usage = Some(Usage { rules: by_direction, ..usage(1, 12_300_000) });
        assert_eq!(known.words(Language::English, Stage::Online).1, "12.3 MB used. 488 MB down left.");
        known.now = at(3601);
        assert_eq!(known.stage(), Stage::Ended);
        assert_eq!(known.words(Language::English, Stage::Ended).0, "Your time is over");
        known.now = at(60);
        known.usage = Some(usage(0, 500_000_000));
        assert_eq!(known.words(Language::English, known.stage()).0, "Your data is used up");
    }
}
