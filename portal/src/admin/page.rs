//! What every page of the desk has: the operator's name, who is signed in, where one is.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse as _, Response};
use serde::Deserialize;
use shared::staff::{Permission, Role};

use super::Refusal;
use crate::App;
use crate::alerts::standing::Shown;
use crate::session::Staff;
use crate::views::assets;

/// Where one is, for the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tab {
    Overview,
    Support,
    Sessions,
    Customers,
    Payments,
    Packages,
    Vouchers,
    Messages,
    Routers,
    Alerts,
    Charts,
    Reports,
    Books,
    Map,
    Accounting,
    Security,
    Backups,
    Staff,
    Settings,
    Me,
}

impl Tab {
    const ALL: [Tab; 20] = [
        Tab::Overview,
        Tab::Support,
        Tab::Sessions,
        Tab::Customers,
        Tab::Payments,
        Tab::Packages,
        Tab::Vouchers,
        Tab::Messages,
        Tab::Routers,
        Tab::Alerts,
        Tab::Charts,
        Tab::Reports,
        Tab::Books,
        Tab::Map,
        Tab::Accounting,
        Tab::Security,
        Tab::Backups,
        Tab::Staff,
        Tab::Settings,
        Tab::Me,
    ];

    /// What one must be allowed to do to go there.
    fn needs(self) -> Permission {
        match self {
            Tab::Payments => Permission::SeeMoney,
            Tab::Books => Permission::SeeBooks,
            Tab::Security | Tab::Support => Permission::Support,
            Tab::Staff => Permission::ManageStaff,
            Tab::Settings => Permission::Settings,
            _ => Permission::See,
        }
    }

    /// Address and label.
    fn link(self) -> (&'static str, &'static str) {
        match self {
            Tab::Overview => ("/admin", "Overview"),
            Tab::Support => ("/admin/support", "Support"),
            Tab::Sessions => ("/admin/sessions", "Online"),
            Tab::Customers => ("/admin/customers", "Customers"),
            Tab::Payments => ("/admin/payments", "Payments"),
            Tab::Packages => ("/admin/packages", "Packages"),
            Tab::Vouchers => ("/admin/vouchers", "Vouchers"),
            Tab::Messages => ("/admin/messages", "Messages"),
            Tab::Routers => ("/admin/routers", "Routers"),
            Tab::Alerts => (super::alerts::LIST, "Alerts"),
            Tab::Charts => ("/admin/charts", "Charts"),
            Tab::Reports => ("/admin/reports", "Reports"),
            Tab::Books => (super::books::HOME, "Books"),
            Tab::Map => ("/admin/map", "Map"),
            Tab::Accounting => ("/admin/accounting", "Accounting"),
            Tab::Security => ("/admin/security", "Security"),
            Tab::Backups => ("/admin/backups", "Backups"),
            Tab::Staff => ("/admin/staff", "Staff"),
            Tab::Settings => ("/admin/settings", "Settings"),
            Tab::Me => ("/admin/me", "You"),
        }
    }
}

/// The frame of a page.
#[derive(Clone, Debug)]
pub(super) struct Page {
    /// The name that customers see.
    pub(super) brand: String,
    /// Who is signed in.
    pub(super) email: String,
    /// What they are.
    pub(super) role: Role,
    /// The secret for forms.
    pub(super) csrf: String,
    /// Where one is.
    pub(super) tab: Tab,
    /// What it shows of alerts, wherever one is.
    pub(super) alerts: Shown,
    /// Seconds after which the page is read again by itself, until somebody pauses it (`static/again.js`).
    pub(super) refresh: Option<u32>,
}

impl Page {
    /// The frame for a member of staff.
    pub(super) fn new(app: &App, staff: &Staff, tab: Tab) -> Page {
        Page {
            brand: app.config.portal.brand.clone(),
            email: staff.admin.email.clone(),
            role: staff.admin.role,
            csrf: staff.csrf.clone(),
            tab,
            // Who has still to make a second factor is nobody here yet.
            alerts: match staff.lacks_second_factor() {
                true => Shown::default(),
                false => app.alerts.standing.to(staff.admin.role, staff.sites()),
            },
            refresh: None,
        }
    }

