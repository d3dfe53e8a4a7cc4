//! Days that are closed, and what is told to accountants' programs.
//!
//! A closed day is never changed: what comes later goes to the next open day, and what was wrong is reversed there. Whatever is told to a
//! program is a row first, and what became of it is known or looked for before it is told again.

pub mod etims;
pub mod line;
pub mod receipt;
