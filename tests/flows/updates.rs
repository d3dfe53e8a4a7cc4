//! Pages of the desk and of a screen that are read again by themselves, in a real browser: gently, until somebody pauses it, and never by a reload
//! that takes the page out of one's hands.

use shared::staff::Role;
use tests::world::{Browser, World, eventually};

use crate::news;
use crate::operator::{self, EMAIL, by_browser};

/// Says in the page that it is still the one that was opened.
const MARK: &str = "window.stillHere = true";
const IS_MARKED: &str = "return window.stillHere === true";

async fn sign_in(world: &World, browser: &Browser) {
    operator::make(world, EMAIL, Role::Owner).await;
    by_browser(world, browser, EMAIL).await;
}

/// A customer is online, as accounting has it.
async fn comes_online(world: &World) {
    news::customer(world, |_| {}).await;
}

#[tokio::test]
async fn a_page_of_the_desk_shows_what_is_now_and_can_be_paused() {
    let Some(browser) = Browser::open(true).await else { return };
    let mut world = World::new().await;
    world.start_portal().await;
    sign_in(&world, &browser).await;
    browser.client.goto(&format!("{}/admin/sessions", world.portal_url())).await.unwrap();
    browser.wait_for("Nobody is online").await;
    browser.wait_for("Pause updates").await;
    browser.client.execute(MARK, Vec::new()).await.unwrap();
    comes_online(&world).await;
    // The page has it without being loaded anew.
    eventually("the session is shown", || async {
        let text = browser.text().await;
        (text.contains("one day") && !text.contains("Nobody is online")).then_some(())
    })
    .await;
    assert_eq!(browser.client.execute(IS_MARKED, Vec::new()).await.unwrap(), serde_json::Value::Bool(true));

    // Paused, it stays as it is until somebody goes on; then it is read at once.
    browser.press("#again").await;
    browser.wait_for("Go on").await;
    sqlx::query("UPDATE entitlements SET package_name = 'another day'").execute(&world.pool).await.unwrap();
    browser.press("#again").await;
    browser.wait_for("another day").await;
    browser.wait_for("Pause updates").await;
    assert_eq!(browser.client.execute(IS_MARKED, Vec::new()).await.unwrap(), serde_json::Value::Bool(true));
    browser.close().await;
}

#[tokio::test]
async fn without_a_script_a_page_of_the_desk_has_a_link_that_reads_it_again() {
    let Some(browser) = Browser::open(false).await else { return };
    let mut world = World::new().await;
    world.start_portal().await;
    sign_in(&world, &browser).await;
    browser.client.goto(&format!("{}/admin/sessions", world.portal_url())).await.unwrap();
    browser.wait_for("Nobody is online").await;
    assert!(!browser.text().await.contains("Pause updates"), "it could not be pressed");
    comes_online(&world).await;
    browser.press(".updates a").await;
    browser.wait_for("one day").await;
    browser.close().await;
}
