//! Telling the Kenya Revenue Authority of every sale, in order, each once.
//!
//! ```text
//!  sweep   the branches of the configuration ─► what is new is made into invoices ─► a turn at each branch that has something to do
//!  work    one branch: its device begins, items are registered, invoices are signed one after the other
//! ```
//!
//! A branch stops at the first invoice that is not signed, because none may come before it. It goes on by itself after a while where the
//! authority was away, at growing distances ([`pause`]), and after a person has looked where something is refused ([`crate::admin`],
//! alert `etims_blocked`). An invoice of which no answer came is sent again as it was. Where the authority then says that it has that
//! number, it was signed the first time: its signature was told once, and is on the authority's own pages only.
//!
//! Where a device has never sent that number, the same answer means that another program signs there: it is refused, and nothing is taken
//! for signed that is not ours.

use std::time::Duration;

use ::books::etims::{Caller, Credit, Etims, Invoice, Item, Line, PaymentType, Trouble, invoice};
use ::books::tax::Rate;
use serde_json::Value;
use shared::config::{self, Per};
use store::StoreError;
use store::books::etims::{self, Due, Outcome, Signature, Turn, Wanted};

use crate::App;

/// Most invoices that a branch has signed with one turn, so that a branch with many does not keep a hand for long.
const TURN: u32 = 50;
/// Added to the longest request before another portal may take the turn.
const LEASE_MARGIN: Duration = Duration::from_secs(10);
/// Pauses after an invoice that was not signed double from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// When a device that is not let in asks again by itself: somebody may have approved it.
const BARRED_PAUSE: Duration = Duration::from_secs(600);

/// How long a turn is kept without a word: the longest request and some time.
pub(crate) fn lease(settings: &config::Etims) -> Duration {
    settings.timeout() + LEASE_MARGIN
}

