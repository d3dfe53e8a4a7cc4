//! Vouchers at the desk: made, printed, given to agents, noted as sold and made worth nothing, and no code on any page.

use shared::voucher::printed;
use store::voucher::{self, State, Voucher};
use tests::world::World;

use crate::operator::{Operator, audited, by_operator};

async fn desk() -> (World, Operator) {
    let mut world = World::new().await;
    world.package("one-hour", |_| {}).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    (world, operator)
}

/// Makes a batch at the desk. Returns its number, which differs from database to database.
async fn make(world: &World, operator: &Operator, count: &str) -> u32 {
    let fields = [("package", "one-hour"), ("count", count), ("agent", "Mama Njeri"), ("label", "market")];
    operator.post("/admin/vouchers", &fields).await.says(200, "The vouchers are made.");
    voucher::batches(&world.db, None, 1).await.unwrap()[0].number
}

async fn vouchers(world: &World, number: u32) -> Vec<Voucher> {
    let id = voucher::by_number(&world.db, number).await.unwrap();
    voucher::batch(&world.db, id).await.unwrap().1
}

async fn states(world: &World, number: u32) -> Vec<State> {
    vouchers(world, number).await.iter().map(|voucher| voucher.state).collect()
}

#[tokio::test]
async fn a_batch_is_made_and_what_is_wrong_with_the_form_is_said_at_its_field() {
    let (world, operator) = desk().await;
    let good = [("package", "one-hour"), ("count", "5")];
    operator.forged("/admin/vouchers", &good).await;
    let long = "x".repeat(101);
    for (fields, sentence) in [
        (&[("package", "one-hour"), ("count", "0")][..], "Write a whole number from 1 to 10000."),
        (&[("package", "one-hour"), ("count", "many")], "Write a whole number from 1 to 10000."),
        (&[("package", "nothing"), ("count", "5")], "Choose a package."),
        (&[("package", "one-hour"), ("count", "5"), ("agent", long.as_str())], "Write at most 100 characters."),
    ] {
        operator.post("/admin/vouchers", fields).await.says(422, sentence);
    }
    assert!(voucher::batches(&world.db, None, 10).await.unwrap().is_empty());

    let number = make(&world, &operator, "5").await;
    assert_eq!(states(&world, number).await, [State::Printed; 5]);
    assert_eq!(audited(&world, "voucher.print").await, by_operator(&[&format!("batch {number}: 5 of one-hour")]));
    operator.get("/admin/vouchers").await.says(200, "Mama Njeri");
    operator.get("/admin/vouchers?agent=nobody").await.says(200, "No vouchers have been made");
    let page = operator.get(&format!("/admin/vouchers/{number}")).await;
    page.says(200, &format!("{number}-0001 to {number}-0005"));
    for voucher in vouchers(&world, number).await {
        assert!(!page.text.contains(&*voucher.code) && !page.text.contains(&printed(&voucher.code)));
    }
    operator.get("/admin/vouchers/999999").await.says(404, "It is not here");
    operator.get("/admin/vouchers/first").await.says(404, "It is not here");
}

#[tokio::test]
async fn a_batch_has_a_last_day_that_stands_on_page_paper_and_spreadsheet() {
    let (world, operator) = desk().await;
    let fields = |day| [("package", "one-hour"), ("count", "2"), ("use_by", day)];
    operator.post("/admin/vouchers", &fields("31.12.2099")).await.says(422, "Write a day such as 2026-12-31.");
    operator.post("/admin/vouchers", &fields("2020-12-31")).await.says(422, "Write a day that is not over yet.");
    operator.post("/admin/vouchers", &fields("2099-12-31")).await.says(200, "31 Dec 2099");
    operator.get("/admin/vouchers").await.says(200, "use by 31 Dec 2099");
    let number = voucher::batches(&world.db, None, 1).await.unwrap()[0].number;
    let path = format!("/admin/vouchers/{number}/file");
    let (_, csv) = operator.download(&path, &[("file", "csv")]).await;
    assert!(String::from_utf8(csv).unwrap().lines().nth(1).is_some_and(|line| line.ends_with(",1,2099-12-31")));
    let (_, pdf) = operator.download(&path, &[("file", "a4")]).await;
    assert_eq!(String::from_utf8_lossy(&pdf).matches("(Use by 31 Dec 2099) Tj").count(), 2);
    let object = format!("batch {number}: 2 of one-hour, until 2099-12-31");
    assert_eq!(audited(&world, "voucher.print").await, by_operator(&[&object]));
    // When it is over, nothing is printed any more.
    sqlx::query("UPDATE voucher_batches SET created_at = '2020-01-01', redeem_before = now()")
        .execute(&world.pool)
        .await
        .unwrap();
    operator.post(&path, &[("file", "csv")]).await.says(409, "The last day of this batch is over");
    operator.get(&format!("/admin/vouchers/{number}")).await.says(200, "one that nobody has used is worth nothing");
    let listed = world.portal_command(&["voucher", "batches"], "").await;
    assert!(listed.contains("LAST DAY"), "{listed}");
    let batch = number.to_string();
    let file = world.config().with_file_name("v.csv").display().to_string();
    let refused = world.portal_refuses(&["voucher", "export", &batch, "--csv", &file], "").await;
    assert!(refused.contains("the last day of this batch is over"), "{refused}");
    world.portal_command(&["voucher", "print", "--package", "one-hour", "--use-by", "2099-01-31"], "").await;
    operator.get("/admin/vouchers").await.says(200, "use by 31 Jan 2099");
}

