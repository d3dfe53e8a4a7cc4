//! Each failure of the journey as a story, and what is said to be the matter and to help.

use std::time::Duration;

use shared::denial::Denial;
use shared::mac::Mac;
use shared::money::Money;
use store::history::Asked;
use store::order::{OrderState, Wish};
use store::session::Session;
use store::timeline::{Command, Event, Message, Order, Outage, Payment, Received, Refusal, Security, Stay, Visit};
use store::visit::Step;

use super::*;

const OLD: Mac = Mac([0x4c, 0x5e, 0x0c, 0, 0, 1]);
const RANDOM: Mac = Mac([0x02, 0, 0, 0, 0, 9]);
const ORDER: Uuid = Uuid::from_u128(1);
const PACKAGE: Uuid = Uuid::from_u128(2);
const SESSION: Uuid = Uuid::from_u128(3);
const MESSAGE: Uuid = Uuid::from_u128(4);
const CARD: Uuid = Uuid::from_u128(5);
/// The present moment, in minutes.
const NOW: u64 = 600;

fn at(minute: u64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(minute * 60)
}

/// An order of minute 500, paid a minute later.
fn an_order(state: OrderState) -> Order {
    let is_paid = matches!(state, OrderState::Paid | OrderState::RefundDue);
    Order {
        id: ORDER,
        code: "AB2CD3EF".into(),
        phone: "0712345678".parse().ok(),
        package: "one hour".into(),
        amount: Money::kes(2_000),
        state,
        reason: String::new(),
        wish: Wish::New,
        mac: Some(OLD),
        nas: Some("cafe".into()),
        nas_heard_at: Some(at(599)),
        created_at: at(500),
        paid_at: is_paid.then(|| at(501)),
    }
}

fn ordered(order: Order) -> Line {
    Line { at: order.created_at, event: Event::Ordered(order) }
}

fn failed(reason: &str) -> Line {
    ordered(Order { reason: reason.into(), ..an_order(OrderState::Failed) })
}

fn a_payment() -> Payment {
    Payment {
        id: Uuid::from_u128(6),
        order: ORDER,
        order_code: "AB2CD3EF".into(),
        provider: "mpesa".into(),
        amount: Money::kes(2_000),
        state: "succeeded".into(),
        receipt: Some("RKTQDM7W6S".into()),
        code: String::new(),
        text: String::new(),
        checks: 0,
        created_at: at(500),
        is_refunded: false,
        is_by_hand: false,
    }
}

fn by_card() -> Payment {
    Payment { id: CARD, provider: "stripe".into(), receipt: Some("pi_1".into()), created_at: at(502), ..a_payment() }
}

/// Paid with money of Stripe of which only a statement told.
fn stated() -> Payment {
    Payment { receipt: Some("S00ABCDEF0123".into()), is_by_hand: true, ..by_card() }
}

fn paid_by(payment: Payment) -> Line {
    Line { at: payment.created_at, event: Event::PaymentBegan(payment) }
}

/// What the order bought, on the device that paid.
fn a_package(standing: Standing) -> Access {
    Access {
        id: PACKAGE,
        package: "one hour".into(),
        standing,
        order: Some(ORDER),
        order_code: Some("AB2CD3EF".into()),
        voucher: None,
        is_again: false,
        has_hours: false,
        device_limit: 1,
        devices: vec![OLD],
        online: 0,
        created_at: at(501),
        starts_at: None,
        expires_at: None,
    }
}

fn granted(package: Access) -> Line {
    Line { at: package.created_at, event: Event::Granted(package) }
}

fn bought(standing: Standing) -> Vec<Line> {
    vec![ordered(an_order(OrderState::Paid)), granted(a_package(standing))]
}

fn a_session(mac: Mac, from: u64, until: Option<u64>) -> Line {
    let session = Session {
        id: SESSION,
        nas: "cafe".into(),
        phone: None,
        package: Some("one hour".into()),
        entitlement: Some(PACKAGE),
        user_name: "AB2CD3EF".into(),
        mac: Some(mac),
        framed_ip: None,
        acct_session_id: "80100001".into(),
        started_at: at(from),
        last_heard_at: at(until.unwrap_or(NOW)),
        input_octets: 0,
        output_octets: 0,
        cutoff_at: None,
        ended_at: until.map(at),
        terminate_cause: until.map(|_| "Lost-Carrier".into()),
        cut: None,
    };
    Line { at: at(from), event: Event::SessionBegan(Stay { session, is_lost: false }) }
}

