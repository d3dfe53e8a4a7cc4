//! Staff at the desk: what each role may reach, how they prove themselves, and that what they may no longer do ends at once.

use futures::future::join_all;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use shared::staff::{Permission, Role, SiteScope};
use shared::totp;
use store::StoreError;
use store::accounting::{self, Report};
use store::admin::{people, second_factor};
use tests::world::{World, at, first_report};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, PASSWORD, audited, cookies, hidden, make};

async fn desk() -> World {
    let mut world = World::new().await;
    world.start_portal().await;
    world
}

/// An address of the desk with names of things that are not there.
fn filled_in(path: &str) -> String {
    let session = path.starts_with("/sessions/");
    let id = if session { "ses_0192e4a0000070008000000000000001" } else { "0192e4a0-0000-7000-8000-000000000001" };
    let path = path.replace("{id}", id).replace("{number}", "4242").replace("{receipt}", "AAAAAAAAA1");
    let path = path.replace("{provider}", "xero").replace("{chart}", "nothing").replace("{report}", "nothing");
    format!("/admin{}", path.replace("{name}", "nothing").replace("{locale}", "en").replace("{handle}", "00"))
        .trim_end_matches('/')
        .into()
}

async fn text(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    // What goes on for as long as somebody reads it is not read.
    if answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream") {
        return (status, String::new());
    }
    (status, answer.text().await.unwrap())
}

fn leads_to(answer: &Response) -> &str {
    answer.headers().get(LOCATION).map_or("", |there| there.to_str().unwrap())
}

#[tokio::test]
async fn every_role_reaches_what_is_written_down_and_nothing_else() {
    let world = desk().await;
    let routes = include_str!("../../portal/src/admin/routes.txt");
    for role in Role::ALL {
        let somebody = Operator::sign_in_as(&world, &format!("{}@example.org", role.as_str()), role).await;
        let mut reached = 0;
        for line in routes.lines() {
            let [group, method, path] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let path = filled_in(path);
            let Some(permission) = Permission::all().find(|permission| permission.as_str() == group) else { continue };
            let answer = somebody.ask(method, &path).await;
            let there = leads_to(&answer).split('?').next().unwrap().to_owned();
            let is_sent_away = ["/admin/sign-in", "/admin/me/second-factor"].contains(&there.as_str());
            let (status, text) = text(answer).await;
            let refused = status == 403 && text.contains("That is not for your role");
            assert_eq!(refused, !role.may(permission), "{role}: {method} {path}: {status} {text}");
            assert!(!refused || text.contains(permission.words()), "{role}: {path}: {text}");
            assert!(!is_sent_away && ![401, 405, 500].contains(&status), "{role}: {method} {path}: {status}");
            reached += u32::from(!refused);
        }
        assert!(reached > 10, "{role}: {reached}");
        let page = somebody.get("/admin").await;
        page.says(200, "Now");
        for (tab, permission) in [("/admin/payments", Permission::SeeMoney), ("/admin/staff", Permission::ManageStaff)]
        {
            let is_shown = page.text.contains(&format!("href=\"{tab}\""));
            assert_eq!(is_shown, role.may(permission), "{role}: {tab}");
        }
    }
}

#[tokio::test]
async fn without_a_second_factor_an_owner_reaches_the_page_that_makes_one() {
    let world = desk().await;
    let create = ["admin", "create", "--email", EMAIL, "--password-stdin"];
    world.portal_command(&create, PASSWORD).await;
    let mut owner = Operator::again(&world, EMAIL).await;
    for (method, path) in
        [("GET", "/admin"), ("GET", "/admin/staff"), ("GET", "/admin/me"), ("POST", "/admin/vouchers")]
    {
        let answer = owner.ask(method, path).await;
        assert_eq!((answer.status().as_u16(), leads_to(&answer)), (303, "/admin/me/second-factor"), "{method} {path}");
    }
    let page = owner.get("/admin/me/second-factor").await;
    page.says(200, "a second factor is compulsory");
    let ticket = hidden(&page.text, "ticket");
    owner
        .post("/admin/me/second-factor", &[("ticket", &ticket), ("code", "000000")])
        .await
        .says(422, "That is not the code");
    let key = page.text.split("class=\"code secret\">").nth(1).unwrap().split('<').next().unwrap();
    let code = totp::code(&from_base32(key), totp::step_at(world.clock.now()));
    let before = owner.cookie.clone();
    let answer = owner.answer("/admin/me/second-factor", &[("ticket", &ticket), ("code", &code)]).await;
    assert_eq!(answer.status(), 200);
    owner.cookie = cookies(&answer);
    let page = answer.text().await.unwrap();
    assert_eq!(page.matches("<li class=\"code\">").count(), 10, "{page}");
    assert_ne!(owner.cookie, before, "a new session");
    owner.get("/admin").await.says(200, "Now");
    // The code with which it was made is used up.
    let visitor = Operator::visitor(&world).await;
    let ticket = hidden(&visitor.credentials(EMAIL, PASSWORD).await.text().await.unwrap(), "ticket");
    let (status, page) = text(visitor.second_step(&ticket, &code).await).await;
    assert!(status == 403 && page.contains("was used before"), "{status} {page}");
    // A recovery code, which people write as they like, is good in its place.
    let recovery = page_code(&page_of_codes(&world, &mut owner).await, 0);
    let answer = visitor.second_step(&ticket, &recovery.to_lowercase().replace('-', " ")).await;
    assert_eq!((answer.status().as_u16(), leads_to(&answer)), (303, "/admin"));
    assert_eq!(audited(&world, "sign-in.recovery_code").await.len(), 1);
}

