//! EAP (RFC 3579) is not offered here. Its Access-Reject carries the EAP-Failure that ends the device's attempt at once;
//! without one the access point must make its own.

use radius_proto::attribute::rfc2869;
use radius_proto::{BuildError, Builder, Packet};

/// Code of a Failure (RFC 3748 §4.2): nothing but the header follows.
const FAILURE: u8 = 4;
const FAILURE_LENGTH: u8 = 4;

/// Writes the EAP-Failure that belongs to the EAP-Response in `request`: it has the Response's Identifier. An empty
/// EAP-Message, an access point's EAP-Start, has none and is answered without.
pub(crate) fn put_failure(reply: &mut Builder<'_>, request: &Packet<'_>) -> Result<(), BuildError> {
    let first = request.all(rfc2869::EAP_MESSAGE).find(|piece| !piece.is_empty());
    if let Some(&[_, identifier, ..]) = first {
        reply.put(rfc2869::EAP_MESSAGE, &[FAILURE, identifier, 0, FAILURE_LENGTH])?;
    }
    Ok(())
}
