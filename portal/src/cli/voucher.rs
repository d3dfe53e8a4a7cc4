//! `portal voucher`: codes on paper, each good for one package.

use clap::{Args, Subcommand};
use serde_json::json;
use shared::{rng, voucher};

use super::{Answer, Context};

/// Vouchers.
#[derive(Debug, Subcommand)]
pub(super) enum Voucher {
    /// Make codes and print them, a line each. They are shown this once.
    Print(Print),
}

#[derive(Debug, Args)]
pub(super) struct Print {
    /// The package's slug.
    #[arg(long, value_name = "SLUG")]
    package: String,
    /// How many.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    count: u32,
    #[command(flatten)]
    answer: Answer,
}

impl Voucher {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Voucher::Print(print) = self;
        let package = store::package::by_slug(&context.db, &print.package).await?;
        let mut codes = Vec::new();
        for _ in 0..print.count {
            let code = rng::code(voucher::CODE_LENGTH);
            store::entitlement::print_voucher(&context.db, &package, &code, context.now()).await?;
            codes.push(voucher::printed(&code));
        }
        context.audit("voucher.print", &format!("{} of {}", print.count, package.slug)).await?;
        print.answer.give(&json!({ "package": package.slug, "codes": codes }), codes.join("\n"))
    }
}
