//! Predictions: what is worked out by night, kept, and scored when the truth arrives.

pub(crate) mod purchases;
