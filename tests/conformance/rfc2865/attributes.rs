//! Section 5 against the running server: attributes that nobody here knows, attributes in any order, and names that
//! hold any octet.

use radius_proto::attribute::rfc2865;
use tests::world::lab::{Draft, Lab, MAC, NAME, PASSWORD, Port, SECRET};

/// Every attribute of a draft, as it stands on the wire.
fn attributes(draft: &Draft) -> Vec<Vec<u8>> {
    let octets = draft.finish();
    let mut rest = &octets[20..];
    let mut found = Vec::new();
    while let [_, length, ..] = *rest {
        let (one, after) = rest.split_at(length.into());
        found.push(one.to_vec());
        rest = after;
    }
    found
}

#[tokio::test]
async fn p9_attributes_and_vendors_that_nobody_knows_are_ignored() {
    let lab = Lab::new().await;
    let expected = lab.answered(Port::Auth, &lab.good_login()).await.terms();
    let known = [1, 2, 3, 24, 26, 31, 33, 60, 79, 80];
    for kinds in (1..=255).filter(|kind| !known.contains(kind)).collect::<Vec<u8>>().chunks(50) {
        let odd = kinds.iter().fold(lab.knock(NAME, MAC), |draft, kind| match kind {
            // What the request holds already, or a value of the right width, is the business of other tests.
            4..=8 | 30 | 32 | 44 | 61 | 87 => draft,
            kind => draft.raw(*kind, b"what"),
        });
        let answer = lab.answered(Port::Auth, &odd.pap(PASSWORD.as_bytes()).sign()).await;
        assert_eq!(answer.terms(), expected, "{kinds:?}");
    }
    let strange = lab
        .knock(NAME, MAC)
        .vendor(1, &[1, 4, 7, 7])
        .vendor(0x00ff_ffff, &[8, 4, b'9', b'M'])
        .vendor(u32::MAX, b"not in the usual layout")
        .vendor(14988, &[250, 3, 1])
        .vendor(0, &[1, 7, b'a', b'd', b'm', b'i', b'n']);
    let answer = lab.answered(Port::Auth, &strange.pap(PASSWORD.as_bytes()).sign()).await;
    assert_eq!(answer.terms(), expected);
}

#[tokio::test]
async fn p9_the_order_of_different_attributes_does_not_matter() {
    let lab = Lab::new().await;
    let expected = lab.answered(Port::Auth, &lab.good_login()).await.terms();
    for way in ["pap", "chap"] {
        let bare = lab.knock(NAME, MAC);
        let whole = if way == "pap" { bare.pap(PASSWORD.as_bytes()) } else { bare.chap(PASSWORD.as_bytes()) };
        let in_order = attributes(&whole);
        let orders = [in_order.clone(), in_order.iter().rev().cloned().collect(), {
            let mut turned = in_order.clone();
            turned.rotate_left(in_order.len() / 2);
            turned
        }];
        for order in orders {
            let bare = Draft::new(radius_proto::Code::AccessRequest, SECRET).authenticator(whole.challenge());
            let draft = order.iter().fold(bare, |draft, one| draft.octets(one)).sign();
            assert_eq!(lab.answered(Port::Auth, &draft).await.terms(), expected, "{way}");
        }
    }
}

#[tokio::test]
async fn p9_attributes_of_one_type_keep_their_order() {
    let lab = Lab::new().await;
    let states: Vec<Vec<u8>> = [&b"z"[..], b"a", b"\0", b"a", &[255; 253]].map(<[u8]>::to_vec).into();
    let draft = lab.knock(NAME, MAC).pap(PASSWORD.as_bytes());
    // With others between them.
    let draft = states.iter().fold(draft, |draft, state| draft.raw(33, state).raw(222, b"between"));
    assert_eq!(lab.answered(Port::Auth, &draft.sign()).await.proxy_states(), states);
}

#[tokio::test]
async fn p10_a_name_holds_any_octet_and_is_compared_on_its_full_length() {
    let lab = Lab::new().await;
    let names: [&[u8]; 6] = [b"alive", b"alive\0", b"alive\0\0", b"ali", b"\xff\xfe", b"al\0ive"];
    for name in names {
        let password = [b"password of ", name].concat();
        store::entitlement::grant(&lab.world.db, None, &lab.package, name, &password, lab.world.clock.now())
            .await
            .unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
    for name in names {
        for other in names {
            let password = [b"password of ", other].concat();
            // CHAP, since the end of a PAP password is where its NULs begin (RFC 2865 §5.2).
            let bare = Draft::new(radius_proto::Code::AccessRequest, SECRET).put(rfc2865::USER_NAME, name);
            let answer = lab.answered(Port::Auth, &bare.chap(&password).sign()).await;
            assert_eq!(answer.is_accept(), name == other, "{name:?} with the password of {other:?}");
        }
    }
    let unknown = lab.answered(Port::Auth, &lab.login("alive\0\0\0", "password of alive")).await;
    assert!(!unknown.is_accept());
}
