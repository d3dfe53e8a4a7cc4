//! The operator's desk: who is online, what was sold, which routers speak, and ending a session.
//!
//! A file a noun, each with its page and what it may change. Every route is in a group that says what one must be allowed to do
//! ([`access`]); [`routes`] is that list. Pages take [`Staff`](crate::session::Staff), changes
//! [`Posted`](crate::session::csrf::Posted), so neither can be had without the checks. Pages are made on the server and work without scripts; lists of what is going
//! on reload themselves.
//!
//! Long lists are made by [`listing`], each of [`lists`] being what one can ask it for and its columns. What must not be done with a
//! stolen session takes [`Proved`](proof::Proved) in place of `Posted`. Forms of several fields are made and read by [`form`], which also asks twice before what cannot be undone; [`audit`] writes down
//! who did it.
//!
//! What an operator wants to know is answered by [`reports`].
//!
//! Refused here: secrets on a page, but for the line that sets a router up, once; and a word like "disconnected" before the router has proved it.

mod access;
mod accounting;
mod alerts;
mod audit;
mod audit_log;
mod back;
mod backups;
mod books;
mod calendar;
mod campaigns;
mod charts;
mod customer;
mod discounts;
mod form;
mod jobs;
mod listing;
mod lists;
mod map;
mod me;
mod messages;
mod money;
mod outages;
mod overview;
mod packages;
mod page;
mod payment;
mod proof;
mod refusal;
pub(crate) mod reports;
mod routers;
mod second_step;
mod security;
mod sessions;
mod settings;
mod sign_in;
mod sites;
mod staff;
mod story;
mod support;
mod throttle;
mod tries;
mod vouchers;
mod words;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router, middleware};
use shared::staff::Permission;

use crate::App;
use access::{group, own, unfinished};
use listing::{file, show};
use lists::customers::Customers;
use lists::devices::Devices;
use lists::ledger::Ledger;
use lists::messages::Messages;
use lists::orders::Orders;
use lists::payments::Payments;
use lists::sessions::{Ended, Online};
pub use refusal::Refusal;
use throttle::Throttle;

/// Largest form that the desk sends, in octets.
const FORM_LIMIT: usize = 16 * 1024;
/// Where the sign-in page is.
pub const SIGN_IN: &str = "/admin/sign-in";
/// Where a second factor is set up.
const SECOND_FACTOR: &str = "/admin/me/second-factor";
/// Where the overview is.
const OVERVIEW: &str = "/admin";

/// The routes of this part. Each is in the group of what it needs ([`access`]); only signing in is in none.
///
/// One that needs something else than its neighbours goes into the other group, with the same address if need be: the pages of
/// a thing are often for more people than its forms.
pub fn routes(app: &App) -> Router<App> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-in/code", post(second_step::prove))
        .route("/invitation/{secret}", get(staff::invitation::show).post(staff::invitation::accept))
        .route("/books/programs/{provider}/back", get(books::programs::connect::back))
        .merge(unfinished(app, unfinished_routes()))
        .merge(own(app, own_routes()))
        .merge(group(app, Permission::See, see_routes()))
        .merge(group(app, Permission::SeeMoney, see_money_routes()))
        .merge(group(app, Permission::Sell, sell_routes()))
        .merge(group(app, Permission::Support, support_routes()))
        .merge(group(app, Permission::MoveMoney, move_money_routes()))
        .merge(group(app, Permission::SeeBooks, see_books_routes()))
        .merge(group(app, Permission::KeepBooks, keep_books_routes()))
        .merge(group(app, Permission::EditOffers, edit_offers_routes()))
        .merge(group(app, Permission::EditRouters, edit_routers_routes()))
        .merge(group(app, Permission::ManageStaff, manage_staff_routes()))
        .merge(group(app, Permission::SeeAudit, see_audit_routes()))
        .merge(group(app, Permission::Settings, settings_routes()))
        .fallback(async || Refusal::NotFound)
        .layer(Extension(Arc::new(Throttle::default())))
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .layer(middleware::map_response(own_referrer))
}

/// What is reached before there is a second factor where it is compulsory.
fn unfinished_routes() -> Router<App> {
    Router::new()
        .route("/sign-out", post(sign_in::sign_out))
        .route("/me/second-factor", get(me::second_factor::show).post(me::second_factor::enrol))
}