/// Makes new recovery codes.
async fn page_of_codes(world: &World, owner: &mut Operator) -> String {
    let again = Operator::again(world, EMAIL).await;
    *owner = again;
    owner.post("/admin/me/recovery-codes", &[]).await.text
}

fn page_code(page: &str, index: usize) -> String {
    page.split("<li class=\"code\">").nth(index + 1).unwrap().split('<').next().unwrap().to_owned()
}

/// The octets of a secret as the page shows it.
pub(crate) fn from_base32(text: &str) -> Vec<u8> {
    let letters = text.bytes().filter(|letter| *letter != b' ');
    let bits: Vec<u8> = letters
        .flat_map(|letter| {
            let value = if letter.is_ascii_digit() { letter - b'2' + 26 } else { letter - b'A' };
            (0..5).rev().map(move |bit| (value >> bit) & 1)
        })
        .collect();
    bits.chunks_exact(8).map(|octet| octet.iter().fold(0, |all, bit| (all << 1) | bit)).collect()
}

#[tokio::test]
async fn a_code_is_good_once_and_a_recovery_code_for_one_of_many() {
    let world = desk().await;
    make(&world, EMAIL, Role::Owner).await;
    let id = world.staff_id(EMAIL).await;
    let steps = async |count: usize| {
        let one = async || {
            let visitor = Operator::visitor(&world).await;
            let ticket = hidden(&visitor.credentials(EMAIL, PASSWORD).await.text().await.unwrap(), "ticket");
            (visitor, ticket)
        };
        let mut all = Vec::new();
        for _ in 0..count {
            all.push(one().await);
        }
        all
    };
    let waiting = steps(4).await;
    let code = world.code(EMAIL).await;
    let tried = join_all(waiting.iter().map(|(visitor, ticket)| visitor.second_step(ticket, &code))).await;
    let let_in = tried.iter().filter(|answer| answer.status() == 303).count();
    assert_eq!(let_in, 1, "one code lets one in");

    let recovery = "ABCDE-FGHJK";
    let hash = second_factor::hash(&world.db, id, recovery);
    second_factor::replace_recovery_codes(&world.db, id, &[hash]).await.unwrap();
    // What was wrong before is forgotten with the sign-in that was right.
    Operator::again(&world, EMAIL).await;
    let waiting = steps(4).await;
    let tried = join_all(waiting.iter().map(|(visitor, ticket)| visitor.second_step(ticket, recovery))).await;
    assert_eq!(tried.iter().filter(|answer| answer.status() == 303).count(), 1, "one recovery code lets one in");
    assert_eq!(second_factor::recovery_codes_left(&world.db, id).await.unwrap(), 0);
}

#[tokio::test]
async fn guessing_codes_rests_and_stands_in_the_security_log() {
    let world = desk().await;
    make(&world, EMAIL, Role::Owner).await;
    let visitor = Operator::visitor(&world).await;
    let ticket = hidden(&visitor.credentials(EMAIL, PASSWORD).await.text().await.unwrap(), "ticket");
    for _ in 0..5 {
        assert_eq!(visitor.second_step(&ticket, "000000").await.status(), 403);
    }
    let (status, page) = text(visitor.second_step(&ticket, &world.code(EMAIL).await).await).await;
    assert!(status == 429 && page.contains("rests for 15 min"), "{status} {page}");
    let kinds: Vec<String> =
        sqlx::query_scalar("SELECT kind FROM security_events").fetch_all(&world.pool).await.unwrap();
    assert_eq!(kinds, ["staff_locked"]);
    assert_eq!(audited(&world, "sign-in.code_failed").await.len(), 5);
    // A ticket is of one browser, and is not made by hand.
    let stranger = Operator::visitor(&world).await;
    for ticket in [ticket.as_str(), "nonsense", ""] {
        assert_eq!(leads_to(&stranger.second_step(ticket, "000000").await), "/admin/sign-in");
    }
}

