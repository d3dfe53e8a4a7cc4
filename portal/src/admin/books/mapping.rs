//! `/admin/books/programs/{id}/mapping`: what of ours is what in the accountant's program, chosen from what was read there; a dry run that
//! tells nothing; and the business customers of whom each sale is told for itself.

use std::collections::{BTreeMap, BTreeSet};

use ::books::connector::Provider;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use shared::money::Currency;
use shared::phone::Phone;
use shared::staff::{Permission, SiteScope};
use store::admin::Audit;
use store::books::document;
use store::books::mapping::{self, ALL, Choice, Mappings, Named, WHAT};
use store::books::tax;
use store::package;
use uuid::Uuid;

use super::company::{Company, Head, Place};
use crate::App;
use crate::admin::Refusal;
use crate::admin::form::{Field, Fields, Filled, Form, Problems, told};
use crate::admin::page::{After, Page, Tab, answer, style};
use crate::admin::words;
use crate::books::dry::{self, Tried};
use crate::books::translate::{DEFERRED, FEES, NO_TAX, in_currency, of_currency, word};
use crate::session::Staff;
use crate::session::csrf::{Nothing, Posted};

/// The ways of payment of documents.
const METHODS: [&str; 3] = ["mpesa", "stripe", "cash"];
/// Those in which any currency can come: M-Pesa has shillings alone.
const ANY_CURRENCY: [&str; 2] = ["stripe", "cash"];

#[derive(Debug, Template)]
#[template(path = "admin/books/mapping.html")]
pub(in crate::admin) struct Mapping {
    page: Page,
    style: String,
    head: Head,
    done: &'static str,
    problem: String,
    read: String,
    forms: Vec<Form>,
    customers: Vec<Named>,
    /// What a dry run came to; `None`: there was none.
    tried: Option<Vec<Tried>>,
}

/// Something of ours for which something is chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Wanted {
    what: &'static str,
    subject: String,
    label: String,
    hint: &'static str,
}

/// `GET /admin/books/programs/{id}/mapping`.
pub(in crate::admin) async fn show(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    staff: Staff,
    Query(after): Query<After>,
) -> Result<Response, Refusal> {
    let company = Company::of(&app, &staff, id).await?;
    let done = match after.done.as_str() {
        "read" => "It was read again.",
        "saved" => "It is saved. What was refused for want of a choice is told again.",
        "named" => "From the next document on, each sale to them is told for itself.",
        "unnamed" => "From the next document on, their sales are told with all others.",
        _ => "",
    };
    page(&app, &staff, &company, Shown { done, ..Shown::default() }).await
}

/// What a page shows beside the choices.
#[derive(Default)]
struct Shown {
    done: &'static str,
    problem: String,
    tried: Option<Vec<Tried>>,
}

impl Shown {
    fn problem(problem: impl Into<String>) -> Shown {
        Shown { problem: problem.into(), ..Shown::default() }
    }
}

/// `POST …/mapping/read`: reads the program again.
pub(in crate::admin) async fn read(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let company = Company::of(&app, &posted.staff, id).await?;
    match dry::read(&app, &company.connection).await? {
        Ok(_) => Ok(company.back(Place::Mapping, "read")),
        Err(why) => page(&app, &posted.staff, &company, Shown::problem(why)).await,
    }
}

/// `POST …/mapping/dry-run`: what would be told. Nothing is.
pub(in crate::admin) async fn dry_run(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let company = Company::of(&app, &posted.staff, id).await?;
    let shown = match dry::run(&app, &company.connection).await? {
        Ok(tried) => Shown { tried: Some(tried), ..Shown::default() },
        Err(why) => Shown::problem(why),
    };
    page(&app, &posted.staff, &company, shown).await
}

