//! The receipt of a paid order, without eTIMS: who the operator is for the tax authority, the tax in the price, the provider's receipt; as a page
//! in both languages and as a file, for the customer and at the desk, and for nobody who has no proof.

use std::io::Write as _;

use tests::world::{Browser, World};

use crate::guest::Guest;
use crate::operator::Operator;

const BOOKS: &str = "\n[books]\nlegal_name = \"Kiambu Networks Ltd\"\ntax_number = \"P051234567A\"\naddress = \"Biashara Street, Kiambu\"\n";

/// The receipt of an order by its page, and the file.
async fn receipt(order: &str, ending: &str) -> (u16, String, Vec<u8>) {
    let page = order.split('?').next().unwrap_or(order);
    let answer = reqwest::get(format!("{page}/receipt{ending}")).await.unwrap();
    let media = answer.headers().get("content-type").map(|media| media.to_str().unwrap().to_owned());
    (answer.status().as_u16(), media.unwrap_or_default(), answer.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn a_receipt_says_who_was_paid_and_what_tax_is_in_it() {
    let mut world = World::new().await;
    world.daraja().await;
    world.start_radiusd().await;
    let package = world.package("one-hour", |_| {}).await;
    sqlx::query("INSERT INTO package_taxes (package_id, letter, since, set_at, set_by) VALUES ($1, 'B', '2000-01-01', now(), 'test')")
        .bind(package.id)
        .execute(&world.pool)
        .await
        .unwrap();
    let file = std::fs::OpenOptions::new().append(true).open(world.config());
    file.and_then(|mut file| file.write_all(BOOKS.as_bytes())).unwrap();
    let router = world.router("cafe", |config| config.login_by.mac = false).await;
    world.start_portal().await;
    let guest = Guest::new(&world.portal_url(), &router);
    let page = guest.arrive().await;
    let (order, _) = guest.buy(&page, "one-hour", "0712 345 670").await;
    guest.wait_for_stage(&order, "go_online").await;
    let (code, number, payment): (String, String, uuid::Uuid) =
        sqlx::query_as("SELECT o.code, p.receipt, p.id FROM orders o JOIN payments p ON p.order_id = o.id")
            .fetch_one(&world.pool)
            .await
            .unwrap();

    let (status, _, text) = receipt(&order, "").await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    let said = [
        "Kiambu Networks Ltd",
        "P051234567A",
        "Biashara Street, Kiambu",
        "B, 16 %: KSh 2.76",
        "07xx xxx 670",
        &code,
        &number,
    ];
    for words in said {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(
        !text.contains("KRA invoice") && !text.contains("later: open"),
        "nothing is told to the authority here: {text}"
    );
    let (_, _, swahili) = receipt(&order, "?lang=sw").await;
    assert!(String::from_utf8(swahili).unwrap().contains("Kodi iliyomo"));

    let (status, media, pdf) = receipt(&order, ".pdf").await;
    assert_eq!((status, media.as_str()), (200, "application/pdf"));
    let pdf = String::from_utf8_lossy(&pdf).into_owned();
    assert!(pdf.starts_with("%PDF-1.7"));
    for words in ["(Kiambu Networks Ltd) Tj", "(P051234567A) Tj", "(B, 16 %: KSh 2.76) Tj", &format!("({code}) Tj")] {
        assert!(pdf.contains(words), "{words}");
    }
    // Who has not the address of the order has no receipt: one letter of it is another.
    let forged = format!("{}x", order.split('?').next().unwrap());
    assert_eq!((receipt(&forged, "").await.0, receipt(&forged, ".pdf").await.0), (404, 404));

    let operator = Operator::sign_in(&world).await;
    let address = format!("/admin/payments/pay_{}", payment.simple());
    operator.get(&address).await.says(200, "receipt.pdf");
    operator.get(&format!("{address}/receipt.pdf")).await.says(200, "(Kiambu Networks Ltd) Tj");
    operator.get("/admin/books/etims").await.says(200, "there is no section");

    let Some(browser) = Browser::open(true).await else { return };
    browser.client.goto(&format!("{}/receipt", order.split('?').next().unwrap())).await.unwrap();
    browser.wait_for("Kiambu Networks Ltd").await;
    browser.picture("books-receipt").await;
    browser.close().await;
}
