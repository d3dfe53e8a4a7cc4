//! The HTML of the servlet. Plain pages without script, as a captive browser needs them.

use std::fmt::Write as _;
use std::time::Duration;

use super::mac::Mac;
use super::router::Router;
use super::session::{Session, Usage};

/// Phones that the simulator's page offers to be.
const PHONES_OFFERED: u32 = 4;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse}td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:left}\
    .num{text-align:right}.error{color:#a00}.on{color:#070}";

fn page(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">{head}\
         <title>{title}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )
}

/// Makes a text safe between tags and in a quoted attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A page with one sentence.
pub(crate) fn message(text: &str) -> String {
    page("Hotspot", "", &format!("<p>{}</p>", escape(text)))
}

/// The login page: on to the portal.
pub(crate) fn login(portal_url: &str, error: Option<&str>) -> String {
    let url = escape(portal_url);
    let head = format!(
        "<meta http-equiv=\"cache-control\" content=\"no-store\"><meta http-equiv=\"refresh\" content=\"0; url={url}\">"
    );
    let error = error.map(|error| format!("<p class=\"error\" id=\"error\">{}</p>", escape(error))).unwrap_or_default();
    page(
        "Wi-Fi login",
        &head,
        &format!("{error}<p><a id=\"continue\" href=\"{url}\">Continue to the Wi-Fi portal</a></p>"),
    )
}

/// The status page of a logged-in phone.
pub(crate) fn status(session: &Session, now: Duration) -> String {
    let usage = session.usage(now);
    let left = session.time_left(now).map_or("no limit".to_owned(), ros_time);
    let bytes_left = session.bytes_left().map_or("no limit".to_owned(), octets);
    let rate = session.terms.rate_limit.as_deref().unwrap_or("none");
    let rows = [
        ("user", "User", session.user.clone()),
        ("ip", "IP address", session.ip.to_string()),
        ("mac", "MAC address", session.mac.to_string()),
        ("uptime", "Connected", ros_time(Duration::from_secs(u64::from(usage.seconds)))),
        ("time-left", "Time left", left),
        ("bytes", "Bytes up / down", format!("{} / {}", octets(usage.up), octets(usage.down))),
        ("bytes-left", "Bytes left", bytes_left),
        ("rate-limit", "Rate limit", rate.to_owned()),
    ];
    let mut body = "<h1>You are logged in</h1><table>".to_owned();
    for (id, label, value) in rows {
        let _ = write!(body, "<tr><th>{label}</th><td id=\"{id}\">{}</td></tr>", escape(&value));
    }
    body.push_str(
        "</table><p><a id=\"internet\" href=\"/internet\">Go to the internet</a> &middot; \
         <a id=\"logout\" href=\"/logout\">Log out</a></p>",
    );
    page("Wi-Fi status", "<meta http-equiv=\"refresh\" content=\"10\">", &body)
}

/// After logging out.
pub(crate) fn logged_out(usage: &Usage) -> String {
    let body = format!(
        "<h1>You have logged out</h1><p>After {}, {} up and {} down.</p><p><a id=\"login\" href=\"/login\">Log in</a></p>",
        ros_time(Duration::from_secs(u64::from(usage.seconds))),
        octets(usage.up),
        octets(usage.down),
    );
    page("Logged out", "", &body)
}

/// The one page of the world outside.
pub(crate) fn internet() -> String {
    page(
        "The internet",
        "",
        "<h1 id=\"online\">You are on the internet</h1><p>Download \
         <a id=\"download-1m\" href=\"/internet/download?bytes=1000000\">1 MB</a>, \
         <a id=\"download-100m\" href=\"/internet/download?bytes=100000000\">100 MB</a> or \
         <a href=\"/internet/download?bytes=5000000000\">5 GB</a> (counted, not sent).</p>\
         <p><a id=\"status\" href=\"/status\">Wi-Fi status</a></p>",
    )
}

/// What the simulator knows; `here` is the phone that this browser is.
pub(crate) fn simulator(router: &Router, identity: &str, here: Mac, now: Duration) -> String {
    let mut body = format!("<h1>Simulated router {}</h1>", escape(identity));
    let _ = write!(body, "<p>This browser is phone {here}. <a href=\"/\">Open a page</a> as this phone, or join as ");
    for number in 1..=PHONES_OFFERED {
        let _ = write!(body, "<a href=\"/join?phone={number}\">phone {number}</a> ");
    }
    body.push_str(
        "</p><table><tr><th>Phone</th><th>Address</th><th>State</th><th>Since</th><th>Left</th>\
         <th>Up</th><th>Down</th><th>Rate limit</th></tr>",
    );
    for (mac, host) in router.hosts() {
        let _ = write!(body, "<tr><td>{mac}</td><td>{}</td>", host.ip);
        body.push_str(&router.session(mac).map_or_else(
            || "<td colspan=\"6\">not logged in</td></tr>".to_owned(),
            |session| online_cells(session, now),
        ));
    }
    let stats = router.stats();
    let _ = write!(
        body,
        "</table><h2>RADIUS</h2><p>{} requests: {} accepted, {} rejected, {} without answer; {} bad replies, {} resends. \
         Accounting: {} reports, {} acknowledged, {} dropped. Disconnect and CoA: {} requests, {} ACK, {} NAK, {} bad.</p>\
         <p><a href=\"/sim/state\">The same as JSON</a></p>",
        stats.requests,
        stats.accepts,
        stats.rejects,
        stats.timeouts,
        stats.bad_replies,
        stats.resends,
        stats.acct_requests,
        stats.acct_acknowledged,
        stats.acct_dropped,
        stats.coa_requests,
        stats.coa_acks,
        stats.coa_naks,
        stats.coa_bad_requests,
    );
    page("Simulated router", "<meta http-equiv=\"refresh\" content=\"3\">", &body)
}

fn online_cells(session: &Session, now: Duration) -> String {
    let usage = session.usage(now);
    format!(
        "<td class=\"on\">{} ({})</td><td>{}</td><td>{}</td><td class=\"num\">{}</td><td class=\"num\">{}</td><td>{}</td></tr>",
        escape(&session.user),
        session.method.word(),
        ros_time(Duration::from_secs(u64::from(usage.seconds))),
        session.time_left(now).map(ros_time).unwrap_or_default(),
        octets(usage.up),
        octets(usage.down),
        escape(session.terms.rate_limit.as_deref().unwrap_or_default()),
    )
}

/// A time as RouterOS prints it: `1d2h3m4s`.
fn ros_time(time: Duration) -> String {
    let total = time.as_secs();
    let parts = [(total / 86400, 'd'), (total / 3600 % 24, 'h'), (total / 60 % 60, 'm'), (total % 60, 's')];
    let text: String =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Octets for people, in powers of 1024 with one digit.
fn octets(count: u64) -> String {
    let mut whole = count;
    let mut tenth = 0;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if whole < 1024 {
            break;
        }
        tenth = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit = next;
    }
    if unit == "B" { format!("{whole} B") } else { format!("{whole}.{tenth} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_octets_for_people() {
        assert_eq!(ros_time(Duration::from_secs(93784)), "1d2h3m4s");
        assert_eq!(ros_time(Duration::ZERO), "0s");
        assert_eq!(octets(1023), "1023 B");
        assert_eq!(octets(1536), "1.5 KiB");
        assert_eq!(octets(5 << 30), "5.0 GiB");
    }

    #[test]
    fn what_a_user_sends_cannot_leave_its_attribute() {
        let page = login("http://portal/h?error=%22&x=1\"><script>", Some("<b>no</b>"));
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        assert!(page.contains("x=1&quot;&gt;&lt;script&gt;"));
    }
}