/// `POST …/mapping`: makes the choices.
pub(in crate::admin) async fn save(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, now) = (&posted.staff, app.clock.now());
    let company = Company::of(&app, staff, id).await?;
    let (choices, _) = mapping::choices(&app.db, id).await?;
    let before = mapping::all(&app.db, id).await?;
    let mut changes = Vec::new();
    for wanted in wanted(&app, &company).await? {
        let sent = posted.form.text(&key(wanted.what, &wanted.subject)).to_owned();
        let was = before.get(&(wanted.what.to_owned(), wanted.subject.clone()));
        let is_there = of(&choices, wanted.what).any(|choice| choice.external == sent);
        // What was chosen before and is gone there may stay; anything else that is not there was not on the page.
        if !sent.is_empty() && !is_there && was != Some(&sent) {
            let problem = format!("{}: choose one of these. Nothing was saved.", wanted.label);
            return page(&app, staff, &company, Shown::problem(problem)).await;
        }
        changes.push((wanted.what.to_owned(), wanted.subject, (!sent.is_empty()).then_some(sent)));
    }
    let object = company.title();
    let audit = Audit { actor: &staff.admin.email, action: "books.map", object: &object, address: Some(staff.from) };
    mapping::set(&app.db, id, &changes, &audit, now).await?;
    Ok(company.back(Place::Mapping, "saved"))
}

/// `POST …/mapping/customers`: names a business customer.
pub(in crate::admin) async fn name(
    State(app): State<App>,
    Path(id): Path<Uuid>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&posted.staff, &posted.form);
    let company = Company::of(&app, staff, id).await?;
    let (choices, _) = mapping::choices(&app.db, id).await?;
    let Ok(phone) = sent.text("phone").parse::<Phone>() else {
        return page(&app, staff, &company, Shown::problem("Write a number such as 0712 345 678.")).await;
    };
    let external = sent.text("customer");
    if !of(&choices, "customer").any(|choice| choice.external == external) {
        return page(&app, staff, &company, Shown::problem("Choose who they are there.")).await;
    }
    let object = format!("{} in {}", phone.masked(), company.title());
    let audit =
        Audit { actor: &staff.admin.email, action: "books.name_customer", object: &object, address: Some(staff.from) };
    let named = mapping::name_customer(&app.db, id, &phone.to_string(), external, &audit, app.clock.now()).await;
    match told(named)? {
        Ok(()) => Ok(company.back(Place::Mapping, "named")),
        Err(problem) => page(&app, staff, &company, Shown::problem(problem)).await,
    }
}

/// `POST …/mapping/customers/{user}/remove`.
pub(in crate::admin) async fn unname(
    State(app): State<App>,
    Path((id, user)): Path<(Uuid, Uuid)>,
    posted: Posted<Nothing>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let company = Company::of(&app, staff, id).await?;
    let object = format!("{user} in {}", company.title());
    let audit = Audit {
        actor: &staff.admin.email,
        action: "books.unname_customer",
        object: &object,
        address: Some(staff.from),
    };
    match told(mapping::unname_customer(&app.db, id, user, &audit, app.clock.now()).await)? {
        Ok(()) => Ok(company.back(Place::Mapping, "unnamed")),
        Err(problem) => page(&app, staff, &company, Shown::problem(problem)).await,
    }
}

async fn page(app: &App, staff: &Staff, company: &Company, shown: Shown) -> Result<Response, Refusal> {
    let (id, now) = (company.connection.id, app.clock.now());
    let (choices, read_at) = mapping::choices(&app.db, id).await?;
    let mappings = mapping::all(&app.db, id).await?;
    let can_edit = staff.may(Permission::KeepBooks);
    let head = company.head(Place::Mapping, now);
    let forms = if can_edit && read_at.is_some() {
        forms(&head.address, &wanted(app, company).await?, &choices, &mappings)
    } else {
        Vec::new()
    };
    let page = Mapping {
        page: Page::new(app, staff, Tab::Books),
        style: style(),
        head,
        done: shown.done,
        read: read_at.map(|at| words::moment(at, now)).unwrap_or_default(),
        forms,
        customers: shown_customers(mapping::customers(&app.db, id).await?, staff, &choices),
        tried: shown.tried,
        problem: shown.problem,
    };
    let status = if page.problem.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    answer(status, &page)
}

/// With the number as the role may see it, and the program's name in the place of its identity.
fn shown_customers(customers: Vec<Named>, staff: &Staff, choices: &[Choice]) -> Vec<Named> {
    let shown = customers.into_iter().map(|one| {
        let phone = one.phone.parse::<Phone>().map(|phone| words::phone(staff.admin.role, &phone));
        let there = of(choices, "customer").find(|choice| choice.external == one.external);
        Named {
            phone: phone.unwrap_or_default(),
            external: there.map_or_else(|| one.external.clone(), |choice| choice.name.clone()),
            ..one
        }
    });
    shown.collect()
}

