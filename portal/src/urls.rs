//! The portal's URLs, typed: whoever links somewhere calls a function here, and [`crate::routes`] lists the same
//! paths. Tokens are URL-safe base64, so nothing needs escaping.

use shared::language::Language;
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
/// Path that shows a code for a screen.
pub const SCREEN: &str = "/screen";
/// Path of Stripe's reports.
pub const STRIPE_REPORTS: &str = "/webhooks/stripe";
/// Path of what a customer has.
pub const ACCOUNT: &str = "/account";
/// Path of what is done with data about people.
pub const PRIVACY: &str = "/privacy";
/// Query parameter with which a router sends a guest back to the order's page after login.
pub const BACK: &str = "back";
/// Query parameter with the language that was chosen.
pub const LANGUAGE: &str = "lang";

/// The page of an order.
pub fn order(key: &SealKey, id: Uuid) -> String {
    format!("/o/{}", token::sign(key, Purpose::OrderPage, id))
}

/// The same, whole, as a router is told to send the guest back to: the page then knows that a login was tried.
pub fn order_after_login(base: &Url, key: &SealKey, id: Uuid) -> String {
    format!("{}?{BACK}=1", absolute(base, &order(key, id)))
}

/// The receipt of the order that has this page.
pub fn receipt(page: &str) -> String {
    format!("{page}/receipt")
}

/// The same as a file.
pub fn receipt_file(page: &str) -> String {
    format!("{page}/receipt.pdf")
}

/// The packages for a visit.
pub fn packages(visit: &str) -> String {
    format!("{PACKAGES}?visit={visit}")
}

/// The page of a screen that shows a code.
pub fn screen(screen: &str) -> String {
    format!("{SCREEN}?screen={screen}")
}

/// Where a voucher's code is kept ready.
pub fn scanned(code: &str) -> String {
    format!("{SCANNED}/{code}")
}

/// What a customer has, for a visit.
pub fn account(visit: &str) -> String {
    format!("{ACCOUNT}?visit={visit}")
}

/// What is done with data about people, with the way back to the packages for a visit; an empty one: there is none.
pub fn privacy(visit: &str) -> String {
    if visit.is_empty() { PRIVACY.to_owned() } else { format!("{PRIVACY}?visit={visit}") }
}

/// An address with the language that was chosen. An empty one stands for the page that it is on.
pub fn in_language(address: &str, language: Language) -> String {
    let joint = if address.contains('?') { '&' } else { '?' };
    format!("{address}{joint}{LANGUAGE}={}", language.as_str())
}

/// Where whoever reads the mail of an address says that it is theirs.
pub fn email_proof(key: &SealKey, claim: Uuid) -> String {
    format!("/e/{}", token::sign(key, Purpose::EmailAddress, claim))
}

/// Where news by e-mail is refused, by whoever reads the mail: one address for each customer.
pub fn email_refusal(key: &SealKey, user: Uuid) -> String {
    format!("/u/{}", token::sign(key, Purpose::EmailRefusal, user))
}

/// Where M-Pesa reports one payment.
pub fn mpesa_callback(base: &Url, key: &SealKey, payment: Uuid) -> String {
    absolute(base, &format!("/webhooks/mpesa/{}", token::sign(key, Purpose::PaymentCallback, payment)))
}

/// Where Stripe reports, as the operator tells it.
pub fn stripe_reports(base: &Url) -> String {
    absolute(base, STRIPE_REPORTS)
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

/// Where M-Pesa asks about, and reports, payments from its menu to one shortcode.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct C2b {
    /// The question, before the money moves.
    pub validation: String,
    /// The report.
    pub confirmation: String,
}

/// These addresses. They stay the same as long as the seal key and the shortcode do.
pub fn c2b(base: &Url, key: &SealKey, shortcode: &str) -> C2b {
    let token = token::sign_hex(key, Purpose::C2b, c2b_identity(key, shortcode));
    C2b {
        validation: absolute(base, &format!("/webhooks/c2b/{token}/validation")),
        confirmation: absolute(base, &format!("/webhooks/c2b/{token}/confirmation")),
    }
}

/// What stands for a shortcode in the token of its addresses.
pub(crate) fn c2b_identity(key: &SealKey, shortcode: &str) -> Uuid {
    Uuid::from_bytes(key.lookup(format!("c2b:{shortcode}").as_bytes()))
}

/// Where M-Pesa answers one request later, and where it says that it did not come to it in time.
pub fn mpesa_results(base: &Url, key: &SealKey, request: Uuid) -> (String, String) {
    let result =
        absolute(base, &format!("/webhooks/results/{}", token::sign_hex(key, Purpose::RequestResult, request)));
    let timeout = format!("{result}/timeout");
    (result, timeout)
}

/// Where an accountant's program leads the operator back to.
pub fn books_back(base: &Url, provider: &str) -> Url {
    absolute(base, &format!("/admin/books/programs/{provider}/back")).parse().expect("a path of ours fits behind a URL")
}

fn absolute(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_for_payments_from_the_menu_hold_no_word_that_is_refused() {
        let base = Url::parse("https://wifi.example/").expect("a URL");
        for number in 0..50 {
            let key = SealKey::from_hex(&format!("{number:064x}")).expect("a key");
            let addresses = c2b(&base, &key, "600638");
            assert_eq!(addresses, c2b(&base, &key, "600638"), "always the same");
            assert_ne!(addresses, c2b(&base, &key, "600639"));
            for address in
                [addresses.validation, addresses.confirmation, mpesa_results(&base, &key, Uuid::from_u128(7)).1]
            {
                assert_eq!(crate::payments::mpesa::operations::forbidden_word(&address), None, "{address}");
            }
        }
    }

    #[test]
    fn absolute_urls_have_one_slash() {
        let base = Url::parse("https://wifi.example/").expect("a URL");
        assert_eq!(absolute(&base, "/o/x"), "https://wifi.example/o/x");
        let below = Url::parse("https://wifi.example/portal").expect("a URL");
        assert_eq!(absolute(&below, "/o/x"), "https://wifi.example/portal/o/x");
    }

    #[test]
    fn a_language_stands_behind_what_the_address_has() {
        assert_eq!(in_language("/o/x", Language::Swahili), "/o/x?lang=sw");
        assert_eq!(in_language("/packages?visit=v", Language::English), "/packages?visit=v&lang=en");
        assert_eq!(in_language("", Language::Swahili), "?lang=sw");
    }
}
