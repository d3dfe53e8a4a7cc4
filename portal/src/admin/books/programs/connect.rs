//! Connecting a company: from the desk to the program, and back.
//!
//! ```text
//!  form ──► ask ──► the program: "yes" ──► back ──► finish ──► connected
//!            │ a secret, kept for the session         │ several companies
//!            ▼                                        ▼
//!          Redis ◄──────────── taken once ──────── choose ──► connected
//! ```
//!
//! The secret (`state`) proves that whoever comes back has begun it in the same session, and it is good once: what was begun is found only
//! by both, the session's own secret and this one.
//!
//! The desk's cookie does not come along with a link from elsewhere. So the page to which a program sends the browser, [`back`], knows nobody,
//! does nothing, and leads on to [`finish`], which is behind the door: then the step comes from a page of ours. That leading on is a header,
//! and a link for browsers that do not heed it.
//!
//! Refused here: a way back that nobody began in this session, or that was used; and sending what comes along anywhere but to the program.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use books::connector::{Connector as _, Provider, Trouble};
use books::grant::{Grant, Organisation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::rng;
use shared::time::{OffsetDateTime, Zone};
use store::books::connection::{self, By, New, Pair, Tokens};
use store::redis::Digest;
use time::Date;
use time::macros::{date, format_description};
use url::{Url, form_urlencoded};

use super::{LIST, SINCE, Sent, in_words, programs, unlimited};
use crate::admin::Refusal;
use crate::admin::form::{Field, Fields, Filled, Form, FormPage, Problems};
use crate::admin::page::{Page, Tab, answer, style};
use crate::admin::proof::Proved;
use crate::books::programs::Configured;
use crate::session::Staff;
use crate::session::csrf::Posted;
use crate::{App, urls};

/// How long one may take for it, seconds.
const GOOD_FOR: u64 = 900;
/// Longest of what comes back that is carried on, in octets. Codes have about two hundred.
const CARRIED_MAX: usize = 600;
/// The first day from which anything can be told.
const EARLIEST: Date = date!(2020 - 01 - 01);
/// For what a record in Redis is sealed.
const CONTEXT: &str = "books.grant";
/// The fields of the form on which a company is chosen.
const GRANTED: &str = "grant";
const ORGANISATION: &str = "organisation";

/// What was begun.
#[derive(Debug, Serialize, Deserialize)]
struct Asked {
    provider: String,
    posts_since: Date,
}

/// What was given out, while a company is chosen.
#[derive(Serialize, Deserialize)]
struct Granted {
    provider: String,
    posts_since: Date,
    tokens: Tokens,
    base_url: Option<String>,
    /// Seconds of the Unix epoch.
    access_until: i64,
    refresh_until: Option<i64>,
    /// Ids and names.
    organisations: Vec<(String, String)>,
}

/// The page that leads to the program.
#[derive(Debug, Template)]
#[template(path = "admin/books/program_go.html")]
pub(in crate::admin) struct Go {
    page: Page,
    style: String,
    name: &'static str,
    address: String,
}

/// The page to which the program leads back. Nobody is known there.
#[derive(Debug, Template)]
#[template(path = "admin/books/program_back.html")]
pub(in crate::admin) struct Back {
    brand: String,
    style: String,
    name: &'static str,
    address: String,
}

/// What comes back.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::admin) struct Came {
    code: String,
    state: String,
    error: String,
    /// QuickBooks: the company.
    #[serde(rename = "realmId")]
    realm: String,
    /// Zoho: the data centre.
    location: String,
}

