//! Identifiers as the outside sees them: what kind of thing it is, and 32 hexadecimal digits.

use uuid::Uuid;

use super::problem::{Kind as Wrong, Problem};

/// Kinds of things that have an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Something that is wrong.
    Alert,
    /// A time that is not like others.
    CalendarDay,
    /// An offer by message.
    Campaign,
    /// A customer.
    Customer,
    /// A try to tell an endpoint of something.
    Delivery,
    /// A discount.
    Discount,
    /// Where other programs are told of what happens.
    Endpoint,
    /// What a customer may use.
    Entitlement,
    /// Something that happened.
    Event,
    /// A router.
    Nas,
    /// A message to a customer.
    Notification,
    /// A customer's wish to buy.
    Order,
    /// A time at which a router was dark.
    Outage,
    /// A package on sale.
    Package,
    /// An attempt to collect money.
    Payment,
    /// Money that goes back to a card.
    Refund,
    /// A session at a router.
    Session,
    /// A place.
    Site,
    /// What the ledger has of one event.
    Transaction,
    /// Something for the security log.
    SecurityEvent,
    /// A code on paper.
    Voucher,
    /// Vouchers that were printed together.
    VoucherBatch,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Alert => "alr_",
            Kind::CalendarDay => "cal_",
            Kind::Campaign => "cam_",
            Kind::Customer => "cus_",
            Kind::Delivery => "whd_",
            Kind::Discount => "dis_",
            Kind::Endpoint => "whe_",
            Kind::Entitlement => "ent_",
            Kind::Event => "evt_",
            Kind::Nas => "nas_",
            Kind::Notification => "msg_",
            Kind::Order => "ord_",
            Kind::Outage => "out_",
            Kind::Package => "pkg_",
            Kind::Payment => "pay_",
            Kind::Refund => "ref_",
            Kind::Session => "ses_",
            Kind::Site => "sit_",
            Kind::Transaction => "ltx_",
            Kind::SecurityEvent => "sec_",
            Kind::Voucher => "vou_",
            Kind::VoucherBatch => "vba_",
        }
    }
}

/// Spells an identifier.
pub fn spell(kind: Kind, id: Uuid) -> String {
    format!("{}{}", kind.prefix(), id.simple())
}

/// Reads an identifier of that kind; also without the prefix, as the database spells it.
pub fn read(kind: Kind, text: &str) -> Option<Uuid> {
    Uuid::try_parse(text.strip_prefix(kind.prefix()).unwrap_or(text)).ok()
}

/// Reads an identifier in its one spelling.
pub(super) fn exact(kind: Kind, text: &str) -> Option<Uuid> {
    read(kind, text).filter(|id| spell(kind, *id) == text)
}

/// The identifier in an address. What is none, or one of another kind, names nothing that is there.
pub(super) fn in_path(kind: Kind, text: &str) -> Result<Uuid, Problem> {
    exact(kind, text).ok_or_else(|| Problem::new(Wrong::NotFound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_read_what_they_spell_and_know_their_kind() {
        let id = Uuid::from_u128(0x0192_e4a0_0000_7000_8000_0000_0000_0001);
        let text = spell(Kind::Session, id);
        assert_eq!(text, "ses_0192e4a0000070008000000000000001");
        assert_eq!(read(Kind::Session, &text), Some(id));
        assert_eq!(read(Kind::Package, &text), None);
        assert_eq!(read(Kind::Session, &id.to_string()), Some(id));
        assert_eq!(read(Kind::Session, "ses_1"), None);
    }

    #[test]
    fn an_address_has_the_one_spelling() {
        let id = Uuid::from_u128(0x0192_e4a0_0000_7000_8000_0000_0000_000a);
        assert_eq!(exact(Kind::Session, "ses_0192e4a000007000800000000000000a"), Some(id));
        for text in ["ses_0192E4A000007000800000000000000A", "0192e4a000007000800000000000000a", &id.to_string()] {
            assert_eq!(exact(Kind::Session, text), None, "{text}");
        }
        assert!(in_path(Kind::Order, "ses_0192e4a000007000800000000000000a").is_err());
    }
}
