//! What will probably happen, and how far that may be trusted: numbers in, numbers out. No I/O, no clock, no randomness but from a seed.
//!
//! ```text
//!  series    hours of what was counted, with those that nobody saw
//!  demand    the next hours of a series, with bands                 ─┐
//!  purchase  who buys again within some days, and who leaves         ├─► score   how good that was, beside the baseline
//!  capacity  the chance that a limit is reached                     ─┘
//!  anomaly   whether what is counted now is still what is expected
//! ```
//!
//! How each works, in words and with its figures, is in `docs/analytics.md`.

pub mod anomaly;
pub mod capacity;
pub mod demand;
pub mod purchase;
pub mod score;
pub mod series;