fn refused(mac: Mac, denial: Denial, is_of_package: bool) -> Line {
    let refusal = Refusal {
        mac: Some(mac),
        nas: "cafe".into(),
        reason: denial.label().into(),
        name: "AB…".into(),
        times: 3,
        first_at: at(595),
        is_of_package,
    };
    Line { at: at(597), event: Event::Refused(refusal) }
}

fn command(kind: &str, state: &str) -> Line {
    let asked = Asked {
        kind: kind.into(),
        reason: "operator".into(),
        state: state.into(),
        error_cause: (state == "refused").then_some(501),
        attempts: 3,
        asked_at: at(590),
        answered_at: Some(at(591)),
        proved_at: None,
    };
    let command = Command { asked, session: SESSION, nas: "cafe".into(), is_open: true };
    Line { at: at(590), event: Event::Commanded(command) }
}

fn money(state: &str) -> Line {
    let money = Received {
        receipt: "RKTQDM7W6S".into(),
        amount: Money::kes(2_000),
        payer: "AMINA".into(),
        typed: "wifi".into(),
        state: state.into(),
        order_code: None,
        is_certain: true,
        given_back_at: None,
    };
    Line { at: at(580), event: Event::MoneyCame(money) }
}

fn message(id: Uuid, kind: &str, state: &str, minute: u64) -> Line {
    let message = Message {
        id,
        kind: kind.into(),
        phone: None,
        state: state.into(),
        detail: "absent subscriber".into(),
        channel: None,
        provider: None,
    };
    Line { at: at(minute), event: Event::Written(message) }
}

fn visited(mac: Mac, said: &str) -> Line {
    let visit = Visit {
        mac,
        nas: "cafe".into(),
        site: None,
        step: Step::Shown,
        said: said.into(),
        times: 1,
        first_at: at(595),
    };
    Line { at: at(595), event: Event::Visited(visit) }
}

fn with(mut lines: Vec<Line>, more: Line) -> Vec<Line> {
    lines.push(more);
    lines.sort_by_key(|line| line.at);
    lines
}

/// The causes of a story, with what helps.
fn found(lines: Vec<Line>) -> Vec<(Cause, Option<Fix>)> {
    cause(&lines, at(NOW)).into_iter().map(|one| (one.cause, one.fix)).collect()
}

fn moved(to: Option<Mac>) -> Option<Fix> {
    Some(Fix::Move { package: PACKAGE, from: Some(OLD), to })
}

#[test]
fn every_failure_of_the_payment_has_its_cause_and_a_safe_fix() {
    let waiting = Order { created_at: at(598), ..an_order(OrderState::Prompted) };
    let late = Payment { created_at: at(490), ..a_payment() };
    let second = Payment { id: Uuid::from_u128(7), created_at: at(505), ..a_payment() };
    let paid_twice = |payment| with(with(bought(Standing::Waiting), paid_by(a_payment())), paid_by(payment));
    let due = ordered(an_order(OrderState::RefundDue));
    for (lines, cause, fix) in [
        (vec![failed("1032")], Cause::NotPaid(Reason::Cancelled), None),
        (vec![failed("2001")], Cause::NotPaid(Reason::WrongPin), None),
        (vec![failed("1")], Cause::NotPaid(Reason::NoFunds), None),
        (vec![failed("1037")], Cause::NotPaid(Reason::NoAnswer), None),
        (vec![failed("1001")], Cause::NotPaid(Reason::LineBusy), None),
        (vec![failed("no_news")], Cause::NotPaid(Reason::NoNews), None),
        (vec![ordered(waiting)], Cause::WaitsForPin, None),
        (vec![ordered(an_order(OrderState::Unknown))], Cause::NoNews, None),
        (vec![money("unmatched")], Cause::MoneyWaits, Some(Fix::Money("RKTQDM7W6S".into()))),
        (vec![money("refunded")], Cause::MoneyGoesBack, Some(Fix::Money("RKTQDM7W6S".into()))),
        (with(bought(Standing::Waiting), paid_by(late)), Cause::LateReport, None),
        (paid_twice(second), Cause::PaidTwice, Some(Fix::Payment(Uuid::from_u128(7)))),
        (paid_twice(by_card()), Cause::PaidTwice, Some(Fix::Refund(CARD))),
        (vec![due.clone(), paid_by(a_payment())], Cause::RefundDue, Some(Fix::Payment(Uuid::from_u128(6)))),
        (vec![due.clone(), paid_by(Payment { is_refunded: true, ..a_payment() })], Cause::RefundDue, None),
        (vec![due.clone(), paid_by(by_card())], Cause::RefundDue, Some(Fix::Refund(CARD))),
        (vec![due.clone(), paid_by(stated())], Cause::RefundDue, Some(Fix::Payment(CARD))),
        (vec![due, paid_by(Payment { receipt: None, ..by_card() })], Cause::RefundDue, None),
        (paid_twice(stated()), Cause::PaidTwice, Some(Fix::Payment(CARD))),
    ] {
        let said = found(lines);
        assert!(said.contains(&(cause, fix.clone())), "{cause:?} {fix:?}: {said:?}");
    }
}