#[tokio::test]
async fn files_have_what_is_still_good_and_each_stands_in_the_audit_log() {
    let (world, operator) = desk().await;
    let number = make(&world, &operator, "3").await;
    let path = format!("/admin/vouchers/{number}/file");
    operator.forged(&path, &[("file", "csv")]).await;
    assert!(audited(&world, "voucher.export").await.is_empty());
    let (void, second) = (format!("/admin/vouchers/{number}/void"), [("serials", "2"), ("reason", "=1+1")]);
    operator.post_and_confirm(&void, &second, "This cannot be taken back.").await.says(200, "=1+1");
    let (name, csv) = operator.download(&path, &[("file", "csv")]).await;
    assert_eq!(name, format!("attachment; filename=\"vouchers-{number}.csv\""));
    let csv = String::from_utf8(csv).unwrap();
    let all = vouchers(&world, number).await;
    assert_eq!(csv.lines().count(), 3, "{csv}");
    for (voucher, is_there) in all.iter().zip([true, false, true]) {
        assert_eq!(csv.contains(&printed(&voucher.code)), is_there, "{csv}");
    }
    for paper in ["a4", "58mm", "80mm"] {
        let (name, pdf) = operator.download(&path, &[("file", paper)]).await;
        assert!(name.contains(".pdf") && pdf.starts_with(b"%PDF"), "{paper}");
    }
    let object = format!("batch {number}");
    assert_eq!(audited(&world, "voucher.export").await, by_operator(&[object.as_str(); 4]));
    operator.post(&path, &[("file", "letter")]).await.says(404, "It is not here");
}

#[tokio::test]
async fn what_is_given_sold_and_void_is_noted_with_who_did_it() {
    let (world, operator) = desk().await;
    let number = make(&world, &operator, "5").await;
    let path = |what: &str| format!("/admin/vouchers/{number}/{what}");
    for what in ["give", "sell", "void"] {
        operator.forged(&path(what), &[("serials", "1"), ("reason", "lost"), ("confirmed", "yes")]).await;
    }
    operator.post(&path("give"), &[("agent", "Otieno")]).await.says(200, "Otieno");
    operator.post(&path("give"), &[("agent", "")]).await.says(200, "It is noted who has them.");
    operator.post(&path("sell"), &[("serials", "40-1")]).await.says(422, "Write one number or two");
    operator.post(&path("sell"), &[("serials", "4-9")]).await.says(409, "There is no range of vouchers");
    operator.post(&path("sell"), &[("serials", "1-2")]).await.says(200, "They are noted as sold.");
    operator.post(&path("void"), &[("serials", "3"), ("reason", "")]).await.says(422, "Say why");
    let third = [("serials", "3"), ("reason", "torn")];
    operator.post_and_confirm(&path("void"), &third, &format!("Voucher {number}-0003")).await.says(200, "torn");
    operator.post(&path("sell"), &[("serials", "3")]).await.says(409, "is void: nothing was changed.");
    use State::{Printed, Sold, Void};
    assert_eq!(states(&world, number).await, [Sold, Sold, Void, Printed, Printed]);
    let all = vouchers(&world, number).await;
    assert_eq!(all[0].sold.as_ref().map(|sale| sale.by.as_str()), Some(crate::operator::EMAIL));
    let rest = [("serials", ""), ("reason", "stolen")];
    operator.post_and_confirm(&path("void"), &rest, "All 4 vouchers").await.says(200, "They are worth nothing");
    assert_eq!(states(&world, number).await, [Void; 5]);
    operator.post(&path("file"), &[("file", "csv")]).await.says(409, "None of this batch is still good.");
    let objects = [format!("batch {number} to Otieno"), format!("batch {number} to the operator")];
    assert_eq!(audited(&world, "voucher.give").await, by_operator(&objects.each_ref().map(String::as_str)));
    assert_eq!(audited(&world, "voucher.sell").await, by_operator(&[&format!("batch {number}: 1-2")]));
    let objects = [format!("batch {number}: 3-3 (torn)"), format!("batch {number}: all (stolen)")];
    assert_eq!(audited(&world, "voucher.void").await, by_operator(&objects.each_ref().map(String::as_str)));
}
