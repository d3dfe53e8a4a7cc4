//! What became of the money: orders that are not paid, money that waits or goes back, and payments that came late or twice.

use store::order::OrderState;
use store::timeline::{Order, Payment};

use super::facts::{Facts, HOUR};
use super::{Cause, Finding, Fix, finding};
use crate::admin::words::{self, Tone};
use crate::payments::reason::Reason;
use crate::payments::{MPESA, STRIPE};

/// Money that waits for a person.
pub(super) fn money(facts: &Facts<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for money in &facts.money {
        let sure = if money.is_certain { "" } else { ", perhaps this customer’s," };
        let fix = Some(Fix::Money(money.receipt.clone()));
        match money.state.as_str() {
            "unmatched" => {
                let words =
                    format!("The money of receipt {}{sure} came, and nobody knows what it is for.", money.receipt);
                let advice =
                    "Compare name and amount with the customer’s message, then assign it: access is given at once.";
                found.push(finding(Cause::MoneyWaits, Tone::Bad, words, advice, fix));
            }
            "refunded" if money.given_back_at.is_none() => {
                let words = format!("The money of receipt {}{sure} goes back, and has not gone yet.", money.receipt);
                let advice = "Whoever decides about money gives it back, or has M-Pesa do it.";
                found.push(finding(Cause::MoneyGoesBack, Tone::Busy, words, advice, fix));
            }
            _ => {}
        }
    }
    found
}

/// What became of the newest order.
pub(super) fn order(facts: &Facts<'_>) -> Vec<Finding> {
    let Some(order) = facts.orders.first() else { return Vec::new() };
    let is_superseded = facts.usable().any(|package| package.created_at > order.created_at);
    match order.state {
        OrderState::RefundDue => vec![refund_due(facts, order)],
        OrderState::Paid => paid(facts, order),
        OrderState::Failed if !is_superseded => vec![not_paid(order)],
        state if state.is_waiting() && !is_superseded => vec![waits(facts, order)],
        _ => Vec::new(),
    }
}

fn waits(facts: &Facts<'_>, order: &Order) -> Finding {
    let code = &order.code;
    if facts.now - order.created_at < HOUR / 12 {
        let words = format!("Order {code} waits for the PIN, made {}.", words::ago(order.created_at, facts.now));
        let advice = "Let the customer look for the request on the phone, and type the PIN.";
        return finding(Cause::WaitsForPin, Tone::Busy, words, advice, None);
    }
    let words = format!(
        "What became of the payment of order {code} is not known yet; the provider is asked about it by itself."
    );
    let advice = "Nobody should pay again yet. If the customer has a message of M-Pesa, look up its receipt.";
    finding(Cause::NoNews, Tone::Busy, words, advice, None)
}

fn not_paid(order: &Order) -> Finding {
    let (reason, code) = (Reason::of(&order.reason), &order.code);
    let (what, advice) = match reason {
        Reason::Cancelled => ("the request was cancelled on the phone", "No money moved. The customer can try again."),
        Reason::WrongPin => ("a wrong PIN was typed", "No money moved. The customer can try again with the right PIN."),
        Reason::NoFunds => {
            ("there was not enough money", "The customer can top up, or take a package that costs less.")
        }
        Reason::NoAnswer | Reason::Expired => (
            "nobody answered the request on the phone",
            "Is the phone on, and in reach? The customer can try again, or pay from the menu of M-Pesa.",
        ),
        Reason::LineBusy => ("another request was open on that line", "Wait two minutes, then try again."),
        Reason::OverLimit => ("it is above a limit of M-Pesa", "Another number can pay."),
        Reason::Declined => ("the bank declined the card", "Another card, or M-Pesa."),
        Reason::PageClosed => ("the page of the card was closed", "No money moved. The customer can try again."),
        Reason::Misconfigured | Reason::Credentials | Reason::Rejected => (
            "the provider does not accept what we send",
            "Nobody can pay so: tell whoever runs the place; the log of the portal says more.",
        ),
        Reason::Unreachable | Reason::Throttled | Reason::SystemBusy | Reason::RuleLimited | Reason::PushError => (
            "M-Pesa could not do it at that moment",
            "Wait two minutes without a message of M-Pesa, then try again, or pay from its menu.",
        ),
        Reason::NoNews | Reason::Unlisted => (
            "the provider never said what became of it",
            "If the customer has a message of M-Pesa, look up its receipt; money that comes late is still taken.",
        ),
    };
    finding(Cause::NotPaid(reason), Tone::Bad, format!("Order {code} is not paid: {what}."), advice, None)
}

