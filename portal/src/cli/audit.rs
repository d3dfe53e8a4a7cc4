//! `portal audit`: the proof that nobody has changed the audit log.
//!
//! The whole log is read and its hashes are computed anew. What ends well ends with the log's head: noted elsewhere, on paper or in
//! another system, it shows the next time that nobody has written the log anew, not even whoever holds the database.

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use store::audit::{Head, verify};

use super::{Answer, Context};

/// The audit log.
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Read all of it, and prove that nothing was changed in it or taken out of it. Ends with 1 if something was.
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The head that an earlier run has shown: the row must still be there, and the same.
    #[arg(long, value_name = "ROW:HASH", value_parser = head)]
    noted: Option<Head>,
    #[command(flatten)]
    answer: Answer,
}

/// `1234:9f86d0…`: the number of a row, and the 64 hexadecimal digits of its hash.
fn head(text: &str) -> Result<Head, &'static str> {
    const WRONG: &str =
        "write the number of the row, a colon, and the 64 digits of its hash, as an earlier run has shown them";
    let (id, hash) = text.split_once(':').ok_or(WRONG)?;
    let id = id.parse::<i64>().ok().filter(|id| *id > 0).ok_or(WRONG)?;
    let hash = hex::decode(hash).ok().filter(|hash| hash.len() == 32).ok_or(WRONG)?;
    Ok(Head { id, hash })
}

impl Audit {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Audit::Verify(Verify { noted, answer }) = self;
        let found = verify(&context.db, noted.as_ref()).await.context("the audit log could not be read")?;
        let head = format!("{}:{}", found.head.id, hex::encode(&found.head.hash));
        let problem = found.fault.as_ref().map(ToString::to_string);
        let value = json!({ "whole": problem.is_none(), "rows": found.rows, "head": head, "problem": problem });
        match problem {
            None => {
                let text =
                    format!("The audit log is whole: {} rows.\nIts head, to be noted elsewhere: {head}", found.rows);
                answer.give(&value, text)
            }
            Some(problem) => {
                answer.give(&value, format!("{} rows before it are good.", found.rows))?;
                anyhow::bail!("the audit log is not whole: {problem}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_a_row_and_its_hash() {
        let hash = "5a".repeat(32);
        assert_eq!(head(&format!("7:{hash}")), Ok(Head { id: 7, hash: vec![0x5a; 32] }));
        for text in ["", "7", "7:5a", &format!("0:{hash}"), &format!("x:{hash}"), &format!("7:{hash}00")] {
            assert!(head(text).is_err(), "{text}");
        }
    }
}
