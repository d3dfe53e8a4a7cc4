//! What is done to many at the desk: counted before it is begun, done once to each, and ended before its end where somebody wishes.

use shared::staff::{Role, SiteScope};
use store::admin::people;
use store::bulk::{self, Work};
use store::voucher::Paper;
use tests::world::{World, at, eventually};
use uuid::Uuid;

use crate::operator::{EMAIL, Operator, audited, by_operator, make};

/// Open sessions at a router.
async fn open(world: &World, nas: Uuid, count: i32) {
    let sessions = "INSERT INTO sessions (id, opened_on, nas_id, user_name, acct_session_id, started_at, last_heard_at)
         SELECT gen_random_uuid(), current_date, $1, 'user' || i, i::text, now() - interval '1 minute', now() FROM generate_series(1, $2) i";
    sqlx::query(sessions).bind(nas).bind(count).execute(&world.pool).await.unwrap();
}

async fn cuts(world: &World) -> i64 {
    let cuts = "SELECT count(*) FROM nas_commands WHERE kind = 'disconnect' AND reason = 'operator'";
    sqlx::query_scalar(cuts).fetch_one(&world.pool).await.unwrap()
}

#[tokio::test]
async fn everybody_at_a_router_is_disconnected_once_and_nobody_elsewhere() {
    let mut world = World::new().await;
    let here = world.register("cafe", b"secret", at([10, 0, 0, 1])).await;
    let there = world.register("beach", b"secret", at([10, 0, 0, 2])).await;
    open(&world, here, 450).await;
    open(&world, there, 3).await;
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let path = "/admin/jobs/disconnect";
    let place = format!("router:{here}");
    operator.get(path).await.says(200, "beach (router)");
    operator.forged(path, &[("place", place.as_str())]).await;
    operator.post(path, &[("place", "router:nowhere")]).await.says(422, "Choose one of these.");
    let asked = operator.post(path, &[("place", place.as_str())]).await;
    asked.says(200, "Disconnect everybody at cafe (router): 450 now.");
    assert_eq!(cuts(&world).await, 0, "only asked");
    operator.post_and_confirm(path, &[("place", place.as_str())], "Are you sure?").await.says(200, "The job is made.");
    eventually("the job is done", || async {
        let jobs = bulk::list(&world.db, &SiteScope::All).await.ok()?;
        jobs.into_iter().find(|job| job.state == "done" && (job.total, job.done, job.failed) == (450, 450, 0))
    })
    .await;
    assert_eq!(cuts(&world).await, 450);
    operator.get("/admin/jobs").await.says(200, "450 of 450");
    assert_eq!(audited(&world, "bulk.begin").await, by_operator(&["Disconnect everybody at cafe (router)"]));
    let elsewhere: i64 = sqlx::query_scalar("SELECT count(*) FROM nas_commands WHERE nas_id = $1")
        .bind(there)
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(elsewhere, 0);
}

#[tokio::test]
async fn a_job_is_ended_before_its_end_and_taken_up_where_it_was() {
    let world = World::new().await;
    let nas = world.register("cafe", b"secret", at([10, 0, 0, 1])).await;
    open(&world, nas, 500).await;
    let now = world.clock.now();
    let work = Work::Disconnect { routers: vec![nas], before: now };
    let id = shared::rng::id(now);
    bulk::begin(&world.db, id, &work, "all", EMAIL, now).await.unwrap();
    assert!(bulk::step(&world.db, now).await.unwrap());
    let done = async || bulk::list(&world.db, &SiteScope::All).await.unwrap().remove(0).done;
    assert_eq!((done().await, cuts(&world).await), (200, 200));
    // Somebody has it and died: nobody takes it before the lease is over.
    sqlx::query("UPDATE bulk_jobs SET lease_until = $1")
        .bind(now + std::time::Duration::from_secs(60))
        .execute(&world.pool)
        .await
        .unwrap();
    assert!(!bulk::step(&world.db, now).await.unwrap());
    let later = now + std::time::Duration::from_secs(61);
    assert!(bulk::step(&world.db, later).await.unwrap());
    assert_eq!((done().await, cuts(&world).await), (400, 400));
    assert!(bulk::cancel(&world.db, id, EMAIL, later).await.unwrap());
    assert!(!bulk::cancel(&world.db, id, EMAIL, later).await.unwrap());
    assert!(!bulk::step(&world.db, later).await.unwrap());
    assert_eq!((done().await, cuts(&world).await), (400, 400));
}

