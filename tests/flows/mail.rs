//! E-mail, by a real mail server: an address is proved by whoever reads its mail before anything goes there, receipts and news go
//! there if the customer wants it or SMS cannot be sent, and what the server says decides what becomes of a message.

use std::sync::Arc;

use store::user;
use tests::nas::{Mac, Nas};
use tests::sms::{self, Provider, SmsSim};
use tests::smtp::{FROM, LOGIN, Mail, Mood, Protection, SmtpServer};
use tests::world::{World, eventually};
use uuid::Uuid;

use crate::guest::{Guest, Page};
use crate::news;

const ADDRESS: &str = "Amina@example.org";
/// A phone of the customer, and another one.
const FIRST: Mac = Mac([0x02, 0, 0, 0, 0x20, 1]);
const SECOND: Mac = Mac([0x02, 0, 0, 0, 0x20, 2]);

/// What is known of one piece of news.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Told {
    state: String,
    channel: Option<String>,
    provider: Option<String>,
    reference: Option<String>,
    detail: String,
}

async fn told(world: &World, template: &str) -> Option<Told> {
    let query = "SELECT state, channel, provider, reference, detail FROM notifications WHERE template = $1";
    sqlx::query_as(query).bind(template).fetch_optional(&world.pool).await.unwrap()
}

/// Waits until news is in this state.
async fn until(world: &World, template: &str, state: &str) -> Told {
    eventually(&format!("{template} is {state}"), || async {
        told(world, template).await.filter(|told| told.state == state)
    })
    .await
}

/// A place that sells packages, with SMS and e-mail.
struct Shop {
    world: World,
    router: Nas,
    sms: Arc<SmsSim>,
    mail: SmtpServer,
}

impl Shop {
    async fn open() -> Option<Shop> {
        let mut world = World::new().await;
        let mail = SmtpServer::configure(&world, Protection::None, true).await?;
        let sms = world.sms().await;
        world.daraja().await;
        world.start_radiusd().await;
        world.package("one-hour", |_| {}).await;
        let router = world.router("cafe", |config| config.login_by.mac = false).await;
        world.start_portal().await;
        Some(Shop { world, router, sms, mail })
    }

    fn guest(&self, mac: Mac) -> Guest {
        Guest::new(&self.world.portal_url(), &self.router).with_mac(mac)
    }

    /// The page of the customer, after a sign-in with a code.
    async fn account(&self, guest: &Guest) -> Page {
        let before = self.sms.messages().len();
        let asks = guest.get(&format!("{}/account", self.world.portal_url())).await;
        let asked = guest.send(&asks, "name=\"phone\"", &[("phone", news::PHONE)]).await;
        let code = eventually("the code is sent", || async {
            self.sms.messages().get(before).map(|message| message.text.chars().take(6).collect::<String>())
        })
        .await;
        guest.send(&asked, "name=\"code\"", &[("code", &code)]).await
    }

    /// Names an address on the page of the customer.
    async fn name(&self, guest: &Guest, page: &Page, address: &str) -> Page {
        guest.send(page, "action=\"/account/email\"", &[("email", address), ("first", "yes")]).await
    }

    async fn proved(&self) -> bool {
        let query = "SELECT email_verified_at IS NOT NULL FROM users WHERE phone = $1";
        sqlx::query_scalar(query).bind(news::PHONE).fetch_one(&self.world.pool).await.unwrap()
    }

    /// Buys an hour with this device.
    async fn buy(&self, mac: Mac) {
        let guest = self.guest(mac);
        let page = guest.arrive().await;
        guest.buy(&page, "one-hour", news::PHONE).await;
    }
}

