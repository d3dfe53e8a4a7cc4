//! What people do, from end to end, with the real programs: a login, usage, expiry, a purchase in a browser.
//! Each module is a story; the world of a story is made by [`tests::world::World`].

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod account;
mod browser;
mod c2b;
mod capport;
mod cards;
mod cards_later;
mod changes;
mod cuts;
mod desk;
mod desk_audit;
mod desk_discounts;
mod desk_messages;
mod desk_money;
mod desk_packages;
mod desk_staff;
mod desk_staff_pages;
mod desk_vouchers;
mod discounts;
mod doctor;
mod feed;
mod for_another;
mod ghosts;
mod guessing;
mod guest;
mod history;
mod join;
mod language;
mod login;
mod mail;
mod networks;
mod news;
mod one_paste;
mod operator;
mod outages;
mod packages;
mod pairing;
mod plans;
mod privacy;
mod purchase;
mod radsec;
mod refusals;
mod registry;
mod rest;
mod rotation;
mod router_login;
mod routers;
mod settlement;
mod support;
mod told_again;
mod trouble;
mod updates;
mod upgrade;
mod vouchers;