#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_asked_for_and_nowhere_else() {
    let world = desk().await;
    make(&world, EMAIL, Role::Owner).await;
    let (asked, sign_in) = ("/admin/alerts?state=acknowledged", "/admin/sign-in");
    let mut visitor = Operator::visitor(&world).await;
    let there = leads_to(&visitor.ask("GET", asked).await).to_owned();
    assert_eq!(there, "/admin/sign-in?to=%2Fadmin%2Falerts%3Fstate%3Dacknowledged");
    let to = hidden(&visitor.get(&there).await.text, "to");
    assert_eq!(to, asked);
    // What was wrong loses nothing, neither in the first step nor in the second.
    let wrong = [("email", EMAIL), ("password", "a guess"), ("to", to.as_str())];
    let (status, page) = text(visitor.answer(sign_in, &wrong).await).await;
    assert_eq!((status, hidden(&page, "to").as_str()), (403, asked));
    let right = [("email", EMAIL), ("password", PASSWORD), ("to", to.as_str())];
    let (status, page) = text(visitor.answer(sign_in, &right).await).await;
    assert_eq!(status, 200, "{page}");
    let (status, page) = text(visitor.second_step(&hidden(&page, "ticket"), "not a code").await).await;
    assert_eq!(status, 403, "{page}");
    let answer = visitor.second_step(&hidden(&page, "ticket"), &world.code(EMAIL).await).await;
    assert_eq!((answer.status().as_u16(), leads_to(&answer)), (303, asked));
    visitor.adopt(&answer).await;
    assert_eq!(leads_to(&visitor.ask("GET", &there).await), asked, "who is signed in comes there at once");
    // The session is over: a page is found again, and a form is not sent twice.
    assert_eq!(leads_to(&visitor.answer("/admin/sign-out", &[]).await), sign_in);
    assert_eq!(leads_to(&visitor.ask("GET", "/admin/routers").await), "/admin/sign-in?to=%2Fadmin%2Frouters");
    assert_eq!(leads_to(&visitor.ask("POST", "/admin/routers").await), sign_in);

    make(&world, "amina@example.org", Role::Support).await;
    for to in [
        "//evil.example/",
        "https://evil.example/admin/",
        "/admin//evil.example",
        "/admin/../o",
        "/admin/sign-out",
        "/o",
    ] {
        let visitor = Operator::visitor(&world).await;
        let fields = [("email", "amina@example.org"), ("password", PASSWORD), ("to", to)];
        let answer = visitor.answer(sign_in, &fields).await;
        assert_eq!((answer.status().as_u16(), leads_to(&answer)), (303, "/admin"), "{to}");
    }
}