    /// How many alerts there are, behind the label of their tab.
    pub(super) fn badge(&self, address: &str) -> String {
        match self.alerts.count {
            count if count > 0 && address == super::alerts::LIST => format!(" ({count})"),
            _ => String::new(),
        }
    }

    /// The same, read again after `seconds`.
    pub(super) fn refreshed(self, seconds: u32) -> Page {
        Page { refresh: Some(seconds), ..self }
    }

    /// The address of the script that reads a page again.
    pub(super) fn again(&self) -> String {
        assets::url("again.js")
    }

    /// Whether whoever looks at it may do that: a page does not show what would be refused.
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    /// Address, label and whether one is there, for each tab that they may open.
    pub(super) fn tabs(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let (here, role) = (self.tab, self.role);
        Tab::ALL.into_iter().filter(move |tab| role.may(tab.needs())).map(move |tab| {
            let (address, label) = tab.link();
            (address, label, tab == here)
        })
    }
}

/// What the redirect after a change carries.
#[derive(Debug, Deserialize)]
pub(super) struct After {
    /// The word for what was done; empty without one.
    #[serde(default)]
    pub(super) done: String,
}

/// The address of the desk's style.
pub(super) fn style() -> String {
    assets::url("admin.css")
}

/// Renders a page.
pub(super) fn answer(status: StatusCode, template: &impl Template) -> Result<Response, Refusal> {
    match template.render() {
        Ok(html) => Ok((status, Html(html)).into_response()),
        Err(error) => Err(Refusal::broken(error)),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::alerts::standing::Alarm;

    /// A text that shows whether a template escapes.
    pub(in crate::admin) const HOSTILE: &str = "<script>alert(\"x\")</script>";

    pub(in crate::admin) fn page() -> Page {
        Page {
            brand: HOSTILE.into(),
            email: "admin@example.org".into(),
            role: Role::Owner,
            csrf: "the-secret".into(),
            tab: Tab::Sessions,
            alerts: Shown { count: 2, alarm: Some(Alarm { address: "/admin/alerts".into(), text: HOSTILE.into() }) },
            refresh: Some(10),
        }
    }

    /// The page is a whole document, and nothing in it came through unescaped or runs inline.
    pub(in crate::admin) fn assert_whole(template: &impl Template) {
        let html = template.render().expect("the template renders");
        assert!(html.starts_with("<!doctype html>") && html.trim_end().ends_with("</html>"), "{html}");
        for forbidden in ["<script>", "style=\"", "onclick", "javascript:", "{{", "None"] {
            assert!(!html.contains(forbidden), "{forbidden} in {html}");
        }
        for posts in html.split("<form method=\"post\"").skip(1) {
            let form = posts.split("</form>").next().unwrap_or_default();
            assert!(form.contains("name=\"csrf\" value=\""), "a form without the secret: {form}");
        }
    }

    /// The same for another role.
    pub(in crate::admin) fn page_of(role: Role) -> Page {
        Page { role, ..page() }
    }

    #[test]
    fn tabs_are_those_that_one_may_open() {
        let labels = |role| page_of(role).tabs().map(|(_, label, _)| label).collect::<Vec<_>>();
        assert_eq!(labels(Role::Owner).len(), Tab::ALL.len());
        assert!(!labels(Role::Cashier).contains(&"Payments") && labels(Role::Cashier).contains(&"Vouchers"));
        assert!(labels(Role::Accountant).contains(&"Books") && !labels(Role::Support).contains(&"Books"));
        assert!(!labels(Role::ReadOnly).contains(&"Security") && !labels(Role::ReadOnly).contains(&"Support"));
    }

    #[test]
    fn only_the_tab_of_alerts_says_how_many_there_are() {
        assert_eq!(page().badge("/admin/alerts"), " (2)");
        assert_eq!(page().badge("/admin"), "");
        assert_eq!(Page { alerts: Shown::default(), ..page() }.badge("/admin/alerts"), "");
    }

    #[test]
    fn one_tab_is_the_present_one() {
        assert_eq!(
            page().tabs().filter(|(_, _, here)| *here).map(|(_, label, _)| label).collect::<Vec<_>>(),
            ["Online"]
        );
    }
}
