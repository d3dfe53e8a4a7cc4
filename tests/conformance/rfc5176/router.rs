//! A router whose every answer the test decides: it logs a guest in, reports a session, and then waits for what radiusd
//! will ask of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use radius_proto::attribute::rfc2866::acct_status_type::{START, STOP};
use radius_proto::attribute::{rfc2865, rfc2866, rfc2869, rfc5176};
use radius_proto::{Attr, Code, Packet, Value};
use tests::world::lab::{Datagram, Draft, Lab, MAC, Port, Wire, hmac_md5, md5};
use tests::world::{at, eventually};
use uuid::Uuid;

/// The secret of every such router.
pub(crate) const SECRET: &[u8] = b"of a router";

/// A router on an address of its own.
pub(crate) struct Router {
    pub(crate) id: Uuid,
    wire: Wire,
}

/// A Disconnect-Request that has proved itself.
pub(crate) struct Command(pub(crate) Datagram);

/// What the outbox says of a session's cut.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow)]
pub(crate) struct Cut {
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) error_cause: Option<i32>,
}

impl Router {
    /// Registers a router at 127.0.1.`number`; radiusd must not run yet.
    pub(crate) async fn register(lab: &Lab, number: u8) -> Router {
        let address = Ipv4Addr::new(127, 0, 1, number);
        let wire = Wire::at(address).await;
        let name = format!("router-{number}");
        let settings = store::nas::Settings { coa_port: Some(wire.address().port()), ..at(address) };
        let id = lab.world.register(&name, SECRET, settings).await;
        Router { id, wire }
    }

    /// Logs the customer in at this router and reports the session's start. Returns the session.
    pub(crate) async fn session(&self, lab: &Lab, name: &str) -> Uuid {
        let login = self.sign(lab.good_login());
        let accepted = self.wire.ask(lab.address(Port::Auth), &login, SECRET).await;
        assert!(accepted.is_accept(), "{:?}", accepted.packet());
        let ticket = accepted.get(rfc2865::CLASS).expect("a ticket").to_vec();
        let start = self.sign(lab.report(START, name).put(rfc2865::CLASS, &ticket));
        self.wire.ask(lab.address(Port::Acct), &start, SECRET).await;
        Uuid::from_slice(&ticket[2..18]).expect("the ticket holds the session")
    }

    /// Reports the end of that session.
    pub(crate) async fn stop(&self, lab: &Lab, name: &str) {
        let stop = self.sign(lab.report(STOP, name).put(rfc2866::ACCT_TERMINATE_CAUSE, 6));
        self.wire.ask(lab.address(Port::Acct), &stop, SECRET).await;
    }

    /// The same request under this router's secret: the laboratory's drafts are under its own.
    fn sign(&self, draft: Draft) -> Vec<u8> {
        let is_login = draft.finish()[0] == Code::AccessRequest.as_u8();
        let octets = draft.finish()[20..].to_vec();
        if !is_login {
            return Draft::new(Code::AccountingRequest, SECRET).octets(&octets).finish();
        }
        let login = Draft::new(Code::AccessRequest, SECRET)
            .put(rfc2865::USER_NAME, tests::world::lab::NAME.as_bytes())
            .put(rfc2865::CALLING_STATION_ID, MAC.as_bytes());
        login.pap(tests::world::lab::PASSWORD.as_bytes()).sign().finish()
    }

    /// Waits for the next command and checks that it proves itself.
    pub(crate) async fn command(&self) -> Command {
        Command::check(self.wire.receive().await)
    }

    /// Waits so long for the next command.
    pub(crate) async fn command_within(&self, patience: Duration) -> Option<Command> {
        self.wire.receive_within(patience).await.map(Command::check)
    }

    /// Whether another command is here.
    pub(crate) fn has_more(&self) -> bool {
        self.wire.waiting().is_some()
    }

    /// Sends an answer to where the command came from.
    pub(crate) async fn reply(&self, command: &Command, answer: &[u8]) {
        self.wire.send(command.0.from, answer).await;
    }

    /// Acknowledges a command.
    pub(crate) async fn acknowledge(&self, command: &Command) {
        self.reply(command, &command.answer(Code::DisconnectAck).finish()).await;
    }

