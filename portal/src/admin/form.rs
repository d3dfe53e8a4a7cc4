//! Forms of several fields: what was sent, what is wrong with it, and the same form again with both.
//!
//! A handler reads [`Fields`] one by one and notes in [`Problems`] what it cannot read, so that whoever filled the form in learns of
//! everything at once, at the field that it is about. [`Filled`] makes the fields anew with what was typed. What cannot be
//! undone is asked twice: a [`Question`] or a [`confirmation`] shows in words what will be done, and sends the same fields once more.
//!
//! Refused here: scripts. A page asks, the next one answers.

use std::collections::BTreeMap;
use std::fmt::Display;

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use store::StoreError;

use super::Refusal;
use super::page::{Page, Tab, answer, style};
use crate::App;
use crate::session::Staff;

/// The field by which a form says that its sender has seen what it will do.
const CONFIRMED: &str = "confirmed";

/// What a form sent. A field that was not sent is empty.
#[derive(Clone, Default, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// What was typed into a field, without blanks around it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(|text| text.trim()).unwrap_or_default()
    }

    /// The same with the blanks: for what is a secret.
    pub(super) fn exact(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Whether something was typed, or a box was ticked.
    pub(super) fn is_on(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// Whether the sender has seen what will be done.
    pub(super) fn is_confirmed(&self) -> bool {
        self.is_on(CONFIRMED)
    }

    /// The boxes of a group that were ticked.
    pub(super) fn ticked(&self, group: &str) -> Vec<&str> {
        self.0.keys().filter_map(|key| key.strip_prefix(group)?.strip_prefix(':')).collect()
    }

    /// The same with one more field.
    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Fields {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The same with a box ticked.
    pub(super) fn with_tick(self, group: &str, option: &str) -> Fields {
        self.with(&format!("{group}:{option}"), "on")
    }
}

/// What is wrong with a form, by field.
#[derive(Clone, Default, Debug)]
pub(super) struct Problems(BTreeMap<String, String>);

impl Problems {
    /// Notes what is wrong with a field; the first problem of a field stays.
    pub(super) fn note(&mut self, name: &str, problem: impl Display) {
        self.0.entry(name.to_owned()).or_insert_with(|| sentence(&problem.to_string()));
    }

    /// Whether nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is wrong with this field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// What was read of a field; else its problem is noted.
    pub(super) fn keep<T, E: Display>(&mut self, name: &str, read: Result<T, E>) -> Option<T> {
        match read {
            Ok(value) => Some(value),
            Err(problem) => {
                self.note(name, problem);
                None
            }
        }
    }

    /// The same of a field that may stay empty.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        sent: &Fields,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match sent.text(name) {
            "" => None,
            text => self.keep(name, read(text)),
        }
    }
}

/// A whole number from `least` to `most`.
pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let read = text.parse::<u32>().ok().filter(|number| (least..=most).contains(number));
    read.ok_or_else(|| format!("write a whole number from {least} to {most}"))
}

/// The text as a sentence: with a capital at its beginning, and a point at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let mut sentence: String = first.to_uppercase().chain(letters).collect();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// What the store did, or its sentence for whoever asked for what cannot be. Other failures are no business of the form.
pub(super) fn told<T>(done: store::Result<T>) -> Result<Result<T, String>, Refusal> {
    match done {
        Ok(value) => Ok(Ok(value)),
        Err(error @ (StoreError::Conflict(_) | StoreError::Missing { .. })) => Ok(Err(sentence(&error.to_string()))),
        Err(error) => Err(error.into()),
    }
}

/// What a field looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Shape {
    /// A field of this `type`.
    Line(&'static str),
    /// Several lines of text.
    Long,
    /// One of these.
    Choice(Vec<Choice>),
    /// Any of these.
    Ticks(Vec<Tick>),
}

/// What can be chosen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// What can be ticked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tick {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) is_on: bool,
}

