//! One request, one name: whatever a page or a provider's report causes is found by it in the logs of both programs.

use serde_json::Value;
use tests::world::{Settings, World, eventually};

use crate::guest::Guest;
use crate::operator::Operator;

/// The lines of a log in JSON. What stands in front of a line's first brace is no part of it.
fn lines(log: &str) -> Vec<Value> {
    log.lines().filter_map(|line| serde_json::from_str(line.get(line.find('{')?..)?).ok()).collect()
}

/// The request that a line is about: its own field, or one of the spans that it stands in.
fn request_of(line: &Value) -> Option<&str> {
    let spans = line["spans"].as_array().into_iter().flatten();
    line["request"].as_str().or_else(|| spans.filter_map(|span| span["request"].as_str()).next_back())
}

/// The lines that say this.
fn saying<'a>(lines: &'a [Value], message: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["message"] == message).collect()
}

struct Place {
    world: World,
    guest: Guest,
    router: tests::nas::Nas,
}

impl Place {
    /// Both programs log in JSON, at the levels that an operator has.
    async fn open() -> Place {
        // Nobody asks M-Pesa before its report has come.
        let mut world = World::with(Settings { query_after_seconds: vec![60, 60, 60], ..Settings::default() }).await;
        world.daraja().await;
        world.sms().await;
        let config = std::fs::read_to_string(world.config()).unwrap();
        let logged = "[log]\nlevel = \"info,radiusd=debug,portal=debug\"\n";
        assert!(config.contains(logged), "{config}");
        std::fs::write(world.config(), config.replace(logged, "[log]\nformat = \"json\"\n")).unwrap();
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        let guest = Guest::new(&world.portal_url(), &router);
        Place { world, guest, router }
    }

    /// Buys by M-Pesa and goes online.
    async fn buy(&self) {
        let page = self.guest.arrive().await;
        let (order, _) = self.guest.buy(&page, "one-hour", "0712345670").await;
        let paid = self.guest.wait_for_stage(&order, "go_online").await;
        self.guest.go_online(&paid).await;
        self.guest.wait_for_stage(&order, "online").await;
    }

    fn portal(&self) -> Vec<Value> {
        lines(&self.world.portal.as_ref().unwrap().log())
    }

    fn radiusd(&self) -> Vec<Value> {
        lines(&self.world.radiusd.as_ref().unwrap().log())
    }

    /// Waits for a line that says this, and for this request if one is named. Returns whose it is.
    async fn told(&self, program: fn(&Place) -> Vec<Value>, message: &str, of: Option<&str>) -> String {
        eventually(&format!("{message:?} of {of:?} is logged"), || async {
            let lines = program(self);
            let mut requests = saying(&lines, message).into_iter().filter_map(request_of);
            requests.find(|request| of.is_none_or(|of| of == *request)).map(str::to_owned)
        })
        .await
    }
}

#[tokio::test]
async fn a_payment_report_is_followed_to_the_message_that_it_causes() {
    let place = Place::open().await;
    place.buy().await;
    let request = place.told(Place::portal, "a payment report came", None).await;
    assert!(request.len() == 32 && request.bytes().all(|digit| digit.is_ascii_hexdigit()), "{request}");
    let request = Some(request.as_str());
    place.told(Place::portal, "answered", request).await;
    place.told(Place::portal, "paid, and access granted", request).await;
    place.told(Place::portal, "a message was sent", request).await;
    // The line of the job says which one it is.
    let lines = place.portal();
    let granted = saying(&lines, "paid, and access granted");
    assert_eq!(granted.len(), 1, "{granted:?}");
    assert_eq!(granted[0]["span"]["job"], "report", "{granted:?}");
    // The purchase itself was another request, and its payment tells which.
    let bought: Option<uuid::Uuid> =
        sqlx::query_scalar("SELECT trace FROM payments").fetch_one(&place.world.pool).await.unwrap();
    let bought = bought.expect("the payment knows its request").simple().to_string();
    assert_ne!(Some(bought.as_str()), request);
    place.told(Place::portal, "answered", Some(&bought)).await;
}

#[tokio::test]
async fn a_disconnect_at_the_desk_is_followed_to_the_routers_answer() {
    let place = Place::open().await;
    place.buy().await;
    let operator = Operator::sign_in(&place.world).await;
    let session = eventually("the session is recorded", || async {
        store::session::open(&place.world.db, 1).await.ok()?.into_iter().next()
    })
    .await;
    let path = format!("/admin/sessions/ses_{}/disconnect", session.id.simple());
    let answer = operator.answer(&path, &[]).await;
    assert_eq!(answer.status(), 303);
    let request = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let of = Some(request.as_str());
    place.told(Place::portal, "answered", of).await;
    place.told(Place::radiusd, "a command is sent to the router", of).await;
    place.told(Place::radiusd, "the router acknowledged the command", of).await;
    assert!(place.router.read(|r| r.sessions().next().is_none()), "it is off");
    let audited: i64 =
        sqlx::query_scalar("SELECT count(*) FROM admin_logs WHERE action = 'session.disconnect' AND trace = $1::uuid")
            .bind(&request)
            .fetch_one(&place.world.pool)
            .await
            .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn a_name_is_taken_from_a_trusted_proxy_and_from_nobody_else() {
    let place = Place::open().await;
    let named = async |name: &str| {
        let url = format!("{}/healthz", place.world.portal_url());
        let answer = reqwest::Client::new().get(url).header("x-request-id", name).send().await.unwrap();
        answer.headers()["x-request-id"].to_str().unwrap().to_owned()
    };
    // The test comes from this machine, whose proxies are trusted.
    let name = "7f3a9c0e5b1d4e28a6f0c4d2b8e91357";
    assert_eq!(named(name).await, name);
    let other = named("0712345678").await;
    assert!(other.len() == 32 && !other.contains("0712345678"), "{other}");
}
