//! The Code octet: what a packet is. Only the codes that this project understands are here; any other is
//! refused when a packet is parsed, as RFC 2865 §3 asks ("silently discarded").

use core::fmt;

/// Kind of a packet (RFC 2865 §3, RFC 2866 §3, RFC 5176 §2.3, RFC 5997 §2, RFC 7930 §4 for Protocol-Error).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Code {
    /// A NAS asks whether a user may come in.
    AccessRequest = 1,
    /// Yes, with the conditions.
    AccessAccept = 2,
    /// No, perhaps with a reason.
    AccessReject = 3,
    /// A NAS reports a session.
    AccountingRequest = 4,
    /// The report is recorded.
    AccountingResponse = 5,
    /// The user must answer something first.
    AccessChallenge = 11,
    /// Is the server alive? (RFC 5997)
    StatusServer = 12,
    /// A server asks a NAS to end a session.
    DisconnectRequest = 40,
    /// The session is ended.
    DisconnectAck = 41,
    /// The session is not ended.
    DisconnectNak = 42,
    /// A server asks a NAS to change a session.
    CoaRequest = 43,
    /// The session is changed.
    CoaAck = 44,
    /// The session is not changed.
    CoaNak = 45,
    /// A peer could not process a request at all (RFC 7930).
    ProtocolError = 52,
}

impl Code {
    /// Every code, in numerical order.
    pub const ALL: [Code; 14] = [
        Code::AccessRequest,
        Code::AccessAccept,
        Code::AccessReject,
        Code::AccountingRequest,
        Code::AccountingResponse,
        Code::AccessChallenge,
        Code::StatusServer,
        Code::DisconnectRequest,
        Code::DisconnectAck,
        Code::DisconnectNak,
        Code::CoaRequest,
        Code::CoaAck,
        Code::CoaNak,
        Code::ProtocolError,
    ];

    /// The code with this number, if it is one that we understand.
    #[must_use]
    pub const fn from_u8(number: u8) -> Option<Code> {
        Some(match number {
            1 => Code::AccessRequest,
            2 => Code::AccessAccept,
            3 => Code::AccessReject,
            4 => Code::AccountingRequest,
            5 => Code::AccountingResponse,
            11 => Code::AccessChallenge,
            12 => Code::StatusServer,
            40 => Code::DisconnectRequest,
            41 => Code::DisconnectAck,
            42 => Code::DisconnectNak,
            43 => Code::CoaRequest,
            44 => Code::CoaAck,
            45 => Code::CoaNak,
            52 => Code::ProtocolError,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The name as the RFCs write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Code::AccessRequest => "Access-Request",
            Code::AccessAccept => "Access-Accept",
            Code::AccessReject => "Access-Reject",
            Code::AccountingRequest => "Accounting-Request",
            Code::AccountingResponse => "Accounting-Response",
            Code::AccessChallenge => "Access-Challenge",
            Code::StatusServer => "Status-Server",
            Code::DisconnectRequest => "Disconnect-Request",
            Code::DisconnectAck => "Disconnect-ACK",
            Code::DisconnectNak => "Disconnect-NAK",
            Code::CoaRequest => "CoA-Request",
            Code::CoaAck => "CoA-ACK",
            Code::CoaNak => "CoA-NAK",
            Code::ProtocolError => "Protocol-Error",
        }
    }

    /// Whether the Request Authenticator of this request is a hash over the packet (RFC 2866 §3,
    /// RFC 5176 §2.3) and not random octets.
    #[must_use]
    pub const fn is_hashed_request(self) -> bool {
        matches!(self, Code::AccountingRequest | Code::DisconnectRequest | Code::CoaRequest)
    }

    /// Whether this is a request: something that a server or a NAS answers.
    #[must_use]
    pub const fn is_request(self) -> bool {
        self.is_hashed_request() || matches!(self, Code::AccessRequest | Code::StatusServer)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn numbers_go_both_ways_and_all_is_complete() {
        for number in 0..=u8::MAX {
            match Code::from_u8(number) {
                Some(code) => {
                    assert_eq!(code.as_u8(), number);
                    assert!(Code::ALL.contains(&code));
                }
                None => assert!(Code::ALL.iter().all(|code| code.as_u8() != number)),
            }
        }
    }

    #[test]
    fn a_response_is_never_a_request() {
        let requests: [u8; 5] = [1, 4, 12, 40, 43];
        for code in Code::ALL {
            assert_eq!(code.is_request(), requests.contains(&code.as_u8()), "{code}");
        }
    }
}