/// Makes the branches those of the configuration, and invoices of what is new. Returns whether there is probably more to make.
pub(crate) async fn prepare(app: &App) -> Result<bool, StoreError> {
    let now = app.clock.now();
    let Some(settings) = &app.config.etims else {
        etims::configure(&app.db, "", &[], now).await?;
        return Ok(false);
    };
    let mut wanted = Vec::new();
    for branch in &settings.branches {
        let site = match &branch.site {
            None => None,
            Some(name) => match store::site::by_name(&app.db, name).await {
                Ok(site) => Some(site),
                // It may be added yet; its sales are the head branch's until then.
                Err(StoreError::Missing { .. }) => continue,
                Err(error) => return Err(error),
            },
        };
        wanted.push(Wanted {
            branch: branch.branch.clone(),
            serial: branch.serial.clone(),
            site,
            first_number: i64::from(branch.first_number),
        });
    }
    etims::configure(&app.db, &settings.tin, &wanted, now).await?;
    let per = match settings.per {
        Per::Order => etims::Per::Order,
        Per::Day => etims::Per::Day,
    };
    let more = etims::make(&app.db, per, now).await?;
    for (state, count) in etims::counts(&app.db).await? {
        app.metrics.etims_invoices.with_label_values(&[state]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(more)
}

/// Works at one branch until nothing is left, something is in the way, or the turn is long enough.
pub(crate) async fn work(app: &App, turn: Turn) -> Result<(), StoreError> {
    let worked = go_on(app, &turn).await;
    etims::release(&app.db, &turn).await?;
    worked
}

async fn go_on(app: &App, turn: &Turn) -> Result<(), StoreError> {
    let (Some(settings), Some(authority)) = (&app.config.etims, &app.etims) else { return Ok(()) };
    let Some(key) = &turn.key else { return begin(app, authority, turn).await };
    let pen = Pen { app, settings, authority, turn, caller: Caller { tin: &turn.tin, branch: &turn.branch, key } };
    for _ in 0..TURN {
        let Some(due) = etims::next(&app.db, turn).await? else { break };
        if !pen.write(&due).await? {
            break;
        }
    }
    Ok(())
}

/// Asks for the key of a branch's device.
async fn begin(app: &App, authority: &Etims, turn: &Turn) -> Result<(), StoreError> {
    match authority.begin(&turn.tin, &turn.branch, &turn.serial).await {
        Ok(begun) => {
            etims::begun(&app.db, turn, &begun.key, &begun.device).await?;
            tracing::info!(branch = turn.branch, "the device of a branch has its key");
            Ok(())
        }
        Err(trouble) => {
            tracing::error!(branch = turn.branch, %trouble, "the device of a branch is not let in");
            let is_barred = !matches!(trouble, Trouble::Away(_) | Trouble::Unknown(_));
            let pause = if is_barred { BARRED_PAUSE } else { LONGEST_PAUSE / 10 };
            etims::held_up(&app.db, turn, &trouble.to_string(), is_barred, app.clock.now() + pause).await
        }
    }
}

/// What writes for a branch.
struct Pen<'a> {
    app: &'a App,
    settings: &'a config::Etims,
    authority: &'a Etims,
    turn: &'a Turn,
    caller: Caller<'a>,
}

impl Pen<'_> {
    /// Has one invoice signed. Returns whether the next one may follow.
    async fn write(&self, due: &Due) -> Result<bool, StoreError> {
        let (app, turn) = (self.app, self.turn);
        let request = match &due.request {
            Some(sent) => sent.clone(),
            None => match self.request(due).await? {
                Some(request) => request,
                None => return Ok(false),
            },
        };
        let may_be_before = due.request.is_some();
        let is_ours = etims::hold(&app.db, turn, app.clock.now(), lease(self.settings)).await?;
        if !is_ours || !etims::sending(&app.db, turn, due.id, &request).await? {
            return Ok(false);
        }
        let answer = self.authority.sign(self.caller, &request).await;
        let (now, label) = (app.clock.now(), answer.as_ref().map_or_else(Trouble::label, |_| "signed"));
        app.metrics.outbox_deliveries.with_label_values(&["etims", label]).inc();
        let trouble = match answer {
            Ok(signed) => {
                let signature = Signature {
                    signature: signed.signature,
                    internal_data: signed.internal_data,
                    receipt_number: signed.receipt_number,
                    at: signed.at.unwrap_or(now),
                };
                etims::outcome(&app.db, turn, due.id, &Outcome::Signed(&signature), may_be_before, now).await?;
                return Ok(true);
            }
            Err(trouble) => trouble,
        };
        let said = trouble.to_string();
        let outcome = judge(&trouble, &said, may_be_before);
        etims::outcome(&app.db, turn, due.id, &outcome, may_be_before, now).await?;
        if let Outcome::Declared(_) = outcome {
            tracing::warn!(branch = turn.branch, invoice = %due.reference, "an invoice is signed, and its signature was lost");
            return Ok(true);
        }
        let is_barred = matches!(trouble, Trouble::Device(_));
        let next = now + if is_barred { BARRED_PAUSE } else { pause(due.attempts) };
        tracing::warn!(branch = turn.branch, invoice = %due.reference, %trouble, "an invoice is not signed");
        etims::held_up(&app.db, turn, &said, is_barred, next).await?;
        Ok(false)
    }

    /// What is said of an invoice that was never sent, or certainly not taken: its items are registered, and it gets its number. `None`:
    /// not now.
    async fn request(&self, due: &Due) -> Result<Option<Value>, StoreError> {
        let (app, turn) = (self.app, self.turn);
        let mut lines = Vec::new();
        for line in &due.lines {
            let Some(line) = self.line(line).await? else { return Ok(None) };
            lines.push(line);
        }
        let Some(number) = etims::number(&app.db, turn, due.id).await? else { return Ok(None) };
        let said = Invoice {
            number,
            reference: &due.reference,
            credit: due.credits.map(|of| Credit { of }),
            payment: PaymentType::of_provider(&due.method),
            at: due.at,
            shop: &app.config.portal.brand,
            address: app.config.books.address.as_deref().unwrap_or_default(),
            lines,
        };
        Ok(Some(said.body()))
    }

    /// A line whose item is registered.
    async fn line(&self, line: &etims::Line) -> Result<Option<Line>, StoreError> {
        let (app, turn) = (self.app, self.turn);
        let letter = line.letter.chars().next().filter(|letter| invoice::LETTERS.contains(letter));
        let (Some(letter), Ok(rate)) = (letter, Rate::from_basis_points(line.rate)) else {
            let why = format!("the tax {} of the package {} is none of the authority’s", line.letter, line.description);
            let next = app.clock.now() + BARRED_PAUSE;
            etims::held_up(&app.db, turn, &why, true, next).await?;
            return Ok(None);
        };
        let item = etims::item(&app.db, turn, line, app.clock.now()).await?;
        let code = Item::code(item.number);
        let class = self.settings.item_class.as_str();
        if !item.is_registered {
            if !etims::hold(&app.db, turn, app.clock.now(), lease(self.settings)).await? {
                return Ok(None);
            }
            let price = line.gross / line.quantity.max(1);
            let said = Item { code: &code, class, name: &line.description, letter, price };
            if let Err(trouble) = self.authority.register(self.caller, &said).await {
                let is_barred = matches!(trouble, Trouble::Refused(_) | Trouble::Device(_));
                let next = app.clock.now() + if is_barred { BARRED_PAUSE } else { FIRST_PAUSE * 6 };
                let why = format!("the package {} could not be registered: {trouble}", line.description);
                tracing::warn!(branch = turn.branch, %why, "an item is not registered");
                etims::held_up(&app.db, turn, &why, is_barred, next).await?;
                return Ok(None);
            }
            etims::registered(&app.db, item.id, app.clock.now()).await?;
        }
        let (name, class) = (line.description.clone(), class.to_owned());
        Ok(Some(Line { code, class, name, quantity: line.quantity, gross: line.gross, letter, rate }))
    }
}

