//! What reports of the desk read.

pub mod churn;
pub mod likely;
