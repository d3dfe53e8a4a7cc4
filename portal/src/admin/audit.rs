//! A line in the audit log for a change that was made at the desk, under the address of whoever made it.

use store::admin::Audit;

use super::Refusal;
use crate::App;
use crate::session::Staff;

/// Writes down that somebody did something to a thing. Actions and objects are spelt as the command line spells them.
pub(super) async fn audit(app: &App, staff: &Staff, action: &str, object: &str) -> Result<(), Refusal> {
    let line = Audit { actor: &staff.admin.email, action, object, address: Some(staff.from) };
    Ok(store::admin::audit(&app.db, &line, app.clock.now()).await?)
}

/// The same with more to say, such as what was before. No secret may be in it.
pub(super) async fn audit_with(
    app: &App,
    staff: &Staff,
    action: &str,
    object: &str,
    detail: &serde_json::Value,
) -> Result<(), Refusal> {
    let line = Audit { actor: &staff.admin.email, action, object, address: Some(staff.from) };
    Ok(store::admin::audit_with(&app.db, &line, detail, app.clock.now()).await?)
}
