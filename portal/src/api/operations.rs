//! Every operation: its method, its path, the scope that it asks for, and whether it is done once under a key. [`super::door`] goes
//! by this table, so an operation that is not in it is not reached, and one that is cannot forget to ask.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use shared::scope::Scope;

/// Whether a request is done once under its `Idempotency-Key`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// It has none: to do it twice is no harm, or is seen.
    None,
    /// It must have one: it moves access. The answer is kept for a while.
    Access,
    /// It must have one: it moves money. The answer is kept as long as the ledger.
    Money,
}

/// An operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// The method, in small letters as OpenAPI has it.
    pub method: &'static str,
    /// The path below `/api/v1`.
    pub path: &'static str,
    /// What a token must be allowed to do; `None`: it is open to everybody.
    pub scope: Option<Scope>,
    /// Whether it needs a key.
    pub key: Key,
}

const fn open(path: &'static str) -> Operation {
    Operation { method: "get", path, scope: None, key: Key::None }
}

const fn of(method: &'static str, path: &'static str, scope: Scope) -> Operation {
    Operation { method, path, scope: Some(scope), key: Key::None }
}

const fn once(path: &'static str, scope: Scope, key: Key) -> Operation {
    Operation { method: "post", path, scope: Some(scope), key }
}

/// All of them.
pub static OPERATIONS: [Operation; 101] = {
    use Key::{Access, Money};
    use Scope as S;
    [
        open("/openapi.json"),
        open("/problems/{code}"),
        of("get", "/sites", S::SitesRead),
        of("post", "/sites", S::SitesWrite),
        of("get", "/sites/{id}", S::SitesRead),
        of("patch", "/sites/{id}", S::SitesWrite),
        of("get", "/nas", S::RoutersRead),
        of("post", "/nas", S::RoutersWrite),
        of("get", "/nas/{id}", S::RoutersRead),
        of("patch", "/nas/{id}", S::RoutersWrite),
        of("delete", "/nas/{id}", S::RoutersWrite),
        of("post", "/nas/{id}/secrets", S::RoutersSecret),
        of("get", "/packages", S::PackagesRead),
        of("post", "/packages", S::PackagesWrite),
        of("get", "/packages/{id}", S::PackagesRead),
        of("patch", "/packages/{id}", S::PackagesWrite),
        of("get", "/packages/{id}/versions", S::PackagesRead),
        of("get", "/discounts", S::DiscountsRead),
        of("post", "/discounts", S::DiscountsWrite),
        of("get", "/discounts/{id}", S::DiscountsRead),
        of("patch", "/discounts/{id}", S::DiscountsWrite),
        of("post", "/discounts/{id}/endings", S::DiscountsWrite),
        of("get", "/calendar-days", S::CalendarRead),
        of("post", "/calendar-days", S::CalendarWrite),
        of("post", "/calendar-days/holidays", S::CalendarWrite),
        of("get", "/calendar-days/{id}", S::CalendarRead),
        of("delete", "/calendar-days/{id}", S::CalendarWrite),
        of("get", "/campaigns", S::CampaignsRead),
        once("/campaigns", S::CampaignsWrite, Access),
        of("post", "/campaigns/reaches", S::CampaignsRead),
        of("get", "/campaigns/{id}", S::CampaignsRead),
        of("get", "/campaigns/{id}/outcome", S::CampaignsRead),
        of("post", "/campaigns/{id}/stops", S::CampaignsWrite),
        of("get", "/voucher-batches", S::VouchersRead),
        once("/voucher-batches", S::VouchersWrite, Access),
        of("get", "/voucher-batches/{id}", S::VouchersRead),
        of("patch", "/voucher-batches/{id}", S::VouchersWrite),
        of("get", "/voucher-batches/{id}/vouchers", S::VouchersRead),
        of("get", "/voucher-batches/{id}/codes", S::VouchersCodes),
        once("/voucher-batches/{id}/sales", S::VouchersWrite, Money),
        once("/voucher-batches/{id}/voids", S::VouchersWrite, Access),
        of("get", "/customers", S::CustomersRead),
        of("post", "/customers", S::CustomersWrite),
        of("get", "/customers/{id}", S::CustomersRead),
        of("patch", "/customers/{id}", S::CustomersWrite),
        of("get", "/customers/{id}/devices", S::CustomersRead),
        of("get", "/customers/{id}/entitlements", S::EntitlementsRead),
        of("get", "/customers/{id}/orders", S::OrdersRead),
        of("get", "/customers/{id}/notifications", S::MessagesRead),
        of("get", "/entitlements", S::EntitlementsRead),
        once("/entitlements", S::EntitlementsWrite, Access),
        of("get", "/entitlements/{id}", S::EntitlementsRead),
        of("get", "/entitlements/{id}/devices", S::EntitlementsRead),
        once("/entitlements/{id}/endings", S::EntitlementsWrite, Access),
        of("get", "/orders", S::OrdersRead),
        of("get", "/orders/{id}", S::OrdersRead),
        of("get", "/payments", S::MoneyRead),
        of("get", "/payments/{id}", S::MoneyRead),
        once("/payments/{id}/refunds", S::MoneyRefund, Money),
        of("get", "/refunds", S::MoneyRead),
        of("get", "/refunds/{id}", S::MoneyRead),
        of("get", "/received-money", S::MoneyRead),
        of("get", "/received-money/{receipt}", S::MoneyRead),
        once("/received-money/{receipt}/assignments", S::MoneyDecide, Money),
        once("/received-money/{receipt}/refunds", S::MoneyRefund, Money),
        once("/received-money/{receipt}/reversals", S::MoneyRefund, Money),
        once("/received-money/{receipt}/returns", S::MoneyRefund, Money),
        of("post", "/received-money/{receipt}/ignores", S::MoneyDecide),
        of("post", "/received-money/{receipt}/heeds", S::MoneyDecide),
        of("get", "/sessions", S::SessionsRead),
        of("get", "/sessions/ended", S::SessionsRead),
        of("get", "/sessions/{id}", S::SessionsRead),
        of("post", "/sessions/{id}/disconnects", S::SessionsWrite),
        of("get", "/outages", S::OutagesRead),
        of("get", "/outages/{id}", S::OutagesRead),
        once("/outages/{id}/give-backs", S::OutagesWrite, Access),
        of("get", "/alerts", S::AlertsRead),
        of("get", "/alerts/{id}", S::AlertsRead),
        of("post", "/alerts/{id}/acknowledgements", S::AlertsWrite),
        of("get", "/ledger/accounts", S::LedgerRead),
        of("get", "/ledger/transactions", S::LedgerRead),
        of("get", "/ledger/transactions/{id}", S::LedgerRead),
        of("get", "/books/days", S::BooksRead),
        of("post", "/books/days/close", S::BooksWrite),
        of("get", "/books/documents/{number}", S::BooksRead),
        of("get", "/notifications", S::MessagesRead),
        of("get", "/notifications/{id}", S::MessagesRead),
        of("get", "/texts", S::MessagesRead),
        of("get", "/texts/{name}/{language}", S::MessagesRead),
        of("patch", "/texts/{name}/{language}", S::MessagesWrite),
        of("get", "/security-events", S::SecurityRead),
        of("get", "/audit-log", S::AuditRead),
        of("get", "/webhook-endpoints", S::WebhooksRead),
        of("post", "/webhook-endpoints", S::WebhooksWrite),
        of("get", "/webhook-endpoints/{id}", S::WebhooksRead),
        of("patch", "/webhook-endpoints/{id}", S::WebhooksWrite),
        of("delete", "/webhook-endpoints/{id}", S::WebhooksWrite),
        of("post", "/webhook-endpoints/{id}/secrets", S::WebhooksWrite),
        of("get", "/webhook-endpoints/{id}/deliveries", S::WebhooksRead),
        of("post", "/webhook-endpoints/{id}/replays", S::WebhooksWrite),
        of("get", "/webhook-events", S::WebhooksRead),
    ]
};

/// The operation that a request, which was routed, asks for.
pub(super) fn asked(request: &Request) -> Option<&'static Operation> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let method = match *request.method() {
        // Whoever may read may ask for the head alone.
        Method::GET | Method::HEAD => "get",
        Method::POST => "post",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => return None,
    };
    OPERATIONS.iter().find(|operation| operation.method == method && operation.path == path)
}
