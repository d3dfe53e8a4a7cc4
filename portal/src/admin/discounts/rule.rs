//! A discount as its form has it: what the fields are, how one that is there fills them, and how they are read.
//!
//! Moments are typed and shown in East African time, as the whole desk shows them.

use shared::discount::{Code, Conditions, Discount, Kind, NotADiscount, Trigger};
use shared::hours::Hours;
use shared::money::{Currency, Money};
use shared::phone::Phone;
use shared::time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::admin::form::{Fields, Filled, Form, Problems, number};
use crate::admin::words::EAST_AFRICA;
use crate::cli::values;

/// Most uses in all, and by one person; and the largest turn.
const MOST_USES: u32 = 1_000_000_000;
const MOST_BY_ONE: u32 = 1_000_000;
const MOST_NTH: u32 = 1_000;

/// Packages and sites that a discount can be limited to: identity and name.
#[derive(Clone, Default, Debug)]
pub(super) struct Limits {
    pub(super) packages: Vec<(Uuid, String)>,
    pub(super) sites: Vec<(Uuid, String)>,
}

impl Limits {
    /// The same with what a discount is limited to already, though it is not there any more: with its last site gone it must not
    /// count everywhere.
    pub(super) fn with(mut self, discount: &Discount) -> Limits {
        let Conditions { packages, sites, .. } = &discount.conditions;
        for (ids, known) in [(packages, &mut self.packages), (sites, &mut self.sites)] {
            for id in ids {
                if !known.iter().any(|(there, _)| there == id) {
                    known.push((*id, "(removed)".to_owned()));
                }
            }
        }
        self
    }
}

/// The form, filled in.
pub(super) fn form(action: &str, limits: &Limits, filled: Filled<'_>) -> Form {
    let options = |known: &[(Uuid, String)]| -> Vec<(String, String)> {
        known.iter().map(|(id, name)| (id.simple().to_string(), name.clone())).collect()
    };
    let mut form = Form::new("discount", action, "Save")
        .field(filled.text("name", "Name").hint("What customers read, such as Happy hour.").required())
        .field(filled.text("code", "Code").hint("What customers type, such as KARIBU24. Empty: it counts by itself."))
        .field(filled.number("percent", "Percent off").hint("1 to 100; or an amount."))
        .field(filled.text("amount", "Amount off").hint("Such as 5 or 5.50."))
        .field(filled.text("currency", "Currency of the amount").hint("Empty: KES."))
        .field(filled.moment("from", "Counts from").hint("Empty: from now on."))
        .field(filled.moment("until", "Counts until").hint("Empty: until you end it."))
        .field(
            filled
                .text("hours", "Hours of the week")
                .hint("In the time of the place, such as mon-fri 14:00-17:00. Empty: always."),
        )
        .field(filled.tick("first_purchase", "For whom", "for the first purchase of a person only"))
        .field(filled.number("every", "For every Nth purchase of a person").hint("Such as 10. Empty: for all."))
        .field(
            filled
                .phone("owner", "Number of the customer whose code it is")
                .hint("To be given to friends: it then counts for a friend’s first purchase only."),
        )
        .field(filled.number("uses", "Uses in all").hint("Empty: without limit."))
        .field(filled.number("per_person", "Uses by one person, or one device").hint("Empty: without limit."));
    // What is wrong with a group is said also where there is nothing to tick any more.
    if !limits.packages.is_empty() || filled.problems.has("package") {
        let hint = "Without a tick it is for all.";
        form = form.field(filled.ticks("package", "For these packages only", &options(&limits.packages)).hint(hint));
    }
    if !limits.sites.is_empty() || filled.problems.has("site") {
        let hint = "Without a tick it is at all.";
        form = form.field(filled.ticks("site", "At these sites only", &options(&limits.sites)).hint(hint));
    }
    form.field(filled.tick("stackable", "Together with others", "counts together with others that do so too"))
}

