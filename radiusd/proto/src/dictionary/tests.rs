//! The parser, each of its errors with file and line, and the printed form of a packet.

use super::*;
use crate::attribute::{Prefix, rfc2865};
use crate::attribute::{mikrotik, rfc2869, rfc3162};
use crate::builder::Builder;
use crate::code::Code;
use crate::limits::MAX_PACKET;
use crate::packet::Packet;
use crate::secret::Secret;
use alloc::format;
use alloc::vec::Vec;

/// Loads `main` from a set of named texts.
fn load(files: &[(&str, &str)]) -> Result<Dictionary, DictionaryError> {
    Dictionary::load("main", &mut |name| files.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).into()))
}

fn error(text: &str) -> (String, usize, ErrorKind) {
    let error = load(&[("main", text)]).expect_err("must not load");
    (error.file, error.line, error.kind)
}

const SAMPLE: &str = "
# A comment.
VENDOR       Mikrotik 14988
ATTRIBUTE    User-Name       1    string      # and another
ATTRIBUTE    User-Password   0x02 string      encrypt=1,unheard-of
ATTRIBUTE    Service-Type    6    uint32
ATTRIBUTE    Framed-IP-Address 8  ipaddr
ATTRIBUTE    State           24   octets
ATTRIBUTE    Event-Timestamp 55   date
ATTRIBUTE    Framed-Interface-Id 96 ifid
ATTRIBUTE    Framed-IPv6-Prefix 97 ipv6prefix
VALUE        Service-Type    Login-User 1
BEGIN-VENDOR Mikrotik
ATTRIBUTE    Mikrotik-Rate-Limit   8  string
ATTRIBUTE    Mikrotik-Wireless-PSK 16 string
END-VENDOR   Mikrotik
";

#[test]
fn look_ups_by_name_and_number() {
    let dictionary = load(&[("main", SAMPLE)]).expect("loads");
    let service = dictionary.attribute("service-TYPE").expect("declared");
    assert_eq!((service.number, service.value_type), (6, Some(ValueType::Integer)));
    assert_eq!((service.value_name(1), service.value_number("login-user")), (Some("Login-User"), Some(1)));
    assert_eq!(service.value_name(2), None);
    let password = dictionary.attribute_by_number(0, 2).expect("declared");
    assert_eq!((password.name.as_str(), password.flags.as_str()), ("User-Password", "encrypt=1,unheard-of"));
    let rate = dictionary.attribute_by_number(14988, 8).expect("declared");
    assert_eq!(rate.name, "Mikrotik-Rate-Limit");
    assert_eq!(dictionary.vendor_by_name("MIKROTIK").map(|vendor| vendor.number), Some(14988));
    assert_eq!(dictionary.attribute_by_number(14988, 6), None);
}

#[test]
fn includes_are_relative_to_the_including_file() {
    let dictionary = load(&[
        ("main", "$INCLUDE sub/a\n$INCLUDE- absent"),
        ("sub/a", "$INCLUDE b\nVALUE Later Yes 1"),
        ("sub/b", "ATTRIBUTE Later 9 integer"),
    ])
    .expect("loads");
    assert_eq!(dictionary.attribute("Later").and_then(|later| later.value_number("yes")), Some(1));
}

#[test]
fn what_is_not_known_is_passed_over() {
    let dictionary = load(&[(
        "main",
        "PROTOCOL RADIUS 1\nATTRIBUTE Strange 9 combo-ip\nATTRIBUTE Local 1000 string\nATTRIBUTE Deep 241.1 byte\n\
         VALUE Deep Yes 1\nVALUE Local Yes 1\nATTRIBUTE Wide 10 octets[16]\n\
         BEGIN-TLV Strange\nATTRIBUTE Inner 1 integer\nVALUE Inner Yes 1\nEND-TLV Strange\n\
         VENDOR Odd 8164 format=2,2,c\nATTRIBUTE Odd-One 300 string Odd\n\
         BEGIN-VENDOR Odd parent=Extended-Vendor-Specific-1\nATTRIBUTE Far 2 integer\nVALUE Far Yes 1\n\
         END-VENDOR Odd\nBEGIN-VENDOR Odd\nATTRIBUTE Near 2 integer\nEND-VENDOR Odd",
    )])
    .expect("loads");
    assert_eq!(dictionary.attribute("Strange").map(|strange| strange.value_type), Some(None));
    assert_eq!(dictionary.attribute("Wide").map(|wide| wide.value_type), Some(Some(ValueType::Octets)));
    assert_eq!(dictionary.attribute_by_number(8164, 300).map(|odd| odd.name.as_str()), Some("Odd-One"));
    assert_eq!(dictionary.vendor(8164).map(|odd| odd.format), Some((2, 2)));
    let names: Vec<&str> = dictionary.attributes().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["Strange", "Wide", "Odd-One", "Near"]);
}

