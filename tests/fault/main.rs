//! What must hold when things break: real processes are killed, the database and Redis go away.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod away;
mod backup;
mod database;
mod disk;
mod kill;
mod month;
mod orders;
mod portal;
mod reports;
mod rolling;
