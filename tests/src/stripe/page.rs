//! The pages of the simulator: where a card would be typed, where the bank would ask, and what has happened so far. In
//! place of a card there are buttons, so that a test without a browser can press them too.

use std::fmt::Write as _;

use super::register::{Register, Session, State};

/// Sessions shown, newest first.
const SHOWN: usize = 30;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left}\
    button{font:inherit;padding:.6rem 1rem;margin:.3rem .3rem .3rem 0}";

/// What the buttons of the page of a session send as `choice`, and what they say.
const CARDS: [(&str, &str); 4] = [
    ("pay", "Pay"),
    ("decline", "Pay with a card that is declined"),
    ("no-funds", "Pay with a card without money"),
    ("authenticate", "Pay with a card whose bank asks first"),
];

/// What the buttons of the bank's page send as `choice`, and what they say.
const BANK: [(&str, &str); 2] = [("approve", "It is me: approve"), ("refuse", "It is not: refuse")];

/// The page of a session.
pub(crate) fn checkout(session: &Session) -> String {
    let mut body = heading(session);
    if let Some(declined) = session.declined {
        let _ = write!(body, "<p id=\"declined\">{}</p>", escape(declined.message));
    }
    if session.state == State::Open {
        form(&mut body, &format!("/c/pay/{}", session.id), &CARDS);
        if let Some(cancel) = &session.cancel_url {
            let _ = write!(body, "<p><a id=\"cancel\" href=\"{}\">Cancel and go back</a></p>", escape(cancel));
        }
    } else {
        body.push_str("<p id=\"over\">You have either completed the payment process, or a timeout occurred.</p>");
    }
    whole("Simulated Stripe", &body, None)
}

/// The page of the bank.
pub(crate) fn bank(session: &Session) -> String {
    let mut body = heading(session);
    body.push_str("<p>Your bank wants to know whether it is you.</p>");
    form(&mut body, &format!("/c/bank/{}", session.id), &BANK);
    whole("Simulated bank", &body, None)
}

/// The page for what is not there.
pub(crate) fn nothing() -> String {
    whole("Simulated Stripe", "<p id=\"nothing\">There is no such page.</p>", None)
}

/// What has happened so far.
pub(crate) fn overview(register: &Register) -> String {
    let mut body = "<h1>Simulated Stripe</h1><table id=\"sessions\"><tr><th>Session</th><th>What</th><th>Amount</th>\
                    <th>Now</th><th>Given back</th><th>Events answered with</th></tr>"
        .to_owned();
    for session in register.sessions().iter().rev().take(SHOWN) {
        row(&mut body, register, session);
    }
    body.push_str("</table>");
    whole("Simulated Stripe", &body, Some(2))
}

fn row(body: &mut String, register: &Register, session: &Session) {
    let about = register.events().iter().filter(|event| event.session == session.id);
    let answers: Vec<String> = about
        .flat_map(|event| &event.answers)
        .map(|status| status.map_or("no answer".to_owned(), |status| status.to_string()))
        .collect();
    let _ = write!(
        body,
        "<tr><td><a href=\"/c/pay/{}\">{}</a></td><td>{}</td><td>{} {}</td><td>{:?}</td><td>{}</td><td>{}</td></tr>",
        session.id,
        session.id,
        escape(&session.name),
        session.amount,
        session.currency,
        session.state,
        session.refunded,
        answers.join(", "),
    );
}

fn heading(session: &Session) -> String {
    format!("<h1>{}</h1><p id=\"amount\">{} {}</p>", escape(&session.name), session.amount, session.currency)
}

fn form(body: &mut String, action: &str, buttons: &[(&str, &str)]) {
    let _ = write!(body, "<form method=\"post\" action=\"{action}\">");
    for (choice, label) in buttons {
        let _ = write!(body, "<button id=\"{choice}\" name=\"choice\" value=\"{choice}\">{label}</button>");
    }
    body.push_str("</form>");
}

fn whole(title: &str, body: &str, refresh: Option<u32>) -> String {
    let refresh =
        refresh.map(|seconds| format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">")).unwrap_or_default();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">{refresh}<title>{title}</title><style>{STYLE}</style></head>\
         <body>{body}</body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
