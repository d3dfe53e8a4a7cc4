//! kill -9 of radiusd: what was acknowledged is there, once, and usage is what the router last counted.
//!
//! `./mlango test` kills five times, `./mlango test --full` fifty.

use std::net::Ipv4Addr;

use tests::world::lab::free_port;
use tests::world::{Settings, World};

use crate::reports::Busy;

#[tokio::test]
async fn no_acknowledged_record_is_lost_when_radiusd_is_killed() {
    kill_again_and_again("commit = \"database\"\n").await;
}

#[tokio::test]
async fn no_acknowledged_record_is_lost_when_radiusd_is_killed_while_its_journal_comes_first() {
    kill_again_and_again("commit = \"journal\"\n").await;
}

async fn kill_again_and_again(accounting: &str) {
    let kills = if std::env::var_os("MLANGO_FULL").is_some() { 50 } else { 5 };
    let mut world = World::with(Settings { accounting: accounting.to_owned(), ..Settings::default() }).await;
    start_on_fixed_ports(&mut world).await;
    let busy = Busy::start(&world).await;
    for round in 0..kills {
        // At another moment of the work each time, with reports in every state.
        busy.acknowledges(20 + round % 37).await;
        world.radiusd.take().unwrap().kill().await;
        world.start_radiusd().await;
    }
    println!("{kills} kills, {} acknowledged reports", busy.end(&world).await);
}

/// Starts radiusd on ports that it keeps, as in production.
pub(crate) async fn start_on_fixed_ports(world: &mut World) {
    let port = || format!("{}:{}", Ipv4Addr::LOCALHOST, free_port(Ipv4Addr::LOCALHOST));
    world.fix_radius_ports(&port(), &port());
    world.start_radiusd().await;
}