/// The fields of one that is there. `owner`: whose code it is.
pub(super) fn fields(discount: &Discount, owner: Option<&Phone>) -> Fields {
    let conditions = &discount.conditions;
    let count = |limit: Option<u32>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let moment = |at: Option<OffsetDateTime>| at.map(typed).unwrap_or_default();
    let (percent, amount, currency) = match discount.kind {
        Kind::Percent(percent) => (percent.to_string(), String::new(), String::new()),
        Kind::Amount(amount) => {
            let price = format!("{}.{:02}", amount.minor / 100, amount.minor % 100);
            (String::new(), price, amount.currency.as_str().to_owned())
        }
    };
    let mut fields = Fields::default()
        .with("name", discount.name.as_str())
        .with("code", discount.trigger.code().map(Code::as_str).unwrap_or_default())
        .with("percent", percent)
        .with("amount", amount)
        .with("currency", currency)
        .with("from", moment(conditions.valid_from))
        .with("until", moment(conditions.valid_until))
        .with("hours", conditions.hours.as_ref().map(Hours::typed).unwrap_or_default())
        .with("every", count(conditions.every_nth))
        .with("uses", count(conditions.uses_max))
        .with("per_person", count(conditions.uses_per_person))
        .with("owner", owner.map(Phone::as_str).unwrap_or_default());
    for (name, is_on) in [("first_purchase", conditions.first_purchase), ("stackable", discount.stackable)] {
        if is_on {
            fields = fields.with(name, "on");
        }
    }
    for (group, ids) in [("package", &conditions.packages), ("site", &conditions.sites)] {
        for id in ids {
            fields = fields.with_tick(group, &id.simple().to_string());
        }
    }
    fields
}

/// What was read: the discount without its owner, and the owner's number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rule {
    pub(super) discount: Discount,
    pub(super) owner: Option<Phone>,
}

/// Reads the fields. `None`: what is wrong stands in `problems`.
pub(super) fn read(id: Uuid, sent: &Fields, limits: &Limits, problems: &mut Problems) -> Option<Rule> {
    let name = problems.keep("name", values::name(sent.text("name")));
    let code = problems.optional(sent, "code", |text| text.parse::<Code>());
    let kind = kind(sent, problems);
    let owner = problems.optional(sent, "owner", |text| text.parse::<Phone>());
    let conditions = Conditions {
        valid_from: problems.optional(sent, "from", moment),
        valid_until: problems.optional(sent, "until", moment),
        hours: problems.optional(sent, "hours", |text| text.parse::<Hours>()),
        first_purchase: sent.is_on("first_purchase"),
        every_nth: problems.optional(sent, "every", |text| number(text, 2, MOST_NTH)),
        packages: chosen(sent, "package", &limits.packages, problems),
        sites: chosen(sent, "site", &limits.sites, problems),
        uses_max: problems.optional(sent, "uses", |text| number(text, 1, MOST_USES)),
        uses_per_person: problems.optional(sent, "per_person", |text| number(text, 1, MOST_BY_ONE)),
    };
    let (Some(name), Some(kind), true) = (name, kind, problems.is_empty()) else { return None };
    let discount = Discount {
        id,
        name,
        kind,
        trigger: code.map_or(Trigger::Automatic, Trigger::Code),
        // Anybody: whether there is an owner decides what makes sense, not who it is.
        owner: owner.as_ref().map(|_| Uuid::nil()),
        conditions,
        stackable: sent.is_on("stackable"),
    };
    if let Err(problem) = discount.check() {
        problems.note(field_of(problem), problem);
        return None;
    }
    Some(Rule { discount, owner })
}

fn kind(sent: &Fields, problems: &mut Problems) -> Option<Kind> {
    let percent = problems.optional(sent, "percent", |text| number(text, 1, 100));
    let minor = problems.optional(sent, "amount", values::price);
    let currency = problems.optional(sent, "currency", |text| text.to_ascii_uppercase().parse::<Currency>());
    match (percent, minor) {
        (Some(_), Some(_)) => problems.note("amount", "write a percentage or an amount, not both"),
        (Some(percent), None) => return u8::try_from(percent).ok().map(Kind::Percent),
        (None, Some(minor)) => {
            return Some(Kind::Amount(Money { minor, currency: currency.unwrap_or(Currency::KES) }));
        }
        // One that could not be read is said to be so already.
        (None, None) if problems.has("percent") || problems.has("amount") => {}
        (None, None) => problems.note("percent", "say how much it takes off: a percentage or an amount"),
    }
    None
}

