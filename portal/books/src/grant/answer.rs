//! What the answers mean with which a grant begins, goes on and ends: functions of the status and the body.
//!
//! Only the issuer's own words end a connection: a page of something in between, or a program that is away, does not.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{Grant, Organisation, is_name};
use crate::connector::{Provider, Trouble};

/// Longest token that is taken, in octets. Xero's access tokens have about two thousand, Intuit's may have four.
const TOKEN_MAX: usize = 8192;
/// What is taken for the life of an access token where it is not said: the shortest of the three.
const ACCESS_LASTS: Duration = Duration::from_secs(1800);
/// Longest life that is believed: ten years.
const LASTS_MAX: u64 = 10 * 366 * 86_400;
/// Most letters that are kept of a text of theirs.
const QUOTE_MAX: usize = 200;
/// Words with which an issuer says that it does not let us in any more. The second is Zoho's, with HTTP 200.
const GONE: [&str; 2] = ["invalid_grant", "invalid_code"];
/// Words with which an issuer says that it does not know the app.
const UNKNOWN_APP: [&str; 4] = ["invalid_client", "unauthorized_client", "invalid_client_secret", "client_not_found"];

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    #[serde(default)]
    refresh_token: Option<String>,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    x_refresh_token_expires_in: Option<Value>,
    #[serde(default)]
    api_domain: Option<Url>,
}

/// The grant that an answer of the issuer holds.
///
/// # Errors
/// [`Trouble::Reconnect`] where it says that we are not let in any more; [`Trouble::Away`] where it certainly gave nothing out, also
/// because it does not know the app; [`Trouble::Unknown`] where it may have.
pub fn read_grant(provider: Provider, status: u16, body: &[u8]) -> Result<Grant, Trouble> {
    let name = provider.name();
    let json: Value = match serde_json::from_slice(body) {
        Ok(json) => json,
        Err(_) => return Err(without_words(name, status)),
    };
    if let Some(word) = json.get("error").and_then(Value::as_str) {
        return Err(refusal(provider, status, word, &json));
    }
    let tokens = serde_json::from_value::<Tokens>(json).ok().filter(|_| status == 200);
    let Some(tokens) = tokens.filter(is_usable) else { return Err(without_words(name, status)) };
    Ok(Grant {
        access: tokens.access_token,
        refresh: tokens.refresh_token,
        access_lasts: lasts(tokens.expires_in.as_ref()).unwrap_or(ACCESS_LASTS),
        // Xero says nothing of it in the answer: sixty days unused, by its documentation.
        refresh_lasts: match provider {
            Provider::Xero => Some(Duration::from_secs(60 * 86_400)),
            _ => lasts(tokens.x_refresh_token_expires_in.as_ref()),
        },
        base: tokens.api_domain,
    })
}

/// Both tokens can stand in a header and in a form.
fn is_usable(tokens: &Tokens) -> bool {
    let is_plain =
        |token: &str| (1..=TOKEN_MAX).contains(&token.len()) && token.bytes().all(|octet| octet.is_ascii_graphic());
    is_plain(&tokens.access_token) && tokens.refresh_token.as_deref().is_none_or(is_plain)
}

/// Seconds, as a number or as text.
fn lasts(value: Option<&Value>) -> Option<Duration> {
    let seconds = value?.as_u64().or_else(|| value?.as_str()?.parse().ok())?;
    Some(Duration::from_secs(seconds.min(LASTS_MAX)))
}

fn refusal(provider: Provider, status: u16, word: &str, json: &Value) -> Trouble {
    let name = provider.name();
    let said = json.get("error_description").and_then(Value::as_str).map(quotable).unwrap_or_default();
    let said = if said.is_empty() { quotable(word) } else { format!("{}: {said}", quotable(word)) };
    if GONE.contains(&word) {
        return Trouble::Reconnect(format!("{name} does not let us in any more ({said})."));
    }
    if UNKNOWN_APP.contains(&word) {
        return Trouble::Away(format!("{name} does not know the app: client_id or client_secret is wrong ({said})."));
    }
    match status {
        429 => Trouble::TooMany { wait: None, is_daily: false },
        // Zoho says "Access Denied" where tokens are asked for too often.
        _ if provider == Provider::Zoho && word.eq_ignore_ascii_case("access denied") => {
            Trouble::TooMany { wait: None, is_daily: false }
        }
        _ => Trouble::Away(format!("{name} gives no token ({said}).")),
    }
}