/// The choices that can be made for this.
fn of<'a>(choices: &'a [Choice], what: &str) -> impl Iterator<Item = &'a Choice> {
    let topic = WHAT.into_iter().find(|(name, _)| *name == what).map_or("", |(_, topic)| topic);
    choices.iter().filter(move |choice| choice.topic == topic)
}

fn key(what: &str, subject: &str) -> String {
    format!("{what}:{subject}")
}

/// All for which something can be chosen, in the order of the page.
async fn wanted(app: &App, company: &Company) -> Result<Vec<Wanted>, Refusal> {
    let packages = package::all(&app.db).await?;
    let documents = document::foreign(&app.db).await?;
    let foreign = foreign(documents, packages.iter().map(|package| package.price.currency));
    let packages: Vec<(String, String)> =
        packages.into_iter().map(|package| (package.id.to_string(), package.name)).collect();
    let sites = store::site::desk::list(&app.db, &SiteScope::All).await?;
    let sites: Vec<(String, String)> = sites.into_iter().map(|site| (site.id.to_string(), site.name)).collect();
    let letters: BTreeMap<String, String> =
        tax::rates(&app.db).await?.into_iter().rev().map(|rate| (rate.letter, rate.name)).collect();
    let provider = Provider::named(&company.connection.provider).ok_or(Refusal::NotFound)?;
    Ok(list(provider, &foreign, &packages, &sites, &letters))
}

/// Ways of payment and currencies other than the country's own, so that there is a choice before the first document: those of documents, and
/// those in which a price is.
fn foreign(documents: Vec<(String, String)>, prices: impl Iterator<Item = Currency>) -> BTreeSet<(String, String)> {
    let mut all: BTreeSet<(String, String)> = documents.into_iter().collect();
    for currency in prices.filter(|currency| *currency != Currency::KES) {
        all.extend(ANY_CURRENCY.map(|method| (method.to_owned(), currency.as_str().to_owned())));
    }
    all
}

fn list(
    provider: Provider,
    foreign: &BTreeSet<(String, String)>,
    packages: &[(String, String)],
    sites: &[(String, String)],
    letters: &BTreeMap<String, String>,
) -> Vec<Wanted> {
    let one = |what, subject: &str, label: &str, hint| Wanted {
        what,
        subject: subject.to_owned(),
        label: label.to_owned(),
        hint,
    };
    let mut all = vec![one("customer", ALL, "Customer of daily sales", "Thousands of guests are one customer there.")];
    for method in METHODS {
        let label = format!("Account of money by {}", word(method));
        all.push(one("deposit", method, &label, "Where it is until it goes to the bank."));
    }
    for method in ["mpesa", "stripe"] {
        all.push(one("supplier", method, &format!("Who keeps the fees of {}", word(method)), ""));
    }
    in_foreign(&mut all, foreign);
    all.push(one("fees", ALL, "Account of fees", "An expense."));
    let is_by_item = provider == Provider::QuickBooks;
    if !is_by_item {
        all.push(one("income", ALL, "Account of income, unless a package has its own", ""));
        all.push(one("deferred", ALL, "Account of vouchers that are not used yet", "A liability."));
    }
    let of_all = "Product or service, unless a package has its own";
    all.push(one("item", ALL, of_all, if is_by_item { "Its account is the account of income." } else { "" }));
    let owed = if is_by_item { "One whose account is a liability." } else { "" };
    all.push(one("item", DEFERRED, "Product or service for vouchers that are not used yet", owed));
    if is_by_item {
        all.push(one("item", FEES, "Product or service for fees that were given back", ""));
    }
    for (id, name) in packages {
        all.push(one("item", id, &format!("Product or service: {name}"), ""));
        if !is_by_item {
            all.push(one("income", id, &format!("Account of income: {name}"), ""));
        }
    }
    for (letter, name) in letters {
        all.push(one("tax", letter, &format!("Tax {letter}, {name}"), ""));
    }
    all.push(one("tax", NO_TAX, "Lines without tax", "Leave it empty unless the program wants one on each line."));
    for (id, name) in sites {
        all.push(one("class", id, &format!("Site: {name}"), ""));
    }
    all.push(one("class", ALL, "What is of no site, and sites without a choice", ""));
    for method in METHODS {
        all.push(one("method", method, &format!("Way of payment: {}", word(method)), ""));
    }
    all
}

