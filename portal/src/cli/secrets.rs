//! `portal secrets`: the keys to what is sealed in the database, and changing them while everything runs.
//!
//! The steps stand in docs/operations/security.md. `rotate` does the last but one: it seals anew what an earlier key has sealed, in bounded
//! batches, so that it may be stopped and run again at any time. It begins only when every program that runs has said that it has
//! the new key and seals with it, and looks again before each column.
//!
//! Refused here: keys as arguments. The configuration has them.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use shared::seal::KeyId;
use store::Db;
use store::sealed::{self, COLUMNS, Holder, State};

use super::{Answer, Context, values};

/// Values in one batch. radiusd reads again what changes, so that it is a part of what it reads in one go.
const BATCH: u32 = 500;
/// Pause between two batches, so that logins and sales go on beside it.
const PAUSE: Duration = Duration::from_millis(50);

/// Values that a complaint names.
const SHOWN: usize = 5;

/// The keys to what is sealed in the database.
#[derive(Debug, Subcommand)]
pub(super) enum Secrets {
    /// Show which keys there are, who has them, and what is still sealed with an earlier one.
    Status(Answer),
    /// Seal with the present key what an earlier one has sealed. It may be stopped, and run again.
    Rotate(Rotate),
    /// Print secrets.lookup_key, which must be set before the seal key is changed. It is a secret.
    LookupKey,
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// Go on although no radiusd says that it runs. One that does and lacks the key would let nobody in.
    #[arg(long)]
    without_radiusd: bool,
    #[command(flatten)]
    answer: Answer,
}

impl Secrets {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Secrets::Status(answer) => status(context, answer).await,
            Secrets::Rotate(rotate) => rotate.run(context).await,
            // For a file, whatever else was asked for.
            Secrets::LookupKey => Answer { json: false }.give(&(), context.db.seal().lookup_key().as_str()),
        }
    }
}

async fn status(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let (columns, holders) = (sealed::state(&context.db).await?, sealed::holders(&context.db).await?);
    let finds_logins = sealed::finds_logins(&context.db).await?;
    let seal = context.db.seal();
    let (current, known) = (seal.current(), seal.known());
    let others: Vec<String> = known.iter().skip(1).map(ToString::to_string).collect();
    let value = json!({
        "key": current.to_string(),
        "other_keys": others,
        "has_lookup_key": !context.config.secrets.lookup_key.expose().is_empty(),
        "finds_logins": finds_logins,
        "left": left(&columns),
        "columns": columns.iter().map(|state| json!({
            "table": state.column.table, "column": state.column.name, "values": state.values, "left": state.left,
        })).collect::<Vec<_>>(),
        "programs": holders.iter().map(|holder| json!({
            "program": holder.program, "keys": holder.keys, "has_key": holder.has(current),
            "heard_seconds_ago": holder.heard_seconds,
        })).collect::<Vec<_>>(),
    });
    answer.give(&value, as_text(current, &others, &columns, &holders))
}

fn as_text(current: KeyId, others: &[String], columns: &[State], holders: &[Holder]) -> String {
    let mut table = values::Table::new(["sealed", "values", "with an earlier key"]);
    for State { column, values, left } in columns {
        table.row([format!("{}.{}", column.table, column.name), values.to_string(), left.to_string()]);
    }
    let mut programs = values::Table::new(["runs", "has the key", "heard"]);
    for holder in holders {
        let has = if holder.has(current) { "yes" } else { "NO" };
        programs.row([holder.program.clone(), has.to_owned(), format!("{} s ago", holder.heard_seconds)]);
    }
    let beside = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    let what_next = match (left(columns), others.is_empty()) {
        (0, true) => "Everything is sealed with the one key that there is.",
        (0, false) => {
            "Everything is sealed with the present key. A day from now the others may go from the configuration: then no page is open \
             any more that they signed. docs/operations/security.md says which links die with them."
        }
        (_, true) => "Something is sealed with a key that is not in the configuration: put that back as an old one.",
        (_, false) => "Run `portal secrets rotate`.",
    };
    format!("The key that seals: {current}\nOther keys: {beside}\n\n{table}\n{programs}\n{what_next}")
}