fn refund_due(facts: &Facts<'_>, order: &Order) -> Finding {
    let words = format!("The money of order {} came and buys nothing: it belongs to the customer.", order.code);
    let by_card = facts.of_order(order.id).find(|payment| can_go_back(payment)).map(|payment| Fix::Refund(payment.id));
    let on_its_page = facts.of_order(order.id).find(|payment| goes_back_on_its_page(payment));
    let advice = match (&by_card, on_its_page) {
        (Some(_), _) => "It can go back to the card.",
        (None, Some(payment)) if payment.is_by_hand => {
            "Only a statement told of it, so nobody can be asked: whoever decides about money gives it back by hand and says so."
        }
        (None, None) => {
            "Stripe told no name of the payment, so it cannot be asked from here: look for it at Stripe, and give it back there."
        }
        (None, Some(_)) => {
            "It was paid by M-Pesa: whoever decides about money has M-Pesa give it back, or gives it back and says so."
        }
    };
    let fix = by_card.or(on_its_page.map(|payment| Fix::Payment(payment.id)));
    finding(Cause::RefundDue, Tone::Bad, words, advice, fix)
}

/// Whether a payment can be given back from here: Stripe can be asked, by its name of the payment.
pub(in crate::admin::support) fn can_go_back(payment: &Payment) -> bool {
    let can_be_asked = payment.provider == STRIPE && payment.receipt.is_some() && !payment.is_by_hand;
    can_be_asked && payment.state == "succeeded" && !payment.is_refunded
}

/// Whether one can be given back on its own page: by M-Pesa, or by hand where only a statement told of its money.
pub(in crate::admin::support) fn goes_back_on_its_page(payment: &Payment) -> bool {
    let is_there = payment.provider == MPESA || payment.is_by_hand;
    is_there && payment.state == "succeeded" && !payment.is_refunded
}

fn paid(facts: &Facts<'_>, order: &Order) -> Vec<Finding> {
    let mut found = Vec::new();
    let paid: Vec<&Payment> =
        facts.of_order(order.id).filter(|payment| payment.state == "succeeded" && !payment.is_refunded).collect();
    if paid.len() > 1 {
        let words = format!("Order {} was paid {} times.", order.code, paid.len());
        let by_card = paid.iter().find(|payment| can_go_back(payment)).map(|payment| Fix::Refund(payment.id));
        let on_its_page =
            paid.iter().filter(|payment| goes_back_on_its_page(payment)).max_by_key(|payment| payment.created_at);
        let advice = match by_card {
            Some(_) => "The later payment belongs to the customer: the one by card can go back.",
            None => "The later payment belongs to the customer: whoever decides about money gives it back.",
        };
        let fix = by_card.or(on_its_page.map(|payment| Fix::Payment(payment.id)));
        found.push(finding(Cause::PaidTwice, Tone::Bad, words, advice, fix));
    }
    let first = paid.iter().map(|payment| payment.created_at).min();
    let was_late = first.zip(order.paid_at).is_some_and(|(began, paid)| paid - began > HOUR / 30);
    let is_unused = facts.bought(order.id).any(|package| package.is_usable() && !facts.was_used(package.id));
    if was_late && is_unused {
        let words =
            format!("The provider confirmed the payment of order {} late; the package was given then.", order.code);
        let advice = "The customer had left the page by then: open any page on the Wi-Fi, and it goes on.";
        found.push(finding(Cause::LateReport, Tone::Busy, words, advice, None));
    }
    found
}
