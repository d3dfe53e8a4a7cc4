//! The operator's books elsewhere: what is told to the tax authority ([`etims`]), and what a customer has in hand ([`receipt`]).

pub(crate) mod etims;
pub(crate) mod receipt;
