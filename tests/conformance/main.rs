//! Conformance, by statement: each MUST that the project has taken from the RFCs has a name such as P4, and a test whose
//! name begins with it, in the folder of the RFC that it comes from. `tests/drift/statements.rs` sees to it that none is
//! left out.
//!
//! * `rfcNNNN` and [`blast_radius`]: most of it against the running radiusd, over UDP on loopback, in a laboratory
//!   ([`tests::world::lab`]) that can break every rule; some against `radius-proto` alone.
//! * [`vectors`]: the files under `tests/vectors`, written by a script that shares no code with us.
//! * [`shared_data`]: packets that other projects and the RFCs publish, read in place if they are there.
//! * [`peer`]: the `radius` crate decodes what we encode, and the other way round.
//! * [`pyrad`]: so does a Python package, passwords and keys included.

mod blast_radius;
mod peer;
mod pyrad;
mod rfc2433;
mod rfc2548;
mod rfc2759;
mod rfc2865;
mod rfc2866;
mod rfc2869;
mod rfc3079;
mod rfc3579;
mod rfc5080;
mod rfc5176;
mod rfc5997;
mod rfc6614;
mod rfc6929;
mod shared_data;
mod support;
mod vectors;