/// `POST /admin/books/programs/{provider}/connect`: on to the program.
pub(in crate::admin) async fn ask(
    State(app): State<App>,
    Path(provider): Path<String>,
    proved: Proved<Fields>,
) -> Result<Response, Refusal> {
    let (staff, sent) = (&proved.staff, &proved.form);
    let configured = configured(&app, &provider)?;
    let provider = configured.program.provider();
    unlimited(staff)?;
    let mut problems = Problems::default();
    let today = Zone::default().at(app.clock.now()).date();
    let Some(posts_since) = problems.keep(SINCE, first_day(sent.text(SINCE), today)) else {
        let sent = Sent { provider, fields: sent, problems: &problems };
        return answer(StatusCode::OK, &programs(&app, staff, Some(sent), "", String::new()).await?);
    };
    let asked = Asked { provider: provider.as_str().to_owned(), posts_since };
    let state = keep(&app, staff, "asked", &asked).await?;
    let address = configured.issuer.authorize_url(&way_back(&app, provider), &state);
    let page = Page::new(&app, staff, Tab::Books);
    let go = Go { page, style: style(), name: provider.name(), address: address.to_string() };
    leading_on(answer(StatusCode::OK, &go)?, address.as_str())
}

/// `GET /admin/books/programs/{provider}/back`: from the program, and on into the desk.
pub(in crate::admin) async fn back(
    State(app): State<App>,
    Path(provider): Path<String>,
    Query(came): Query<Came>,
) -> Result<Response, Refusal> {
    let provider = configured(&app, &provider)?.program.provider();
    let address = onward(provider, &came);
    let brand = app.config.portal.brand.clone();
    let back = Back { brand, style: style(), name: provider.name(), address: address.clone() };
    leading_on(answer(StatusCode::OK, &back)?, &address)
}

/// `GET /admin/books/programs/{provider}/finish`: asks for the tokens, and into which companies they let us.
pub(in crate::admin) async fn finish(
    State(app): State<App>,
    Path(provider): Path<String>,
    staff: Staff,
    Query(came): Query<Came>,
) -> Result<Response, Refusal> {
    let configured = configured(&app, &provider)?;
    let provider = configured.program.provider();
    unlimited(&staff)?;
    let asked: Option<Asked> = take(&app, &staff, "asked", &came.state).await?;
    let Some(asked) = asked.filter(|asked| asked.provider == provider.as_str()) else {
        return refused(&app, &staff, "That was not begun in this session, or took too long. Begin again.".to_owned())
            .await;
    };
    if !came.error.is_empty() || came.code.is_empty() {
        let problem = format!("{} was not told that we may come in. Nothing was changed.", provider.name());
        return refused(&app, &staff, problem).await;
    }
    let granted = match granted(&app, configured, &asked, &came).await {
        Ok(granted) => granted,
        Err(trouble) => return refused(&app, &staff, why(provider, trouble)).await,
    };
    match granted.organisations.as_slice() {
        [only] => connect(&app, &staff, &granted, only).await,
        _ => {
            let secret = keep(&app, &staff, "granted", &granted).await?;
            answer(StatusCode::OK, &choice(Page::new(&app, &staff, Tab::Books), provider, &granted, &secret))
        }
    }
}

/// `POST /admin/books/programs/{provider}/choose`: connects the company that was chosen.
pub(in crate::admin) async fn choose(
    State(app): State<App>,
    Path(provider): Path<String>,
    posted: Posted<Fields>,
) -> Result<Response, Refusal> {
    let staff = &posted.staff;
    let provider = configured(&app, &provider)?.program.provider();
    unlimited(staff)?;
    let granted: Option<Granted> = take(&app, staff, "granted", posted.form.text(GRANTED)).await?;
    let granted = granted.filter(|granted| granted.provider == provider.as_str());
    let chosen = granted.as_ref().and_then(|granted| {
        granted.organisations.iter().find(|(id, _)| id == posted.form.text(ORGANISATION)).map(|one| (granted, one))
    });
    match chosen {
        Some((granted, organisation)) => connect(&app, staff, granted, organisation).await,
        None => refused(&app, staff, "That took too long. Begin again.".to_owned()).await,
    }
}

async fn granted(app: &App, configured: &Configured, asked: &Asked, came: &Came) -> Result<Granted, Trouble> {
    let provider = configured.program.provider();
    let issuer = &configured.issuer;
    let server = issuer.server(Some(came.location.as_str()).filter(|word| !word.is_empty()))?;
    let grant = issuer.exchange(&came.code, &way_back(app, provider), server.as_ref()).await?;
    let realm = Some(came.realm.as_str()).filter(|_| provider == Provider::QuickBooks);
    let organisations = issuer.organisations(&grant, realm).await?;
    Ok(written(asked, grant, server, organisations, app.clock.now()))
}

