//! Every reason for which radiusd refuses a login is on the page that the router's login page leads to: in the page's language, whatever that
//! of the place, and with a next step.

use shared::denial::Denial;
use shared::language::Language;
use tests::nas::{Mac, Nas};
use tests::world::World;

use crate::guest::{Guest, Page};

const DEVICE: Mac = Mac([0x02, 0, 0, 0, 0x51, 1]);

/// The packages, as the router's login page leads to them after it was told `sentence`.
async fn arrive(world: &World, router: &Nas, guest: &Guest, sentence: &str, language: Language) -> Page {
    let login = format!("{}/login", router.url());
    let query = [
        ("mac", DEVICE.to_string()),
        ("identity", "cafe".to_owned()),
        ("link-login-only", login),
        ("link-orig", String::new()),
        ("error", sentence.to_owned()),
        ("lang", language.as_str().to_owned()),
    ];
    let url = reqwest::Url::parse_with_params(&format!("{}/h", world.portal_url()), query).unwrap();
    guest.get(url.as_str()).await
}

#[tokio::test]
async fn every_reason_of_radiusds_has_a_sentence_and_a_next_step_in_both_languages() {
    let mut world = World::new().await;
    let config = std::fs::read_to_string(world.config()).unwrap();
    let config = config.replace("[portal]\n", "[portal]\nsupport_phone = \"0700 000 000\"\n");
    std::fs::write(world.config(), config).unwrap();
    world.start_radiusd().await;
    world.package("one-hour", |_| {}).await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router).with_mac(DEVICE);
    for denial in Denial::ALL {
        for (language, raw) in [(Language::English, "The router says"), (Language::Swahili, "Ruta inasema")] {
            let mut pages = Vec::new();
            for of_the_place in Language::ALL {
                let page = arrive(&world, &router, &guest, denial.sentence(of_the_place), language).await;
                let why = format!("{denial:?} {language:?}: {}", page.text);
                assert!(page.status == 200 && !page.text.contains(raw), "{why}");
                let card = page.text.split("id=\"refused\"").nth(1).unwrap_or_else(|| panic!("no sentence: {why}"));
                let card = card.split("</div>").next().unwrap_or_default().to_owned();
                let next =
                    page.attribute("id=\"refused-next\"", "href").unwrap_or_else(|| panic!("no next step: {why}"));
                assert!(next.starts_with(['#', '/']) || next.starts_with("tel:") || next.starts_with("http"), "{why}");
                // Whatever it leads to on this page is there.
                let is_there = next.strip_prefix('#').is_none_or(|id| page.text.contains(&format!("id=\"{id}\"")));
                assert!(is_there, "{next}: {why}");
                pages.push((card.split("href=").next().unwrap_or_default().to_owned(), page.status));
            }
            assert_eq!(pages[0], pages[1], "the language of the place makes no difference: {denial:?}");
        }
    }
    // What nobody here knows is shown as the router's own.
    let page = arrive(&world, &router, &guest, "The moon is full.", Language::English).await;
    assert!(page.text.contains("The router says: “The moon is full.”"), "{}", page.text);
    assert!(page.attribute("id=\"refused-next\"", "href").is_some(), "{}", page.text);
}

#[tokio::test]
async fn a_login_that_radiusd_refuses_is_told_in_the_language_of_the_page() {
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    world.grant(&package, "amina", "siri").await;
    sqlx::query("UPDATE entitlements SET state = 'expired'").execute(&world.pool).await.unwrap();
    world.start_radiusd().await;
    let router = world.router("cafe", |_| {}).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router).with_mac(DEVICE);
    let refused = router.login_pap(DEVICE, "amina", "siri").await.error().expect("a reason");
    assert_eq!(refused, Denial::TimeOver.sentence(Language::English));
    let page = arrive(&world, &router, &guest, &refused, Language::Swahili).await;
    assert!(page.text.contains("Muda wako umekwisha. Chagua kifurushi ili uendelee."), "{}", page.text);
    assert_eq!(page.attribute("id=\"refused-next\"", "href").as_deref(), Some("#offers"));
}
