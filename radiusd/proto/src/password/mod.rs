//! How a user's password travels: [`pap`] hides it so that the server can read it, [`chap`] sends a hash that
//! a server which knows the password can repeat. Both compare in constant time. Neither says anything about
//! who is asking: a wrong shared secret turns a PAP password into noise, not into an error.

pub mod chap;
pub mod pap;