/// A field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) hint: String,
    pub(super) value: String,
    pub(super) problem: String,
    pub(super) is_required: bool,
    shape: Shape,
}

impl Field {
    /// One that nobody sees.
    pub(super) fn hidden(name: &str, value: &str) -> Field {
        Field {
            name: name.to_owned(),
            label: String::new(),
            hint: String::new(),
            value: value.to_owned(),
            problem: String::new(),
            is_required: false,
            shape: Shape::Line("hidden"),
        }
    }

    /// The same with words below it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Field {
        Field { hint: hint.into(), ..self }
    }

    /// The same, and it must be filled in.
    pub(super) fn required(self) -> Field {
        Field { is_required: true, ..self }
    }

    /// Its `type`, for a field of one line.
    pub(super) fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Line(kind) => kind,
            _ => "text",
        }
    }

    pub(super) fn is_hidden(&self) -> bool {
        self.shape == Shape::Line("hidden")
    }

    pub(super) fn is_long(&self) -> bool {
        self.shape == Shape::Long
    }

    pub(super) fn is_choice(&self) -> bool {
        matches!(self.shape, Shape::Choice(_))
    }

    pub(super) fn is_ticks(&self) -> bool {
        matches!(self.shape, Shape::Ticks(_))
    }

    /// Its value for people: what was chosen by its label.
    pub(super) fn words(&self) -> &str {
        let chosen = self.choices().iter().find(|choice| choice.is_chosen);
        chosen.map_or(self.value.as_str(), |choice| choice.label.as_str())
    }

    pub(super) fn choices(&self) -> &[Choice] {
        match &self.shape {
            Shape::Choice(choices) => choices,
            _ => &[],
        }
    }

    pub(super) fn ticks(&self) -> &[Tick] {
        match &self.shape {
            Shape::Ticks(ticks) => ticks,
            _ => &[],
        }
    }
}

/// Makes fields that hold what was sent, and say what is wrong with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled<'a> {
    pub(super) sent: &'a Fields,
    pub(super) problems: &'a Problems,
}

impl Filled<'_> {
    fn field(self, name: &str, label: &str, shape: Shape) -> Field {
        let problem = self.problems.0.get(name).cloned().unwrap_or_default();
        Field { label: label.to_owned(), problem, shape, ..Field::hidden(name, self.sent.text(name)) }
    }

    /// A line of text.
    pub(super) fn text(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Line("text"))
    }

    /// A password, which never comes back.
    pub(super) fn password(self, name: &str, label: &str) -> Field {
        Field { value: String::new(), ..self.field(name, label, Shape::Line("password")) }
    }

    /// A number. Not of the type `number`, which takes nothing where its browser cannot read what was typed.
    pub(super) fn number(self, name: &str, label: &str) -> Field {
        self.text(name, label)
    }

    /// A day and a time of day.
    pub(super) fn moment(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Line("datetime-local"))
    }

    /// A day.
    pub(super) fn day(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Line("date"))
    }

    /// A month. Browsers that know no such field show a line of text.
    pub(super) fn month(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Line("month")).hint("Such as 2026-11.")
    }

    /// A phone number.
    pub(super) fn phone(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Line("tel"))
    }

    /// Several lines.
    pub(super) fn long(self, name: &str, label: &str) -> Field {
        self.field(name, label, Shape::Long)
    }

    /// One of several: each has a value and a label.
    pub(super) fn choice(self, name: &str, label: &str, options: &[(String, String)]) -> Field {
        let sent = self.sent.text(name);
        let choice = |(value, label): &(String, String)| Choice {
            value: value.clone(),
            label: label.clone(),
            is_chosen: value == sent,
        };
        self.field(name, label, Shape::Choice(options.iter().map(choice).collect()))
    }

    /// A box.
    pub(super) fn tick(self, name: &str, label: &str, words: &str) -> Field {
        let tick = Tick { key: name.to_owned(), label: words.to_owned(), is_on: self.sent.is_on(name) };
        self.field(name, label, Shape::Ticks(vec![tick]))
    }

    /// Several boxes: each has a name within the group and a label.
    pub(super) fn ticks(self, group: &str, label: &str, options: &[(String, String)]) -> Field {
        let tick = |(option, label): &(String, String)| {
            let key = format!("{group}:{option}");
            Tick { is_on: self.sent.is_on(&key), key, label: label.clone() }
        };
        self.field(group, label, Shape::Ticks(options.iter().map(tick).collect()))
    }
}

