//! `portal --check-config`: whether this configuration would serve. It really connects, since a configuration
//! whose database does not answer is not in order.

use shared::config::Config;
use store::MigrationState;
use store::redis::Redis;

use super::Context;
use crate::notify::email::Email;
use crate::pages::privacy::Texts;
use crate::urls;

/// Checks every value, then PostgreSQL, its schema and Redis. The first thing that is wrong is the error.
pub(super) async fn check(config: Config) -> anyhow::Result<()> {
    let redis = Redis::open(&config.redis)?;
    // Nothing is sent, but its files are read.
    config.email.as_ref().map(|settings| Email::new(settings, &config.portal.public_url)).transpose()?;
    Texts::open(&config.privacy)?;
    let context = Context::open(config)?;
    let state = context.db.migration_state().await?;
    redis.ping().await?;
    match state {
        MigrationState::Current => println!("The configuration is in order; PostgreSQL and Redis answer."),
        MigrationState::Behind { pending } => println!(
            "The configuration is in order; PostgreSQL and Redis answer. {pending} migration(s) wait: run `portal migrate`."
        ),
        MigrationState::Newer => println!(
            "The configuration is in order; PostgreSQL and Redis answer. The database is newer than this version, which can work with it."
        ),
        MigrationState::Ahead => context.db.expect_current_schema().await?,
    }
    if context.config.mpesa.is_none() {
        println!("M-Pesa is not configured, so customers cannot pay by phone.");
    }
    match &context.config.stripe {
        None => println!("Stripe is not configured, so customers cannot pay by card."),
        Some(stripe) if stripe.is_live() => {
            println!("Cards are taken. Stripe reports to {}.", urls::stripe_reports(&context.config.portal.public_url));
        }
        Some(_) => println!("Stripe is in test mode: no card is really charged."),
    }
    context.db.close().await;
    Ok(())
}
