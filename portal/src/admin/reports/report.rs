//! What a report is: a question that an operator has, filters that all reports share, and an answer of charts and tables.

use shared::staff::{Permission, SiteScope};
use shared::time::OffsetDateTime;
use store::StoreError;
use uuid::Uuid;

use crate::App;
use crate::admin::form::Field;
use crate::admin::listing::{Asked, Cell};
use crate::session::Staff;

/// What a report is called and what it is for.
#[derive(Clone, Copy, Debug)]
pub(in crate::admin) struct About {
    /// Its name in addresses: `/admin/reports/use/{slug}`, or `/admin/reports/money/{slug}` if it needs [`Permission::SeeMoney`].
    pub(in crate::admin) slug: &'static str,
    pub(in crate::admin) title: &'static str,
    /// The question that it answers, in the operator's words.
    pub(in crate::admin) question: &'static str,
    /// [`Permission::See`] or [`Permission::SeeMoney`].
    pub(in crate::admin) needs: Permission,
    /// Which of the common filters it heeds.
    pub(in crate::admin) heeds: Heeds,
}

/// Which of the common filters a report heeds; the others are not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::admin) struct Heeds {
    pub(in crate::admin) period: bool,
    pub(in crate::admin) comparison: bool,
    pub(in crate::admin) package: bool,
    pub(in crate::admin) provider: bool,
}

/// The common filters, read: they stand in the address (`from`, `until`, `compare`, `site`, `package`, `provider`).
#[derive(Clone, Debug)]
pub(in crate::admin) struct Common {
    pub(in crate::admin) now: OffsetDateTime,
    /// From this moment until before that one: whole days by `time_zone`.
    pub(in crate::admin) from: OffsetDateTime,
    pub(in crate::admin) until: OffsetDateTime,
    /// The period beside it, of the same length: the one before, or a year ago; none: not asked for.
    pub(in crate::admin) before: Option<(OffsetDateTime, OffsetDateTime)>,
    /// One site; else all that `sites` covers.
    pub(in crate::admin) site: Option<Uuid>,
    pub(in crate::admin) sites: SiteScope,
    /// The clock of that site, else the home clock (`Africa/Nairobi`).
    pub(in crate::admin) time_zone: String,
    pub(in crate::admin) package: Option<Uuid>,
    pub(in crate::admin) provider: Option<String>,
}

/// Who asks, and for what.
pub(in crate::admin) struct Question<'a> {
    pub(in crate::admin) app: &'a App,
    pub(in crate::admin) staff: &'a Staff,
    pub(in crate::admin) common: Common,
    /// For filters of the report's own: what is read here gets its field in the form.
    pub(in crate::admin) asked: &'a mut Asked,
}

/// What a report says.
#[derive(Clone, Debug, Default)]
pub(in crate::admin) struct Answer {
    /// What there is to know above everything: numbers with their change, warnings.
    pub(in crate::admin) figures: Vec<Figure>,
    pub(in crate::admin) notes: Vec<String>,
    pub(in crate::admin) sections: Vec<Section>,
    /// Fields of forms that a report adds beyond its own filters; most have none.
    pub(in crate::admin) extra: Vec<Field>,
}

/// A number that stands large above a report.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Figure {
    pub(in crate::admin) label: String,
    pub(in crate::admin) value: String,
    /// Against the period beside it, or against what was expected; empty: nothing to compare with.
    pub(in crate::admin) beside: String,
    /// `good`, `bad`, or empty.
    pub(in crate::admin) tone: &'static str,
}

/// A part of a report: a chart, and the table below it, which says the same and more.
#[derive(Clone, Debug)]
pub(in crate::admin) struct Section {
    /// Its name in the address of its files: `revenue`.
    pub(in crate::admin) id: &'static str,
    pub(in crate::admin) title: String,
    pub(in crate::admin) notes: Vec<String>,
    pub(in crate::admin) chart: Option<super::chart::Chart>,
    /// Heads of the table: label, name in the file, whether it is a number.
    pub(in crate::admin) heads: Vec<(String, String, bool)>,
    pub(in crate::admin) rows: Vec<Vec<Cell>>,
    /// What is said where there is no row.
    pub(in crate::admin) nothing: &'static str,
}

/// What a report's own function gives: `pub(super) async fn answer(question: &mut Question<'_>) -> Told`.
pub(in crate::admin) type Told = Result<Answer, StoreError>;

#[cfg(test)]
pub(in crate::admin) mod tests {
    use super::*;

    /// A time at all sites, with nothing beside it.
    pub(in crate::admin) fn common(from: OffsetDateTime, until: OffsetDateTime) -> Common {
        Common {
            now: until,
            from,
            until,
            before: None,
            site: None,
            sites: SiteScope::All,
            time_zone: "Africa/Nairobi".into(),
            package: None,
            provider: None,
        }
    }
}