fn own_routes() -> Router<App> {
    Router::new()
        .route("/me", get(me::show))
        .route("/me/password", post(me::set_password))
        .route("/me/recovery-codes", post(me::second_factor::new_recovery_codes))
        .route("/me/second-factor/off", post(me::second_factor::off))
        .route("/me/sessions/end-others", post(me::end_others))
        .route("/me/sessions/{handle}/end", post(me::end_session))
        .route("/alerts/mine", get(alerts::mine::show).post(alerts::mine::save))
        .route("/reports/mails/{id}/stop", post(reports::mail::stop))
}

fn see_routes() -> Router<App> {
    Router::new()
        .route("/", get(overview::show))
        .route("/alerts", get(alerts::list))
        .route("/alerts/rules", get(alerts::rules::list))
        .route("/alerts/{id}", get(alerts::show))
        .route("/backups", get(backups::show))
        .route("/calendar", get(calendar::show))
        .route("/outages", get(outages::list))
        .route("/packages", get(packages::list))
        .route("/routers", get(routers::list))
        .route("/routers/{id}", get(routers::one::show))
        .route("/live", get(overview::live))
        .route("/map", get(map::show))
        .route("/map/live", get(map::live))
        .route("/map/sites.geojson", get(map::data))
        .route("/sites", get(sites::list))
        .route("/customers", get(show::<Customers>))
        .route("/customers.csv", get(file::<Customers>))
        .route("/customers/{id}", get(customer::show))
        .route("/devices", get(show::<Devices>))
        .route("/devices.csv", get(file::<Devices>))
        .route("/charts", get(charts::show))
        .route("/charts/use/{chart}", get(charts::use_data))
        .route("/jobs", get(jobs::list))
        .route("/reports", get(reports::page::list))
        .route("/reports/use/{report}", get(reports::page::of_use))
        .route("/reports/use/{report}/mail", post(reports::mail::ask_use))
        .route("/sessions", get(show::<Online>))
        .route("/sessions.csv", get(file::<Online>))
        .route("/sessions/leaking", get(sessions::list_leaking))
        .route("/sessions/ended", get(show::<Ended>))
        .route("/sessions/ended.csv", get(file::<Ended>))
        .route("/sessions/{id}", get(story::show))
        .route("/accounting", get(accounting::show))
        .route("/vouchers", get(vouchers::list))
        .route("/vouchers/{number}", get(vouchers::batch::show))
        .route("/discounts", get(discounts::list))
        .route("/messages", get(show::<Messages>))
        .route("/messages.csv", get(file::<Messages>))
        .route("/messages/texts", get(messages::texts::list))
}

/// Payments, and money of which nobody knows what it is for.
fn see_money_routes() -> Router<App> {
    Router::new()
        .route("/payments", get(show::<Payments>))
        .route("/payments/{id}", get(payment::show))
        .route("/payments/{id}/receipt.pdf", get(payment::receipt::file))
        .route("/payments.csv", get(file::<Payments>))
        .route("/orders", get(show::<Orders>))
        .route("/orders.csv", get(file::<Orders>))
        .route("/ledger", get(show::<Ledger>))
        .route("/ledger.csv", get(file::<Ledger>))
        .route("/campaigns", get(campaigns::list))
        .route("/campaigns/{id}", get(campaigns::show))
        .route("/charts/data/{chart}", get(charts::money_data))
        .route("/reports/money/{report}", get(reports::page::of_money))
        .route("/reports/money/{report}/mail", post(reports::mail::ask_money))
        .route("/money", get(money::list))
        .route("/money/all", get(money::list_all))
        .route("/money/{receipt}", get(money::receipt::show))
}

fn sell_routes() -> Router<App> {
    Router::new()
        .route("/vouchers/{number}/file", post(vouchers::file::download))
        .route("/vouchers/{number}/give", post(vouchers::changes::give))
        .route("/vouchers/{number}/sell", post(vouchers::changes::sell))
}