/// The ticked ones. One that is not there must not be dropped: with the last of them a discount would count everywhere.
fn chosen(sent: &Fields, group: &str, known: &[(Uuid, String)], problems: &mut Problems) -> Vec<Uuid> {
    let mut ids = Vec::new();
    for option in sent.ticked(group) {
        match Uuid::try_parse(option).ok().filter(|id| known.iter().any(|(there, _)| there == id)) {
            Some(id) => ids.push(id),
            None => problems.note(group, "one of these is not there any more: look at them again"),
        }
    }
    ids
}

/// The field that a problem is about.
fn field_of(problem: NotADiscount) -> &'static str {
    match problem {
        NotADiscount::Name => "name",
        NotADiscount::Kind => "percent",
        NotADiscount::Window => "until",
        NotADiscount::Turn => "every",
        NotADiscount::Uses => "uses",
        NotADiscount::Owner => "owner",
    }
}

/// A moment as browsers send it, with or without seconds: `2026-12-01T14:00`.
pub(in crate::admin) fn moment(text: &str) -> Result<OffsetDateTime, &'static str> {
    let seconds = if text.len() == "2026-12-01T14:00".len() { ":00" } else { "" };
    OffsetDateTime::parse(&format!("{text}{seconds}+03:00"), &Rfc3339)
        .map_err(|_| "write a day and a time, such as 2026-12-01T14:00")
}

/// The same, written. What is not a whole minute is cut down to it.
pub(in crate::admin) fn typed(at: OffsetDateTime) -> String {
    let at = at.to_offset(EAST_AFRICA);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}", at.hour(), at.minute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::discounts::tests::full;

    fn limits() -> Limits {
        Limits::default().with(&full())
    }

    fn problems_of(sent: &Fields) -> Problems {
        let mut problems = Problems::default();
        assert_eq!(read(Uuid::nil(), sent, &limits(), &mut problems), None, "{sent:?}");
        problems
    }

    #[test]
    fn what_is_there_fills_the_form_and_is_read_again() {
        let mut amount = full();
        amount.kind = Kind::Amount(Money::kes(550));
        amount.conditions.every_nth = None;
        amount.conditions.first_purchase = true;
        for discount in [full(), amount] {
            let mut problems = Problems::default();
            let rule = read(discount.id, &fields(&discount, None), &limits(), &mut problems);
            assert_eq!(rule, Some(Rule { discount, owner: None }), "{problems:?}");
        }
    }

    #[test]
    fn every_problem_stands_at_its_field() {
        let good = || Fields::default().with("name", "Happy hour").with("percent", "20");
        for (sent, field) in [
            (Fields::default().with("percent", "20"), "name"),
            (Fields::default().with("name", "Happy hour"), "percent"),
            (good().with("percent", "0"), "percent"),
            (good().with("percent", "101"), "percent"),
            (good().with("amount", "5"), "amount"),
            (good().with("percent", "").with("amount", "5.5"), "amount"),
            (good().with("code", "x"), "code"),
            (good().with("currency", "shillings"), "currency"),
            (good().with("from", "tomorrow"), "from"),
            (good().with("from", "2026-12-02T00:00").with("until", "2026-12-01T00:00"), "until"),
            (good().with("hours", "mon 8-17"), "hours"),
            (good().with("every", "1"), "every"),
            (good().with("every", "10").with("first_purchase", "on"), "every"),
            (good().with("uses", "0"), "uses"),
            (good().with("per_person", "-1"), "per_person"),
            (good().with("owner", "0712345678"), "owner"),
            (good().with("owner", "12"), "owner"),
            (good().with_tick("package", "gone"), "package"),
            (good().with_tick("site", &Uuid::from_u128(99).simple().to_string()), "site"),
        ] {
            assert!(problems_of(&sent).has(field), "{field}: {sent:?}");
        }
    }

    #[test]
    fn moments_are_those_of_the_place() {
        let at = moment("2026-12-01T14:00").expect("a moment");
        assert_eq!((at.unix_timestamp(), typed(at).as_str()), (1_796_122_800, "2026-12-01T14:00"));
        assert_eq!(moment("2026-12-01T14:00:30").map(typed).as_deref(), Ok("2026-12-01T14:00"));
        for text in ["2026-12-01", "14:00", "2026-13-01T14:00"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }
}