    /// Refuses a command for a reason.
    pub(crate) async fn refuse(&self, command: &Command, cause: u32) {
        let nak = command.answer(Code::DisconnectNak).put(rfc5176::ERROR_CAUSE, cause);
        self.reply(command, &nak.finish()).await;
    }

    /// A second socket on this router's address, which is not where the command went.
    pub(crate) async fn another_port(&self) -> Wire {
        Wire::at(self.wire.address().ip()).await
    }
}

impl Command {
    /// Wants a Disconnect-Request whose two proofs are right, each computed anew (RFC 5176 §2.3, §3.4).
    fn check(datagram: Datagram) -> Command {
        let octets = &datagram.octets;
        assert_eq!(octets[0], Code::DisconnectRequest.as_u8());
        assert_eq!(usize::from(u16::from_be_bytes([octets[2], octets[3]])), octets.len(), "Length");
        let zeroed = [&octets[..4], &[0; 16], &octets[20..]].concat();
        assert_eq!(octets[4..20], md5(&[&zeroed, SECRET]), "Request Authenticator");
        let packet = Packet::parse(octets).expect("well formed");
        let signatures: Vec<usize> = packet.attributes().filter(|a| a.kind == 80).map(|a| a.offset).collect();
        let &[start] = signatures.as_slice() else { panic!("Message-Authenticator once: {signatures:?}") };
        let mut unsigned = zeroed;
        unsigned[start + 2..start + 18].fill(0);
        assert_eq!(octets[start + 2..start + 18], hmac_md5(SECRET, &unsigned), "Message-Authenticator");
        Command(datagram)
    }

    pub(crate) fn packet(&self) -> Packet<'_> {
        Packet::parse(&self.0.octets).expect("it parsed before")
    }

    pub(crate) fn identifier(&self) -> u8 {
        self.0.octets[1]
    }

    pub(crate) fn get<T: Value>(&self, attr: Attr<T>) -> Option<T::Ref<'_>> {
        self.packet().get(attr)
    }

    /// Acct-Session-Id, by which these tests tell sessions apart.
    pub(crate) fn session(&self) -> String {
        String::from_utf8(self.get(rfc2866::ACCT_SESSION_ID).expect("it names the session").to_vec()).expect("text")
    }

    /// Event-Timestamp.
    pub(crate) fn stamp(&self) -> u32 {
        self.get(rfc2869::EVENT_TIMESTAMP).expect("it says when it was made")
    }

    /// An answer to this, without attributes, to be finished.
    pub(crate) fn answer(&self, code: Code) -> Draft {
        Draft::answer(code, &self.0.octets, SECRET)
    }
}

/// Ends the customer's time in a moment: every session is to be cut.
pub(crate) async fn end_the_time(lab: &Lab) {
    let due = lab.world.clock.now() + Duration::from_millis(300);
    let ended =
        sqlx::query("UPDATE entitlements SET starts_at = $2 - interval '1 second', expires_at = $2 WHERE id = $1")
            .bind(lab.entitlement)
            .bind(due)
            .execute(&lab.world.pool)
            .await;
    assert_eq!(ended.expect("PostgreSQL answers").rows_affected(), 1);
}

/// What the outbox says of that session's cut.
pub(crate) async fn cut(lab: &Lab, session: Uuid) -> Option<Cut> {
    sqlx::query_as(
        "SELECT state, attempts, error_cause FROM nas_commands WHERE session_id = $1 ORDER BY created_at DESC LIMIT 1",
    )
    .bind(session)
    .fetch_optional(&lab.world.pool)
    .await
    .expect("PostgreSQL answers")
}

/// Waits until the cut is in that state.
pub(crate) async fn cut_is(lab: &Lab, session: Uuid, state: &str) -> Cut {
    eventually(&format!("the cut of {session} is {state}"), || async {
        cut(lab, session).await.filter(|cut| cut.state == state)
    })
    .await
}

/// Whether the session is open.
pub(crate) async fn is_open(lab: &Lab, session: Uuid) -> bool {
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM sessions WHERE id = $1 AND ended_at IS NULL")
        .bind(session)
        .fetch_one(&lab.world.pool)
        .await
        .expect("PostgreSQL answers");
    open == 1
}