#[test]
fn every_error_names_file_line_and_cause() {
    let main = |line, kind| ("main".into(), line, kind);
    assert_eq!(error("\nATTRIBUT x 1 string"), main(2, ErrorKind::UnknownStatement("ATTRIBUT".into())));
    assert_eq!(error("ATTRIBUTE x 1"), main(1, ErrorKind::TooFewWords));
    assert_eq!(error("VALUE x y z"), main(1, ErrorKind::BadNumber("z".into())));
    assert_eq!(error("VENDOR v 4294967296"), main(1, ErrorKind::BadNumber("4294967296".into())));
    assert_eq!(error("VENDOR v 0"), main(1, ErrorKind::BadNumber("0".into())));
    assert_eq!(error("VENDOR v 1\nVENDOR V 2"), main(2, ErrorKind::NameTaken("V".into())));
    assert_eq!(error("VENDOR v 1 format=3,1"), main(1, ErrorKind::BadFormat("3,1".into())));
    assert_eq!(error("BEGIN-VENDOR v"), main(1, ErrorKind::UnknownVendor("v".into())));
    assert_eq!(error("VENDOR v 1\nEND-VENDOR v"), main(2, ErrorKind::UnbalancedVendor("v".into())));
    assert_eq!(error("VENDOR v 1\nBEGIN-VENDOR v"), main(2, ErrorKind::UnbalancedVendor("1".into())));
    assert_eq!(error("ATTRIBUTE a 1 string\nATTRIBUTE A 2 string"), main(2, ErrorKind::NameTaken("A".into())));
    assert_eq!(error("\n\nVALUE a b 1"), main(3, ErrorKind::UnknownAttribute("a".into())));
    assert_eq!(error("$INCLUDE gone"), ("gone".into(), 0, ErrorKind::FileMissing));
    assert_eq!(error("$INCLUDE main"), main(1, ErrorKind::IncludedTooDeep));
    let shown = load(&[("main", "$INCLUDE sub"), ("sub", "\nVALUE a b")]).expect_err("must not load");
    assert_eq!(format!("{shown}"), "sub:2: too few words");
}

/// Loads, prints and loads again.
fn printed(text: &str) -> (Dictionary, String) {
    let first = load(&[("main", text)]).unwrap_or_else(|error| panic!("{error}"));
    let printed = format!("{first}");
    let second = load(&[("main", &printed)]).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(first, second, "{printed}");
    (first, printed)
}

#[test]
fn what_is_printed_loads_to_the_same() {
    let (_, text) = printed(SAMPLE);
    assert!(
        text.contains("BEGIN-VENDOR\tMikrotik\nATTRIBUTE\tMikrotik-Rate-Limit\t8\tstring\t\nEND-VENDOR\tMikrotik\n")
    );
    assert!(text.contains("VALUE\tService-Type\tLogin-User\t1\n"));
    assert_eq!(printed("# nothing").1, "");
}

#[test]
fn a_number_may_have_several_names_and_the_later_is_kept() {
    // FreeRADIUS calls vendor 3076 Altiga, Cisco-ASA and Cisco-VPN3000.
    let (dictionary, _) = printed(
        "VENDOR Altiga 3076\nBEGIN-VENDOR Altiga\nATTRIBUTE One 1 string\nEND-VENDOR Altiga\n\
         ATTRIBUTE Plain 1 string Cisco-ASA\nVENDOR Cisco-ASA 3076\nATTRIBUTE Two 2 string Cisco-ASA,x\n\
         ATTRIBUTE Three 3 string Cisco-ASA a b\nATTRIBUTE Four 4 string ALTIGA\nVENDOR Alone 7 format=2,2\n\
         VALUE One Yes 1\nVALUE One Also 1\nVALUE One yes 2\nVALUE One Yes 1",
    );
    let vendor_and_flags = |name| dictionary.attribute(name).map(|found| (found.vendor, found.flags.as_str()));
    assert_eq!(vendor_and_flags("One"), Some((3076, "")));
    assert_eq!(vendor_and_flags("Plain"), Some((0, "Cisco-ASA")), "a word is a vendor only once it is declared");
    assert_eq!(vendor_and_flags("Two"), Some((0, "Cisco-ASA,x")));
    assert_eq!(vendor_and_flags("Three"), Some((3076, "a b")));
    assert_eq!(vendor_and_flags("Four"), Some((3076, "")));
    assert_eq!(dictionary.vendor(3076).map(|vendor| vendor.name.as_str()), Some("Cisco-ASA"));
    assert_eq!(dictionary.vendor_by_name("altiga").map(|vendor| vendor.number), Some(3076));
    let one = dictionary.attribute("One").expect("declared");
    assert_eq!((one.value_name(1), one.value_name(2)), (Some("Yes"), Some("yes")));
    assert_eq!((one.value_number("YES"), one.value_number("also")), (Some(1), Some(1)));
}