/// What is chosen for a currency by itself; empty, it is as for all others.
fn in_foreign(all: &mut Vec<Wanted>, foreign: &BTreeSet<(String, String)>) {
    let hint = "Empty: as without the currency. Most programs want one of that currency.";
    let currencies: BTreeSet<&String> = foreign.iter().map(|(_, currency)| currency).collect();
    for currency in currencies {
        let label = format!("Customer of daily sales in {currency}");
        all.push(Wanted { what: "customer", subject: currency.clone(), label, hint });
    }
    for (method, currency) in foreign {
        let (subject, said) = (of_currency(method, currency), in_currency(method, currency));
        let label = format!("Account of money by {said}");
        all.push(Wanted { what: "deposit", subject: subject.clone(), label, hint });
        // Nobody keeps anything of cash.
        if method != "cash" {
            all.push(Wanted { what: "supplier", subject, label: format!("Who keeps the fees of {said}"), hint });
        }
    }
}

fn forms(address: &str, wanted: &[Wanted], choices: &[Choice], mappings: &Mappings) -> Vec<Form> {
    let (mut sent, mut suggested) = (Fields::default(), Vec::new());
    for one in wanted {
        let name = key(one.what, &one.subject);
        let chosen = mappings.get(&(one.what.to_owned(), one.subject.clone()));
        // Only where nothing was ever chosen: who has emptied a field on purpose is not asked again and again.
        let suggestion = || mappings.is_empty().then(|| suggest(&one.label, of(choices, one.what))).flatten();
        let (value, is_suggested) = match chosen {
            Some(chosen) => (Some(chosen.clone()), false),
            None => (suggestion(), true),
        };
        if let Some(value) = value {
            suggested.extend(is_suggested.then(|| name.clone()));
            sent = sent.with(&name, value);
        }
    }
    let problems = Problems::default();
    let filled = Filled { sent: &sent, problems: &problems };
    let field = |one: &Wanted| -> Field {
        let name = key(one.what, &one.subject);
        let field = filled.choice(&name, &one.label, &options(one.what, choices, sent.text(&name)));
        let hint = if suggested.contains(&name) { "Suggested by its name: save to take it." } else { one.hint };
        field.hint(hint)
    };
    let choices_form = wanted.iter().fold(
        Form::new("choices", address, "Save").titled("What is what there", "Empty: there is none."),
        |form, one| form.field(field(one)),
    );
    let customer = filled.choice("customer", "Who they are there", &options("customer", choices, ""));
    let name_form = Form::new("customer", format!("{address}/customers"), "Name them")
        .titled(
            "Business customers",
            "Each sale to a customer who is named here is told for itself, from the next document on.",
        )
        .field(filled.phone("phone", "Their number here").required())
        .field(customer.required());
    vec![choices_form, name_form]
}

fn options(what: &str, choices: &[Choice], chosen: &str) -> Vec<(String, String)> {
    let label = |choice: &Choice| match choice.detail.as_str() {
        "" => choice.name.clone(),
        detail => format!("{} ({detail})", choice.name),
    };
    let mut options = vec![(String::new(), "Nothing".to_owned())];
    options.extend(of(choices, what).map(|choice| (choice.external.clone(), label(choice))));
    if !options.iter().any(|(value, _)| value == chosen) {
        options.push((chosen.to_owned(), format!("{chosen} (is not there any more)")));
    }
    options
}

