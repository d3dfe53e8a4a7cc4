//! Section 3 and 5 against the running server: which datagrams get no answer at all, on either port, and that silence
//! is silence: nothing comes back, one counter grows by one, and the log speaks at most once in ten seconds.

use radius_proto::Code;
use radius_proto::attribute::{rfc2865, rfc2866};
use tests::world::lab::{Answer, Draft, Lab, MAC, NAME, PASSWORD, Port, SECRET, Wire};

/// A request that is right in every way, for each port.
fn right(lab: &Lab, port: Port) -> Draft {
    match port {
        Port::Auth => lab.good_login(),
        Port::Acct => lab.report(rfc2866::acct_status_type::START, "80100001"),
    }
}

#[tokio::test]
async fn p1_a_datagram_without_a_header_or_with_an_impossible_length_is_met_with_silence() {
    let lab = Lab::new().await;
    for port in Port::BOTH {
        let good = right(&lab, port).finish();
        for cut in [0, 1, 4, 19] {
            lab.silent(port, &good[..cut], "too_short").await;
        }
        for length in [0_u16, 1, 19, 4097, u16::MAX] {
            let mut octets = good.clone();
            octets.resize(4200, 0);
            octets[2..4].copy_from_slice(&length.to_be_bytes());
            lab.silent(port, &octets, "bad_length").await;
        }
    }
    assert_eq!(lab.sessions().await, (0, 0));
}

#[tokio::test]
async fn p2_a_datagram_shorter_than_its_length_is_met_with_silence() {
    let lab = Lab::new().await;
    for port in Port::BOTH {
        let good = right(&lab, port).finish();
        for cut in [20, good.len() / 2, good.len() - 1] {
            lab.silent(port, &good[..cut], "truncated").await;
        }
    }
    assert_eq!(lab.sessions().await, (0, 0));
}

#[tokio::test]
async fn p3_octets_after_length_are_ignored_and_the_answer_is_the_same() {
    let lab = Lab::new().await;
    // Two sockets, so that the second answer does not come from the memory of the first. A refusal holds nothing that
    // is drawn anew for each answer.
    let plain = lab.login(NAME, "not the password").finish();
    for padding in [&[0_u8][..], &[0xff; 40], &[80, 18, 1, 2], &[0; 900]] {
        let padded = [&plain, padding].concat();
        let mut answers = Vec::new();
        for octets in [&plain, &padded] {
            let wire = Wire::at(lab.wire.address().ip()).await;
            wire.send(lab.address(Port::Auth), octets).await;
            answers.push(Answer::check(wire.receive().await, &plain, SECRET));
        }
        assert_eq!(answers[0].code(), Code::AccessReject);
        assert_eq!(answers[0].octets, answers[1].octets);
    }
    let login = [&lab.good_login().finish()[..], &[7; 100]].concat();
    assert!(lab.wire.ask(lab.address(Port::Auth), &login, SECRET).await.is_accept());
    let report = [&right(&lab, Port::Acct).finish()[..], &[7; 100]].concat();
    let answer = lab.wire.ask(lab.address(Port::Acct), &report, SECRET).await;
    assert_eq!(answer.code(), Code::AccountingResponse, "padding is no part of what the Authenticator covers");
}

#[tokio::test]
async fn p3_more_octets_than_a_packet_may_have_are_padding_too() {
    let lab = Lab::new().await;
    let mut octets = lab.good_login().finish();
    octets.resize(5000, 0xaa);
    assert!(lab.wire.ask(lab.address(Port::Auth), &octets, SECRET).await.is_accept());
}

#[tokio::test]
async fn p4_attributes_that_do_not_fill_the_packet_exactly_are_met_with_silence() {
    let lab = Lab::new().await;
    for port in Port::BOTH {
        for (octets, reason) in [
            (&[25, 0][..], "attribute_too_short"),
            (&[25, 1], "attribute_too_short"),
            (&[25, 0, 7, 7], "attribute_too_short"),
            (&[25, 10, 7], "attribute_overflows"),
            (&[25, 255], "attribute_overflows"),
            (&[25], "attribute_overflows"),
            (&[25, 3, 7, 25], "attribute_overflows"),
        ] {
            lab.silent(port, &right(&lab, port).octets(octets).finish(), reason).await;
        }
    }
    assert_eq!(lab.sessions().await, (0, 0));
}

#[tokio::test]
async fn p5_an_attribute_of_type_zero_is_met_with_silence_wherever_it_stands() {
    let lab = Lab::new().await;
    let zero = [0, 3, 1];
    let first = Draft::new(Code::AccessRequest, SECRET).octets(&zero).put(rfc2865::USER_NAME, NAME.as_bytes());
    let first = first.pap(PASSWORD.as_bytes()).sign();
    let middle = lab.knock(NAME, MAC).octets(&zero).pap(PASSWORD.as_bytes()).sign();
    let last = lab.good_login().octets(&zero);
    for draft in [first, middle, last] {
        lab.silent(Port::Auth, &draft.finish(), "attribute_zero").await;
    }
    lab.silent(Port::Acct, &right(&lab, Port::Acct).raw(0, b"").finish(), "attribute_zero").await;
}

