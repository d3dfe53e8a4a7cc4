//! What the signature of a sale leads to: the authority's page of the receipt, whose address is in its QR code.
//!
//! The address is in no specification; it is what the authority's own receipts have, as the package `etims` 0.1.0a1 writes it.

use url::Url;

/// Where receipts of the sandbox are shown.
const SANDBOX: &str = "https://etims-sbx.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData";
/// Where receipts are shown.
const PRODUCTION: &str = "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData";

/// The page of the receipt that has this signature. `base` is where it was signed: what was signed in a sandbox is shown there.
pub fn page(base: &Url, tin: &str, branch: &str, signature: &str) -> Url {
    let is_sandbox = base.host_str().is_some_and(|host| host.split('.').any(|part| part.contains("sbx")));
    let page = if is_sandbox { SANDBOX } else { PRODUCTION };
    let mut page = Url::parse(page).expect("an address that stands above");
    page.query_pairs_mut().append_pair("Data", &format!("{tin}{branch}{signature}"));
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_of_the_signature_and_of_where_it_was_made() {
        let page = |base: &str| page(&Url::parse(base).unwrap(), "P051234567A", "00", "V249J39CFJ48HE2W").to_string();
        assert_eq!(
            page("https://etims-api.kra.go.ke/etims-api"),
            "https://etims.kra.go.ke/common/link/etims/receipt/indexEtimsReceiptData?Data=P051234567A00V249J39CFJ48HE2W"
        );
        assert!(page("https://etims-api-sbx.kra.go.ke/etims-api").starts_with("https://etims-sbx.kra.go.ke/"));
    }
}