/// What has the same name there: the last part of what ours is called, such as the package's name.
fn suggest<'a>(label: &str, choices: impl Iterator<Item = &'a Choice>) -> Option<String> {
    let name = label.rsplit(": ").next().unwrap_or(label).trim().to_lowercase();
    let mut same = choices.filter(|choice| choice.name.trim().to_lowercase() == name);
    let first = same.next()?;
    // Of two with one name nobody knows which.
    same.next().is_none().then(|| first.external.clone())
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::super::company::tests::company;
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    fn choice(topic: &str, id: &str, name: &str) -> Choice {
        Choice { topic: topic.into(), external: id.into(), name: name.into(), detail: HOSTILE.into() }
    }

    fn all(provider: Provider) -> Vec<Wanted> {
        let packages = [("p1".to_owned(), "1 hour".to_owned())];
        let sites = [("s1".to_owned(), HOSTILE.to_owned())];
        let letters = BTreeMap::from([("B".to_owned(), "VAT 16 %".to_owned())]);
        list(provider, &BTreeSet::new(), &packages, &sites, &letters)
    }

    pub(in crate::admin) fn sample(page: Page) -> Mapping {
        let company = company();
        let choices = [choice("item", "11", "1 HOUR"), choice("account", HOSTILE, HOSTILE)];
        let tried = |problems: Vec<String>| Tried {
            number: HOSTILE.into(),
            day: "22 November 2026".into(),
            amount: "KSh 50".into(),
            lines: vec![HOSTILE.into()],
            problems,
        };
        Mapping {
            page,
            style: style(),
            head: company.head(Place::Mapping, shared::time::OffsetDateTime::UNIX_EPOCH),
            done: "It is saved.",
            problem: HOSTILE.into(),
            read: "14:03".into(),
            forms: forms("/admin/books", &all(Provider::Xero), &choices, &Mappings::new()),
            customers: vec![Named {
                user: Uuid::from_u128(1),
                name: HOSTILE.into(),
                phone: "07xx xxx 678".into(),
                external: HOSTILE.into(),
            }],
            tried: Some(vec![tried(vec![HOSTILE.into()]), tried(Vec::new())]),
        }
    }

    #[test]
    fn each_program_is_asked_for_what_it_wants() {
        let of = |provider, what: &str| all(provider).iter().filter(|one| one.what == what).count();
        for provider in Provider::ALL {
            let known: Vec<&str> = WHAT.iter().map(|(what, _)| *what).collect();
            assert!(all(provider).iter().all(|one| known.contains(&one.what)), "the table takes no other");
            assert_eq!((of(provider, "deposit"), of(provider, "tax"), of(provider, "class")), (3, 2, 2));
        }
        assert_eq!((of(Provider::QuickBooks, "income"), of(Provider::QuickBooks, "item")), (0, 4));
        assert_eq!((of(Provider::Zoho, "income"), of(Provider::Zoho, "deferred")), (2, 1));
    }

    #[test]
    fn a_currency_of_its_own_has_choices_of_its_own() {
        let usd = "USD".parse::<Currency>().unwrap();
        assert!(foreign(Vec::new(), [Currency::KES].into_iter()).is_empty());
        let documents = vec![("stripe".to_owned(), "USD".to_owned()), ("mpesa".to_owned(), "TZS".to_owned())];
        let foreign = foreign(documents, [Currency::KES, usd].into_iter());
        let wanted = list(Provider::Xero, &foreign, &[], &[], &BTreeMap::new());
        let own: Vec<(&str, &str)> = wanted
            .iter()
            .filter(|one| one.subject.contains("USD") || one.subject.contains("TZS"))
            .map(|one| (one.what, one.subject.as_str()))
            .collect();
        assert_eq!(
            own,
            [
                ("customer", "TZS"),
                ("customer", "USD"),
                ("deposit", "cash:USD"),
                ("deposit", "mpesa:TZS"),
                ("supplier", "mpesa:TZS"),
                ("deposit", "stripe:USD"),
                ("supplier", "stripe:USD")
            ]
        );
        assert!(wanted.iter().any(|one| one.label == "Account of money by card in USD"));
    }

    #[test]
    fn what_has_the_same_name_is_suggested_and_never_one_of_two() {
        let label = "Product or service: 1 hour";
        let choices = [choice("item", "11", "1 Hour"), choice("item", "12", "1 day")];
        assert_eq!(suggest(label, choices.iter()), Some("11".into()));
        let twice = [choice("item", "11", "1 hour"), choice("item", "12", "1 HOUR")];
        assert_eq!(suggest(label, twice.iter()), None);
        let none =
            forms("/x", &all(Provider::Zoho), &choices, &Mappings::from([(("a".into(), "b".into()), "c".into())]));
        assert!(none[0].fields.iter().all(|field| field.value.is_empty()), "somebody has chosen before");
    }

    #[test]
    fn a_choice_that_is_gone_stays_visible() {
        let shown = options("item", &[choice("item", "11", "1 hour")], "99");
        assert_eq!(shown.last().map(|(value, _)| value.as_str()), Some("99"));
        assert_eq!(options("item", &[], "").len(), 1);
    }
}
