//! A packet as text, for logs at a debugging level and for tools: a line for the header, then one line for
//! each attribute. Octets that are not printable ASCII are escaped, so that what a guest typed cannot forge a
//! line; passwords and keys are replaced by `<masked>`.

use core::fmt::{self, Write};

use crate::attribute::{Attr, Date, Integer, InterfaceId, Ipv4, Ipv6, Ipv6Prefix, Value, ValueType};
use crate::attribute::{microsoft, mikrotik, rfc2865};
use crate::packet::{Attribute, Packet, VendorAttributes};

use super::{AttributeDef, Dictionary};

/// A packet that prints itself; made by [`Dictionary::show`].
#[derive(Clone, Copy, Debug)]
pub struct PacketText<'d, 'p> {
    dictionary: &'d Dictionary,
    packet: Packet<'p>,
}

impl Dictionary {
    /// The packet as text.
    #[must_use]
    pub fn show<'d, 'p>(&'d self, packet: &Packet<'p>) -> PacketText<'d, 'p> {
        PacketText { dictionary: self, packet: *packet }
    }
}

impl fmt::Display for PacketText<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, identifier) = (self.packet.code(), self.packet.identifier());
        writeln!(f, "{code} id {identifier} length {}", self.packet.as_bytes().len())?;
        self.packet.attributes().try_for_each(|attribute| self.attribute(f, &attribute))
    }
}

impl PacketText<'_, '_> {
    fn attribute(&self, f: &mut fmt::Formatter<'_>, attribute: &Attribute<'_>) -> fmt::Result {
        if attribute.kind != rfc2865::VENDOR_SPECIFIC.kind {
            return self.line(f, 0, attribute.kind, attribute.value);
        }
        let vendor = attribute.value.first_chunk().map_or(0, |id| u32::from_be_bytes(*id));
        let usual_format = self.dictionary.vendor(vendor).is_none_or(|vendor| vendor.format == (1, 1));
        let mut inner = VendorAttributes::open(attribute.value, vendor).peekable();
        if vendor == 0 || !usual_format || inner.peek().is_none() {
            return self.line(f, 0, attribute.kind, attribute.value);
        }
        inner.try_for_each(|(kind, value)| self.line(f, vendor, kind, value))
    }

    fn line(&self, f: &mut fmt::Formatter<'_>, vendor: u32, kind: u8, value: &[u8]) -> fmt::Result {
        let known = self.dictionary.attribute_by_number(vendor, u32::from(kind));
        match known {
            Some(known) => write!(f, "    {} = ", known.name)?,
            None if vendor == 0 => write!(f, "    Attr-{kind} = ")?,
            None => write!(f, "    Attr-26.{vendor}.{kind} = ")?,
        }
        if is_secret(vendor, kind) || known.is_some_and(|known| has_secret_flag(&known.flags)) {
            f.write_str("<masked>")?;
        } else {
            write_value(f, known, value)?;
        }
        f.write_char('\n')
    }
}

/// Attributes whose values open doors. CHAP's responses are among them: they can be guessed at offline.
fn is_secret(vendor: u32, kind: u8) -> bool {
    fn is<T>(attr: Attr<T>, vendor: u32, kind: u8) -> bool {
        (attr.vendor, attr.kind) == (vendor, kind)
    }
    /// Tunnel-Password (RFC 2868 §3.5).
    const TUNNEL_PASSWORD: (u32, u8) = (0, 69);
    /// MS-CHAP-CPW-1 and -2, MS-CHAP-LM-Enc-PW and -NT-Enc-PW, MS-CHAP2-CPW (RFC 2548 §2.1, §2.3).
    const MICROSOFT_PASSWORD_CHANGES: [u8; 5] = [3, 4, 5, 6, 27];
    (vendor, kind) == TUNNEL_PASSWORD
        || is(rfc2865::USER_PASSWORD, vendor, kind)
        || is(rfc2865::CHAP_PASSWORD, vendor, kind)
        || is(microsoft::MS_CHAP_RESPONSE, vendor, kind)
        || is(microsoft::MS_CHAP2_RESPONSE, vendor, kind)
        || is(microsoft::MS_CHAP_MPPE_KEYS, vendor, kind)
        || is(microsoft::MS_MPPE_SEND_KEY, vendor, kind)
        || is(microsoft::MS_MPPE_RECV_KEY, vendor, kind)
        || (vendor == microsoft::VENDOR && MICROSOFT_PASSWORD_CHANGES.contains(&kind))
        || is(mikrotik::WIRELESS_ENC_KEY, vendor, kind)
        || is(mikrotik::WIRELESS_PSK, vendor, kind)
        || is(mikrotik::WIRELESS_MPKEY, vendor, kind)
}

/// Whether a dictionary says that the value travels hidden, or is a secret.
fn has_secret_flag(flags: &str) -> bool {
    flags.split([',', ' ']).any(|flag| flag == "secret" || (flag.starts_with("encrypt=") && flag != "encrypt=0"))
}

fn write_value(f: &mut fmt::Formatter<'_>, known: Option<&AttributeDef>, value: &[u8]) -> fmt::Result {
    let shown = match known.and_then(|known| known.value_type.map(|value_type| (known, value_type))) {
        None | Some((_, ValueType::Octets | ValueType::Vsa)) => None,
        Some((_, ValueType::Text)) => Some(write_text(f, value)),
        Some((known, ValueType::Integer)) => Integer::decode(value).map(|number| match known.value_name(number) {
            Some(name) => f.write_str(name),
            None => write!(f, "{number}"),
        }),
        Some((_, ValueType::Date)) => Date::decode(value).map(|seconds| write_date(f, seconds)),
        Some((_, ValueType::Ipv4)) => Ipv4::decode(value).map(|address| write!(f, "{address}")),
        Some((_, ValueType::Ipv6)) => Ipv6::decode(value).map(|address| write!(f, "{address}")),
        Some((_, ValueType::Ipv6Prefix)) => Ipv6Prefix::decode(value).map(|prefix| write!(f, "{prefix}")),
        Some((_, ValueType::InterfaceId)) => InterfaceId::decode(value).map(|id| write_interface_id(f, id)),
    };
    // A value whose width is wrong for its type is shown as it is.
    shown.unwrap_or_else(|| write_octets(f, value))
}

fn write_text(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    write!(f, "\"{}\"", value.escape_ascii())
}

fn write_octets(f: &mut fmt::Formatter<'_>, value: &[u8]) -> fmt::Result {
    f.write_str("0x")?;
    value.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
}

fn write_interface_id(f: &mut fmt::Formatter<'_>, id: [u8; 8]) -> fmt::Result {
    let [a, b, c, d, e, g, h, i] = id;
    write!(f, "{a:02x}{b:02x}:{c:02x}{d:02x}:{e:02x}{g:02x}:{h:02x}{i:02x}")
}

/// Seconds since 1970 as RFC 3339, in UTC.
fn write_date(f: &mut fmt::Formatter<'_>, seconds: u32) -> fmt::Result {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day number since 1970, in the Gregorian calendar. Years are counted from March,
/// so that the leap day is the last of its year.
fn civil(day: u32) -> (u32, u32, u32) {
    const DAYS_0000_03_01_TO_1970: u32 = 719_468;
    const DAYS_IN_400_YEARS: u32 = 146_097;
    let shifted = day + DAYS_0000_03_01_TO_1970;
    let (era, day_of_era) = (shifted / DAYS_IN_400_YEARS, shifted % DAYS_IN_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u32::from(month <= 2);
    (year, month, day_of_month)
}
