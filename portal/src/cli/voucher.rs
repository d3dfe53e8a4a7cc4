//! `portal voucher`: codes on paper, each good for one package: printed, handed to agents, sold, and made worth nothing.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;
use shared::time::{OffsetDateTime, rfc3339};
use shared::voucher::{self, Code};
use store::voucher::{MAX_BATCH, Paper, State, Which};

use super::{Answer, Context, values};
use crate::vouchers::{self, csv, day, pdf};

/// Vouchers.
#[derive(Debug, Subcommand)]
pub(super) enum Voucher {
    /// Make codes, a batch of them, and print them, a line each, or into files.
    Print(Print),
    /// List the batches, the newest first.
    Batches(Batches),
    /// Write the vouchers of a batch that are still good into a file again.
    Export(Export),
    /// Note who has the paper of a batch.
    Give(Give),
    /// Note that vouchers of a batch were sold.
    Sell(Range),
    /// Make vouchers of a batch worth nothing. Those that somebody uses stay.
    Void(Void),
}

#[derive(Debug, Args)]
pub(super) struct Print {
    /// The package's slug.
    #[arg(long, value_name = "SLUG")]
    package: String,
    /// How many.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_BATCH as i64))]
    count: u32,
    /// Who gets the paper.
    #[arg(long, value_parser = values::name)]
    agent: Option<String>,
    /// What they are printed for, in your words.
    #[arg(long, default_value = "")]
    label: String,
    /// The last day on which one that nobody has used yet can be, such as 2026-12-31. Without it they stay good.
    #[arg(long, value_name = "DAY", value_parser = day::end_of)]
    use_by: Option<OffsetDateTime>,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    answer: Answer,
}

/// Files to write. They are money: nobody else can read them.
#[derive(Debug, Args)]
struct Files {
    /// Write them for a printer.
    #[arg(long, value_name = "FILE")]
    pdf: Option<PathBuf>,
    /// The paper: a4, 58mm or 80mm.
    #[arg(long, default_value = "a4", value_parser = sheet)]
    sheet: pdf::Sheet,
    /// Write them for a spreadsheet.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

fn sheet(text: &str) -> Result<pdf::Sheet, String> {
    pdf::Sheet::parse(text).ok_or_else(|| "the paper is a4, 58mm or 80mm".to_owned())
}

#[derive(Debug, Args)]
pub(super) struct Batches {
    /// Only those of this agent.
    #[arg(long)]
    agent: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Export {
    /// The batch's number.
    batch: u32,
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Give {
    /// The batch's number.
    batch: u32,
    /// Who has it from now on; without it, the operator.
    #[arg(long, value_parser = values::name)]
    agent: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Range {
    /// The batch's number.
    batch: u32,
    /// Which of it, such as 7 or 1-40.
    #[arg(value_parser = serials)]
    serials: (u32, u32),
    #[command(flatten)]
    answer: Answer,
}

#[derive(Debug, Args)]
pub(super) struct Void {
    #[command(flatten)]
    range: Range,
    /// Why.
    #[arg(long)]
    reason: String,
}

/// `7` or `1-40`.
fn serials(text: &str) -> Result<(u32, u32), &'static str> {
    voucher::serials(text).ok_or("write one number or two, such as 7 or 1-40")
}

impl Voucher {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        match self {
            Voucher::Print(print) => print.run(context).await,
            Voucher::Batches(batches) => batches.run(context).await,
            Voucher::Export(export) => export.run(context).await,
            Voucher::Give(give) => give.run(context).await,
            Voucher::Sell(range) => range.sell(context).await,
            Voucher::Void(void) => void.run(context).await,
        }
    }
}

impl Print {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let package = store::package::by_slug(&context.db, &self.package).await?;
        let codes: Vec<Code> = (0..self.count).map(|_| voucher::new_code()).collect();
        let paper = Paper { agent: self.agent.as_deref(), label: &self.label, redeem_before: self.use_by };
        let last = self.use_by.map(|end| format!(", until {}", day::typed(end))).unwrap_or_default();
        let object = format!("{} of {}{last}", self.count, package.slug);
        let line = context.line("voucher.print", &object);
        let batch = store::voucher::print_batch(&context.db, &package, &paper, &codes, &line, context.now()).await?;
        let files = self.files.write(context, batch.id).await?;
        let codes: Vec<String> = codes.iter().map(voucher::printed).collect();
        let answer = json!({ "package": package.slug, "batch": batch.number, "codes": codes, "files": files });
        let text =
            if files.is_empty() { codes.join("\n") } else { format!("Batch {}: {}", batch.number, files.join(", ")) };
        self.answer.give(&answer, text)
    }
}

impl Files {
    /// Writes the vouchers of a batch that are still good. Returns the files that were written.
    async fn write(&self, context: &Context, batch: uuid::Uuid) -> anyhow::Result<Vec<String>> {
        if self.pdf.is_none() && self.csv.is_none() {
            return Ok(Vec::new());
        }
        let (batch, all) = store::voucher::batch(&context.db, batch).await?;
        anyhow::ensure!(
            batch.redeem_before.is_none_or(|end| end > context.now()),
            "the last day of this batch is over: nobody can use them any more"
        );
        let good: Vec<vouchers::Voucher> = all
            .iter()
            .filter(|voucher| matches!(voucher.state, State::Printed | State::Sold))
            .map(vouchers::Voucher::from)
            .collect();
        anyhow::ensure!(!good.is_empty(), "none of this batch is still good");
        let portal = &context.config.portal;
        let data = vouchers::Batch {
            number: batch.number,
            brand: &portal.brand,
            support: &portal.support_phone,
            package: &batch.package,
            price: batch.price,
            redeem_before: batch.redeem_before,
            url_base: &crate::urls::whole(&portal.public_url, crate::urls::SCANNED),
        };
        let mut written = Vec::new();
        if let Some(path) = &self.pdf {
            keep(path, &pdf::render(self.sheet, &data, &good))?;
            written.push(path.display().to_string());
        }
        if let Some(path) = &self.csv {
            keep(path, &csv::render(&data, &good))?;
            written.push(path.display().to_string());
        }
        Ok(written)
    }
}

/// Writes a file that only its owner reads.
fn keep(path: &Path, octets: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(octets)).with_context(|| format!("{} cannot be written", path.display()))
}

