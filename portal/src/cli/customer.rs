//! `portal customer` and `portal grant`: customers, and access that nobody paid for here.

use clap::{Args, Subcommand};
use serde_json::json;
use shared::phone::Phone;
use shared::rng;

use super::{Answer, Context, PasswordStdin, secret_from_stdin, values};
use crate::api::id::{self, Kind};

/// Customers.
#[derive(Debug, Subcommand)]
pub(super) enum Customer {
    /// Add a customer, or name the one with that number.
    Add(Add),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The phone number.
    #[arg(long)]
    phone: Phone,
    /// What the customer is called.
    #[arg(long, default_value = "")]
    name: String,
    #[command(flatten)]
    answer: Answer,
}

impl Customer {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let Customer::Add(add) = self;
        let now = context.now();
        let customer = store::user::ensure(&context.db, rng::id(now), &add.phone, &add.name, now).await?;
        // The audit log is kept for good: it names the customer's row and no number.
        let spelt = id::spell(Kind::Customer, customer);
        context.audit("customer.add", &spelt).await?;
        let value = json!({ "id": spelt, "phone": add.phone.as_str() });
        add.answer.give(&value, format!("Customer {} is known.", add.phone))
    }
}

/// Give a customer a package, with a name and password to log in.
#[derive(Debug, Args)]
pub(super) struct Grant {
    /// The customer's phone number; a new customer is added.
    #[arg(long, value_name = "PHONE")]
    customer: Phone,
    /// The package's slug.
    #[arg(long, value_name = "SLUG")]
    package: String,
    /// The name to log in with; nobody else may have it.
    #[arg(long, value_name = "NAME", value_parser = values::name)]
    login: String,
    #[command(flatten)]
    _password: PasswordStdin,
    #[command(flatten)]
    answer: Answer,
}

impl Grant {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let now = context.now();
        let password = secret_from_stdin("password")?;
        anyhow::ensure!(password.len() <= 128, "the password is too long: RADIUS carries at most 128 octets");
        let package = store::package::by_slug(&context.db, &self.package).await?;
        let customer = store::user::ensure(&context.db, rng::id(now), &self.customer, "", now).await?;
        let (login, password) = (self.login.as_bytes(), password.as_bytes());
        let entitlement =
            store::entitlement::grant(&context.db, Some(customer), &package, login, password, now).await?;
        let spelt = id::spell(Kind::Customer, customer);
        context.audit("entitlement.grant", &format!("{} to {spelt}", package.slug)).await?;
        let value = json!({
            "entitlement": id::spell(Kind::Entitlement, entitlement), "login": self.login, "package": package.slug
        });
        self.answer.give(&value, format!("{} can log in as {} with {}.", self.customer, self.login, package.name))
    }
}
