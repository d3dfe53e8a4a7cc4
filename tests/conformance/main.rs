//! Conformance of `radius-proto` on its own: the RFCs' statements by section, vectors that other code made, and
//! an independent implementation as a peer. No process is started and no socket opened here; what the server
//! does with a packet is tested in its own suites.
//!
//! * `rfcNNNN`: one module an RFC, one test a statement; `P4` and the like are the project's names for them.
//! * [`vectors`]: the files under `tests/vectors`, written by a script that shares no code with us.
//! * [`shared_data`]: packets that other projects and the RFCs publish, read in place if they are there.
//! * [`peer`]: the `radius` crate decodes what we encode, and the other way round.

mod peer;
mod rfc2433;
mod rfc2548;
mod rfc2759;
mod rfc2865;
mod rfc2866;
mod rfc2869;
mod rfc3079;
mod rfc5176;
mod shared_data;
mod support;
mod vectors;
