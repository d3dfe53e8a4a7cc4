//! Datagrams that nobody should answer, at a fixed rate, from an address that no router has.
//!
//! A third each: random octets; a login cut short; a whole, well-signed login from an unregistered source. What
//! comes back is not read: a server that answers any of it shows up in the count of [`Flood::answered`].

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ::tests::dice::Dice;
use radius_proto::MAX_PACKET;

use crate::request::{REQUEST_OCTETS, Recipe};
use crate::wire::{self, BATCH, Inbox, Outbox};

/// Different datagrams; then they repeat.
const POOL: usize = 3 * 1024;
/// Between two bursts.
const BEAT: Duration = Duration::from_millis(1);

/// What a flood did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Flood {
    /// Datagrams that the kernel took.
    pub(crate) sent: u64,
    /// Datagrams that came back.
    pub(crate) answered: u64,
}

/// Sends until told to stop.
///
/// # Errors
/// If the kernel refuses to send.
pub(crate) fn flood(
    from: Ipv4Addr,
    server: SocketAddr,
    per_second: u64,
    recipe: &Recipe,
    stop: &AtomicBool,
) -> anyhow::Result<Flood> {
    let socket = wire::connect(from, server)?;
    let pool = pool(recipe);
    let (mut outbox, mut inbox) = (Outbox::new(), Inbox::new());
    let mut done = Flood::default();
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = start.elapsed().as_micros().saturating_mul(u128::from(per_second)) / 1_000_000;
        while u128::from(done.sent) < due {
            let first = usize::try_from(done.sent % POOL as u64).unwrap_or(0);
            let left = usize::try_from(due - u128::from(done.sent)).unwrap_or(BATCH);
            let count = BATCH.min(left).min(POOL - first);
            let sent = outbox.send(&socket, count, |index| &pool[first + index]).unwrap_or(0);
            if sent == 0 {
                break;
            }
            done.sent += sent as u64;
        }
        done.answered += inbox.receive(&socket).unwrap_or(0) as u64;
        std::thread::sleep(BEAT);
    }
    Ok(done)
}

fn pool(recipe: &Recipe) -> Vec<Vec<u8>> {
    let mut dice = Dice::shaken();
    (0..POOL)
        .map(|index| {
            let identifier = dice.draw().to_be_bytes()[0];
            let mut buffer = [0; MAX_PACKET];
            let login = recipe.write(1, identifier, &mut dice, &mut buffer).map_or(&[][..], |(octets, _)| octets);
            match index % 3 {
                0 => {
                    let length = usize::try_from(dice.between(1, REQUEST_OCTETS as u64)).unwrap_or(1);
                    (0..length).map(|_| dice.draw().to_be_bytes()[0]).collect()
                }
                1 => login[..login.len() * 2 / 3].to_vec(),
                _ => login.to_vec(),
            }
        })
        .collect()
}
