//! What the tests stand on: a simulated RouterOS hotspot router ([`nas`]) and a simulated M-Pesa ([`daraja`]). Both are
//! libraries, for tests in one process, and programs (`nas-sim`, `daraja-sim`, `stripe-sim`, `sms-sim`), for the demo. [`sms`] plays the
//! providers of text messages, [`stripe`] those of cards and [`books`] an accountant's program, [`smtp`] is a mail server that others wrote, [`radsec`] is the
//! outside of RADIUS over TLS, and [`world`] puts them together with the real programs. This package is exempt from the rules
//! on clocks and randomness: it plays the outside world.

pub mod books;
pub mod daraja;
pub mod dice;
pub mod nas;
pub mod radsec;
pub mod sms;
pub mod smtp;
pub mod stripe;
pub mod world;