#[tokio::test]
async fn a_session_is_new_at_each_sign_in_and_is_seen_and_ended() {
    let world = desk().await;
    let planted = format!("mlango-desk={}", "x".repeat(43));
    make(&world, "amina@example.org", Role::Support).await;
    let mut visitor = Operator::visitor(&world).await;
    visitor.cookie = format!("{}; {planted}", visitor.cookie);
    let answer = visitor.credentials("amina@example.org", PASSWORD).await;
    visitor.adopt(&answer).await;
    assert!(visitor.cookie.starts_with("mlango-desk=") && visitor.cookie != planted, "{}", visitor.cookie);
    let first = visitor;
    let second = Operator::again(&world, "amina@example.org").await;
    assert_ne!(first.cookie, second.cookie);

    let page = second.get("/admin/me").await;
    page.says(200, "this one");
    let handle = page.text.split("/admin/me/sessions/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    assert!(!second.cookie.contains(&handle) && !first.cookie.contains(&handle), "a handle is no identifier");
    // Nobody ends the sessions of others by their handles.
    let other = Operator::sign_in_as(&world, "juma@example.org", Role::Support).await;
    assert_eq!(other.answer(&format!("/admin/me/sessions/{handle}/end"), &[]).await.status(), 404);
    first.get("/admin").await.says(200, "Now");
    second.post(&format!("/admin/me/sessions/{handle}/end"), &[]).await.says(200, "That session is over.");
    assert_eq!(leads_to(&first.ask("GET", "/admin").await), "/admin/sign-in");

    // Another role, and everything is over.
    world.portal_command(&["admin", "set-role", "amina@example.org", "cashier"], "").await;
    assert_eq!(leads_to(&second.ask("GET", "/admin").await), "/admin/sign-in");
    let third = Operator::again(&world, "amina@example.org").await;
    world.portal_command(&["admin", "suspend", "amina@example.org"], "").await;
    assert_eq!(leads_to(&third.ask("GET", "/admin").await), "/admin/sign-in");
    let (status, page) = text(Operator::visitor(&world).await.credentials("amina@example.org", PASSWORD).await).await;
    assert!(status == 403 && page.contains("do not belong together"), "like a wrong password: {status} {page}");
}

#[tokio::test]
async fn there_is_always_an_owner() {
    let world = desk().await;
    let (one, other) = ("one@example.org", "other@example.org");
    make(&world, one, Role::Owner).await;
    let id = world.staff_id(one).await;
    let refused = world.portal_refuses(&["admin", "set-role", one, "manager"], "").await;
    assert!(refused.contains("last owner"), "{refused}");
    assert!(world.portal_refuses(&["admin", "suspend", one], "").await.contains("last owner"));
    // Who has only been invited cannot sign in, and does not count.
    let invitation = people::Invitation {
        email: "invited@example.org",
        role: Role::Owner,
        sites: &[],
        password_hash: "$argon2id$nobody",
        link: [7; 16],
        until: world.clock.now(),
    };
    people::invite(&world.db, &invitation, world.clock.now()).await.unwrap();
    assert!(matches!(people::suspend(&world.db, id, world.clock.now()).await, Err(StoreError::Conflict(_))));

    make(&world, other, Role::Owner).await;
    let ids = [id, world.staff_id(other).await];
    for _ in 0..5 {
        let both = ids.map(|id| people::set_access(&world.db, id, Role::Manager, &[]));
        let done = join_all(both).await;
        assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "{done:?}");
        for id in ids {
            people::set_access(&world.db, id, Role::Owner, &[]).await.unwrap();
        }
    }
}

/// A session at a router.
async fn session(world: &World, nas: Uuid, name: &str) -> String {
    let now = world.clock.now();
    let report = Report { user_name: name.into(), ..first_report(nas, now) };
    let id = report.session.id;
    accounting::record(&world.db, &[report], now).await.unwrap();
    format!("ses_{}", id.simple())
}

#[tokio::test]
async fn who_is_limited_to_a_site_sees_and_does_nothing_elsewhere() {
    let world = desk().await;
    let now = world.clock.now();
    let mut routers = Vec::new();
    for (number, name) in [(1, "Market"), (2, "Beach")] {
        let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
        let nas = world.register(&name.to_lowercase(), b"secret", settings).await;
        routers.push((site, session(&world, nas, &format!("guest-{number}")).await));
    }
    let [(market, here), (_, there)] = &routers[..] else { panic!("two sites") };
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[*market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    for path in ["/admin/sessions", "/admin/routers", "/admin"] {
        let page = amina.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(!page.text.contains("guest-2") && !page.text.contains("beach"), "{path}: {}", page.text);
    }
    amina.get("/admin/sessions").await.says(200, "guest-1");
    amina.get("/admin/routers").await.says(200, "market");
    amina.get(&format!("/admin/sessions/{here}")).await.says(200, "guest-1");
    amina.get(&format!("/admin/sessions/{there}")).await.says(404, "It is not here");
    assert_eq!(amina.answer(&format!("/admin/sessions/{there}/disconnect"), &[]).await.status(), 404);
    assert_eq!(amina.answer(&format!("/admin/sessions/{here}/disconnect"), &[]).await.status(), 303);
    // A limit to a site that is not there is none, and is refused.
    let nowhere = people::set_access(&world.db, id, Role::Support, &[Uuid::from_u128(9)]).await;
    assert!(matches!(nowhere, Err(StoreError::Conflict(_))), "{nowhere:?}");
    let admin = store::admin::by_id(&world.db, id).await.unwrap().unwrap();
    assert_eq!(admin.sites, SiteScope::Only(vec![*market]));
    assert!(sqlx::query("DELETE FROM sites WHERE name = 'Market'").execute(&world.pool).await.is_err());
}
