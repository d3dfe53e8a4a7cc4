//! `/admin/vouchers/{number}`: one batch, what became of its vouchers by the numbers on the paper, and what can be done with it.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::staff::Permission;
use shared::time::OffsetDateTime;
use shared::voucher::paper_number;
use store::voucher::{Batch, State as Stands, Voucher};

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Fields, Filled, Form, Problems};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words::{self, Said, Tone, said};
use crate::session::Staff;
use crate::vouchers::day;
use crate::vouchers::pdf::Sheet;

/// How many rows are shown: neighbours of which the same is known share one.
const SHOWN: usize = 300;

#[derive(Debug, Template)]
#[template(path = "admin/voucher_batch.html")]
pub(in crate::admin) struct BatchPage {
    page: Page,
    style: String,
    number: u32,
    facts: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    is_cut: bool,
    forms: Vec<Form>,
    done: &'static str,
    problem: String,
}

/// Neighbours of which the same is known.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Row {
    numbers: String,
    state: Said,
    detail: String,
}

/// `GET /admin/vouchers/{number}`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(number): Path<String>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let (batch, vouchers) = read(&app, &number).await?;
    let mut page = page(&app, &staff, &batch, &vouchers, &Fields::default(), &Problems::default());
    page.done = match after.done.as_str() {
        "made" => "The vouchers are made. Print them now, or later.",
        "given" => "It is noted who has them.",
        "sold" => "They are noted as sold.",
        "void" => "They are worth nothing any more.",
        _ => "",
    };
    answer(StatusCode::OK, &page)
}

/// The batch with the number in an address.
pub(super) async fn read(app: &App, number: &str) -> Result<(Batch, Vec<Voucher>), Refusal> {
    let number = number.parse::<u32>().map_err(|_| Refusal::NotFound)?;
    let id = store::voucher::by_number(&app.db, number).await?;
    Ok(store::voucher::batch(&app.db, id).await?)
}

/// The page once more, with what is wrong with a form.
pub(super) async fn again(
    app: &App,
    staff: &Staff,
    number: &str,
    sent: &Fields,
    problems: &Problems,
) -> Result<Response, Refusal> {
    let (batch, vouchers) = read(app, number).await?;
    answer(StatusCode::UNPROCESSABLE_ENTITY, &page(app, staff, &batch, &vouchers, sent, problems))
}

/// The page once more, with why nothing was done.
pub(super) async fn refused(app: &App, staff: &Staff, number: &str, problem: String) -> Result<Response, Refusal> {
    let (batch, vouchers) = read(app, number).await?;
    let page = page(app, staff, &batch, &vouchers, &Fields::default(), &Problems::default());
    answer(StatusCode::CONFLICT, &BatchPage { problem, ..page })
}

fn page(
    app: &App,
    staff: &Staff,
    batch: &Batch,
    vouchers: &[Voucher],
    sent: &Fields,
    problems: &Problems,
) -> BatchPage {
    let now = app.clock.now();
    let mut rows = rows(batch.number, vouchers, now);
    let is_cut = rows.len() > SHOWN;
    rows.truncate(SHOWN);
    BatchPage {
        page: Page::new(app, staff, Tab::Vouchers),
        style: style(),
        number: batch.number,
        facts: facts(batch, now),
        rows,
        is_cut,
        forms: forms(batch, Filled { sent, problems }).into_iter().filter(|form| staff.may(needs(form))).collect(),
        done: "",
        problem: String::new(),
    }
}

