//! A line in the audit log for a change that was made at the desk, under the address of whoever made it.

use store::admin::Audit;

use super::Refusal;
use crate::App;
use crate::session::Staff;

/// That somebody did something to a thing, for what writes it down together with what it tells of. Actions and objects are spelt as the
/// command line spells them.
pub(super) fn line<'a>(staff: &'a Staff, action: &'a str, object: &'a str) -> Audit<'a> {
    Audit { actor: &staff.admin.email, action, object, address: Some(staff.from) }
}

/// Writes the same down by itself.
pub(super) async fn audit(app: &App, staff: &Staff, action: &str, object: &str) -> Result<(), Refusal> {
    Ok(store::admin::audit(&app.db, &line(staff, action, object), app.clock.now()).await?)
}

/// The same with more to say, such as what was before. No secret may be in it.
pub(super) async fn audit_with(
    app: &App,
    staff: &Staff,
    action: &str,
    object: &str,
    detail: &serde_json::Value,
) -> Result<(), Refusal> {
    Ok(store::admin::audit_with(&app.db, &line(staff, action, object), detail, app.clock.now()).await?)
}