fn written(
    asked: &Asked,
    grant: Grant,
    server: Option<Url>,
    organisations: Vec<Organisation>,
    now: OffsetDateTime,
) -> Granted {
    Granted {
        provider: asked.provider.clone(),
        posts_since: asked.posts_since,
        tokens: Tokens {
            access: grant.access,
            refresh: grant.refresh.unwrap_or_default(),
            server: server.map(String::from),
        },
        base_url: grant.base.map(String::from),
        access_until: (now + grant.access_lasts).unix_timestamp(),
        refresh_until: grant.refresh_lasts.map(|lasts| (now + lasts).unix_timestamp()),
        organisations: organisations.into_iter().map(|one| (one.id, one.name)).collect(),
    }
}

async fn connect(
    app: &App,
    staff: &Staff,
    granted: &Granted,
    (organisation, name): &(String, String),
) -> Result<Response, Refusal> {
    let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let new = New {
        provider: &granted.provider,
        organisation,
        name,
        posts_since: granted.posts_since,
        pair: Pair {
            tokens: &granted.tokens,
            base_url: granted.base_url.as_deref(),
            access_until: moment(granted.access_until),
            refresh_until: granted.refresh_until.map(moment),
        },
    };
    let by = By { actor: &staff.admin.email, address: Some(staff.from) };
    connection::connect(&app.db, &new, by, app.clock.now()).await?;
    Ok(Redirect::to(&format!("{LIST}?done=connected")).into_response())
}

/// The page on which one of several companies is chosen.
fn choice(page: Page, provider: Provider, granted: &Granted, secret: &str) -> FormPage {
    let (sent, problems) = (Fields::default(), Problems::default());
    let filled = Filled { sent: &sent, problems: &problems };
    let form = Form::new("company", format!("{LIST}/{}/choose", provider.as_str()), "Connect it")
        .field(Field::hidden(GRANTED, secret))
        .field(filled.choice(ORGANISATION, "Company", &granted.organisations));
    let title = format!("Which company in {}?", provider.name());
    let lines =
        vec!["You may enter several there. Whoever keeps the books of two connects one after the other.".to_owned()];
    FormPage { lines, ..FormPage::new(page, title, (LIST, "Back, and change nothing"), form) }
}

/// The list, with what went wrong above it.
async fn refused(app: &App, staff: &Staff, problem: String) -> Result<Response, Refusal> {
    answer(StatusCode::CONFLICT, &programs(app, staff, None, "", problem).await?)
}

fn configured<'a>(app: &'a App, provider: &str) -> Result<&'a Configured, Refusal> {
    Provider::named(provider).and_then(|provider| app.books.of(provider)).ok_or(Refusal::NotFound)
}

fn way_back(app: &App, provider: Provider) -> Url {
    urls::books_back(&app.config.portal.public_url, provider.as_str())
}

/// The first day that is told.
fn first_day(text: &str, today: Date) -> Result<Date, String> {
    let day = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let day = day.map_err(|_| "write a day such as 2026-11-01".to_owned())?;
    match (EARLIEST..=today).contains(&day) {
        true => Ok(day),
        false => Err(format!("choose a day from {EARLIEST} to today")),
    }
}