fn facts(batch: &Batch, now: OffsetDateTime) -> Vec<(&'static str, String)> {
    let counts = batch.counts;
    let mut facts = vec![
        ("Package", format!("{}, {}", batch.package, batch.price)),
        ("Who has it", batch.agent.clone().unwrap_or_else(|| "you".into())),
        ("Note", batch.label.clone()),
        ("Made", format!("{}, by {}", words::moment(batch.created_at, now), batch.created_by)),
        ("Last day", batch.redeem_before.map(|end| last_day(end, now)).unwrap_or_default()),
        ("Vouchers", batch.size.to_string()),
        ("Not sold yet", counts.printed.to_string()),
        ("Sold and not used yet", counts.sold.to_string()),
        ("Used", counts.redeemed.to_string()),
        ("Void", counts.void.to_string()),
        ("Noted as sold in all", counts.ever_sold.to_string()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// The last day, and what follows from it.
fn last_day(end: OffsetDateTime, now: OffsetDateTime) -> String {
    let day = day::last_before(end);
    if end > now { day } else { format!("{day}; it is over, and one that nobody has used is worth nothing") }
}

/// The vouchers by their numbers, in the order of these.
fn rows(batch: u32, vouchers: &[Voucher], now: OffsetDateTime) -> Vec<Row> {
    let same = |one: &Voucher, other: &Voucher| known(one, now) == known(other, now);
    vouchers
        .chunk_by(same)
        .filter_map(|run| {
            let (first, last) = (run.first()?, run.last()?);
            let (state, detail) = known(first, now);
            let numbers = match first.serial == last.serial {
                true => paper_number(batch, first.serial),
                false => format!("{} to {}", paper_number(batch, first.serial), paper_number(batch, last.serial)),
            };
            Some(Row { numbers, state, detail })
        })
        .collect()
}

/// Where a voucher stands, and what is known of that.
fn known(voucher: &Voucher, now: OffsetDateTime) -> (Said, String) {
    let sold = voucher.sold.as_ref().map(|sale| format!("sold {} by {}", words::moment(sale.at, now), sale.by));
    let (state, more) = match voucher.state {
        Stands::Printed => (said(Tone::Plain, "not sold yet"), None),
        Stands::Sold => (said(Tone::Busy, "sold"), None),
        Stands::Redeemed => {
            let used = voucher.redeemed.map(|used| {
                let device = used.mac.map(|mac| format!(" by {mac}")).unwrap_or_default();
                format!("used {}{device}", words::moment(used.at, now))
            });
            (said(Tone::Good, "used"), used)
        }
        Stands::Void => {
            let void = voucher.voided.as_ref();
            let void = void.map(|void| format!("{} by {}: {}", words::moment(void.at, now), void.by, void.reason));
            (said(Tone::Bad, "void"), void)
        }
    };
    (state, [more, sold].into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// Whether a voucher can still be sold or used.
pub(super) fn is_good(voucher: &Voucher) -> bool {
    matches!(voucher.state, Stands::Printed | Stands::Sold)
}

/// What one must be allowed to do for a form of the batch.
fn needs(form: &Form) -> Permission {
    if form.id == "void" { Permission::EditOffers } else { Permission::Sell }
}

/// What can be done with the batch.
fn forms(batch: &Batch, filled: Filled<'_>) -> Vec<Form> {
    let action = |what: &str| format!("/admin/vouchers/{}/{what}", batch.number);
    let serials = |hint: &str| filled.text("serials", "Which").hint(hint);
    let mut forms = Vec::new();
    if batch.counts.printed + batch.counts.sold > 0 {
        let papers: Vec<(String, String)> = Sheet::ALL
            .into_iter()
            .map(|sheet| (sheet.as_str().to_owned(), paper(sheet).to_owned()))
            .chain([("csv".to_owned(), "For a spreadsheet (CSV)".to_owned())])
            .collect();
        let hint = "Those that are still good. Who has the file can use the codes: keep it as you keep money. It stands in the audit log.";
        forms.push(
            Form::new("file", action("file"), "Download")
                .titled("Print", hint)
                .field(filled.choice("file", "Paper", &papers)),
        );
        forms.push(
            Form::new("sell", action("sell"), "Note as sold")
                .titled("Sold", "")
                .field(serials("The last numbers on the paper, such as 7 or 1-40.").required()),
        );
    }
    forms.push(
        Form::new("give", action("give"), "Note who has it")
            .titled("Give to an agent", "")
            .field(filled.text("agent", "Who has the paper from now on").hint("Empty: you.")),
    );
    if batch.counts.printed + batch.counts.sold > 0 {
        forms.push(
            Form::new("void", action("void"), "Make worth nothing")
                .titled("Void", "Those that somebody uses stay.")
                .field(serials("Such as 7 or 1-40. Empty: all of the batch that nobody uses."))
                .field(filled.text("reason", "Why").required())
                .danger(),
        );
    }
    forms
}

fn paper(sheet: Sheet) -> &'static str {
    match sheet {
        Sheet::A4 => "A4, forty to a sheet (PDF)",
        Sheet::Roll58 => "Receipt printer, 58 mm (PDF)",
        Sheet::Roll80 => "Receipt printer, 80 mm (PDF)",
    }
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use shared::voucher::new_code;
    use store::voucher::{Redemption, Sale, Voiding};
    use uuid::Uuid;

    use super::*;
    use crate::admin::page::tests::HOSTILE;
    use crate::admin::vouchers::tests::a_batch;

    const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn voucher(serial: u32, state: Stands) -> Voucher {
        let is_sold = matches!(state, Stands::Sold | Stands::Redeemed);
        Voucher {
            id: Uuid::from_u128(serial.into()),
            serial,
            code: new_code(),
            state,
            sold: is_sold.then(|| Sale { at: AT, by: HOSTILE.into() }),
            redeemed: (state == Stands::Redeemed)
                .then_some(Redemption { at: AT, mac: Some(shared::mac::Mac([2, 0, 0, 0, 0, 1])) }),
            voided: (state == Stands::Void).then(|| Voiding { at: AT, by: HOSTILE.into(), reason: HOSTILE.into() }),
        }
    }

    fn vouchers() -> Vec<Voucher> {
        use Stands::{Printed, Redeemed, Sold, Void};
        let states = [Sold, Sold, Redeemed, Void, Printed, Printed, Printed];
        (1..).zip(states).map(|(serial, state)| voucher(serial, state)).collect()
    }

    pub(in crate::admin) fn sample(page: Page) -> BatchPage {
        let (sent, problems) = (Fields::default(), Problems::default());
        BatchPage {
            page,
            style: style(),
            number: 42,
            facts: facts(&a_batch(), AT),
            rows: rows(42, &vouchers(), AT),
            is_cut: true,
            forms: forms(&a_batch(), Filled { sent: &sent, problems: &problems }),
            done: "They are noted as sold.",
            problem: HOSTILE.into(),
        }
    }

    #[test]
    fn neighbours_of_which_the_same_is_known_share_a_row() {
        let rows = rows(42, &vouchers(), AT);
        let numbers: Vec<&str> = rows.iter().map(|row| row.numbers.as_str()).collect();
        assert_eq!(numbers, ["42-0001 to 42-0002", "42-0003", "42-0004", "42-0005 to 42-0007"]);
        assert!(rows[1].detail.contains("used 03:00 by 02:00:00:00:00:01; sold 03:00"), "{}", rows[1].detail);
        assert_eq!((rows[3].state.text, rows[3].detail.as_str()), ("not sold yet", ""));
    }

    #[test]
    fn no_page_shows_a_code() {
        let vouchers = vouchers();
        let html = BatchPage { rows: rows(42, &vouchers, AT), ..sample(crate::admin::page::tests::page()) };
        let html = html.render().expect("renders");
        for voucher in vouchers {
            let printed = shared::voucher::printed(&voucher.code);
            assert!(!html.contains(&*voucher.code) && !html.contains(&printed));
        }
    }

    #[test]
    fn a_batch_of_which_nothing_is_good_can_only_be_given() {
        let mut spent = a_batch();
        spent.counts.printed = 0;
        spent.counts.sold = 0;
        let (sent, problems) = (Fields::default(), Problems::default());
        let forms = forms(&spent, Filled { sent: &sent, problems: &problems });
        assert_eq!(forms.iter().map(|form| form.id).collect::<Vec<_>>(), ["give"]);
    }
}
