//! How the operator lets us into an accountant's program, and how that is kept up: OAuth 2 (RFC 6749), as each of the three speaks it.
//!
//! ```text
//!  authorize_url ──► the operator says yes there ──► exchange ──► Grant ──► organisations: into which companies
//!                                                                  │
//!                                  revoke ◄── ends it ◄── Grant ◄──┴── refresh, before an hour is over
//! ```
//!
//! | | QuickBooks Online | Xero | Zoho Books |
//! |---|---|---|---|
//! | who asks | Basic | Basic | in the form |
//! | access token lives | 60 minutes | 30 minutes | 60 minutes |
//! | refresh token | another value about every day; 100 days (`x_refresh_token_expires_in`) | another one each time, the old one is dead | stays |
//! | "not let in any more" | 400 `invalid_grant` | 400 `invalid_grant` | 200 `{"error":"invalid_code"}` |
//! | the company | `realmId` of the way back | `GET /connections` | `GET /books/v3/organizations` |
//! | where it is | set | set | `api_domain` of the grant |
//!
//! What an answer means is read by functions of status and body ([`read_grant`], [`read_connections`], [`read_organizations`]). A token and
//! the app's secret go to the addresses that are set, to Zoho's own data centres, and nowhere else.
//!
//! Refused here: keeping anything. Who renews, and that a new pair of tokens is written down before it is used, is the portal's business.

mod answer;

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use shared::config::{self, Secret, is_safe};
use url::Url;

use crate::connector::{Provider, Trouble};
use crate::http::{self, Asked, Heard, below, client};
use outgoing::Silence;

pub use answer::{read_connections, read_grant, read_organizations};

/// Largest answer that is read, in octets. Xero's tokens have about two thousand.
const ANSWER_LIMIT: usize = 256 * 1024;
/// What is asked for at QuickBooks.
const QUICKBOOKS_SCOPE: &str = "com.intuit.quickbooks.accounting";
/// What is asked for at Xero: the granular scopes, which apps made after March 2026 have alone.
const XERO_SCOPE: &str = "offline_access accounting.invoices accounting.payments accounting.banktransactions \
                          accounting.contacts.read accounting.settings.read";
/// What is asked for at Zoho. Its pages and its servers disagree on which narrower ones let in to sales receipts.
const ZOHO_SCOPE: &str = "ZohoBooks.fullaccess.all";
/// Zoho's data centres: their word in the way back, where tokens are given out, and where the program is.
const ZOHO_CENTRES: [(&str, &str, &str); 9] = [
    ("us", "accounts.zoho.com", "www.zohoapis.com"),
    ("eu", "accounts.zoho.eu", "www.zohoapis.eu"),
    ("in", "accounts.zoho.in", "www.zohoapis.in"),
    ("au", "accounts.zoho.com.au", "www.zohoapis.com.au"),
    ("jp", "accounts.zoho.jp", "www.zohoapis.jp"),
    ("sa", "accounts.zoho.sa", "www.zohoapis.sa"),
    ("uk", "accounts.zoho.uk", "www.zohoapis.uk"),
    ("ca", "accounts.zohocloud.ca", "www.zohoapis.ca"),
    ("cn", "accounts.zoho.com.cn", "www.zohoapis.com.cn"),
];

/// What lets us in, as it was given out.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// What each request carries.
    pub access: String,
    /// What the next one is asked for with; `None`: the one before stays.
    pub refresh: Option<String>,
    /// How long the access token is good.
    pub access_lasts: Duration,
    /// How long the refresh token is, where it is said.
    pub refresh_lasts: Option<Duration>,
    /// Where the program is, where it is said.
    pub base: Option<Url>,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant").field("access_lasts", &self.access_lasts).finish_non_exhaustive()
    }
}

/// A company that we are let into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organisation {
    /// The program's name of it.
    pub id: String,
    /// Its name for people.
    pub name: String,
}

/// Who gives out tokens for a program, and as which app we ask there.
#[derive(Debug)]
pub struct Issuer {
    provider: Provider,
    http: Client,
    client_id: String,
    client_secret: Secret,
    authorize: Url,
    token: Url,
    revoke: Url,
    /// Where the companies are listed; Zoho's is below what the grant says.
    companies: Url,
}