/// A form: its fields, and what its button says.
#[derive(Clone, Debug)]
pub(super) struct Form {
    /// What tells its fields from those of another form of the page.
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) hint: String,
    pub(super) action: String,
    pub(super) fields: Vec<Field>,
    pub(super) button: String,
    pub(super) is_danger: bool,
}

impl Form {
    pub(super) fn new(id: &'static str, action: impl Into<String>, button: impl Into<String>) -> Form {
        Form {
            id,
            title: String::new(),
            hint: String::new(),
            action: action.into(),
            fields: Vec::new(),
            button: button.into(),
            is_danger: false,
        }
    }

    /// The same with a heading, and words below it.
    pub(super) fn titled(self, title: impl Into<String>, hint: impl Into<String>) -> Form {
        Form { title: title.into(), hint: hint.into(), ..self }
    }

    /// The same with one more field.
    pub(super) fn field(mut self, field: Field) -> Form {
        self.fields.push(field);
        self
    }

    /// The same, and its button warns.
    pub(super) fn danger(self) -> Form {
        Form { is_danger: true, ..self }
    }
}

/// A page that is a form, with what there is to know before it is sent.
#[derive(Debug, Template)]
#[template(path = "admin/form_page.html")]
pub(super) struct FormPage {
    pub(super) page: Page,
    pub(super) style: String,
    pub(super) title: String,
    /// Where one came from: address and name.
    pub(super) back: (String, String),
    pub(super) lines: Vec<String>,
    pub(super) problem: String,
    pub(super) forms: Vec<Form>,
}

impl FormPage {
    pub(super) fn new(page: Page, title: impl Into<String>, back: (&str, &str), form: Form) -> FormPage {
        FormPage {
            page,
            style: style(),
            title: title.into(),
            back: (back.0.to_owned(), back.1.to_owned()),
            lines: Vec::new(),
            problem: String::new(),
            forms: vec![form],
        }
    }
}

/// What is asked once more on the page of one thing, before something is done with it that cannot be undone.
#[derive(Debug)]
pub(super) struct Question<'a> {
    action: &'a str,
    title: &'a str,
    lines: Vec<String>,
    button: &'a str,
    is_danger: bool,
}

impl<'a> Question<'a> {
    /// `action` is what the address ends with at which it is done; `lines` say what will be done.
    pub(super) fn new(action: &'a str, title: &'a str, lines: Vec<String>, button: &'a str) -> Question<'a> {
        Question { action, title, lines, button, is_danger: false }
    }

    /// The same, and its button warns.
    pub(super) fn danger(self) -> Question<'a> {
        Question { is_danger: true, ..self }
    }

    /// Asks it of whoever has sent the form. `address` is that of the page.
    pub(super) fn ask(
        self,
        (app, staff, tab): (&App, &Staff, Tab),
        address: &str,
        sent: &Fields,
    ) -> Result<Response, Refusal> {
        let form = Form::new("sure", format!("{address}/{}", self.action), self.button);
        let form = Form { is_danger: self.is_danger, ..form };
        let (page, back) = (Page::new(app, staff, tab), (address, "Back, and change nothing"));
        answer(StatusCode::OK, &confirmation(page, self.title, back, self.lines, form, sent))
    }
}