fn support_routes() -> Router<App> {
    Router::new()
        .route("/alerts/{id}/acknowledge", post(alerts::acknowledge))
        .route("/alerts/rules/{kind}/mute", get(alerts::rules::ask_mute).post(alerts::rules::mute))
        .route("/alerts/rules/{kind}/unmute", post(alerts::rules::unmute))
        .route("/outages/{id}/give-back", post(outages::give_back))
        .route("/outages/sites/{id}/give-back", post(outages::give_back_site))
        .route("/security", get(security::list))
        .route("/jobs/disconnect", get(jobs::ask_disconnect).post(jobs::disconnect))
        .route("/jobs/{id}/cancel", post(jobs::cancel))
        .route("/sessions/{id}/disconnect", post(sessions::disconnect))
        .route("/support", get(support::ask).post(support::look_up))
        .route("/support/disconnect", post(support::fixes::disconnect))
        .route("/support/grant", post(support::fixes::grant))
        .route("/support/move", post(support::fixes::move_device))
        .route("/support/resend", post(support::fixes::resend))
        .route("/support/{kind}/{name}", get(support::show))
}

/// What money is for, and money that goes back.
fn move_money_routes() -> Router<App> {
    Router::new()
        .route("/money/{receipt}/assign", post(money::changes::assign))
        .route("/money/{receipt}/refund", post(money::changes::refund))
        .route("/money/{receipt}/reverse", post(money::changes::reverse))
        .route("/money/{receipt}/given-back", post(money::changes::given_back))
        .route("/money/{receipt}/ignore", post(money::changes::ignore))
        .route("/money/{receipt}/heed", post(money::changes::heed))
        .route("/payments/{id}/refund", post(payment::changes::give_back))
        .route("/payments/{id}/given-back", post(payment::changes::given_back))
        .route("/payments/{id}/again", post(payment::changes::try_again))
        .route("/support/refund", post(support::fixes::refund))
}

/// The books, as they are read.
fn see_books_routes() -> Router<App> {
    Router::new()
        .route("/books", get(books::days::show))
        .route("/books/balance", get(books::balance::show))
        .route("/books/balance.csv", get(books::balance::file))
        .route("/books/cash", get(books::cash::list))
        .route("/books/cash.csv", get(books::cash::file))
        .route("/books/cash/agent", get(books::cash::show))
        .route("/books/days.csv", get(books::days::file))
        .route("/books/documents/{number}", get(books::document::show))
        .route("/books/etims", get(books::etims::show))
        .route("/books/lines.csv", get(books::lines::file))
        .route("/books/programs", get(books::programs::list))
        .route("/books/programs/{id}/documents", get(books::told::show))
        .route("/books/programs/{id}/drift", get(books::drift::show))
        .route("/books/programs/{id}/mapping", get(books::mapping::show))
        .route("/books/statements", get(books::statements::list))
        .route("/books/statements/{account}", get(books::statements::account::show))
        .route("/books/statements/{account}/differences.csv", get(books::statements::account::file))
        .route("/books/taxes", get(books::taxes::show))
}

/// What is written into them by hand.
fn keep_books_routes() -> Router<App> {
    let statements_limit = DefaultBodyLimit::max(books::statements::upload::FORM_LIMIT);
    Router::new()
        .route("/books/cash/handed-over", post(books::cash::hand_over))
        .route("/books/close", post(books::days::close))
        .route("/books/etims/branches/{id}/try", post(books::etims::try_branch))
        .route("/books/etims/invoices/{id}/again", post(books::etims::again))
        .route("/books/etims/invoices/{id}/signature", post(books::etims::note_signature))
        .route("/books/statements", post(books::statements::upload::take).layer(statements_limit))
        .route("/books/statements/new", get(books::statements::upload::ask))
        .route("/books/statements/lines/{id}/resolve", post(books::statements::changes::resolve))
        .route("/books/statements/{account}/fees", post(books::statements::changes::fees))
        .route("/books/statements/{account}/missing/{transaction}/explain", post(books::statements::changes::explain))
        .route("/books/taxes/letters", post(books::taxes::set_letter))
        .route("/books/taxes/rates", post(books::taxes::set_rate))
        .route("/books/programs/{id}/check", post(books::programs::check))
        .route("/books/programs/{id}/disconnect", post(books::programs::disconnect))
        .route("/books/programs/{id}/documents/tell", post(books::told::tell))
        .route("/books/programs/{id}/documents/{posting}/again", post(books::told::again))
        .route("/books/programs/{id}/drift", post(books::drift::ask))
        .route("/books/programs/{id}/drift/{comparison}/post", post(books::drift::post))
        .route("/books/programs/{id}/drift/{comparison}/reverse", post(books::drift::reverse))
        .route("/books/programs/{id}/mapping", post(books::mapping::save))
        .route("/books/programs/{id}/mapping/customers", post(books::mapping::name))
        .route("/books/programs/{id}/mapping/customers/{user}/remove", post(books::mapping::unname))
        .route("/books/programs/{id}/mapping/dry-run", post(books::mapping::dry_run))
        .route("/books/programs/{id}/mapping/read", post(books::mapping::read))
        .route("/books/programs/{provider}/choose", post(books::programs::connect::choose))
        .route("/books/programs/{provider}/connect", post(books::programs::connect::ask))
        .route("/books/programs/{provider}/finish", get(books::programs::connect::finish))
}

