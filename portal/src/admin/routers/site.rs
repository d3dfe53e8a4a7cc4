//! Where a router may be put: whoever is limited to sites puts it at one of those, and makes no new one. Elsewhere they could neither see it
//! afterwards nor take it back.

use shared::staff::SiteScope;
use store::StoreError;

use crate::App;
use crate::admin::Refusal;
use crate::admin::form::Problems;
use crate::session::Staff;

/// Whether they may put a router at the site of that name; if not, that is noted at the form's field.
pub(super) async fn is_theirs(
    app: &App,
    staff: &Staff,
    site: Option<&str>,
    problems: &mut Problems,
) -> Result<bool, Refusal> {
    if *staff.sites() == SiteScope::All {
        return Ok(true);
    }
    let known = match site {
        None => None,
        Some(name) => match store::site::by_name(&app.db, name).await {
            Ok(id) => Some(id),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        },
    };
    let is_theirs = staff.sites().covers(known);
    if !is_theirs {
        problems.note("site", "name one of the sites that you are limited to");
    }
    Ok(is_theirs)
}
