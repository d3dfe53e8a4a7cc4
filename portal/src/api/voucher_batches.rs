//! Vouchers: batches that are printed, handed over, sold and made worth nothing. Codes are money: they are told to a token that may
//! see them, and to no other.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::json;
use shared::time::{OffsetDateTime, rfc3339};
use shared::voucher::{Code, new_code, printed};
use store::voucher::{self, Batch, MAX_AGENT, Voucher, Which};
use uuid::Uuid;

use super::auth::Token;
use super::id::{Kind as Thing, in_path, spell};
use super::idempotency::Work;
use super::input::{Input, count, got, id_of, line, line_or_empty};
use super::json;
use super::list::Asked;
use super::problem::{Invalid, Kind, Problem};
use super::single::Single;
use crate::App;

/// Most vouchers that one request makes: their codes are sealed while it waits.
const MOST: u32 = 1000;
/// Most batches that are listed.
const SHOWN: u32 = 1000;
/// Longest label, and reason, in letters.
const MAX_TEXT: usize = 200;

#[derive(Debug, Serialize)]
struct Spelt {
    id: String,
    number: u32,
    package: String,
    price: json::Money,
    label: String,
    agent: Option<String>,
    size: u32,
    printed: u64,
    sold: u64,
    redeemed: u64,
    void: u64,
    created_by: String,
    created_at: String,
}

fn spelt(batch: &Batch) -> Spelt {
    Spelt {
        id: spell(Thing::VoucherBatch, batch.id),
        number: batch.number,
        package: batch.package.clone(),
        price: batch.price.into(),
        label: batch.label.clone(),
        agent: batch.agent.clone(),
        size: batch.size,
        printed: batch.counts.printed,
        sold: batch.counts.sold,
        redeemed: batch.counts.redeemed,
        void: batch.counts.void,
        created_by: batch.created_by.clone(),
        created_at: rfc3339(batch.created_at),
    }
}

/// A batch with the ETag of what is said about it: its vouchers are sold and used by themselves.
fn single(batch: &Batch) -> Single<Spelt> {
    Single::decided_by(spelt(batch), &json!([batch.id, batch.agent]))
}

async fn known(app: &App, id: &str) -> Result<(Batch, Vec<Voucher>), Problem> {
    Ok(voucher::batch(&app.db, in_path(Thing::VoucherBatch, id)?).await?)
}

pub(super) async fn list(State(app): State<App>, mut asked: Asked) -> Result<Response, Problem> {
    let agent = asked.filter("agent", |text| line(MAX_AGENT)(&text.into()))?;
    let batches = voucher::batches(&app.db, agent.as_deref(), SHOWN).await?;
    asked.page_of_all(&app, batches, |batch| batch.id, spelt)
}

pub(super) async fn get(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (batch, _) = known(&app, &id).await?;
    Ok(single(&batch).read(&headers))
}

/// `POST /voucher-batches`: once under its key.
pub(super) async fn add(
    State(app): State<App>,
    token: Token,
    Work(work): Work,
    mut input: Input,
) -> Result<Response, Problem> {
    let package = input.required("package", id_of(Thing::Package));
    let size = input.required("size", count(1..=MOST));
    let agent = input.optional("agent", line(MAX_AGENT));
    let label = input.optional("label", line_or_empty(MAX_TEXT)).unwrap_or_default();
    input.done()?;
    let package = store::package::by_id(&app.db, got(package)?).await?;
    let codes: Vec<Code> = (0..got(size)?).map(|_| new_code()).collect();
    let paper = voucher::Paper { agent: agent.as_deref(), label: &label, redeem_before: None };
    let object = format!("{} of {}", codes.len(), package.slug);
    let (line, now) = (token.line("voucher.print", &object), app.clock.now());
    let batch = voucher::print_batch_as(&app.db, work, &package, &paper, &codes, &line, now).await?;
    let (batch, _) = voucher::batch(&app.db, batch.id).await?;
    Ok(single(&batch).created(&format!("/voucher-batches/{}", spell(Thing::VoucherBatch, batch.id))))
}

/// `PATCH /voucher-batches/{id}`: who has the paper.
pub(super) async fn change(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    headers: HeaderMap,
    mut input: Input,
) -> Result<Response, Problem> {
    let (batch, _) = known(&app, &id).await?;
    single(&batch).unchanged(&headers)?;
    let agent = input.nullable("agent", line(MAX_AGENT)).unwrap_or_else(|| batch.agent.clone());
    input.done()?;
    let object = format!("batch {} to {}", batch.number, agent.as_deref().unwrap_or("the operator"));
    let line = token.line("voucher.give", &object);
    voucher::hand_over(&app.db, batch.id, agent.as_deref(), &line, app.clock.now()).await?;
    let batch = Batch { agent, ..batch };
    Ok(single(&batch).answer(StatusCode::OK))
}

#[derive(Debug, Serialize)]
struct Paper {
    id: String,
    serial: u32,
    state: &'static str,
    sold_at: Option<String>,
    sold_by: Option<String>,
    redeemed_at: Option<String>,
    redeemed_mac: Option<String>,
    voided_at: Option<String>,
    voided_by: Option<String>,
    void_reason: Option<String>,
}