/// What is known of an invoice after it was not signed by this try.
fn judge<'a>(trouble: &Trouble, said: &'a str, may_be_before: bool) -> Outcome<'a> {
    match trouble {
        // It was signed the first time.
        Trouble::Declared(_) if may_be_before => Outcome::Declared(said),
        // It was never sent: somebody else's has its number.
        Trouble::Declared(_) | Trouble::Refused(_) => Outcome::Rejected(said),
        Trouble::Unknown(_) => Outcome::Unknown(said),
        // Of the invoice nothing is said: it is as it was.
        Trouble::Away(_) | Trouble::Device(_) => Outcome::Away(said),
    }
}

/// How long a branch rests after so many tries of one invoice.
fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << attempts.min(16)).min(LONGEST_PAUSE)
}

/// What a receipt shows of the authority: the address in the QR code of what is signed.
pub(crate) fn page_of(app: &App, stamp: &etims::Stamp) -> Option<String> {
    let settings = app.config.etims.as_ref()?;
    let signature = stamp.signature.as_deref()?;
    Some(::books::etims::receipt::page(&settings.base_url, &stamp.tin, &stamp.branch, signature).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_there_is_ours_only_if_we_have_sent_it() {
        let declared = Trouble::Declared("there".into());
        assert_eq!(judge(&declared, "there", true), Outcome::Declared("there"));
        assert_eq!(judge(&declared, "there", false), Outcome::Rejected("there"));
    }

    #[test]
    fn what_says_nothing_of_an_invoice_leaves_it_as_it_was() {
        for trouble in [Trouble::Away("x".into()), Trouble::Device("x".into())] {
            assert_eq!(judge(&trouble, "x", true), Outcome::Away("x"));
        }
        assert_eq!(judge(&Trouble::Unknown("x".into()), "x", false), Outcome::Unknown("x"));
        assert_eq!(judge(&Trouble::Refused("x".into()), "x", true), Outcome::Rejected("x"));
    }

    #[test]
    fn pauses_grow_to_ten_minutes() {
        let seconds: Vec<u64> = [0, 1, 2, 6, 7, 40].map(|attempts| pause(attempts).as_secs()).into();
        assert_eq!(seconds, [5, 10, 20, 320, 600, 600]);
    }
}