#[tokio::test]
async fn an_address_is_proved_by_its_reader_before_a_receipt_goes_there() {
    let Some(shop) = Shop::open().await else { return };
    let guest = shop.guest(FIRST).with_cookie("");
    let account = shop.account(&guest).await;
    assert!(account.text.contains("News by e-mail"), "{}", account.text);
    let refused = shop.name(&guest, &account, "amina@example.org\r\nBcc: b@example.org").await;
    assert!(refused.text.contains("Please check the e-mail address"), "{}", refused.text);
    let named = shop.name(&guest, &refused, ADDRESS).await;
    assert!(named.text.contains("We are sending a link") && named.text.contains("A***@example.org"), "{}", named.text);

    let question = shop.mail.mail(0).await;
    assert_eq!((question.to.as_slice(), question.from.as_str()), ([ADDRESS.to_owned()].as_slice(), FROM));
    assert_eq!(question.header("subject"), "Mlango Wi-Fi: is this address yours?");
    // What a mail program opens by itself proves nothing; until somebody says yes, receipts go by SMS.
    let asks = guest.get(question.link()).await;
    assert!(asks.text.contains("Amina@example.org") && asks.text.contains("07xx xxx 670"), "{}", asks.text);
    assert!(!shop.proved().await);
    shop.buy(FIRST).await;
    eventually("a receipt comes by SMS", || async { (shop.sms.messages().len() == 2).then_some(()) }).await;
    assert_eq!(shop.mail.mails().len(), 1);

    // The answer comes from another browser, which is signed in nowhere.
    let reader = shop.guest(SECOND).with_agent("a desktop");
    let asks = reader.get(question.link()).await;
    let thanks = reader.send(&asks, "Yes, it is my address", &[]).await;
    assert!(thanks.text.contains("Thank you") && shop.proved().await, "{}", thanks.text);
    shop.buy(SECOND).await;
    let receipt = shop.mail.mail(1).await;
    is_a_receipt(&receipt);
    let reference = receipt.header("message-id").trim_matches(['<', '>']).to_owned();
    let written = eventually("it is written down", || async {
        let query =
            "SELECT concat_ws(' ', channel, provider, state, segments, cost_minor) FROM notifications WHERE reference = $1";
        sqlx::query_scalar::<_, String>(query).bind(&reference).fetch_optional(&shop.world.pool).await.unwrap()
    })
    .await;
    assert_eq!(written, "email smtp sent 0", "a message that costs nothing");
    assert_eq!(shop.sms.messages().len(), 2, "it is not told twice");
    let portal = shop.world.portal.as_ref().unwrap();
    assert!(portal.metric("mlango_email_total{kind=\"payment_received\",result=\"accepted\"}").await >= 1.0);

    // Another address ends the link to this one; without an address there is nothing to prove.
    let account = guest.get(&format!("{}/account", shop.world.portal_url())).await;
    assert!(account.text.contains("Receipts and news go to A***@example.org"), "{}", account.text);
    let named = shop.name(&guest, &account, "other@example.org").await;
    assert!(!shop.proved().await);
    let other = shop.mail.mail(2).await;
    assert!(reader.get(question.link()).await.text.contains("This link is old"));
    let removed = guest.send(&named, "action=\"/account/email/remove\"", &[]).await;
    assert!(removed.text.contains("The e-mail address is removed"), "{}", removed.text);
    assert!(reader.get(other.link()).await.text.contains("This link is old"));
    let forged = format!("{}x", &other.link()[..other.link().len() - 1]);
    assert_eq!(reader.get(&forged).await.status, 404);
}

/// A message that a machine wrote, that says how to end this, and has the lines of a receipt.
fn is_a_receipt(mail: &Mail) {
    assert_eq!((mail.to.as_slice(), mail.from.as_str()), ([ADDRESS.to_owned()].as_slice(), FROM));
    assert_eq!(mail.header("subject"), "Mlango Wi-Fi: receipt for one hour, KSh 20");
    assert!(mail.header("from").contains(FROM) && mail.header("to") == ADDRESS, "{:?}", mail.headers);
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert!(mail.header("list-unsubscribe").ends_with("/account>"), "{:?}", mail.headers);
    assert!(mail.header("date").ends_with("+0000") && mail.header("mime-version") == "1.0", "{:?}", mail.headers);
    assert!(mail.header("content-type").starts_with("text/plain"), "{:?}", mail.headers);
    assert!(mail.defects.is_empty() && mail.headers.len() == 10, "{mail:?}");
    assert!(mail.text.contains("This is a receipt") && mail.header("list-unsubscribe-post").is_empty(), "{mail:?}");
    for line in ["Paid to: Mlango Wi-Fi", "For: one hour", "Amount: KSh 20", "By: 07xx xxx 670"] {
        assert!(mail.text.lines().any(|found| found == line), "{line}: {}", mail.text);
    }
    assert!(
        mail.text.contains("M-Pesa receipt: ") && mail.text.contains("You get this e-mail because"),
        "{}",
        mail.text
    );
}