/// Asks once more before something is done that cannot be undone: `lines` say what. The form's own fields are those that were sent.
pub(super) fn confirmation(
    page: Page,
    title: &str,
    back: (&str, &str),
    lines: Vec<String>,
    form: Form,
    sent: &Fields,
) -> FormPage {
    let mut form = form;
    form.fields = sent.0.iter().map(|(name, value)| Field::hidden(name, value)).collect();
    form.fields.push(Field::hidden(CONFIRMED, "yes"));
    FormPage { lines, ..FormPage::new(page, title, back, form) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::page::tests::HOSTILE;

    /// A form with every shape of field, each with a problem.
    pub(in crate::admin) fn sample(page: Page) -> FormPage {
        let sent = Fields::default().with("line", HOSTILE).with("choice", "b").with_tick("group", HOSTILE);
        let mut problems = Problems::default();
        for name in ["line", "long", "choice", "group"] {
            problems.note(name, HOSTILE);
        }
        let filled = Filled { sent: &sent, problems: &problems };
        let options = [("a".to_owned(), HOSTILE.to_owned()), ("b".to_owned(), HOSTILE.to_owned())];
        let boxes = [(HOSTILE.to_owned(), HOSTILE.to_owned())];
        let form = Form::new("sample", "/admin/vouchers", "Do it")
            .titled(HOSTILE, HOSTILE)
            .field(filled.text("line", HOSTILE).hint(HOSTILE).required())
            .field(filled.long("long", HOSTILE))
            .field(filled.choice("choice", HOSTILE, &options))
            .field(filled.ticks("group", HOSTILE, &boxes));
        FormPage {
            lines: vec![HOSTILE.into()],
            problem: HOSTILE.into(),
            ..FormPage::new(page, HOSTILE, ("/admin", "Back"), form)
        }
    }

    pub(in crate::admin) fn asked_twice(page: Page) -> FormPage {
        let sent = Fields::default().with("reason", HOSTILE);
        let form = Form::new("sure", "/admin/vouchers/42/void", "Make them worth nothing").danger();
        confirmation(page, "Are you sure?", ("/admin", "Back"), vec![HOSTILE.into()], form, &sent)
    }

    #[test]
    fn what_was_typed_and_what_is_wrong_with_it_come_back() {
        let html = sample(crate::admin::page::tests::page()).render().expect("renders");
        for part in ["aria-invalid=\"true\"", " selected", " checked", " required"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert_eq!(html.matches(" selected").count(), 1);
    }

    #[test]
    fn a_confirmation_sends_the_same_once_more() {
        let html = asked_twice(crate::admin::page::tests::page()).render().expect("renders");
        assert!(html.contains("name=\"reason\"") && html.contains("name=\"confirmed\" value=\"yes\""), "{html}");
        assert!(!Fields::default().is_confirmed() && Fields::default().with("confirmed", "yes").is_confirmed());
    }

    #[test]
    fn fields_are_read_and_boxes_found_by_their_group() {
        let sent = Fields::default().with("name", " x ").with_tick("site", "a").with_tick("site", "b");
        assert_eq!((sent.text("name"), sent.text("nothing")), ("x", ""));
        assert_eq!((sent.ticked("site"), sent.ticked("sit")), (vec!["a", "b"], vec![]));
        let mut problems = Problems::default();
        assert_eq!(problems.optional(&sent, "nothing", |text| number(text, 1, 9)), None);
        assert!(problems.is_empty());
        assert_eq!(problems.optional(&sent, "name", |text| number(text, 1, 9)), None);
        assert!(problems.has("name"));
    }

    #[test]
    fn sentences_begin_and_end_as_sentences() {
        for (text, expected) in [("there is no order A", "There is no order A."), ("Done!", "Done!"), ("", "")] {
            assert_eq!(sentence(text), expected);
        }
        assert_eq!(number("40", 1, 100), Ok(40));
        for text in ["0", "101", "-1", "1.5", "x", ""] {
            assert!(number(text, 1, 100).is_err(), "{text}");
        }
    }
}