#[test]
fn every_failure_of_the_login_has_its_cause_and_a_safe_fix() {
    let voucher = Access { voucher: Some((42, 7, "redeemed".into())), order: None, ..a_package(Standing::Usable) };
    let elsewhere = vec![granted(voucher), refused(RANDOM, Denial::TooManyDevices, true)];
    for (lines, cause, fix) in [
        (
            with(bought(Standing::Waiting), refused(RANDOM, Denial::UnknownDevice, false)),
            Cause::NewAddress,
            moved(Some(RANDOM)),
        ),
        (
            with(bought(Standing::Usable), refused(RANDOM, Denial::TooManyDevices, true)),
            Cause::DeviceLimit,
            moved(Some(RANDOM)),
        ),
        (
            with(bought(Standing::Usable), refused(RANDOM, Denial::TooManySwaps, true)),
            Cause::Swaps,
            moved(Some(RANDOM)),
        ),
        (elsewhere, Cause::VoucherElsewhere, moved(Some(RANDOM))),
        (with(bought(Standing::UsedUp), refused(OLD, Denial::DataUsed, true)), Cause::UsedUp, None),
        (with(bought(Standing::Over), refused(OLD, Denial::TimeOver, true)), Cause::Expired, None),
        (with(bought(Standing::TakenBack), refused(OLD, Denial::Revoked, true)), Cause::TakenBack, None),
        (with(bought(Standing::Usable), refused(OLD, Denial::OutsideHours, true)), Cause::OutsideHours, None),
        (vec![refused(OLD, Denial::UnknownDevice, false)], Cause::NothingBought, None),
        (vec![refused(OLD, Denial::MistypedCode, false)], Cause::WrongCode, None),
        (vec![refused(OLD, Denial::UnknownUser, false)], Cause::WrongCode, None),
        (vec![refused(OLD, Denial::BadPassword, false)], Cause::WrongPassword, None),
        (vec![refused(OLD, Denial::WrongDevice, true)], Cause::StalePage, None),
        (vec![refused(OLD, Denial::Locked, false)], Cause::Locked, None),
        (vec![refused(OLD, Denial::CannotCheck, false)], Cause::CannotCheck, None),
    ] {
        let said = found(lines);
        assert_eq!(said, [(cause, fix)]);
    }
    let event = Security {
        kind: store::security::Kind::DeviceLocked,
        mac: Some(OLD),
        nas: None,
        detail: "for 60 seconds".into(),
    };
    let locked = Line { at: at(599), event: Event::Noticed(event) };
    assert_eq!(found(vec![locked]), [(Cause::Locked, None)]);
}