/// A world whose customer has an hour, and an address. The portal is not started yet.
async fn customer(protection: Protection, is_trusted: bool, is_first: bool) -> Option<(World, SmtpServer, Uuid)> {
    let world = World::new().await;
    let mail = SmtpServer::configure(&world, protection, is_trusted).await?;
    let (entitlement, _) = news::customer(&world, |_| {}).await;
    let id: Uuid = sqlx::query_scalar("SELECT id FROM users").fetch_one(&world.pool).await.unwrap();
    let now = world.clock.now();
    let claim = shared::rng::id(now);
    user::email::name(&world.db, id, claim, &ADDRESS.parse().unwrap(), is_first, now).await.unwrap();
    assert!(user::email::prove(&world.db, claim, now).await.unwrap());
    Some((world, mail, entitlement))
}

/// Ends what the customer has, which is news.
async fn end(world: &World, entitlement: Uuid) {
    sqlx::query("UPDATE entitlements SET expires_at = now() - interval '1 second' WHERE id = $1")
        .bind(entitlement)
        .execute(&world.pool)
        .await
        .unwrap();
}

#[tokio::test]
async fn who_comes_back_later_is_sent_the_same_message() {
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, true).await else { return };
    mail.set_mood(Mood::ToMessages("451 4.7.1 <Amina@example.org>: come back later"));
    world.start_portal().await;
    end(&world, entitlement).await;
    let waits = eventually("it is to be tried again", || async {
        told(&world, "ended").await.filter(|told| told.detail.starts_with("email 451"))
    })
    .await;
    assert_eq!((waits.state.as_str(), waits.detail.as_str()), ("pending", "email 451: 4.7.1 *** come back later"));
    mail.set_mood(Mood::Well);
    sqlx::query("UPDATE notifications SET next_attempt_at = now() WHERE template = 'ended'")
        .execute(&world.pool)
        .await
        .unwrap();
    let sent = until(&world, "ended", "sent").await;
    let mails = mail.mails();
    assert_eq!(mails.len(), 2);
    assert_eq!(mails[0].header("message-id"), mails[1].header("message-id"));
    assert_eq!(Some(mails[1].header("message-id").trim_matches(['<', '>'])), sent.reference.as_deref());
    assert_eq!((sent.channel.as_deref(), sent.provider.as_deref()), (Some("email"), Some("smtp")));
    // The question that was answered before it was sent is not asked.
    assert_eq!(until(&world, "address_proof", "skipped").await.detail, "there is nothing to say any more");
}

#[tokio::test]
async fn what_the_mailbox_refuses_for_good_goes_by_sms_or_not_at_all() {
    let refusal = Mood::ToRecipients("550 5.1.1 <Amina@example.org>: no such mailbox");
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, true).await else { return };
    mail.set_mood(refusal);
    world.start_portal().await;
    end(&world, entitlement).await;
    assert_eq!(until(&world, "ended", "failed").await.detail, "email 550: 5.1.1 *** no such mailbox");
    assert!(mail.mails().is_empty());

    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, true).await else { return };
    mail.set_mood(refusal);
    let sms = world.sms().await;
    world.start_portal().await;
    end(&world, entitlement).await;
    assert_eq!(until(&world, "ended", "sent").await.channel.as_deref(), Some("sms"));
    assert_eq!(sms.messages().len(), 1);
}

#[tokio::test]
async fn a_message_whose_answer_is_lost_is_not_sent_twice() {
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, true).await else { return };
    let sms = world.sms().await;
    mail.set_mood(Mood::LosesTheAnswer);
    world.start_portal().await;
    end(&world, entitlement).await;
    let sent = until(&world, "ended", "sent").await;
    assert_eq!((sent.detail.as_str(), sent.channel.as_deref(), sent.reference), ("no answer", Some("email"), None));
    assert_eq!((mail.mails().len(), sms.messages().len()), (1, 0));
}