#[test]
fn files_that_include_each_other_many_times_are_not_read_for_ever() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mut read = |name: &str| -> Option<String> {
        let next = names.iter().position(|known| *known == name).and_then(|place| names.get(place + 1));
        Some(next.map_or_else(String::new, |next| format!("$INCLUDE {next}\n").repeat(50)))
    };
    let error = Dictionary::load("a", &mut read).expect_err("fifty to the fifth power");
    assert_eq!(error.kind, ErrorKind::TooManyFiles);
}

#[test]
fn packets_print_as_lines_without_passwords() {
    let dictionary = load(&[("main", SAMPLE)]).expect("loads");
    let secret = Secret::new(b"s3cr3t").expect("not empty");
    let mut buf = [0; MAX_PACKET];
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 7);
    builder.put(rfc2865::USER_NAME, b"eve\"\nUser-Name = \"root\xff").expect("fits");
    builder.put_user_password(b"open sesame", &[1; 16], &secret).expect("fits");
    builder.put(rfc2865::SERVICE_TYPE, 1).expect("fits");
    builder.put(rfc2865::FRAMED_IP_ADDRESS, [10, 5, 50, 2].into()).expect("fits");
    builder.put(rfc2869::EVENT_TIMESTAMP, 1_709_210_096).expect("fits");
    builder.put(rfc3162::FRAMED_INTERFACE_ID, [0, 1, 2, 3, 4, 5, 6, 0xff]).expect("fits");
    let prefix = Prefix::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0].into(), 32).expect("at most 128");
    builder.put(rfc3162::FRAMED_IPV6_PREFIX, prefix).expect("fits");
    builder.put(mikrotik::RATE_LIMIT, b"2M/5M").expect("fits");
    builder.put(mikrotik::WIRELESS_PSK, b"wireless key").expect("fits");
    builder.put_vendor_raw(9, 1, b"x").expect("fits");
    builder.put_raw(26, &[0, 0, 0, 9, 1]).expect("fits");
    builder.put_raw(6, &[1, 2]).expect("fits");
    builder.put_raw(200, &[0xab]).expect("fits");
    let octets = builder.finish_access_request(&secret, [1; 16]).to_vec();
    let text = format!("{}", dictionary.show(&Packet::parse(&octets).expect("well formed")));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            format!("Access-Request id 7 length {}", octets.len()).as_str(),
            r#"User-Name = "eve\"\nUser-Name = \"root\xff""#,
            "User-Password = <masked>",
            "Service-Type = Login-User",
            "Framed-IP-Address = 10.5.50.2",
            "Event-Timestamp = 2024-02-29T12:34:56Z",
            "Framed-Interface-Id = 0001:0203:0405:06ff",
            "Framed-IPv6-Prefix = 2001:db8::/32",
            "Mikrotik-Rate-Limit = \"2M/5M\"",
            "Mikrotik-Wireless-PSK = <masked>",
            "Attr-26.9.1 = 0x78",
            "Attr-26 = 0x0000000901",
            "Service-Type = 0x0102",
            "Attr-200 = 0xab",
        ]
    );
    assert_eq!(lines.len(), 14);
}

#[test]
fn passwords_are_masked_even_if_the_dictionary_is_silent() {
    let dictionary = load(&[("main", "ATTRIBUTE User-Password 2 string")]).expect("loads");
    let mut buf = [0; MAX_PACKET];
    let secret = Secret::new(b"s").expect("not empty");
    let mut builder = Builder::new(&mut buf, Code::AccessRequest, 7);
    builder.put_raw(2, b"not hidden at all").expect("fits");
    builder.put_raw(3, b"a chap response").expect("fits");
    builder.put_vendor_raw(311, 25, b"an ms-chap response").expect("fits");
    let octets = builder.finish_access_request(&secret, [1; 16]);
    let text = format!("{}", dictionary.show(&Packet::parse(octets).expect("well formed")));
    assert_eq!(text.matches("<masked>").count(), 3, "{text}");
    assert!(!text.contains("0x") && !text.contains("hidden"), "{text}");
}