#[test]
fn every_failure_of_the_network_has_its_cause_and_a_safe_fix() {
    let silent = Order { nas_heard_at: Some(at(400)), ..an_order(OrderState::Paid) };
    let dark = Outage { nas: "cafe".into(), ended_at: None, is_given_back: false };
    let dark = Line { at: at(590), event: Event::OutageBegan(dark) };
    let on_random = Access { devices: vec![RANDOM], ..a_package(Standing::Waiting) };
    let from_random = Some(Fix::Move { package: PACKAGE, from: Some(RANDOM), to: None });
    let is_on = || with(bought(Standing::Usable), a_session(OLD, 510, None));
    let disconnect = Some(Fix::Disconnect(SESSION));
    let said_by_the_router = visited(OLD, "RADIUS server is not responding");
    for (lines, cause, fix) in [
        (vec![ordered(silent), granted(a_package(Standing::Waiting))], Cause::RouterSilent, None),
        (with(bought(Standing::Waiting), said_by_the_router), Cause::RouterSilent, None),
        (with(bought(Standing::Waiting), dark), Cause::Outage, None),
        (bought(Standing::Waiting), Cause::NotUsedYet, None),
        (vec![ordered(an_order(OrderState::Paid)), granted(on_random)], Cause::MaybeNewAddress, from_random),
        (with(bought(Standing::Waiting), visited(RANDOM, "")), Cause::NewAddress, moved(Some(RANDOM))),
        (with(bought(Standing::Usable), a_session(OLD, 510, Some(550))), Cause::WentOffline, None),
        (bought(Standing::Over), Cause::NeverUsed, Some(Fix::Grant(ORDER))),
        (with(bought(Standing::Over), a_session(OLD, 510, Some(550))), Cause::Expired, None),
        (with(bought(Standing::UsedUp), a_session(OLD, 510, Some(550))), Cause::UsedUp, None),
        (is_on(), Cause::Online, disconnect.clone()),
        (with(is_on(), command("disconnect", "refused")), Cause::CutRefused, disconnect.clone()),
        (with(is_on(), command("disconnect", "unanswered")), Cause::CutRefused, disconnect.clone()),
        (with(is_on(), command("coa", "refused")), Cause::ChangeRefused, disconnect),
        (vec![message(MESSAGE, "payment_received", "failed", 580)], Cause::MessageFailed, Some(Fix::Resend(MESSAGE))),
        (vec![message(MESSAGE, "ends_soon", "expired", 580)], Cause::MessageFailed, None),
        (Vec::new(), Cause::NothingBought, None),
    ] {
        let said = found(lines);
        assert!(said.contains(&(cause, fix.clone())), "{cause:?} {fix:?}: {said:?}");
    }
}

#[test]
fn what_was_put_right_since_is_not_said_any_more() {
    // The device got in after it was refused.
    let later = with(bought(Standing::Usable), refused(OLD, Denial::BadPassword, true));
    let said = found(with(later, a_session(OLD, 598, None)));
    assert_eq!(said.iter().map(|(cause, _)| *cause).collect::<Vec<_>>(), [Cause::Online]);
    // It bought again after its time was over.
    let again = Access { id: Uuid::from_u128(12), created_at: at(598), order: None, ..a_package(Standing::Waiting) };
    let said = found(with(with(bought(Standing::Over), refused(OLD, Denial::TimeOver, true)), granted(again)));
    assert_eq!(said, [(Cause::NotUsedYet, None)]);
    // A voucher that was used after an order that came to nothing.
    let voucher = Access { created_at: at(598), order: None, ..a_package(Standing::Waiting) };
    assert_eq!(found(vec![failed("1032"), granted(voucher)]), [(Cause::NotUsedYet, None)]);
    // The message went again, and arrived.
    let (lost, again) = (message(MESSAGE, "given", "failed", 580), message(Uuid::from_u128(13), "given", "sent", 590));
    assert_eq!(found(vec![lost, again]), [(Cause::NothingBought, None)]);
    // Two days ago is not why it does not work now.
    let old = Line { at: at(0), ..refused(OLD, Denial::BadPassword, true) };
    assert_eq!(cause(&[old], at(3 * 24 * 60)).first().map(|one| one.cause), Some(Cause::NothingBought));
}

#[test]
fn sentences_are_sentences_and_hold_no_raw_words() {
    for denial in Denial::ALL {
        for one in cause(&with(bought(Standing::Usable), refused(RANDOM, denial, true)), at(NOW)) {
            assert!(one.words.ends_with('.') && one.advice.ends_with(['.', '?']), "{one:?}");
            assert!(one.words.starts_with(char::is_uppercase) || one.words.starts_with("one hour"), "{one:?}");
            assert!(!one.words.contains('_'), "{one:?}");
        }
    }
}
