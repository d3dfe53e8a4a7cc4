//! What predictions read and write: what was said, and what became of it.

pub mod purchases;
