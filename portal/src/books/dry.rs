//! What can be chosen in a program, read anew; and a dry run: the last documents as they would be told, each choice held against what the
//! program has just now. Nothing is told.

use std::collections::BTreeSet;

use ::books::connector::{Connector as _, Provider, Trouble};
use ::books::posting::Posting;
use store::StoreError;
use store::books::mapping::{self, Choice, Connection};
use store::books::posting::{self, Filter, Row, make};

use super::asking::{self, At};
use super::deliver::amount;
use super::translate::{said, translate};
use crate::App;

/// Requests that reading may take before they are counted one by one: a topic each.
const REQUESTS: u32 = 6;
/// Documents that a dry run looks at.
const LAST: u32 = 20;

/// A part of a document, as it would be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tried {
    /// Its number.
    pub(crate) number: String,
    /// Its day.
    pub(crate) day: String,
    /// What it comes to.
    pub(crate) amount: String,
    /// What would be told, a line each.
    pub(crate) lines: Vec<String>,
    /// Why it would not be taken.
    pub(crate) problems: Vec<String>,
}

/// Reads what can be chosen, and keeps it. Returns it, or why it could not be read.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn read(app: &App, connection: &Connection) -> Result<Result<Vec<Choice>, String>, StoreError> {
    let mut at = match At::open(app, connection.id, &connection.provider, REQUESTS).await? {
        Ok(at) => at,
        Err(shut) => return Ok(Err(shut.words())),
    };
    let read = choices(&mut at).await;
    let terms = at.close().await?;
    match read {
        Ok(choices) => {
            mapping::read(&app.db, connection.id, &choices, app.clock.now()).await?;
            Ok(Ok(choices))
        }
        Err(trouble) => {
            asking::heed(app, connection.id, &trouble, terms).await?;
            Ok(Err(asking::words(&trouble)))
        }
    }
}

async fn choices(at: &mut At<'_>) -> Result<Vec<Choice>, Trouble> {
    let mut read = at.program().choices(&at.access()).await;
    at.note("choices", &read);
    if read == Err(Trouble::Expired) {
        at.renew().await?;
        read = at.program().choices(&at.access()).await;
        at.note("choices", &read);
    }
    let choice = |one: ::books::connector::Choice| Choice {
        topic: one.topic.as_str().to_owned(),
        external: one.id,
        name: one.name,
        detail: one.detail,
    };
    Ok(read?.into_iter().map(choice).collect())
}

/// The last parts of documents, as they would be told; or why it cannot be said.
///
/// # Errors
/// If PostgreSQL is away.
pub(crate) async fn run(app: &App, connection: &Connection) -> Result<Result<Vec<Tried>, String>, StoreError> {
    let Some(provider) = Provider::named(&connection.provider) else {
        return Ok(Err("This program is not known here.".to_owned()));
    };
    let choices = match read(app, connection).await? {
        Ok(choices) => choices,
        Err(why) => return Ok(Err(why)),
    };
    // A dry run may come before the first round of telling.
    make::make(&app.db, app.clock.now()).await?;
    let mappings = mapping::all(&app.db, connection.id).await?;
    let mut tried = Vec::new();
    for row in posting::list(&app.db, connection.id, &Filter::default(), LAST).await? {
        let telling = make::telling(&app.db, row.id).await?;
        tried.push(match translate(&telling, &mappings, provider) {
            Ok(posting) => {
                Tried { problems: gone(&posting, &choices, provider), lines: lines(&posting, &choices), ..empty(&row) }
            }
            Err(problems) => Tried { problems, ..empty(&row) },
        });
    }
    Ok(Ok(tried))
}

fn empty(row: &Row) -> Tried {
    Tried {
        number: row.number.clone(),
        day: said(row.day),
        amount: row.amount.to_string(),
        lines: Vec::new(),
        problems: Vec::new(),
    }
}

/// What was chosen and is not in the program any more.
fn gone(posting: &Posting, choices: &[Choice], provider: Provider) -> Vec<String> {
    let site = match provider {
        Provider::QuickBooks => "class",
        Provider::Xero => "tracking option",
        Provider::Zoho => "tag or location",
    };
    let has = |topic: &str, id: &str| choices.iter().any(|choice| choice.topic == topic && choice.external == id);
    let mut used: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    used.insert(("contact", "customer or supplier", posting.contact.as_str()));
    used.insert(("account", "account", posting.deposit.as_str()));
    used.extend(posting.method.as_deref().map(|id| ("method", "way of payment", id)));
    used.extend(posting.class.as_deref().map(|id| ("class", site, id)));
    for line in &posting.lines {
        used.extend(line.item.as_deref().map(|id| ("item", "product or service", id)));
        used.extend(line.tax_code.as_deref().map(|id| ("tax", "tax", id)));
        used.extend((!line.account.is_empty()).then_some(("account", "account", line.account.as_str())));
    }
    let gone = used.into_iter().filter(|(topic, _, id)| !has(topic, id));
    let program = provider.name();
    gone.map(|(_, what, id)| format!("{program} has no {what} {id} any more: choose another one.")).collect()
}

/// `2 × 1 hour: KSh 100 to Sales`.
fn lines(posting: &Posting, choices: &[Choice]) -> Vec<String> {
    let name = |topic: &str, id: &str| {
        let found = choices.iter().find(|choice| choice.topic == topic && choice.external == id);
        found.map_or_else(|| id.to_owned(), |choice| choice.name.clone())
    };
    let line = |line: &::books::posting::Line| {
        let to = match &line.item {
            Some(item) => name("item", item),
            None => name("account", &line.account),
        };
        format!("{} × {}: {} to {to}", line.quantity, line.description, amount(line.gross, &posting.currency))
    };
    posting.lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use store::books::posting::parts::{self, Purpose};

    use super::super::translate::tests::{mappings, telling, told};
    use super::*;

    fn choice(topic: &str, id: &str, name: &str) -> Choice {
        Choice { topic: topic.into(), external: id.into(), name: name.into(), detail: String::new() }
    }

    #[test]
    fn a_choice_that_leads_nowhere_is_found() {
        let chosen = mappings(&[("income", "*", "200"), ("customer", "*", "58"), ("deposit", "mpesa", "35")]);
        let day = telling(parts::Part::Sale, vec![told(Purpose::Income, 10_000, 0)]);
        let posting = translate(&day, &chosen, Provider::Xero).expect("all is chosen");
        let all =
            [choice("account", "200", "Sales"), choice("account", "35", "M-Pesa"), choice("contact", "58", "Guests")];
        assert!(gone(&posting, &all, Provider::Xero).is_empty());
        assert_eq!(
            gone(&posting, &all[..2], Provider::Xero),
            ["Xero has no customer or supplier 58 any more: choose another one."]
        );
        assert_eq!(
            gone(&posting, &all[1..], Provider::Xero),
            ["Xero has no account 200 any more: choose another one."]
        );
        assert_eq!(lines(&posting, &all), ["2 × 1 hour: KSh 100 to Sales"]);
    }
}