/// The first of them.
fn shown(rows: &[String]) -> String {
    let first = rows.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if rows.len() > SHOWN { format!("{first}, …") } else { first }
}

fn left(columns: &[State]) -> u64 {
    columns.iter().map(|state| state.left).sum()
}

impl Rotate {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let db = &context.db;
        anyhow::ensure!(
            sealed::finds_logins(db).await? != Some(false),
            "secrets.lookup_key is not the one by which logins are found here: nothing was changed. Put the keys back as they were, \
             and print it with `portal secrets lookup-key`"
        );
        let (mut done, mut unopened) = (0, Vec::new());
        for &column in COLUMNS {
            self.everybody_has(db).await?;
            let mut after = None;
            loop {
                let batch = sealed::reseal(db, column, after, BATCH)
                    .await
                    .with_context(|| format!("{}.{}: run it again to go on", column.table, column.name))?;
                done += batch.sealed;
                unopened.extend(batch.unopened.iter().map(|row| format!("{}.{} of {row}", column.table, column.name)));
                let Some(last) = batch.last else { break };
                after = Some(last);
                tokio::time::sleep(PAUSE).await;
            }
        }
        let columns = sealed::state(db).await?;
        let left = left(&columns);
        if done > 0 {
            context.audit("secrets.rotate", &format!("{done} to {}", db.seal().current())).await?;
        }
        let value = json!({ "sealed": done, "left": left, "unopened": unopened.len() });
        let text = format!("{done} values were sealed anew with the key {}; {left} are left.", db.seal().current());
        self.answer.give(&value, text)?;
        anyhow::ensure!(
            unopened.is_empty(),
            "{} value(s) open with none of the keys and were left as they are: {}. Was a key left out of secrets.old_seal_keys?",
            unopened.len(),
            shown(&unopened)
        );
        anyhow::ensure!(
            left == 0,
            "{left} value(s) were changed meanwhile by a program with an earlier key: run it again"
        );
        Ok(())
    }

    /// Nothing is sealed with a key that a running program lacks.
    async fn everybody_has(&self, db: &Db) -> anyhow::Result<()> {
        let (holders, key) = (sealed::holders(db).await?, db.seal().current());
        if let Some(holder) = holders.iter().find(|holder| !holder.has(key)) {
            anyhow::bail!(
                "a {} that was heard {} s ago has not got the key {key}: what is sealed with it would be lost on it. Give it the new \
                 configuration and restart it; if it runs no more, wait for a minute and a half",
                holder.program,
                holder.heard_seconds
            );
        }
        if let Some(holder) = holders.iter().find(|holder| !holder.seals_with(key)) {
            anyhow::bail!(
                "a {} that was heard {} s ago has the key {key} and seals with another: what it seals from now on would be left behind. \
                 Put the new key into the place of the old one there, and restart it",
                holder.program,
                holder.heard_seconds
            );
        }
        anyhow::ensure!(
            self.without_radiusd || holders.iter().any(|holder| holder.program == "radiusd"),
            "no radiusd says that it runs: start it with the new key first, or say --without-radiusd if there is none"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use shared::seal::SealKey;

    use super::*;

    #[test]
    fn what_to_do_next_follows_from_what_is_left() {
        let key = SealKey::from_hex(&"8f".repeat(32)).expect("a key").current();
        let columns =
            |left| -> Vec<State> { COLUMNS.iter().map(|&column| State { column, values: 7, left }).collect() };
        let holder = Holder { program: "radiusd".into(), keys: vec!["00000000".into()], heard_seconds: 3 };
        let others = ["00000000".to_owned()];
        for (others, left, words) in [
            (&others[..], 1, "Run `portal secrets rotate`"),
            (&others[..], 0, "A day from now"),
            (&others[..0], 0, "the one key that there is"),
            (&others[..0], 1, "put that back as an old one"),
        ] {
            let text = as_text(key, others, &columns(left), std::slice::from_ref(&holder));
            assert!(text.contains(words) && text.contains("NO") && text.contains("nas.secret_sealed"), "{text}");
        }
        assert_eq!(left(&columns(2)), 2 * COLUMNS.len() as u64);
    }
}