#[tokio::test]
async fn p6_an_unknown_code_or_that_of_a_response_is_met_with_silence() {
    let lab = Lab::new().await;
    for port in Port::BOTH {
        for code in [0, 6, 7, 8, 9, 10, 13, 21, 26, 39, 46, 51, 53, 255] {
            lab.silent(port, &lab.good_login().code(code).finish(), "unknown_code").await;
        }
        for code in [2, 3, 5, 11, 41, 42, 44, 45, 52] {
            lab.silent(port, &lab.good_login().code(code).finish(), "wrong_port").await;
        }
    }
}

#[tokio::test]
async fn p7_a_request_on_the_wrong_port_is_met_with_silence() {
    let lab = Lab::new().await;
    let (login, report) = (right(&lab, Port::Auth).finish(), right(&lab, Port::Acct).finish());
    lab.silent(Port::Acct, &login, "wrong_port").await;
    lab.silent(Port::Auth, &report, "wrong_port").await;
    for code in [Code::DisconnectRequest, Code::CoaRequest] {
        for port in Port::BOTH {
            let command = Draft::new(code, SECRET).put(rfc2865::USER_NAME, NAME.as_bytes()).sign();
            lab.silent(port, &command.finish(), "wrong_port").await;
        }
    }
    assert_eq!(lab.sessions().await, (0, 0));
    // The same octets where they belong.
    assert!(lab.wire.ask(lab.address(Port::Auth), &login, SECRET).await.is_accept());
    assert_eq!(lab.wire.ask(lab.address(Port::Acct), &report, SECRET).await.code(), Code::AccountingResponse);
}

#[tokio::test]
async fn p11_an_answer_has_no_empty_attribute_and_at_most_4096_octets_or_there_is_none() {
    let lab = Lab::new().await;
    // Each answer is checked for both when it is read. An empty Proxy-State, which no one may send, cannot go back.
    let request = lab.good_login().raw(33, b"").raw(33, b"x");
    assert_eq!(lab.answered(Port::Auth, &request).await.proxy_states(), [b"x"]);
    // Proxy-States that fill the request, of which a part would not be "unmodified".
    let with = |draft: Draft, octets: usize| {
        let states = (0..).map(|n: usize| (octets - 255 * n).min(255)).take(octets.div_ceil(255));
        states.fold(draft, |draft, whole| draft.raw(33, &vec![9; whole.max(3) - 2]))
    };
    for port in Port::BOTH {
        let (mut answered, mut silent) = (0, 0);
        let bare = right(&lab, port).finish().len();
        for octets in [255, 2 * 255, 3300, 3500, 3600, 3700, 3800, 4096 - bare] {
            let request = with(right(&lab, port), octets).finish();
            let states = request.len() - bare;
            let before = lab.drops().await;
            lab.wire.send(lab.address(port), &request).await;
            let heard = tokio::select! {
                heard = lab.wire.receive() => Some(heard),
                () = dropped(&lab, &before) => None,
            };
            match heard {
                Some(heard) => {
                    let answer = Answer::check(heard, &request, SECRET);
                    let back: usize = answer.proxy_states().iter().map(|state| state.len() + 2).sum();
                    assert_eq!(back, states, "all of them or none");
                    answered += 1;
                }
                None => {
                    lab.shows_silence(port, "reply_too_long", &before, 1).await;
                    silent += 1;
                }
            }
        }
        assert!(answered >= 5, "{port:?}: {answered} answered, {silent} silent");
    }
}

/// Waits until another packet is left without an answer.
async fn dropped(lab: &Lab, before: &tests::world::lab::Series) {
    while lab.drops().await == *before {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn p12_a_packet_of_over_200_attributes_is_met_with_silence_and_takes_no_memory() {
    let lab = Lab::new().await;
    let at_the_bound = |draft: Draft, more: usize| {
        let present = draft.finish()[20..].len();
        let mut count = 0;
        let octets = draft.finish();
        let mut at = 20;
        while at < octets.len() {
            at += usize::from(octets[at + 1]);
            count += 1;
        }
        assert_eq!(at - 20, present);
        (count..200 + more).fold(draft, |draft, _| draft.raw(222, b"x"))
    };
    let login = at_the_bound(lab.knock(NAME, MAC).pap(PASSWORD.as_bytes()), 0);
    assert!(lab.answered(Port::Auth, &login).await.is_accept(), "200 are allowed");
    for more in [1, 56, 400] {
        let login = at_the_bound(lab.knock(NAME, MAC).pap(PASSWORD.as_bytes()), more);
        lab.silent(Port::Auth, &login.finish(), "too_many_attributes").await;
        let report = at_the_bound(right(&lab, Port::Acct), more);
        lab.silent(Port::Acct, &report.finish(), "too_many_attributes").await;
    }
    let largest = at_the_bound(lab.knock(NAME, MAC).pap(PASSWORD.as_bytes()), 1000).finish();
    let memory = lab.radiusd().metric("process_resident_memory_bytes").await;
    for _ in 0..50 {
        let before = lab.drops().await;
        // Few enough at a time for the smallest receive buffer.
        for _ in 0..40 {
            lab.wire.send(lab.address(Port::Auth), &largest).await;
        }
        lab.shows_silence(Port::Auth, "too_many_attributes", &before, 40).await;
    }
    let grown = lab.radiusd().metric("process_resident_memory_bytes").await - memory;
    assert!(grown < 4e6, "2,000 packets of {} octets took {grown} octets of memory", largest.len());
}
