//! The long lists of the desk, a file each: what one can ask them for, and what stands in their columns. How they work is in
//! [`super::listing`].

pub(super) mod customers;
pub(super) mod devices;
pub(super) mod ledger;
pub(super) mod messages;
pub(super) mod orders;
pub(super) mod payments;
pub(super) mod sessions;

use shared::staff::SiteScope;
use store::StoreError;

use crate::App;

/// What can be chosen of some known words; each is shown as it stands, with blanks.
fn words(known: &[&str]) -> Vec<(String, String)> {
    known.iter().map(|word| ((*word).to_owned(), word.replace('_', " "))).collect()
}

/// The sites that somebody is not kept from, to choose one.
async fn sites(app: &App, scope: &SiteScope) -> Result<Vec<(String, String)>, StoreError> {
    let sites = store::site::all(&app.db).await?;
    let theirs = sites.into_iter().filter(|(id, _)| scope.covers(Some(*id)));
    Ok(theirs.map(|(id, name)| (id.to_string(), name)).collect())
}

/// The routers at those sites, to choose one.
async fn routers(app: &App, scope: &SiteScope) -> Result<Vec<(String, String)>, StoreError> {
    let routers = store::site::desk::routers(&app.db, scope).await?;
    Ok(routers.into_iter().map(|(id, name)| (id.to_string(), name)).collect())
}