/// A new router in one paste, and where one is; the sites where they stand.
fn edit_routers_routes() -> Router<App> {
    Router::new()
        .route("/routers", post(routers::enrol::make))
        .route("/routers/new", get(routers::enrol::ask))
        .route("/routers/{id}", post(routers::one::edit))
        .route("/routers/{id}/position", post(routers::one::place))
        .route("/routers/{id}/line", post(routers::one::line))
        .route("/routers/{id}/script", get(routers::one::preview))
        .route("/sites", post(sites::make))
        .route("/sites/new", get(sites::ask))
        .route("/sites/{id}", get(sites::show).post(sites::change))
}

fn edit_offers_routes() -> Router<App> {
    Router::new()
        .route("/campaigns", post(campaigns::edit::make))
        .route("/campaigns/new", get(campaigns::edit::ask))
        .route("/campaigns/{id}/stop", post(campaigns::stop))
        .route("/calendar", post(calendar::add))
        .route("/calendar/{id}/remove", post(calendar::remove))
        .route("/jobs/void", get(jobs::ask_void).post(jobs::void))
        .route("/vouchers", post(vouchers::make))
        .route("/vouchers/new", get(vouchers::ask))
        .route("/vouchers/{number}/void", post(vouchers::changes::void))
        .route("/packages", post(packages::edit::make))
        .route("/packages/new", get(packages::edit::ask))
        .route("/packages/{id}", get(packages::edit::show).post(packages::edit::change))
        .route("/packages/{id}/up", post(packages::changes::up))
        .route("/packages/{id}/down", post(packages::changes::down))
        .route("/packages/{id}/retire", post(packages::changes::retire))
        .route("/packages/{id}/sell", post(packages::changes::sell))
        .route("/discounts", post(discounts::edit::make))
        .route("/discounts/new", get(discounts::edit::ask))
        .route("/discounts/{id}", get(discounts::edit::show).post(discounts::edit::change))
        .route("/discounts/{id}/end", post(discounts::end))
        .route("/messages/texts/{name}/off", post(messages::texts::off))
        .route("/messages/texts/{name}/on", post(messages::texts::on))
        .route("/messages/texts/{name}/{locale}", get(messages::texts::show).post(messages::texts::save))
        .route("/messages/texts/{name}/{locale}/reset", post(messages::texts::reset))
}

fn manage_staff_routes() -> Router<App> {
    Router::new()
        .route("/staff", get(staff::list).post(staff::invite))
        .route("/staff/{id}", get(staff::member::show))
        .route("/staff/{id}/access", post(staff::member::set_access))
        .route("/staff/{id}/link", post(staff::member::renew_link))
        .route("/staff/{id}/suspend", post(staff::member::suspend))
        .route("/staff/{id}/restore", post(staff::member::restore))
        .route("/staff/{id}/unlock", post(staff::member::unlock))
        .route("/staff/{id}/reset-second-factor", post(staff::member::reset_second_factor))
        .route("/staff/{id}/sign-out", post(staff::member::sign_out))
        .route("/staff/{id}/sessions/{handle}/end", post(staff::member::end_session))
}

fn see_audit_routes() -> Router<App> {
    Router::new().route("/audit", get(audit_log::list))
}

/// What holds for the whole installation.
fn settings_routes() -> Router<App> {
    Router::new()
        .route("/alerts/rules/{kind}", get(alerts::rules::show).post(alerts::rules::save))
        .route("/settings", get(settings::show))
}

/// Our own forms say where they come from: under the other pages' `no-referrer` browsers send `Origin: null`. No address of
/// the desk holds a secret but that of an invitation, which is told to our own pages alone and worth nothing once it was used.
async fn own_referrer(mut response: Response) -> Response {
    // The map says more of itself where it is Google's.
    response.headers_mut().entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("same-origin"));
    response
}

#[cfg(test)]
mod tests;