impl Batches {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let batches = store::voucher::batches(&context.db, self.agent.as_deref(), 1000).await?;
        let heads = ["batch", "package", "price", "label", "agent", "printed", "sold", "redeemed", "void", "last day"];
        let mut table = values::Table::new(heads);
        let mut values = Vec::new();
        for batch in batches {
            let counts = batch.counts;
            table.row([
                batch.number.to_string(),
                batch.package.clone(),
                batch.price.to_string(),
                batch.label.clone(),
                batch.agent.clone().unwrap_or_default(),
                counts.printed.to_string(),
                counts.sold.to_string(),
                counts.redeemed.to_string(),
                counts.void.to_string(),
                batch.redeem_before.map(day::typed).unwrap_or_default(),
            ]);
            values.push(json!({ "batch": batch.number, "package": batch.package, "price": batch.price.minor, "label": batch.label,
                "agent": batch.agent, "size": batch.size, "printed": counts.printed, "sold": counts.sold, "redeemed": counts.redeemed,
                "void": counts.void, "ever_sold": counts.ever_sold, "created_by": batch.created_by,
                "redeem_before": batch.redeem_before.map(rfc3339) }));
        }
        self.answer.give(&values, table)
    }
}

impl Export {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.files.pdf.is_some() || self.files.csv.is_some(),
            "say where to: --pdf FILE, --csv FILE, or both"
        );
        let batch = store::voucher::by_number(&context.db, self.batch).await?;
        context.audit("voucher.export", &format!("batch {}", self.batch)).await?;
        let files = self.files.write(context, batch).await?;
        self.answer.give(&json!({ "batch": self.batch, "files": files }), files.join("\n"))
    }
}

impl Give {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let batch = store::voucher::by_number(&context.db, self.batch).await?;
        let whose = self.agent.as_deref().unwrap_or("the operator");
        let object = format!("batch {} to {whose}", self.batch);
        let line = context.line("voucher.give", &object);
        store::voucher::hand_over(&context.db, batch, self.agent.as_deref(), &line, context.now()).await?;
        let text = format!("{whose} has batch {}.", self.batch);
        self.answer.give(&json!({ "batch": self.batch, "agent": self.agent }), text)
    }
}

impl Range {
    async fn which(&self, context: &Context) -> anyhow::Result<Which<'static>> {
        let (first, last) = self.serials;
        Ok(Which::Serials { batch: store::voucher::by_number(&context.db, self.batch).await?, first, last })
    }

    fn name(&self) -> String {
        let (first, last) = self.serials;
        format!("batch {}: {first}-{last}", self.batch)
    }

    async fn sell(self, context: &Context) -> anyhow::Result<()> {
        let which = self.which(context).await?;
        let object = self.name();
        let sold =
            store::voucher::sell(&context.db, which, &context.line("voucher.sell", &object), context.now()).await?;
        self.answer.give(&json!({ "batch": self.batch, "sold": sold }), format!("{sold} are noted as sold."))
    }
}

impl Void {
    async fn run(self, context: &Context) -> anyhow::Result<()> {
        let which = self.range.which(context).await?;
        let object = format!("{} ({})", self.range.name(), self.reason);
        let line = context.line("voucher.void", &object);
        let voided = store::voucher::void(&context.db, which, &self.reason, &line, context.now()).await?;
        let value = json!({ "batch": self.range.batch, "void": voided });
        self.range.answer.give(&value, format!("{voided} are worth nothing any more."))
    }
}
