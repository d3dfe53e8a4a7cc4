//! What the other modules share: the dictionary of the project, secrets, and reading of JSON vectors.

use std::path::{Path, PathBuf};

use radius_proto::dictionary::Dictionary;
use radius_proto::message_authenticator::{self, Check};
use radius_proto::{Packet, Secret, authenticator};
use serde_json::Value;

/// The folder that holds the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The project's dictionaries, whole.
pub(crate) fn dictionary() -> Dictionary {
    let folder = workspace().join("dictionaries");
    Dictionary::load("dictionary", &mut |name| std::fs::read_to_string(folder.join(name)).ok())
        .expect("the project's own dictionaries are well formed")
}

/// A secret from text.
pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes()).expect("vectors have no empty secrets")
}

/// Octets from hexadecimal digits.
pub(crate) fn octets(digits: &str) -> Vec<u8> {
    hex::decode(digits).unwrap_or_else(|error| panic!("{digits}: {error}"))
}

/// A text field, which must be there.
pub(crate) fn text<'v>(record: &'v Value, field: &str) -> &'v str {
    record[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {record}"))
}

/// The Authenticator of the request that a record answers, if it says so.
pub(crate) fn request_authenticator(record: &Value) -> Option<[u8; 16]> {
    let digits = record["request_authenticator"].as_str()?;
    Some(octets(digits).try_into().expect("an Authenticator has sixteen octets"))
}

/// Whether the Authenticator is right, for a packet whose Authenticator is a hash.
pub(crate) fn authenticator_is_valid(packet: &Packet<'_>, request: Option<[u8; 16]>, secret: &Secret) -> bool {
    match request {
        Some(request) => authenticator::verify_reply(packet, &request, secret),
        None => authenticator::verify_request(packet, secret),
    }
}

/// What the Message-Authenticator says, for a request or a reply.
pub(crate) fn check(packet: &Packet<'_>, request: Option<[u8; 16]>, secret: &Secret) -> Check {
    match request {
        Some(request) => message_authenticator::check_reply(packet, &request, secret),
        None => message_authenticator::check_request(packet, secret),
    }
}