#[tokio::test]
async fn what_cannot_be_sent_by_sms_goes_by_email_in_the_operators_words() {
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, false).await else { return };
    let sms = world.sms().await;
    sms.set_mood(Provider::AfricasTalking, sms::Mood::Refuses(406));
    sqlx::query("UPDATE users SET locale = 'sw'").execute(&world.pool).await.unwrap();
    let refused = world.portal_refuses(&["message", "set", "ended", "--subject", "{{ brnd }}"], "").await;
    assert!(refused.contains("{{ brand }}"), "{refused}");
    let set = [
        "message",
        "set",
        "ended",
        "--locale",
        "sw",
        "--subject",
        "Habari \u{2013} {{ package }}\r\nBcc: b@example.org",
    ];
    assert!(world.portal_command(&set, "").await.contains("Bcc: b@example.org"));
    world.start_portal().await;
    end(&world, entitlement).await;
    assert_eq!(until(&world, "ended", "sent").await.channel.as_deref(), Some("email"));
    let told = mail.mail(0).await;
    assert_eq!(told.header("subject"), "Habari \u{2013} one day Bcc: b@example.org");
    assert_eq!((told.header("bcc"), told.to.as_slice()), ("", [ADDRESS.to_owned()].as_slice()));
    assert!(told.text.starts_with("Mlango Wi-Fi: one day imeisha."), "{}", told.text);
    assert_eq!(sms.requests(Provider::AfricasTalking), 1);
}

#[tokio::test]
async fn a_server_of_the_house_is_spoken_to_encrypted_and_signed_in_to() {
    for protection in [Protection::Starttls, Protection::Tls] {
        let Some((mut world, mail, entitlement)) = customer(protection, true, false).await else { return };
        world.start_portal().await;
        end(&world, entitlement).await;
        until(&world, "ended", "sent").await;
        let told = mail.mail(0).await;
        assert!(told.is_encrypted && told.login.as_deref() == Some(LOGIN.0), "{protection:?} {told:?}");
        assert_eq!(told.hello, "[127.0.0.1]");
    }
}

#[tokio::test]
async fn a_server_with_a_strangers_certificate_gets_nothing() {
    let Some((mut world, mail, entitlement)) = customer(Protection::Starttls, false, false).await else { return };
    world.start_portal().await;
    end(&world, entitlement).await;
    let waits = eventually("it is to be tried again", || async {
        told(&world, "ended").await.filter(|told| !told.detail.is_empty())
    })
    .await;
    assert!(waits.state == "pending" && waits.detail.starts_with("email unreachable: "), "{waits:?}");
    assert!(mail.mails().is_empty());
}

/// Every piece of news of that kind, in the order in which it was written: how it stands, and how it went.
async fn all_told(world: &World, template: &str) -> Vec<(String, Option<String>)> {
    let query = "SELECT state, channel FROM notifications WHERE template = $1 ORDER BY created_at, only_by NULLS FIRST";
    sqlx::query_as(query).bind(template).fetch_all(&world.pool).await.unwrap()
}