#[tokio::test]
async fn vouchers_that_somebody_uses_are_left_as_they_are() {
    let mut world = World::new().await;
    let package = world.package("one-hour", |_| {}).await;
    let (codes, now) = ([(); 3].map(|()| shared::voucher::new_code()), world.clock.now());
    store::voucher::print_batch(&world.db, &package, &Paper::default(), &codes, "test", now).await.unwrap();
    let used = "UPDATE vouchers SET state = 'redeemed', redeemed_at = now() WHERE serial = 2";
    sqlx::query(used).execute(&world.pool).await.unwrap();
    let number: i32 = sqlx::query_scalar("SELECT number FROM voucher_batches").fetch_one(&world.pool).await.unwrap();
    world.start_portal().await;
    let operator = Operator::sign_in(&world).await;
    let number = number.to_string();
    let fields = [("batch", number.as_str()), ("reason", "stolen")];
    operator
        .post("/admin/jobs/void", &[("batch", "999999"), ("reason", "stolen")])
        .await
        .says(422, "There is no such batch.");
    operator.post("/admin/jobs/void", &[("batch", number.as_str()), ("reason", "")]).await.says(422, "Say why");
    operator.post_and_confirm("/admin/jobs/void", &fields, "2 now.").await.says(200, "The job is made.");
    eventually("the job is done", || async {
        let jobs = bulk::list(&world.db, &SiteScope::All).await.ok()?;
        jobs.into_iter().find(|job| job.state == "done" && job.done == 2)
    })
    .await;
    let void: i64 = sqlx::query_scalar("SELECT count(*) FROM vouchers WHERE state = 'void' AND void_reason = 'stolen'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!(void, 2);
}

#[tokio::test]
async fn a_job_elsewhere_is_neither_seen_nor_ended_by_who_is_limited_to_a_site() {
    let mut world = World::new().await;
    let now = world.clock.now();
    let mut places = Vec::new();
    for (number, name) in [(1, "Market"), (2, "Beach")] {
        let site = store::site::ensure(&world.db, shared::rng::id(now), name, now).await.unwrap();
        let settings = store::nas::Settings { site_id: Some(site), ..at([10, 9, 0, number]) };
        places.push((site, world.register(&name.to_lowercase(), b"secret", settings).await));
    }
    let [(market, here), (_, there)] = places[..] else { panic!("two sites") };
    let mut jobs = Vec::new();
    for (routers, words) in [(vec![here], "all of the market"), (vec![there], "the beach"), (vec![here, there], "both")]
    {
        let (id, work) = (shared::rng::id(now), Work::Disconnect { routers, before: now });
        bulk::begin(&world.db, id, &work, words, EMAIL, now).await.unwrap();
        jobs.push(id);
    }
    world.start_portal().await;
    make(&world, "amina@example.org", Role::Support).await;
    let id = world.staff_id("amina@example.org").await;
    people::set_access(&world.db, id, Role::Support, &[market]).await.unwrap();
    let amina = Operator::again(&world, "amina@example.org").await;
    let page = amina.get("/admin/jobs").await;
    page.says(200, "all of the market");
    assert!(!page.text.contains("the beach") && !page.text.contains("both"), "{}", page.text);
    let places = amina.get("/admin/jobs/disconnect").await;
    places.says(200, "market (router)");
    assert!(!places.text.contains("beach"), "{}", places.text);
    for (job, status) in jobs.iter().zip([303, 404, 404]) {
        assert_eq!(amina.answer(&format!("/admin/jobs/{job}/cancel"), &[]).await.status(), status, "{job}");
    }
    // Who may not make vouchers worth nothing does not keep others from it.
    let (id, work) = (shared::rng::id(now), Work::Void { batch: Uuid::from_u128(7), reason: "stolen".into() });
    bulk::begin(&world.db, id, &work, "void", EMAIL, now).await.unwrap();
    assert_eq!(amina.answer(&format!("/admin/jobs/{id}/cancel"), &[]).await.status(), 403);
}
