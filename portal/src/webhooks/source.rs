//! Whether a report comes from where M-Pesa's reports come from (`mpesa.allowed_sources`, `mpesa.source_check`).
//!
//! The address is that of the connection, or what a proxy that we trust says: see [`crate::middleware::client`]. It proves
//! little, so it never makes a report believed; it only keeps out, or makes visible, what cannot be M-Pesa's. An unknown
//! address is counted with either answer: Safaricom's may change, and then this shows it before money is missed.

use std::net::IpAddr;

use ipnet::IpNet;
use shared::config::SourceCheck;

use crate::App;

/// What becomes of a report from this address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It is followed.
    Known,
    /// It is followed, and the address is noted.
    Strange,
    /// It is kept, and not followed.
    Refused,
}

/// Looks at the address of whoever reports to M-Pesa's addresses, and counts one that is not known.
pub(super) fn look(app: &App, provider: &str, address: IpAddr) -> Standing {
    let Some(section) = &app.config.mpesa else { return Standing::Known };
    let standing = standing(section.source_check, &section.allowed_sources, address);
    if standing != Standing::Known {
        app.metrics.callbacks.with_label_values(&[provider, "bad_source"]).inc();
        let followed = standing == Standing::Strange;
        tracing::warn!(source = %address, provider, followed, "a payment report came from an address that mpesa.allowed_sources does not name");
    }
    standing
}

fn standing(check: SourceCheck, allowed: &[IpNet], address: IpAddr) -> Standing {
    let is_known = || allowed.iter().any(|network| network.contains(&address));
    match check {
        SourceCheck::Off => Standing::Known,
        SourceCheck::Log | SourceCheck::Enforce if is_known() => Standing::Known,
        SourceCheck::Log => Standing::Strange,
        SourceCheck::Enforce => Standing::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_address_is_noted_or_refused_as_the_operator_says() {
        let allowed: Vec<IpNet> =
            ["196.201.214.200/32", "10.0.0.0/8", "2001:db8::/32"].map(|net| net.parse().expect("a network")).into();
        for (check, address, expected) in [
            (SourceCheck::Off, "203.0.113.9", Standing::Known),
            (SourceCheck::Log, "196.201.214.200", Standing::Known),
            (SourceCheck::Log, "203.0.113.9", Standing::Strange),
            (SourceCheck::Enforce, "10.1.2.3", Standing::Known),
            (SourceCheck::Enforce, "2001:db8::1", Standing::Known),
            (SourceCheck::Enforce, "196.201.214.201", Standing::Refused),
            (SourceCheck::Enforce, "::1", Standing::Refused),
        ] {
            assert_eq!(
                standing(check, &allowed, address.parse().expect("an address")),
                expected,
                "{check:?} {address}"
            );
        }
        assert_eq!(standing(SourceCheck::Enforce, &[], "127.0.0.1".parse().expect("an address")), Standing::Refused);
    }
}