/// What came back, as it goes on.
fn onward(provider: Provider, came: &Came) -> String {
    let parts = [
        ("code", &came.code),
        ("state", &came.state),
        ("error", &came.error),
        ("realmId", &came.realm),
        ("location", &came.location),
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parts.into_iter().filter(|(_, value)| (1..=CARRIED_MAX).contains(&value.len())) {
        query.append_pair(name, value);
    }
    format!("{LIST}/{}/finish?{}", provider.as_str(), query.finish())
}

/// A page that leads on at once.
fn leading_on(mut response: Response, address: &str) -> Result<Response, Refusal> {
    let value = HeaderValue::try_from(format!("0; url={address}")).map_err(Refusal::broken)?;
    response.headers_mut().insert(header::REFRESH, value);
    Ok(response)
}

/// Why there are no tokens.
fn why(provider: Provider, trouble: Trouble) -> String {
    match trouble {
        Trouble::Reconnect(_) => {
            format!("{} says that the way back took too long, or was used before. Begin again.", provider.name())
        }
        other => in_words(provider, other),
    }
}

/// Keeps what a member of staff has begun, for this session alone. Returns the secret by which it is found.
async fn keep(app: &App, staff: &Staff, what: &str, record: &impl Serialize) -> Result<String, Refusal> {
    let secret = rng::secret();
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(record).map_err(Refusal::broken)?);
    let sealed = hex::encode(app.db.seal().seal(CONTEXT, &plain));
    app.redis.put_grant(&digest(app, staff, what, &secret), &sealed, GOOD_FOR).await?;
    Ok(secret)
}

/// Takes it: it is there once.
async fn take<T: DeserializeOwned>(app: &App, staff: &Staff, what: &str, secret: &str) -> Result<Option<T>, Refusal> {
    if secret.is_empty() {
        return Ok(None);
    }
    let Some(sealed) = app.redis.take_grant(&digest(app, staff, what, secret)).await? else { return Ok(None) };
    let plain = hex::decode(sealed).ok().and_then(|sealed| app.db.seal().open(CONTEXT, &sealed).ok());
    Ok(plain.and_then(|plain| serde_json::from_slice(&plain).ok()))
}

fn digest(app: &App, staff: &Staff, what: &str, secret: &str) -> Digest {
    app.db.seal().lookup(format!("books-{what}:{}:{secret}", staff.csrf).as_bytes())
}

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    pub(in crate::admin) fn go(page: Page) -> Go {
        Go { page, style: style(), name: "Xero", address: format!("https://login.xero.com/?state={HOSTILE}") }
    }

    pub(in crate::admin) fn came_back() -> Back {
        let came = Came { code: HOSTILE.into(), state: "s".into(), ..Came::default() };
        Back { brand: HOSTILE.into(), style: style(), name: "Xero", address: onward(Provider::Xero, &came) }
    }

    pub(in crate::admin) fn companies(page: Page) -> FormPage {
        let granted = Granted {
            provider: "xero".into(),
            posts_since: EARLIEST,
            tokens: Tokens { access: "hunter2".into(), refresh: "hunter2".into(), server: None },
            base_url: None,
            access_until: 0,
            refresh_until: None,
            organisations: vec![("t1".into(), HOSTILE.into()), ("t2".into(), "Duka Ltd".into())],
        };
        choice(page, Provider::Xero, &granted, "secret")
    }

    #[test]
    fn a_company_is_chosen_without_a_token_on_the_page() {
        let html = companies(crate::admin::page::tests::page()).render().unwrap();
        assert!(html.contains("Duka Ltd") && !html.contains("hunter2"), "{html}");
    }

    #[test]
    fn what_comes_back_goes_on_within_the_desk_and_no_further() {
        let came = Came {
            code: "a b&c=//evil.example".into(),
            state: "s".into(),
            location: "x".repeat(CARRIED_MAX + 1),
            ..Came::default()
        };
        assert_eq!(
            onward(Provider::Zoho, &came),
            "/admin/books/programs/zoho/finish?code=a+b%26c%3D%2F%2Fevil.example&state=s"
        );
    }

    #[test]
    fn documents_begin_on_a_day_that_was() {
        let today = date!(2026 - 11 - 22);
        assert_eq!(first_day("2026-11-01", today), Ok(date!(2026 - 11 - 01)));
        assert_eq!(first_day("2026-11-22", today), Ok(today));
        for text in ["2026-11-23", "2019-12-31", "1.11.2026", ""] {
            assert!(first_day(text, today).is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_begun_is_read_as_it_was_written() {
        let asked = Asked { provider: "xero".into(), posts_since: date!(2026 - 11 - 01) };
        let text = serde_json::to_string(&asked).unwrap();
        let again: Asked = serde_json::from_str(&text).unwrap();
        assert_eq!((again.provider.as_str(), again.posts_since), ("xero", asked.posts_since));
    }
}
