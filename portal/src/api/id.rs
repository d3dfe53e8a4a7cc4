//! Identifiers as the outside sees them: what kind of thing it is, and 32 hexadecimal digits.

use uuid::Uuid;

/// Kinds of things that have an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A customer.
    Customer,
    /// What a customer may use.
    Entitlement,
    /// A router.
    Nas,
    /// A package on sale.
    Package,
    /// An attempt to collect money.
    Payment,
    /// A session at a router.
    Session,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Customer => "cus_",
            Kind::Entitlement => "ent_",
            Kind::Nas => "nas_",
            Kind::Package => "pkg_",
            Kind::Payment => "pay_",
            Kind::Session => "ses_",
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
}
