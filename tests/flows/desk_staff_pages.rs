//! The pages of staff: who is invited comes by a link that is good once, what is dangerous is asked again without losing what was
//! typed, and a person with a browser finds the way through all of it.

use fantoccini::Locator;
use shared::staff::Role;
use tests::world::{Browser, World};

use crate::operator::{EMAIL, Operator, PASSWORD, audited, by_browser, hidden, make};

const AMINA: &str = "amina@example.org";

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.start_portal().await;
    let owner = Operator::sign_in(&world).await;
    (world, owner)
}

#[tokio::test]
async fn somebody_is_invited_chooses_a_password_and_comes() {
    let (world, owner) = desk().await;
    owner.post("/admin/staff", &[("email", "nobody"), ("role", "support")]).await.says(422, "Write an address");
    owner.post("/admin/staff", &[("email", AMINA), ("role", "king")]).await.says(422, "Choose a role.");
    owner.post("/admin/staff", &[("email", EMAIL), ("role", "support")]).await.says(409, "at the desk already");
    let page = owner.post("/admin/staff", &[("email", AMINA), ("role", "support")]).await;
    page.says(200, "shown this once");
    let link = page.text.split("/admin/invitation/").nth(1).unwrap().split('<').next().unwrap();
    let link = format!("/admin/invitation/{link}");
    owner.get("/admin/staff").await.says(200, "invited");
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM admin_logs WHERE object LIKE '%invitation%'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(stored, 0, "no log has the link");

    let visitor = Operator::visitor(&world).await;
    visitor.get(&link).await.says(200, AMINA);
    visitor.forged(&link, &[("password", PASSWORD)]).await;
    for (password, problem) in
        [("short", "at least 12"), ("password1234", "first that are tried"), (AMINA, "hardly more than your address")]
    {
        visitor.post(&link, &[("password", password)]).await.says(422, problem);
    }
    visitor.post(&link, &[("password", PASSWORD)]).await.says(200, "Your password is set.");
    visitor.get(&link).await.says(404, "not good any more");
    visitor.post(&link, &[("password", "another good password")]).await.says(404, "not good any more");
    let amina = Operator::again(&world, AMINA).await;
    amina.get("/admin/staff").await.says(403, "Only the owner may manage staff.");
    assert_eq!(audited(&world, "admin.accept").await, [(AMINA.to_owned(), AMINA.to_owned())]);

    // A new link for a lost password: the old password holds until it is used, and one that is too old is worth nothing.
    let id = world.staff_id(AMINA).await;
    let page = owner.post(&format!("/admin/staff/{id}/link"), &[]).await;
    let link = format!(
        "/admin/invitation/{}",
        page.text.split("/admin/invitation/").nth(1).unwrap().split('<').next().unwrap()
    );
    amina.get("/admin").await.says(200, "Now");
    sqlx::query("UPDATE admin_users SET invite_until = now() - interval '1 second' WHERE id = $1")
        .bind(id)
        .execute(&world.pool)
        .await
        .unwrap();
    visitor.get(&link).await.says(404, "not good any more");
}

#[tokio::test]
async fn what_is_dangerous_is_asked_again_and_nothing_typed_is_lost() {
    let (world, owner) = desk().await;
    let fields = [("email", AMINA), ("role", "cashier")];
    world.age_proofs(EMAIL).await;
    let asked = owner.post("/admin/staff", &fields).await;
    asked.says(200, "Is it you?");
    assert_eq!((hidden(&asked.text, "email").as_str(), hidden(&asked.text, "role").as_str()), (AMINA, "cashier"));
    assert!(!owner.get("/admin/staff").await.text.contains(AMINA), "nothing is done yet");
    owner.forged("/admin/staff", &fields).await;

    let with = |proof: &'static str| [fields[0], fields[1], ("is-it-you", proof)];
    owner.post("/admin/staff", &with("wrong horse battery")).await.says(403, "Nothing was changed.");
    owner.post("/admin/staff", &with("000000")).await.says(403, "Nothing was changed.");
    assert_eq!(audited(&world, "proof.failed").await.len(), 2);
    owner.post("/admin/staff", &with(PASSWORD)).await.says(200, "shown this once");
    // For ten minutes it is not asked again, here or elsewhere.
    let id = world.staff_id(AMINA).await;
    let suspend = format!("/admin/staff/{id}/suspend");
    owner.post_and_confirm(&suspend, &[], "Suspend them?").await.says(200, "cannot come to the desk any more");

    world.age_proofs(EMAIL).await;
    owner.post(&format!("/admin/staff/{id}/restore"), &[]).await.says(200, "Is it you?");
    let code = world.code(EMAIL).await;
    let restored = owner.post(&format!("/admin/staff/{id}/restore"), &[("is-it-you", &code)]).await;
    restored.says(200, "They can come to the desk again.");
    // Looking needs no proof, and money that goes back does.
    world.age_proofs(EMAIL).await;
    owner.get("/admin/staff").await.says(200, AMINA);
    owner.post("/admin/money/AAAAAAAAA1/refund", &[]).await.says(200, "Is it you?");
    owner.post("/admin/money/AAAAAAAAA1/assign", &[]).await.says(404, "It is not here");
    // Nor is it proved by a new identifier, which whoever has stolen a session could ask for.
    let mut owner = owner;
    let answer = owner.answer("/admin/me/sessions/end-others", &[]).await;
    assert_eq!(answer.status(), 303);
    owner.adopt(&answer).await;
    owner.post("/admin/staff", &[("email", "other@example.org"), ("role", "owner")]).await.says(200, "Is it you?");
}