impl Issuer {
    /// Intuit.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn quickbooks(settings: &config::QuickBooks) -> reqwest::Result<Issuer> {
        Ok(Issuer {
            provider: Provider::QuickBooks,
            http: client(settings.timeout())?,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            authorize: settings.authorize_url.clone(),
            token: settings.token_url.clone(),
            revoke: settings.revoke_url.clone(),
            companies: settings.base_url.clone(),
        })
    }

    /// Xero.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn xero(settings: &config::Xero) -> reqwest::Result<Issuer> {
        Ok(Issuer {
            provider: Provider::Xero,
            http: client(settings.timeout())?,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            authorize: settings.authorize_url.clone(),
            token: settings.token_url.clone(),
            revoke: settings.revoke_url.clone(),
            companies: settings.connections_url.clone(),
        })
    }

    /// Zoho.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn zoho(settings: &config::Zoho) -> reqwest::Result<Issuer> {
        Ok(Issuer {
            provider: Provider::Zoho,
            http: client(settings.timeout())?,
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            authorize: below(&settings.accounts_url, &["oauth", "v2"], &["auth"]),
            token: below(&settings.accounts_url, &["oauth", "v2"], &["token"]),
            revoke: below(&settings.accounts_url, &["oauth", "v2"], &["token", "revoke"]),
            companies: settings.base_url.clone(),
        })
    }

    /// Where the operator says yes. `state` comes back and proves that it was asked for here; `back` is the address that the app names.
    pub fn authorize_url(&self, back: &Url, state: &str) -> Url {
        let mut url = self.authorize.clone();
        let scope = match self.provider {
            Provider::QuickBooks => QUICKBOOKS_SCOPE,
            Provider::Xero => XERO_SCOPE,
            Provider::Zoho => ZOHO_SCOPE,
        };
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", &self.client_id)
            .append_pair("response_type", "code")
            .append_pair("scope", scope)
            .append_pair("redirect_uri", back.as_str())
            .append_pair("state", state);
        if self.provider == Provider::Zoho {
            // Without either there is no refresh token, or none the second time.
            query.append_pair("access_type", "offline").append_pair("prompt", "consent");
        }
        drop(query);
        url
    }

    /// Where tokens of this data centre are given out, as the way back names it: to be told to [`Issuer::exchange`], and kept for
    /// [`Issuer::refresh`]. `None`: where it is set.
    ///
    /// # Errors
    /// The centre is none that is known: nothing is sent to an address that anybody could have written into a link.
    pub fn server(&self, location: Option<&str>) -> Result<Option<Url>, Trouble> {
        let Some(location) = location.filter(|_| self.provider == Provider::Zoho) else { return Ok(None) };
        let host = self.token.host_str().unwrap_or_default();
        // A simulator has no other centres.
        if !ZOHO_CENTRES.iter().any(|(_, accounts, _)| host == *accounts) {
            return Ok(None);
        }
        match ZOHO_CENTRES.iter().find(|(word, ..)| *word == location) {
            Some((_, accounts, _)) => Ok(Url::parse(&format!("https://{accounts}")).ok()),
            None => Err(Trouble::Refused("Zoho names a data centre that is not known here.".to_owned())),
        }
    }

    /// The first pair of tokens for the code of the way back.
    ///
    /// # Errors
    /// The code is not taken (any more), or the program cannot be reached.
    pub async fn exchange(&self, code: &str, back: &Url, server: Option<&Url>) -> Result<Grant, Trouble> {
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", back.as_str())];
        let grant = self.ask_token(&form, server).await?;
        match grant.refresh {
            Some(_) => Ok(grant),
            None => Err(Trouble::Refused(format!("{} gave no refresh token.", self.provider.name()))),
        }
    }

    /// Another pair of tokens.
    ///
    /// # Errors
    /// [`Trouble::Reconnect`]: we are not let in any more. [`Trouble::Unknown`]: a new pair may have been given out that nobody heard.
    pub async fn refresh(&self, refresh: &str, server: Option<&Url>) -> Result<Grant, Trouble> {
        self.ask_token(&[("grant_type", "refresh_token"), ("refresh_token", refresh)], server).await
    }

    /// The companies that we are let into. `realm`: what QuickBooks named in the way back, which knows no list.
    ///
    /// # Errors
    /// There is none, or the program cannot be reached.
    pub async fn organisations(&self, grant: &Grant, realm: Option<&str>) -> Result<Vec<Organisation>, Trouble> {
        let (url, bearer) = match self.provider {
            Provider::QuickBooks => {
                let realm = realm.filter(|realm| is_name(realm));
                let realm = realm.ok_or_else(|| Trouble::Refused("QuickBooks named no company.".to_owned()))?;
                let mut url = below(&self.companies, &["v3", "company", realm], &["companyinfo", realm]);
                url.query_pairs_mut().append_pair("minorversion", "75");
                (url, format!("Bearer {}", grant.access))
            }
            Provider::Xero => (self.companies.clone(), format!("Bearer {}", grant.access)),
            Provider::Zoho => {
                let base = grant.base.as_ref().unwrap_or(&self.companies);
                (below(base, &["books", "v3"], &["organizations"]), format!("Zoho-oauthtoken {}", grant.access))
            }
        };
        let request = self.http.get(url).header("authorization", bearer).header("accept", "application/json");
        let (status, body) = self.ask(request).await?;
        let found = match (self.provider, realm) {
            (Provider::QuickBooks, Some(realm)) => answer::read_company(status, &body, realm),
            (Provider::Zoho, _) => read_organizations(status, &body),
            _ => read_connections(status, &body),
        }?;
        match found.is_empty() {
            false => Ok(found),
            true => Err(Trouble::Refused(format!("{} lets us into no company.", self.provider.name()))),
        }
    }

    /// Takes a refresh token back. What the answer is does not matter: we have thrown it away already.
    ///
    /// # Errors
    /// The program cannot be reached.
    pub async fn revoke(&self, refresh: &str, server: Option<&Url>) -> Result<(), Trouble> {
        let url = match server {
            Some(server) => below(server, &["oauth", "v2"], &["token", "revoke"]),
            None => self.revoke.clone(),
        };
        let request = match self.provider {
            Provider::QuickBooks => self.basic(self.http.post(url)).json(&serde_json::json!({ "token": refresh })),
            Provider::Xero => self.basic(self.http.post(url)).form(&[("token", refresh)]),
            Provider::Zoho => self.http.post(url).form(&[("token", refresh)]),
        };
        self.ask(request).await.map(drop)
    }

    async fn ask_token(&self, form: &[(&str, &str)], server: Option<&Url>) -> Result<Grant, Trouble> {
        let url = match server {
            Some(server) => below(server, &["oauth", "v2"], &["token"]),
            None => self.token.clone(),
        };
        let mut form = form.to_vec();
        let request = match self.provider {
            Provider::Zoho => {
                form.extend([("client_id", &*self.client_id), ("client_secret", self.client_secret.expose())]);
                self.http.post(url).form(&form)
            }
            Provider::QuickBooks | Provider::Xero => self.basic(self.http.post(url)).form(&form),
        };
        let (status, body) = self.ask(request.header("accept", "application/json")).await?;
        let mut grant = read_grant(self.provider, status, &body)?;
        grant.base = grant.base.filter(|base| self.is_theirs(base));
        Ok(grant)
    }

    /// Whether a token may go where the grant says that the program is.
    fn is_theirs(&self, base: &Url) -> bool {
        let ours = self.token.host_str().unwrap_or_default();
        let theirs = base.host_str().unwrap_or_default();
        // Where a simulator gives out tokens, it says where it is itself.
        is_safe(base) && (ZOHO_CENTRES.iter().any(|(_, _, api)| theirs == *api) || ours == theirs)
    }

    fn basic(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.client_id, Some(self.client_secret.expose()))
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(u16, Vec<u8>), Trouble> {
        let silent = |silence: Silence| {
            let why = if silence == Silence::NotSent { "cannot be reached" } else { "did not answer in time" };
            Asked::Write.unheard(silence, format!("{} {why}.", self.provider.name()))
        };
        let Heard { status, body, .. } = http::hear(request, ANSWER_LIMIT).await.map_err(silent)?;
        tracing::debug!(provider = self.provider.as_str(), status, octets = body.len(), "a grant was asked for");
        Ok((status, body))
    }
}

