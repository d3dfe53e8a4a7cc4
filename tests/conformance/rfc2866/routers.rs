//! Section 5.1 against the running server: Accounting-On and Accounting-Off, by which a router reports about itself.

use std::net::Ipv4Addr;

use radius_proto::Code;
use radius_proto::attribute::rfc2866::acct_status_type::{ACCOUNTING_OFF, ACCOUNTING_ON, START};
use radius_proto::attribute::{rfc2865, rfc2866};
use tests::world::at;
use tests::world::lab::{Draft, Lab, LabSettings, Port, SECRET, Wire};

const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[tokio::test]
async fn a8_a_router_that_stops_ends_its_sessions_and_touches_no_other_routers() {
    let mut lab = Lab::prepare(LabSettings::default()).await;
    let neighbours = lab.world.register("neighbour", SECRET, at(NEIGHBOUR)).await;
    lab.start().await;
    let neighbour = Wire::at(NEIGHBOUR).await;
    let to = lab.address(Port::Acct);
    // The same Acct-Session-Id and User-Name at both: routers share one space of session ids.
    neighbour.ask(to, &lab.report(START, "80100001").finish(), SECRET).await;
    assert_eq!(lab.answered(Port::Acct, &lab.report(START, "80100001")).await.code(), Code::AccountingResponse);
    assert_eq!(lab.sessions().await, (2, 0));
    for status in [ACCOUNTING_OFF, ACCOUNTING_ON] {
        // As RouterOS writes it, and with names that belong to the neighbour.
        let plain = Draft::new(Code::AccountingRequest, SECRET)
            .put(rfc2866::ACCT_STATUS_TYPE, status)
            .put(rfc2865::NAS_IDENTIFIER, b"lab")
            .put(rfc2866::ACCT_DELAY_TIME, 0)
            .put(rfc2865::NAS_IP_ADDRESS, Ipv4Addr::LOCALHOST);
        let misleading = lab
            .report(status, "80100001")
            .put(rfc2865::NAS_IP_ADDRESS, NEIGHBOUR)
            .put(rfc2865::NAS_IDENTIFIER, b"neighbour");
        for draft in [plain, misleading] {
            assert_eq!(lab.answered(Port::Acct, &draft).await.code(), Code::AccountingResponse);
            let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE nas_id = $1 AND ended_at IS NULL")
                .bind(neighbours)
                .fetch_one(&lab.world.pool)
                .await
                .unwrap();
            assert_eq!(open, 1, "the neighbour's guest is still online");
            assert_eq!(lab.sessions().await, (1, 1), "and this router's is not, since it said that it stops");
        }
    }
    assert_eq!(lab.usage().await, (0, 0, 0));
}

#[tokio::test]
async fn a8_a_router_that_says_it_started_is_noted_and_ends_no_session_by_that_alone() {
    let lab = Lab::new().await;
    assert_eq!(lab.answered(Port::Acct, &lab.report(START, "80100001")).await.code(), Code::AccountingResponse);
    let on = Draft::new(Code::AccountingRequest, SECRET).put(rfc2866::ACCT_STATUS_TYPE, ACCOUNTING_ON);
    assert_eq!(lab.answered(Port::Acct, &on).await.code(), Code::AccountingResponse);
    assert_eq!(lab.sessions().await, (1, 0), "RouterOS has been seen to say so while its sessions went on");
    let restarts: i64 =
        sqlx::query_scalar("SELECT count(*) FROM router_restarts").fetch_one(&lab.world.pool).await.unwrap();
    assert_eq!(restarts, 1, "it is noted, and confirmed by what follows: tests/flows/ghosts.rs");
}