/// What Africa's Talking reports of its first message. Returns the HTTP status.
async fn report(address: &str, sms: &SmsSim, status: &str, reason: &str) -> u16 {
    let reference = sms.messages()[0].reference.clone();
    let form = [("id", reference.as_str()), ("status", status), ("failureReason", reason)];
    reqwest::Client::new().post(address).form(&form).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_message_that_never_arrived_goes_by_email_once() {
    for reason in ["UserDoesNotExist", "DeliveryFailure"] {
        let Some((mut world, mail, entitlement)) = customer(Protection::None, true, false).await else { return };
        let sms = world.sms().await;
        world.start_portal().await;
        let address = world.portal_command(&["message", "address"], "").await.trim().to_owned();
        end(&world, entitlement).await;
        until(&world, "ended", "sent").await;
        assert_eq!((sms.messages().len(), mail.mails().len()), (1, 0));
        assert_eq!(report(&address, &sms, "Failed", reason).await, 200);
        let told = mail.mail(0).await;
        assert_eq!(
            (told.to.as_slice(), told.header("subject")),
            ([ADDRESS.to_owned()].as_slice(), "Mlango Wi-Fi: one day has ended")
        );
        // It is reported again, and otherwise: the message only moves forward, and there is no second e-mail.
        for status in ["Failed", "AbsentSubscriber", "Failed"] {
            assert_eq!(report(&address, &sms, status, "UserDoesNotExist").await, 200);
        }
        eventually("both are written down", || async {
            let told = all_told(&world, "ended").await;
            let way = |state: &str, channel: &str| (state.to_owned(), Some(channel.to_owned()));
            (told == [way("failed", "sms"), way("sent", "email")]).then_some(())
        })
        .await;
        assert_eq!((sms.messages().len(), mail.mails().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_message_that_never_arrived_and_matters_no_more_is_left_alone() {
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, false).await else { return };
    let sms = world.sms().await;
    world.start_portal().await;
    let address = world.portal_command(&["message", "address"], "").await.trim().to_owned();
    end(&world, entitlement).await;
    until(&world, "ended", "sent").await;
    sqlx::query("UPDATE notifications SET expires_at = now() - interval '1 second' WHERE template = 'ended'")
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(report(&address, &sms, "Failed", "UserDoesNotExist").await, 200);
    assert_eq!(all_told(&world, "ended").await, [("failed".to_owned(), Some("sms".to_owned()))]);
    assert!(mail.mails().is_empty());
}

/// Puts a piece of news into the outbox, for the one customer.
async fn tell(world: &World, template: &str) {
    let query = "INSERT INTO notifications (id, user_id, template, payload, key, next_attempt_at, expires_at, created_at)
                 SELECT gen_random_uuid(), id, $1, '{\"package\": \"one day\"}', $1, now(), now() + interval '1 hour', now() FROM users";
    sqlx::query(query).bind(template).execute(&world.pool).await.unwrap();
}

#[tokio::test]
async fn news_by_email_is_refused_with_one_request_and_receipts_go_on() {
    let Some((mut world, mail, entitlement)) = customer(Protection::None, true, true).await else { return };
    world.start_portal().await;
    end(&world, entitlement).await;
    let told = mail.mail(0).await;
    let link = told.header("list-unsubscribe").trim().trim_matches(['<', '>']).to_owned();
    assert_eq!(told.header("list-unsubscribe-post"), "List-Unsubscribe=One-Click");
    assert!(link.contains("/u/") && told.text.contains(&link), "{link}: {}", told.text);

    // Without a cookie. What a mail program opens by itself refuses nothing.
    let refused = async || {
        let query = "SELECT email_refused_at::text FROM users";
        sqlx::query_scalar::<_, Option<String>>(query).fetch_one(&world.pool).await.unwrap()
    };
    let http = reqwest::Client::new();
    let asks = http.get(&link).send().await.unwrap().text().await.unwrap();
    assert!(
        asks.contains("Yes, stop it") && asks.contains("07xx xxx 670") && asks.contains("cannot be refused here"),
        "{asks}"
    );
    assert_eq!(refused().await, None);
    let swahili = http.get(format!("{link}?lang=sw")).send().await.unwrap().text().await.unwrap();
    assert!(swahili.contains("Ndiyo, zisitishwe"), "{swahili}");
    // The request that a mail program sends in somebody's name, from its own site; and once more.
    let press = async |address: &str| {
        let request = http.post(address).header("sec-fetch-site", "cross-site").body("List-Unsubscribe=One-Click");
        let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let forged = format!("{}x", &link[..link.len() - 1]);
    assert_eq!((press(&forged).await.0, refused().await), (404, None));
    let (status, done) = press(&link).await;
    assert!(status == 200 && done.contains("there is no more news by e-mail"), "{done}");
    let first = refused().await;
    assert!(first.is_some());
    assert_eq!((press(&link).await.0, refused().await), (200, first), "it changes nothing more");

    // What can be refused is not sent; what cannot be says so.
    tell(&world, "trouble").await;
    assert_eq!(until(&world, "trouble", "skipped").await.detail, "nobody sends it");
    tell(&world, "new_device").await;
    until(&world, "new_device", "sent").await;
    let safety = mail.mail(1).await;
    assert!(safety.text.contains("it comes even if you want no news by e-mail"), "{}", safety.text);
    assert!(safety.header("list-unsubscribe").ends_with("/account>"), "{:?}", safety.headers);
    assert!(safety.header("list-unsubscribe-post").is_empty(), "{:?}", safety.headers);
    // Who wants it again says so on the own page.
    let id: Uuid = sqlx::query_scalar("SELECT id FROM users").fetch_one(&world.pool).await.unwrap();
    user::email::choose(&world.db, id, true).await.unwrap();
    assert_eq!(refused().await, None);
}