/// What an answer that is none of the issuer's means. A 5xx may come after the work, and so may a success that cannot be read.
fn without_words(name: &str, status: u16) -> Trouble {
    match status {
        429 => Trouble::TooMany { wait: None, is_daily: false },
        400..=499 => Trouble::Away(format!("{name} answered {status} without a reason.")),
        _ => Trouble::Unknown(format!("{name} answered {status}, and nothing that can be read.")),
    }
}

/// The tenants of Xero's `GET /connections`: those that are organisations.
///
/// # Errors
/// The answer is no such list.
pub fn read_connections(status: u16, body: &[u8]) -> Result<Vec<Organisation>, Trouble> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Tenant {
        tenant_id: String,
        #[serde(default)]
        tenant_name: Option<String>,
        #[serde(default)]
        tenant_type: Option<String>,
    }
    let listed = (status == 200).then(|| serde_json::from_slice::<Vec<Tenant>>(body).ok()).flatten();
    let listed = listed.ok_or_else(|| no_list(Provider::Xero, status))?;
    // A practice is not a company.
    let is_company = |tenant: &Tenant| tenant.tenant_type.as_deref().is_none_or(|kind| kind == "ORGANISATION");
    let tenants = listed.into_iter().filter(is_company);
    Ok(tenants.filter_map(|tenant| organisation(tenant.tenant_id, tenant.tenant_name)).collect())
}

/// The organisations of Zoho's `GET /books/v3/organizations`.
///
/// # Errors
/// The answer is no such list, or Zoho says that it did not work.
pub fn read_organizations(status: u16, body: &[u8]) -> Result<Vec<Organisation>, Trouble> {
    let json: Value = serde_json::from_slice(body).map_err(|_| no_list(Provider::Zoho, status))?;
    // Whatever the status is.
    if json.get("code").and_then(Value::as_i64) != Some(0) {
        return Err(no_list(Provider::Zoho, status));
    }
    let listed = json.get("organizations").and_then(Value::as_array).into_iter().flatten();
    let read = |one: &Value| {
        let id = one.get("organization_id")?;
        let id = id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|number| number.to_string()))?;
        organisation(id, one.get("name").and_then(Value::as_str).map(str::to_owned))
    };
    Ok(listed.filter_map(read).collect())
}

/// The one of QuickBooks' `companyinfo`.
pub(super) fn read_company(status: u16, body: &[u8], realm: &str) -> Result<Vec<Organisation>, Trouble> {
    let json = (status == 200).then(|| serde_json::from_slice::<Value>(body).ok()).flatten();
    let json = json.ok_or_else(|| no_list(Provider::QuickBooks, status))?;
    let name = json.pointer("/CompanyInfo/CompanyName").and_then(Value::as_str);
    match name {
        Some(name) => Ok(organisation(realm.to_owned(), Some(name.to_owned())).into_iter().collect()),
        // A Fault may come with 200.
        None => Err(no_list(Provider::QuickBooks, status)),
    }
}

fn organisation(id: String, name: Option<String>) -> Option<Organisation> {
    let name = name.map(|name| quotable(&name)).filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
    is_name(&id).then_some(Organisation { id, name })
}

fn no_list(provider: Provider, status: u16) -> Trouble {
    Trouble::Away(format!("{} did not say which companies there are (HTTP {status}).", provider.name()))
}

