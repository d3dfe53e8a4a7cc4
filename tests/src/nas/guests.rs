//! Phones that come and go by themselves, so that the demo has traffic to look at.
//!
//! Each guest joins, logs in with the one login it was given, uses the network in bursts within its rate
//! limit, then logs out or walks away, and comes back later.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::mac::Mac;
use super::packet::Proof;
use super::session::LoginMethod;
use super::shell::{Login, Shell};
use crate::dice::Dice;
use radius_proto::attribute::rfc2866::acct_terminate_cause as cause;

/// Time between two pieces of traffic.
const STEP: Duration = Duration::from_secs(2);

/// Speeds of a guest without a rate limit, in bits per second: up and down.
const OPEN_SPEED: (u64, u64) = (2_000_000, 10_000_000);

/// How many guests come, and the login that all of them use.
#[derive(Clone)]
pub struct Guests {
    /// Number of phones.
    pub count: u32,
    /// User-Name.
    pub user: String,
    /// Password, sent by PAP.
    pub password: String,
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} guests as {}", self.count, self.user)
    }
}

impl Guests {
    /// Starts all of them; they end when the router stops.
    pub(crate) fn run(self, shell: &Arc<Shell>) {
        for number in 1..=self.count {
            let guest = live(Arc::clone(shell), Mac::guest(number), self.clone());
            shell.tasks.spawn(shell.stop.clone().run_until_cancelled_owned(guest));
        }
    }
}

async fn live(shell: Arc<Shell>, mac: Mac, guests: Guests) {
    let mut dice = Dice::shaken();
    wait_between(&mut dice, 0, 5).await;
    loop {
        if arrive(&shell, mac, &guests).await {
            browse(&shell, mac, &mut dice).await;
            depart(&shell, mac, &mut dice);
        }
        wait_between(&mut dice, 10, 60).await;
    }
}

/// Joins and logs in; false if that failed. Guests are not tried by their addresses, which no one knows.
async fn arrive(shell: &Arc<Shell>, mac: Mac, guests: &Guests) -> bool {
    if shell.with(|router, _| router.session(mac).is_some()) {
        return true;
    }
    let proof = Proof::Pap { password: guests.password.as_bytes().to_vec() };
    let login = Login { mac, user: guests.user.clone(), method: LoginMethod::HttpPap, proof, injected: Vec::new() };
    shell.login(login).await.is_accepted()
}

/// Uses the network for one to six minutes, or until the router cuts.
async fn browse(shell: &Arc<Shell>, mac: Mac, dice: &mut Dice) {
    for _ in 0..dice.between(30, 180) {
        tokio::time::sleep(STEP).await;
        let counted = shell.with(|router, now| {
            let speeds = router.session(mac)?.terms.speeds();
            let (up, down) = burst(dice, speeds.map_or(OPEN_SPEED, |speeds| (speeds.rate.rx, speeds.rate.tx)));
            router.traffic(now, mac, up, down)
        });
        if counted.is_none() {
            return;
        }
    }
}

/// Octets of one step: mostly a little, now and then as much as the rate allows.
fn burst(dice: &mut Dice, (up, down): (u64, u64)) -> (u64, u64) {
    let share = if dice.between(1, 6) == 1 { dice.between(60, 100) } else { dice.between(0, 15) };
    let octets = |rate: u64, open: u64| (if rate == 0 { open } else { rate }) / 8 * STEP.as_secs() * share / 100;
    (octets(up, OPEN_SPEED.0) / 4, octets(down, OPEN_SPEED.1))
}

fn depart(shell: &Arc<Shell>, mac: Mac, dice: &mut Dice) {
    shell.with(|router, now| {
        if dice.between(1, 3) == 1 {
            router.leave(now, mac);
        } else {
            router.end(now, mac, cause::USER_REQUEST);
        }
    });
}

async fn wait_between(dice: &mut Dice, low: u64, high: u64) {
    tokio::time::sleep(Duration::from_secs(dice.between(low, high))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_stays_within_its_rate() {
        let mut dice = Dice::seeded(3);
        for _ in 0..1000 {
            let (up, down) = burst(&mut dice, (800_000, 1_600_000));
            assert!(up <= 200_000 && down <= 400_000, "{up} {down}");
        }
    }
}
