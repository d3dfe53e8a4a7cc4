//! eTIMS of the Kenya Revenue Authority, as an OSCU (online sales control unit) speaks it: JSON by POST, one envelope for all answers.
//!
//! ```text
//!  begin     a device tells its serial and is given its key, once          /selectInitOsdcInfo
//!  register  what is sold gets a code, before it is sold                   /saveItem
//!  sign      an invoice or a credit note is signed, and stays so for good  /saveTrnsSalesOsdc
//! ```
//!
//! * [`invoice`] – what is said of a sale, to the cent;
//! * [`receipt`] – what the signature of a sale leads to: the address in its QR code;
//! * `answer` – what the codes of the authority mean.
//!
//! The authority answers HTTP 200 whatever it thinks; the code in the envelope counts. What everything hangs on is what is known of an
//! invoice after something went wrong ([`Trouble`]): *certainly not signed*, or *perhaps*. Of the second kind the same invoice is sent
//! again, with the same number: the authority signs no number twice and says so ([`Trouble::Declared`]). It tells the signature of an
//! invoice only once: there is no request that reads it.
//!
//! Refused here: keeping anything, repeating anything by itself, and following a redirect.
//!
//! Source: OSCU specification 2.0, chapters 3 and 4, as the package `etims` 0.1.0a1 (MIT) implements it; no word is checked against the
//! authority's own servers.

use std::time::Duration;

use outgoing::{Silence, body};
use reqwest::Client;
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

mod answer;
pub mod invoice;
pub mod receipt;

pub use self::answer::Trouble;
pub use self::invoice::{Credit, Invoice, Item, Line, PaymentType};

/// Longest answer that is read, octets: a signature takes less than one kibibyte.
const ANSWER_MAX: usize = 256 * 1024;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The client.
#[derive(Clone, Debug)]
pub struct Etims {
    http: Client,
    base: Url,
}

/// In whose name is spoken: a taxpayer, one of its branches, and the key of the device there.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// The taxpayer's number, the KRA PIN.
    pub tin: &'a str,
    /// The branch, two digits; `00` is the head office.
    pub branch: &'a str,
    /// The device's key.
    pub key: &'a str,
}

/// What a device is given when it begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Begun {
    /// Its key. The authority gives it once.
    pub key: String,
    /// The authority's name of the device, which receipts show; empty where it gave none.
    pub device: String,
}

/// What the authority says of an invoice that it has signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed {
    /// The signature.
    pub signature: String,
    /// What the authority wants printed beside it; may be empty.
    pub internal_data: String,
    /// The authority's own number of the receipt, which counts invoices and credit notes apart.
    pub receipt_number: Option<i64>,
    /// When it signed, where it said so.
    pub at: Option<OffsetDateTime>,
}

impl Etims {
    /// A client of the authority at `base`, which waits so long for an answer.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: Url, timeout: Duration) -> reqwest::Result<Etims> {
        Ok(Etims { http: outgoing::client(CONNECT.min(timeout), timeout)?, base })
    }

    /// Asks for the key of a device that the authority has approved.
    ///
    /// # Errors
    /// As [`Trouble`] says. What may have been given is asked for again: where the authority says that the device is installed
    /// already, only the authority can help.
    pub async fn begin(&self, tin: &str, branch: &str, serial: &str) -> Result<Begun, Trouble> {
        let said = json!({ "tin": tin, "bhfId": branch, "dvcSrlNo": serial });
        let data = self.ask("selectInitOsdcInfo", None, &said).await?;
        answer::begun(&data).ok_or_else(|| Trouble::Unknown("the answer holds no key".into()))
    }

    /// Registers what is sold. Registering it again changes it.
    ///
    /// # Errors
    /// As [`Trouble`] says.
    pub async fn register(&self, caller: Caller<'_>, item: &Item<'_>) -> Result<(), Trouble> {
        match self.ask("saveItem", Some(caller), &item.body()).await {
            // It is there.
            Ok(_) | Err(Trouble::Declared(_)) => Ok(()),
            Err(trouble) => Err(trouble),
        }
    }

    /// Has an invoice signed, as [`Invoice::body`] wrote it.
    ///
    /// # Errors
    /// As [`Trouble`] says.
    pub async fn sign(&self, caller: Caller<'_>, invoice: &Value) -> Result<Signed, Trouble> {
        let data = self.ask("saveTrnsSalesOsdc", Some(caller), invoice).await?;
        answer::signed(&data).ok_or_else(|| Trouble::Unknown("it was taken, but the answer holds no signature".into()))
    }

    /// One request. The taxpayer, the branch and the key stand in the headers and in the body: the specification's tables and its
    /// codes of errors disagree about where they belong.
    async fn ask(&self, what: &str, caller: Option<Caller<'_>>, said: &Value) -> Result<Value, Trouble> {
        let mut said = said.clone();
        let mut request = self.http.post(self.endpoint(what)).header("accept", "application/json");
        if let Some(Caller { tin, branch, key }) = caller {
            for (name, value) in [("tin", tin), ("bhfId", branch), ("cmcKey", key)] {
                request = request.header(name, value);
                said[name] = value.into();
            }
        }
        let answer = request.json(&said).send().await.map_err(|error| silent(error.into()))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(answer::of_status(status));
        }
        let read = body(answer, ANSWER_MAX).await.map_err(|silence| match silent(silence) {
            // It was sent: an answer had begun.
            Trouble::Away(said) => Trouble::Unknown(said),
            other => other,
        })?;
        answer::open(&read)
    }

    fn endpoint(&self, what: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(what);
        }
        url
    }
}

fn silent(silence: Silence) -> Trouble {
    match silence {
        Silence::NotSent => Trouble::Away("the authority cannot be reached".into()),
        Silence::TimedOut => Trouble::Unknown("the authority did not answer in time".into()),
        Silence::Broken => Trouble::Unknown("the answer of the authority broke off".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_stand_below_the_base() {
        let endpoint = |base: &str| {
            let base = Url::parse(base).unwrap();
            Etims::new(base, Duration::from_secs(1)).unwrap().endpoint("saveItem").to_string()
        };
        assert_eq!(endpoint("https://etims-api.kra.go.ke/etims-api"), "https://etims-api.kra.go.ke/etims-api/saveItem");
        assert_eq!(
            endpoint("https://etims-api.kra.go.ke/etims-api/"),
            "https://etims-api.kra.go.ke/etims-api/saveItem"
        );
        assert_eq!(endpoint("http://127.0.0.1:8088"), "http://127.0.0.1:8088/saveItem");
    }

    #[tokio::test]
    async fn where_nobody_listens_nothing_was_sent() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let etims = Etims::new(base, Duration::from_secs(5)).unwrap();
        let caller = Caller { tin: "P051234567A", branch: "00", key: "k" };
        let trouble = etims.sign(caller, &json!({ "invcNo": 1 })).await.unwrap_err();
        assert!(matches!(trouble, Trouble::Away(_)), "{trouble:?}");
    }
}