/// A text of theirs as it may be stored and shown: bounded, and in one line.
fn quotable(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_control() || letter == ' ').filter(|word| !word.is_empty());
    words.collect::<Vec<&str>>().join(" ").chars().take(QUOTE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(provider: Provider, status: u16, json: &Value) -> Result<Grant, Trouble> {
        read_grant(provider, status, json.to_string().as_bytes())
    }

    #[test]
    fn quickbooks_says_how_long_each_token_is_good() {
        let answer = json!({
            "token_type": "bearer", "access_token": "at", "refresh_token": "rt", "expires_in": 3600,
            "x_refresh_token_expires_in": 8_726_400,
        });
        let grant = read(Provider::QuickBooks, 200, &answer).unwrap();
        assert_eq!((grant.access.as_str(), grant.refresh.as_deref()), ("at", Some("rt")));
        assert_eq!(grant.access_lasts, Duration::from_secs(3600));
        assert_eq!(grant.refresh_lasts, Some(Duration::from_secs(8_726_400)));
    }

    #[test]
    fn xeros_refresh_token_is_another_one_and_zohos_stays() {
        let xero = json!({ "access_token": "at", "refresh_token": "new", "expires_in": 1800, "token_type": "Bearer" });
        let xero = read(Provider::Xero, 200, &xero).unwrap();
        assert_eq!((xero.refresh.as_deref(), xero.access_lasts), (Some("new"), Duration::from_secs(1800)));
        let zoho = json!({ "access_token": "at", "api_domain": "https://www.zohoapis.eu", "expires_in": "3600" });
        let zoho = read(Provider::Zoho, 200, &zoho).unwrap();
        assert_eq!((zoho.refresh, zoho.access_lasts), (None, Duration::from_secs(3600)));
        assert_eq!(zoho.base.unwrap().as_str(), "https://www.zohoapis.eu/");
    }

    #[test]
    fn only_the_issuers_own_words_end_a_connection() {
        let said = |status, word: &str| read(Provider::Xero, status, &json!({ "error": word })).unwrap_err();
        assert!(matches!(said(400, "invalid_grant"), Trouble::Reconnect(_)));
        assert!(matches!(said(401, "invalid_client"), Trouble::Away(_)), "the configuration is wrong, not the grant");
        assert!(matches!(said(400, "temporarily_unavailable"), Trouble::Away(_)));
        let zoho = read(Provider::Zoho, 200, &json!({ "error": "invalid_code" })).unwrap_err();
        assert!(matches!(zoho, Trouble::Reconnect(_)), "with 200, too");
        let often = json!({ "error": "Access Denied", "error_description": "too many requests", "status": "failure" });
        assert_eq!(read(Provider::Zoho, 400, &often).unwrap_err(), Trouble::TooMany { wait: None, is_daily: false });
        for (status, body) in [(200, &b"{}"[..]), (200, b"<html>"), (502, b"<html>"), (302, b"")] {
            let trouble = read_grant(Provider::QuickBooks, status, body).unwrap_err();
            assert!(matches!(trouble, Trouble::Unknown(_)), "{status}: {trouble:?}");
        }
        assert!(matches!(read_grant(Provider::QuickBooks, 403, b"<html>"), Err(Trouble::Away(_))));
        assert!(matches!(read_grant(Provider::QuickBooks, 429, b""), Err(Trouble::TooMany { .. })));
    }

    #[test]
    fn a_token_that_cannot_stand_in_a_header_is_none() {
        for token in ["", "a b", "a\nb", "ä", &"a".repeat(TOKEN_MAX + 1)] {
            let answer = json!({ "access_token": token, "refresh_token": "rt" });
            assert!(matches!(read(Provider::Xero, 200, &answer), Err(Trouble::Unknown(_))), "{token:.9}");
        }
    }

    #[test]
    fn xeros_tenants_are_told_by_their_tenant_id() {
        let answer = json!([
            { "id": "e1e6f4a0", "tenantId": "45e4708e-d862", "tenantType": "ORGANISATION", "tenantName": "Duka\nLtd" },
            { "id": "e1e6f4a1", "tenantId": "practice", "tenantType": "PRACTICE", "tenantName": "Accountants" },
            { "id": "e1e6f4a2", "tenantId": "../up", "tenantType": "ORGANISATION", "tenantName": "No" },
        ]);
        let found = read_connections(200, answer.to_string().as_bytes()).unwrap();
        assert_eq!(found, [Organisation { id: "45e4708e-d862".into(), name: "Duka Ltd".into() }]);
        assert!(read_connections(401, b"[]").is_err() && read_connections(200, b"{}").is_err());
    }

    #[test]
    fn zohos_code_counts_whatever_the_status_is() {
        let answer = json!({ "code": 0, "organizations": [
            { "organization_id": "10234695", "name": "Duka Ltd" }, { "organization_id": 7, "name": "" },
        ] });
        let found = read_organizations(200, answer.to_string().as_bytes()).unwrap();
        assert_eq!(found[0], Organisation { id: "10234695".into(), name: "Duka Ltd".into() });
        assert_eq!(found[1], Organisation { id: "7".into(), name: "7".into() });
        let failed = json!({ "code": 57, "message": "You are not authorized" });
        assert!(read_organizations(200, failed.to_string().as_bytes()).is_err());
    }

    #[test]
    fn quickbooks_company_has_the_name_of_the_way_back() {
        let answer = json!({ "CompanyInfo": { "CompanyName": "Duka Ltd", "Id": "1" } });
        let found = read_company(200, answer.to_string().as_bytes(), "9130").unwrap();
        assert_eq!(found, [Organisation { id: "9130".into(), name: "Duka Ltd".into() }]);
        assert!(read_company(200, br#"{"Fault":{}}"#, "9130").is_err());
    }

    #[test]
    fn what_they_say_is_bounded_and_in_one_line() {
        let long = json!({ "error": "invalid_grant", "error_description": "x\n".repeat(1000) });
        let Err(Trouble::Reconnect(said)) = read(Provider::Xero, 400, &long) else { panic!("another trouble") };
        assert!(said.len() < 300 && !said.contains('\n'), "{said}");
    }
}