fn paper(voucher: &Voucher) -> Paper {
    let (sold, redeemed, voided) = (voucher.sold.as_ref(), voucher.redeemed.as_ref(), voucher.voided.as_ref());
    Paper {
        id: spell(Thing::Voucher, voucher.id),
        serial: voucher.serial,
        state: voucher.state.as_str(),
        sold_at: sold.map(|sold| rfc3339(sold.at)),
        sold_by: sold.map(|sold| sold.by.clone()),
        redeemed_at: redeemed.map(|redeemed| rfc3339(redeemed.at)),
        redeemed_mac: redeemed.and_then(|redeemed| redeemed.mac).map(|mac| mac.to_string()),
        voided_at: voided.map(|voided| rfc3339(voided.at)),
        voided_by: voided.map(|voided| voided.by.clone()),
        void_reason: voided.map(|voided| voided.reason.clone()),
    }
}

#[derive(Debug, Serialize)]
struct Secret {
    id: String,
    serial: u32,
    code: String,
    state: &'static str,
}

fn secret(voucher: &Voucher) -> Secret {
    Secret {
        id: spell(Thing::Voucher, voucher.id),
        serial: voucher.serial,
        code: printed(&voucher.code),
        state: voucher.state.as_str(),
    }
}

pub(super) async fn vouchers(
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    by_serial(&app, &id, &asked, paper).await
}

/// `GET /voucher-batches/{id}/codes`: whoever reads them is written down.
pub(super) async fn codes(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let answer = by_serial(&app, &id, &asked, secret).await?;
    token.audit(&app, "voucher.codes", &id).await?;
    Ok(answer)
}

/// A page of a batch, in the order of the serials.
async fn by_serial<J: Serialize>(
    app: &App,
    id: &str,
    asked: &Asked,
    spell: impl Fn(&Voucher) -> J,
) -> Result<Response, Problem> {
    let after = asked.after(app)?;
    let last = if after.is_start() { 0 } else { after.at.unix_timestamp() };
    let (_, mut vouchers) = known(app, id).await?;
    vouchers.retain(|voucher| i64::from(voucher.serial) > last);
    vouchers.truncate(asked.rows() as usize);
    // A serial is a place like a moment is.
    let place = |voucher: &Voucher| -> (OffsetDateTime, Uuid) {
        let at = OffsetDateTime::from_unix_timestamp(i64::from(voucher.serial));
        (at.unwrap_or(OffsetDateTime::UNIX_EPOCH), voucher.id)
    };
    Ok(asked.page(app, vouchers, place, spell))
}

/// `POST /voucher-batches/{id}/sales`: somebody paid for them.
pub(super) async fn sell(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let (first, last) = serials(&mut input);
    input.done()?;
    let (first, last) = (got(first)?, got(last)?);
    let (batch, _) = known(&app, &id).await?;
    has(batch.number, batch.size, first, last)?;
    let which = Which::Serials { batch: batch.id, first, last };
    let object = format!("batch {}: {first}-{last}", batch.number);
    let changed = voucher::sell(&app.db, which, &token.line("voucher.sell", &object), app.clock.now()).await?;
    Ok((StatusCode::OK, Json(json!({ "changed": changed }))).into_response())
}

/// `POST /voucher-batches/{id}/voids`: they are worth nothing any more.
pub(super) async fn void(
    State(app): State<App>,
    token: Token,
    Path(id): Path<String>,
    mut input: Input,
) -> Result<Response, Problem> {
    let (first, last) = serials(&mut input);
    let reason = input.required("reason", line(MAX_TEXT));
    input.done()?;
    let (first, last, reason) = (got(first)?, got(last)?, got(reason)?);
    let (batch, _) = known(&app, &id).await?;
    has(batch.number, batch.size, first, last)?;
    let which = Which::Serials { batch: batch.id, first, last };
    let object = format!("batch {}: {first}-{last} ({reason})", batch.number);
    let line = token.line("voucher.void", &object);
    let changed = voucher::void(&app.db, which, &reason, &line, app.clock.now()).await?;
    Ok((StatusCode::OK, Json(json!({ "changed": changed }))).into_response())
}

/// From which one to which, both included.
fn serials(input: &mut Input) -> (Option<u32>, Option<u32>) {
    (input.required("first", count(1..=1_000_000)), input.required("last", count(1..=1_000_000)))
}

/// Whether a batch has these serials. That it is there and they are not is said of the serials: 404 would speak of the batch.
fn has(number: u32, size: u32, first: u32, last: u32) -> Result<(), Problem> {
    let told = |pointer: &str, detail: String| Invalid { pointer: pointer.into(), code: "out_of_range", detail };
    let mut wrong: Vec<Invalid> = [("/first", first), ("/last", last)]
        .into_iter()
        .filter(|(_, serial)| *serial > size)
        .map(|(pointer, serial)| {
            told(pointer, format!("batch {number} has the serials 1 to {size}: {serial} is not among them"))
        })
        .collect();
    if last < first {
        wrong.push(told("/last", format!("the last one, {last}, comes before the first, {first}")));
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.into_iter().fold(Problem::new(Kind::Invalid), Problem::with)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_that_a_batch_does_not_have_are_named() {
        assert!(has(7, 20, 1, 20).is_ok() && has(7, 20, 20, 20).is_ok());
        for (first, last, said) in [
            (19, 21, &["/last", "21 is not among them"][..]),
            (21, 22, &["/first", "21 is not among them", "/last", "22 is not among them"]),
            (5, 4, &["/last", "the last one, 4, comes before the first, 5"]),
        ] {
            let problem = has(7, 20, first, last).expect_err("no such serials");
            assert_eq!(problem.kind(), Kind::Invalid, "{first}-{last}");
            let told = format!("{problem:?}");
            assert!(said.iter().all(|word| told.contains(word)), "{first}-{last}: {told}");
        }
    }
}
