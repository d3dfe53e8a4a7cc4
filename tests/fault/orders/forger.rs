//! Somebody who knows addresses that only M-Pesa should know, and says "paid" wherever it was not.
//!
//! Every letter is sent until it is answered, and written down with its answer, so that each can be looked for afterwards.

use std::sync::Arc;

use shared::token::{self, Purpose};
use sqlx::PgPool;
use tests::daraja::{Forgery, Letter, Transaction};
use tests::dice::Dice;
use tests::world::eventually;
use uuid::Uuid;

use super::guests::Street;

/// A letter is sent after so many more orders.
const EVERY: usize = 5;
/// Whoever forges writes about one of the newest pushes: what is still open is worth it.
const NEWEST: usize = 60;

/// A letter that was sent and answered.
pub(crate) struct Posted {
    pub(crate) forgery: Forgery,
    pub(crate) letter: Letter,
    /// The payment at whose address it came, or nearly.
    pub(crate) payment: Uuid,
    pub(crate) status: u16,
}

/// Sends letters until all orders are placed.
pub(crate) async fn forge(street: Arc<Street>, pool: PgPool) -> Vec<Posted> {
    let (mut dice, mut count) = (Dice::seeded(street.seed ^ 0xf0), street.count());
    let mut posted = Vec::new();
    loop {
        let wanted = (*count.borrow() + EVERY).min(street.orders);
        count.wait_for(|placed| *placed >= wanted).await.unwrap();
        if wanted == street.orders {
            return posted;
        }
        if let Some((forgery, about)) = victim(&street, &pool, &mut dice).await {
            let number = u32::try_from(posted.len()).unwrap();
            posted.push(post(&street, forgery, &about, number).await);
        }
    }
}

/// Writes a letter and sends it.
pub(crate) async fn post(street: &Street, forgery: Forgery, about: &Transaction, number: u32) -> Posted {
    let letter = forgery.letter(about, number, time::OffsetDateTime::now_utc());
    let status = eventually("a forged report is answered", || async {
        let request = street.client.post(&letter.url).header("content-type", "application/json");
        let status = request.body(letter.body.clone()).send().await.ok()?.status();
        (!status.is_server_error()).then_some(status.as_u16())
    })
    .await;
    Posted { payment: payment_of(street, about), forgery, letter, status }
}

/// The payment that M-Pesa was asked to collect.
pub(crate) fn payment_of(street: &Street, about: &Transaction) -> Uuid {
    let token = about.callback_url.rsplit('/').next().unwrap_or_default();
    token::verify(street.db.seal(), Purpose::PaymentCallback, token).expect("an address that we gave out")
}

/// A push to write about, and the lie.
async fn victim(street: &Street, pool: &PgPool, dice: &mut Dice) -> Option<(Forgery, Transaction)> {
    let kind = dice.between(0, 3);
    let about = street.daraja.read(|till| {
        let newest = till.transactions().iter().rev().take(NEWEST);
        // Of what is paid, "paid" is no lie.
        let fit: Vec<&Transaction> = newest.filter(|pushed| kind > 0 || !pushed.outcome.is_paid()).collect();
        let last = (fit.len() as u64).checked_sub(1)?;
        fit.get(usize::try_from(dice.between(0, last)).ok()?).map(|&pushed| pushed.clone())
    })?;
    let forgery = match kind {
        0 => Forgery::Result,
        1 => Forgery::Address,
        2 => Forgery::Prompt(format!("ws_CO_forged{:08x}", dice.draw() >> 32)),
        // A prompt that was paid, but by somebody else.
        _ => Forgery::Prompt(paid_prompt(pool, payment_of(street, &about)).await?),
    };
    Some((forgery, about))
}

/// The reference of another payment's prompt that is settled.
async fn paid_prompt(pool: &PgPool, besides: Uuid) -> Option<String> {
    sqlx::query_scalar(
        "SELECT checkout_request_id FROM payments
         WHERE state = 'succeeded' AND checkout_request_id IS NOT NULL AND id <> $1 ORDER BY updated_at DESC LIMIT 1",
    )
    .bind(besides)
    .fetch_optional(pool)
    .await
    .unwrap()
}
