//! What a guest at a hotspot sees, a file a page.
//!
//! * [`hotspot`] – `/h`, where the router's login page sends the guest, and the packages;
//! * [`buy`] – takes the wish to buy, writes it down, has the phone asked for the PIN;
//! * [`order`] – the page of an order, from waiting to being online to the end of it;
//! * [`account`] – what a customer has, signed in with a code by SMS or by a payment;
//! * [`screen`] – a code for a TV or a laptop, which its owner types in the account;
//! * [`voucher`] – a printed code instead of money;
//! * [`scanned`] – where the QR code of one leads;
//! * [`trouble`] – what is said while M-Pesa fails for everybody;
//! * [`refused`] – why a login was refused, with the button that helps;
//! * [`refusal`] – where the link in an e-mail ends e-mails;
//! * [`visit`] – what a visit is, and how it travels through forms without cookies or storage;
//! * [`capport`] – the captive-portal API, for devices instead of people;
//! * [`privacy`] – what is done with data about people;
//! * [`login`] – the form that goes to the router, with PAP or CHAP;
//! * [`assets`], [`brand`], [`health`] – files, the operator's colours, and checks.
//!
//! A page needs no JavaScript, no cookie and nothing from another host: captive browsers have none of these
//! reliably. No page grants anything; it shows what the store says.

pub(crate) mod account;
pub(crate) mod assets;
pub(crate) mod brand;
pub(crate) mod buy;
pub(crate) mod capport;
pub(crate) mod health;
pub(crate) mod hotspot;
pub(crate) mod login;
pub(crate) mod order;
pub(crate) mod privacy;
pub(crate) mod refusal;
pub(crate) mod refused;
pub(crate) mod remember;
pub(crate) mod scanned;
pub(crate) mod screen;
pub(crate) mod trouble;
pub(crate) mod visit;
pub(crate) mod voucher;
