//! The operator's books elsewhere: what is told to the tax authority.

pub(crate) mod etims;
