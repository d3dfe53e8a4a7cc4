//! How a user's password travels: [`pap`] hides it so that the server can read it; [`chap`] and [`mschap`]
//! send a hash that a server which knows the password can repeat; [`mppe`] carries the session keys that both
//! ends of a VPN then derive. All compare in constant time. None says anything about who is asking: a wrong
//! shared secret turns a PAP password into noise, not into an error.

pub mod chap;
pub mod mppe;
pub mod mschap;
pub mod pap;
