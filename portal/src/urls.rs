//! The portal's URLs, typed: whoever links somewhere calls a function here, and [`crate::routes`] lists the same
//! paths. Tokens are URL-safe base64, so nothing needs escaping.

use shared::seal::SealKey;
use shared::token::{self, Purpose};
use url::Url;
use uuid::Uuid;

/// Path of the page that a router's login page sends guests to.
pub const HOTSPOT: &str = "/h";
/// Path of the packages for a visit that we carry: `?visit=` with the sealed token.
pub const PACKAGES: &str = "/packages";
/// Path that takes a wish to buy.
pub const BUY: &str = "/buy";
/// Path that takes a voucher code.
pub const VOUCHER: &str = "/voucher";
/// Path of a printed voucher's QR code, before the code.
pub const SCANNED: &str = "/v";
/// Path of what a customer has.
pub const ACCOUNT: &str = "/account";
/// Query parameter with which a router sends a guest back to the order's page after login.
pub const BACK: &str = "back";

/// The page of an order.
pub fn order(key: &SealKey, id: Uuid) -> String {
    format!("/o/{}", token::sign(key, Purpose::OrderPage, id))
}

/// The same, whole, as a router is told to send the guest back to: the page then knows that a login was tried.
pub fn order_after_login(base: &Url, key: &SealKey, id: Uuid) -> String {
    format!("{}?{BACK}=1", absolute(base, &order(key, id)))
}

/// The packages for a visit.
pub fn packages(visit: &str) -> String {
    format!("{PACKAGES}?visit={visit}")
}

/// What a customer has, for a visit.
pub fn account(visit: &str) -> String {
    format!("{ACCOUNT}?visit={visit}")
}

/// Where M-Pesa reports one payment.
pub fn mpesa_callback(base: &Url, key: &SealKey, payment: Uuid) -> String {
    absolute(base, &format!("/webhooks/mpesa/{}", token::sign(key, Purpose::PaymentCallback, payment)))
}

/// Where Twilio reports what became of a message.
pub fn twilio_reports(base: &Url) -> Url {
    absolute(base, "/webhooks/sms/twilio").parse().expect("a path of ours fits behind a URL")
}

/// Where Africa's Talking reports, as the operator tells it: it signs nothing, so the address is secret.
pub fn africastalking_reports(base: &Url, key: &SealKey) -> String {
    let token = token::sign(key, Purpose::SmsReports, Uuid::nil());
    absolute(base, &format!("/webhooks/sms/africastalking/{token}"))
}

/// A path of ours as a whole address.
pub fn whole(base: &Url, path: &str) -> String {
    absolute(base, path)
}

fn absolute(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_urls_have_one_slash() {
        let base = Url::parse("https://wifi.example/").expect("a URL");
        assert_eq!(absolute(&base, "/o/x"), "https://wifi.example/o/x");
        let below = Url::parse("https://wifi.example/portal").expect("a URL");
        assert_eq!(absolute(&below, "/o/x"), "https://wifi.example/portal/o/x");
    }
}