#[tokio::test]
async fn role_and_sites_change_and_the_log_says_from_what() {
    let (world, owner) = desk().await;
    make(&world, AMINA, Role::Support).await;
    let now = world.clock.now();
    let site = store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
    let id = world.staff_id(AMINA).await;
    let (address, tick) = (format!("/admin/staff/{id}/access"), format!("site:{site}"));
    owner.post(&address, &[("role", "cashier"), (tick.as_str(), "on")]).await.says(200, "It holds from now on.");
    owner.get(&format!("/admin/staff/{id}")).await.says(200, "Market");
    let detail: serde_json::Value = sqlx::query_scalar("SELECT detail FROM admin_logs WHERE action = 'admin.access'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(
        (detail["before"]["role"].as_str(), detail["after"]["role"].as_str()),
        (Some("support"), Some("cashier"))
    );
    owner.post(&address, &[("role", "owner"), (tick.as_str(), "on")]).await.says(422, "An owner is not limited");
    owner.post(&address, &[("role", "cashier"), ("site:elsewhere", "on")]).await.says(422, "not there any more");
    let me = format!("/admin/staff/{}/access", world.staff_id(EMAIL).await);
    owner.post(&me, &[("role", "manager")]).await.says(409, "last owner");
    let list = world.portal_command(&["admin", "list", "--json"], "").await;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!((list[0]["email"].as_str(), list[0]["sites"][0].as_str()), (Some(AMINA), Some("Market")));
    assert_eq!((list[1]["role"].as_str(), list[1]["second_factor"].as_bool()), (Some("owner"), Some(true)));
    // A password of one's own.
    let amina = Operator::again(&world, AMINA).await;
    amina.post("/admin/me/password", &[("password", "qwertyuiopas")]).await.says(422, "first that are tried");
    let changed = amina.answer("/admin/me/password", &[("password", "three goats on the roof")]).await;
    assert_eq!(changed.status(), 303);
    assert_eq!(amina.ask("GET", "/admin").await.status(), 303, "the session of before is over");
    world.portal_command(&["admin", "reset-2fa", EMAIL], "").await;
    assert_eq!(owner.ask("GET", "/admin").await.status(), 303);
}

/// The secret on the page, as the app would keep it.
async fn secret_on(browser: &Browser) -> Vec<u8> {
    let shown = browser.client.find(Locator::Css(".secret")).await.unwrap().text().await.unwrap();
    crate::desk_staff::from_base32(&shown)
}

#[tokio::test]
async fn a_person_with_a_browser_sets_up_the_phone_and_looks_after_staff() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.start_portal().await;
    let create = ["admin", "create", "--email", EMAIL, "--password-stdin"];
    world.portal_command(&create, PASSWORD).await;
    make(&world, AMINA, Role::Support).await;
    let now = world.clock.now();
    store::site::ensure(&world.db, shared::rng::id(now), "Market", now).await.unwrap();
    browser.client.set_window_size(1100, 900).await.unwrap();

    by_browser(&world, &browser, EMAIL).await;
    browser.wait_for("Set up an authenticator app").await;
    browser.picture("desk-second-factor").await;
    let secret = secret_on(&browser).await;
    let code = shared::totp::code(&secret, shared::totp::step_at(world.clock.now()));
    browser.fill("code", &code).await;
    browser.press("main form button").await;
    browser.wait_for("shown this once").await;
    browser.picture("desk-recovery-codes").await;
    browser.press("main a.button").await;
    browser.wait_for("Now").await;
    browser.press("header form button").await;
    browser.wait_for("Sign in to the desk").await;

    browser.fill("email", EMAIL).await;
    browser.fill("password", PASSWORD).await;
    browser.press("main form button").await;
    browser.wait_for("Your code").await;
    browser.picture("desk-sign-in-code").await;
    by_browser(&world, &browser, EMAIL).await;
    let id = world.staff_id(AMINA).await;
    let pages = [
        ("/staff".to_owned(), "Invite somebody", "desk-staff"),
        (format!("/staff/{id}"), "Where they are signed in", "desk-staff-member"),
        ("/me".to_owned(), "Where you are signed in", "desk-me"),
        ("/audit".to_owned(), "sign-in", "desk-audit"),
        ("/audit?actor=nobody".to_owned(), "Nothing of that kind", "desk-audit-empty"),
    ];
    for (path, words, name) in pages {
        browser.pictures(&format!("{}/admin{path}", world.portal_url()), words, name).await;
    }
    browser.client.set_window_size(1100, 900).await.unwrap();

    world.age_proofs(EMAIL).await;
    browser.client.goto(&format!("{}/admin/staff", world.portal_url())).await.unwrap();
    browser.fill("email", "juma@example.org").await;
    browser.press("main form button").await;
    browser.wait_for("Is it you?").await;
    browser.picture("desk-proof").await;
    browser.fill("is-it-you", PASSWORD).await;
    browser.press("main form button").await;
    browser.wait_for("shown this once").await;
    let link = browser.client.find(Locator::Css("main pre")).await.unwrap().text().await.unwrap();
    browser.client.goto(link.trim()).await.unwrap();
    browser.wait_for("Choose your password").await;
    browser.picture("desk-invitation").await;
    browser.fill("password", "two goats on the roof").await;
    browser.press("main form button").await;
    // The browser is still the owner's: the sign-in page leads to the desk.
    browser.wait_for("Sign out").await;
    browser.close().await;
}
