//! `portal message`: what customers are told by SMS and e-mail, how it is worded, and what is not sent.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use shared::notice::Notice;
use shared::sms;
use store::notification;

use super::{ACTOR, Answer, Context, values};
use crate::notify::texts;
use crate::urls;

/// Messages to customers.
#[derive(Debug, Subcommand)]
pub(super) enum Message {
    /// List them, each with what a customer would read and what it is sent as.
    List(Answer),
    /// Word one otherwise: its text, the subject that it has as an e-mail, or both. They may name {{ brand }}, {{ package }}, {{ price }}, {{ code }}, {{ until }}, {{ link }} and
    /// {{ support }}.
    Set(Set),
    /// Word one as we do again.
    Reset(Which),
    /// Do not send this kind.
    Off(Kind),
    /// Send this kind again.
    On(Kind),
    /// Print the address to which Africa's Talking shall report, for its dashboard. It is secret.
    Address(Answer),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Locale {
    En,
    Sw,
}

impl Locale {
    fn as_str(self) -> &'static str {
        match self {
            Locale::En => "en",
            Locale::Sw => "sw",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Which, as `message list` shows it.
    #[arg(value_name = "NAME", value_parser = notice)]
    name: Notice,
    #[arg(long, default_value = "en")]
    locale: Locale,
    /// The text.
    #[arg(long, required_unless_present = "subject")]
    text: Option<String>,
    /// The subject of an e-mail.
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// Which, as `message list` shows it.
    #[arg(value_name = "NAME", value_parser = notice)]
    name: Notice,
    #[arg(long, default_value = "en")]
    locale: Locale,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Kind {
    /// Which, as `message list` shows it.
    #[arg(value_name = "NAME", value_parser = notice)]
    name: Notice,
    #[command(flatten)]
    answer: Answer,
}

fn notice(text: &str) -> Result<Notice, String> {
    let known = || Notice::ALL.map(Notice::as_str).join(", ");
    Notice::parse(text).ok_or_else(|| format!("there is no message of that name; there are {}", known()))
}

impl Message {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Message::List(answer) => list(context, answer).await,
            Message::Set(set) => set.run(context).await,
            Message::Reset(which) => which.reset(context).await,
            Message::Off(kind) => kind.switch(context, true).await,
            Message::On(kind) => kind.switch(context, false).await,
            Message::Address(answer) => {
                let address = urls::africastalking_reports(&context.config.portal.public_url, context.db.seal());
                answer.give(&json!({ "africastalking": address }), &address)
            }
        }
    }
}

impl Set {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        // Both are tried before one is kept.
        let text = self.text.as_deref().map(texts::check).transpose()?;
        let subject = self.subject.as_deref().map(texts::check_subject).transpose()?;
        let (name, locale, now) = (self.name, self.locale.as_str(), context.now());
        let is_whole = self.text.as_deref().is_none_or(|text| name != Notice::AddressProof || text.contains("link"));
        anyhow::ensure!(is_whole, "the text must name {{{{ link }}}}: without it no address can be proved");
        if self.text.is_some() {
            notification::set_template(&context.db, name, locale, self.text.as_deref(), ACTOR, now).await?;
        }
        if self.subject.is_some() {
            notification::set_subject(&context.db, name, locale, self.subject.as_deref(), ACTOR, now).await?;
        }
        context.audit("message.set", &format!("{} {locale}", name.as_str())).await?;
        let (sample, length) = text.unzip();
        let value = json!({ "name": name.as_str(), "sample": sample, "segments": length.map(|length| length.segments),
            "subject": subject });
        let lines = [subject, sample, length.map(sent_as)];
        self.answer.give(&value, lines.into_iter().flatten().collect::<Vec<_>>().join("\n"))
    }
}

impl Which {
    async fn reset(self, context: &Context) -> anyhow::Result<()> {
        let (name, locale, now) = (self.name, self.locale.as_str(), context.now());
        notification::set_template(&context.db, name, locale, None, ACTOR, now).await?;
        notification::set_subject(&context.db, name, locale, None, ACTOR, now).await?;
        context.audit("message.reset", &format!("{} {locale}", name.as_str())).await?;
        self.answer.give(&json!({ "name": name.as_str() }), texts::built_in(name, locale))
    }
}

impl Kind {
    async fn switch(self, context: &Context, off: bool) -> anyhow::Result<()> {
        notification::set_off(&context.db, self.name, off, ACTOR, context.now()).await?;
        let action = if off { "message.off" } else { "message.on" };
        context.audit(action, self.name.as_str()).await?;
        let word = if off { "not sent any more" } else { "sent" };
        let value = json!({ "name": self.name.as_str(), "off": off });
        self.answer.give(&value, format!("{} is {word}.", self.name.as_str()))
    }
}

fn sent_as(length: sms::Length) -> String {
    let (letters, messages) = (length.units, length.segments);
    let encoding = match length.encoding {
        sms::Encoding::Gsm7 => "GSM-7",
        sms::Encoding::Ucs2 => "UCS-2: one letter that GSM-7 has not makes all of it longer",
    };
    format!("{letters} letters ({encoding}), sent as {messages} message{}", if messages == 1 { "" } else { "s" })
}

async fn list(context: &Context, answer: Answer) -> anyhow::Result<()> {
    let off = notification::off(&context.db).await?;
    let mut table = values::Table::new(["name", "locale", "sent", "messages", "subject", "text"]);
    let mut values = Vec::new();
    for notice in Notice::ALL {
        for locale in ["en", "sw"] {
            let own = notification::template(&context.db, notice, locale).await?;
            let text = own.as_deref().unwrap_or_else(|| texts::built_in(notice, locale));
            let own_subject = notification::subject(&context.db, notice, locale).await?;
            let subject = own_subject.as_deref().unwrap_or_else(|| texts::built_in_subject(notice, locale));
            let is_off = off.iter().any(|name| name == notice.as_str());
            let (sample, segments) = match texts::check(text) {
                Ok((sample, length)) => (sample, length.segments),
                Err(problem) => (problem.to_string(), 0),
            };
            table.row([
                notice.as_str().to_owned(),
                locale.to_owned(),
                if is_off { "no".into() } else { "yes".into() },
                segments.to_string(),
                texts::check_subject(subject).unwrap_or_else(|problem| problem.to_string()),
                sample.clone(),
            ]);
            let is_own = own.is_some() || own_subject.is_some();
            values.push(json!({ "name": notice.as_str(), "locale": locale, "off": is_off, "is_own": is_own,
                "text": text, "sample": sample, "segments": segments, "subject": subject }));
        }
    }
    answer.give(&values, table)
}