/// Whether it can be a program's name of a company: bounded and plain, since it goes into addresses.
pub fn is_name(text: &str) -> bool {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_';
    (1..=100).contains(&text.len()) && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn zoho(accounts: &str) -> Issuer {
        let settings = json!({ "client_id": "1000.APP", "client_secret": "hunter2", "accounts_url": accounts });
        Issuer::zoho(&serde_json::from_value(settings).unwrap()).unwrap()
    }

    fn all() -> Vec<Issuer> {
        let settings = json!({ "client_id": "app", "client_secret": "hunter2" });
        vec![
            Issuer::quickbooks(&serde_json::from_value(settings.clone()).unwrap()).unwrap(),
            Issuer::xero(&serde_json::from_value(settings).unwrap()).unwrap(),
            zoho("https://accounts.zoho.com"),
        ]
    }

    #[test]
    fn the_operator_is_asked_with_what_each_program_wants() {
        let back = Url::parse("https://wifi.example.net/admin/books/programs/x/back").unwrap();
        let asked: Vec<BTreeMap<String, String>> = all()
            .iter()
            .map(|issuer| issuer.authorize_url(&back, "a state").query_pairs().into_owned().collect())
            .collect();
        for query in &asked {
            assert_eq!(query["response_type"], "code");
            assert_eq!(query["redirect_uri"], back.as_str());
            assert_eq!(query["state"], "a state");
            assert!(!query.values().any(|value| value.contains("hunter2")), "{query:?}");
        }
        assert_eq!(asked[0]["scope"], "com.intuit.quickbooks.accounting");
        assert!(asked[1]["scope"].split(' ').any(|scope| scope == "offline_access"));
        assert!(!asked[1]["scope"].contains("accounting.transactions"), "newer apps do not have it");
        assert_eq!((&*asked[2]["access_type"], &*asked[2]["prompt"]), ("offline", "consent"));
        assert!(!asked[0].contains_key("access_type"));
    }

    #[test]
    fn the_secret_is_not_printed() {
        assert!(all().iter().all(|issuer| !format!("{issuer:?}").contains("hunter2")));
        let grant = Grant {
            access: "hunter2".into(),
            refresh: Some("hunter2".into()),
            access_lasts: Duration::from_secs(1),
            refresh_lasts: None,
            base: None,
        };
        assert!(!format!("{grant:?}").contains("hunter2"));
    }

    #[test]
    fn zohos_centre_comes_from_the_way_back_and_is_one_of_zohos() {
        let issuer = zoho("https://accounts.zoho.com");
        let server = |word| issuer.server(Some(word)).map(|url| url.map(String::from));
        assert_eq!(server("eu"), Ok(Some("https://accounts.zoho.eu/".to_owned())));
        assert_eq!(server("ca"), Ok(Some("https://accounts.zohocloud.ca/".to_owned())));
        assert!(server("evil.example").is_err() && server("").is_err());
        assert_eq!(issuer.server(None), Ok(None));
        assert_eq!(zoho("http://127.0.0.1:1").server(Some("eu")), Ok(None), "a simulator is where it is set");
        assert_eq!(all()[1].server(Some("eu")), Ok(None));
    }

    #[test]
    fn a_token_goes_to_zoho_and_nowhere_else() {
        let (real, simulated) = (zoho("https://accounts.zoho.com"), zoho("http://127.0.0.1:1"));
        for (base, at_zoho, at_a_simulator) in [
            ("https://www.zohoapis.com", true, true),
            ("https://www.zohoapis.com.au", true, true),
            ("https://www.zohoapis.ca", true, true),
            ("http://www.zohoapis.com", false, false),
            ("https://www.zohoapis.com.evil.example", false, false),
            ("https://evil.example", false, false),
            ("http://127.0.0.1:9", false, true),
        ] {
            let base = Url::parse(base).unwrap();
            assert_eq!((real.is_theirs(&base), simulated.is_theirs(&base)), (at_zoho, at_a_simulator), "{base}");
        }
    }

    #[test]
    fn a_name_of_a_company_is_one_segment_of_an_address() {
        for (name, expected) in
            [("9130357992", true), ("45e4708e-d862-4111", true), ("", false), ("../x", false), ("a b", false)]
        {
            assert_eq!(is_name(name), expected, "{name}");
        }
    }
}
