//! The command line: what people at a terminal and scripts do with the system, and how the portal is started.
//!
//! [`run`] reads the arguments, loads the configuration and hands over to the file of the noun: [`nas`],
//! [`package`], [`session`] and so on. Each command makes one change or answers one question. What it
//! answers goes to standard output, as a line for people or, with `--json`, as one JSON value in the spelling of
//! the REST interface; what went wrong is one sentence on standard error, with exit code 1 (2 for a command
//! that cannot be understood). A change leaves a line in the audit log, by `command line`.
//!
//! Refused here: secrets as arguments, where other users of the machine could read them. They come on standard
//! input. Commands write no log, so that nothing stands between a script and its answer; `serve` does.

mod admin;
mod audit;
mod backup;
mod check;
mod customer;
mod demo;
mod discount;
mod doctor;
#[cfg(test)]
mod handbook;
mod message;
mod migrate;
mod money;
mod nas;
mod outage;
mod package;
mod person;
mod retention;
mod router_login;
mod routeros;
mod secrets;
mod seed;
mod serve;
mod session;
mod token;
pub(crate) mod values;
mod voucher;
mod wireguard;

use std::fmt::Display;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use shared::config::Config;
use shared::request::RequestId;
use shared::time::{Clock, OffsetDateTime};
use store::Db;
use store::admin::Audit;

/// Who did it, in the audit log.
const ACTOR: &str = "command line";

/// Sells access to a Wi-Fi hotspot: the web side and its command line.
#[derive(Debug, Parser)]
#[command(name = "portal", version, max_term_width = 100)]
struct Arguments {
    /// The configuration file.
    #[arg(long, global = true, env = "MLANGO_CONFIG", default_value = "/etc/mlango/mlango.toml", value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration, connect to PostgreSQL and Redis, and end.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the pages (the default).
    Serve,
    /// Bring the database's schema up to date.
    Migrate(migrate::Migrate),
    /// Say what is wrong with this deployment, and what to do.
    Doctor(doctor::Doctor),
    /// Staff who sign in at the desk.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Tokens of the REST interface.
    #[command(subcommand)]
    Token(token::Token),
    /// The audit log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Routers.
    #[command(subcommand)]
    Nas(nas::Nas),
    /// Administrators who sign in to the routers themselves.
    #[command(subcommand)]
    RouterLogin(router_login::RouterLogin),
    /// Customers.
    #[command(subcommand)]
    Customer(customer::Customer),
    /// Give a customer a package, with a name and password to log in.
    Grant(customer::Grant),
    /// Vouchers.
    #[command(subcommand)]
    Voucher(voucher::Voucher),
    /// Packages on sale.
    #[command(subcommand)]
    Package(package::Package),
    /// Discounts: what lowers prices.
    #[command(subcommand)]
    Discount(discount::Discount),
    /// Payments for which no order is known, and money that goes back.
    #[command(subcommand)]
    Money(money::Money),
    /// Sessions at the routers.
    #[command(subcommand)]
    Session(session::Session),
    /// Routers that went dark, and the time that customers lost.
    #[command(subcommand)]
    Outage(outage::Outage),
    /// What customers are told by SMS and e-mail.
    #[command(subcommand)]
    Message(message::Message),
    /// Backups, and drills that restore them.
    #[command(subcommand)]
    Backup(backup::Backup),
    /// Our end of the tunnel that routers come through.
    #[command(subcommand, name = "wireguard")]
    WireGuard(wireguard::WireGuard),
    /// What is known of somebody: handed over, or taken out.
    #[command(subcommand)]
    Person(person::Person),
    /// How long what tells something about people is kept.
    #[command(subcommand)]
    Retention(retention::Retention),
    /// The keys to what is sealed in the database, and changing them.
    #[command(subcommand)]
    Secrets(secrets::Secrets),
    /// Make a site, packages and a login to try everything with; a second time changes nothing.
    Demo(demo::Demo),
    /// Make many customers at once, for measurements.
    Seed(seed::Seed),
}

/// How a command answers.
#[derive(Clone, Copy, Debug, Args)]
struct Answer {
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

impl Answer {
    /// Prints the answer: `value` for scripts, else `text` for people.
    fn give(self, value: &impl Serialize, text: impl Display) -> anyhow::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { text.to_string() };
        // Not println!, which panics when the reader has gone.
        use std::io::Write as _;
        writeln!(std::io::stdout(), "{}", text.trim_end()).context("the answer could not be written")
    }
}

/// What a command works with.
struct Context {
    config: Config,
    db: Db,
    clock: Clock,
}

impl Context {
    fn open(config: Config) -> anyhow::Result<Context> {
        let seal = Arc::new(config.secrets.seal()?);
        Ok(Context { db: Db::open(&config.database, seal)?, clock: Clock::system(), config })
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// A line of the audit log, for what writes it together with what it tells of.
    fn line<'a>(&self, action: &'a str, object: &'a str) -> Audit<'a> {
        Audit { actor: ACTOR, action, object, address: None }
    }

    /// Leaves a line in the audit log.
    async fn audit(&self, action: &str, object: &str) -> anyhow::Result<()> {
        Ok(store::admin::audit(&self.db, &self.line(action, object), self.now()).await?)
    }
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portal: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("the program's threads could not be started")?;
    if let Some(Command::Doctor(doctor)) = &arguments.command {
        return runtime.block_on(doctor.run(&arguments.config));
    }
    let config = Config::load(&arguments.config)?;
    runtime.block_on(async {
        if arguments.check_config {
            return check::check(config).await;
        }
        let command = arguments.command.unwrap_or(Command::Serve);
        if let Command::Serve = command {
            return serve::serve(config).await;
        }
        let context = Context::open(config)?;
        // A backup may have to be examined where the live database is gone.
        if !matches!(command, Command::Migrate(_) | Command::Backup(_)) {
            context.db.expect_current_schema().await?;
        }
        // Nothing is logged here; the name stands in the audit log and on what is done for the command later.
        let request = RequestId::new(context.now());
        let result = store::trace::scope(Some(request), dispatch(&context, command)).await;
        context.db.close().await;
        result
    })
}

async fn dispatch(context: &Context, command: Command) -> anyhow::Result<()> {
    match command {
        // Both went their own way before.
        Command::Serve | Command::Doctor(_) => Ok(()),
        Command::Migrate(command) => command.run(context).await,
        Command::Admin(command) => command.run(context).await,
        Command::Token(command) => command.run(context).await,
        Command::Audit(command) => command.run(context).await,
        Command::Nas(command) => command.run(context).await,
        Command::RouterLogin(command) => command.run(context).await,
        Command::Customer(command) => command.run(context).await,
        Command::Grant(command) => command.run(context).await,
        Command::Voucher(command) => command.run(context).await,
        Command::Package(command) => command.run(context).await,
        Command::Discount(command) => command.run(context).await,
        Command::Money(command) => command.run(context).await,
        Command::Session(command) => command.run(context).await,
        Command::Outage(command) => command.run(context).await,
        Command::Message(command) => command.run(context).await,
        Command::Backup(command) => command.run(context).await,
        Command::WireGuard(command) => command.run(context).await,
        Command::Person(command) => command.run(context).await,
        Command::Retention(command) => command.run(context).await,
        Command::Secrets(command) => command.run(context).await,
        Command::Demo(command) => command.run(context).await,
        Command::Seed(command) => command.run(context).await,
    }
}

/// The promise that a secret comes on standard input, as arguments spell it.
#[derive(Clone, Copy, Debug, Args)]
struct PasswordStdin {
    /// Read the password from standard input.
    #[arg(long, required = true)]
    password_stdin: bool,
}

/// Reads a secret from standard input; a line end after it does not belong to it.
fn secret_from_stdin(what: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(values::MAX_SECRET)
        .read_to_string(&mut text)
        .with_context(|| format!("the {what} could not be read from standard input"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    anyhow::ensure!(!secret.is_empty(), "no {what} came on standard input");
    Ok(secret.to_owned())
}

/// An error and its causes as one sentence on one line: libraries write several lines, and repeat their causes.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        match text.is_empty() {
            true => text = cause,
            false if text.contains(&cause) => {}
            false => text = format!("{text}: {cause}"),
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_that_others_rely_on_is_understood() {
        for line in [
            "portal --config F",
            "portal --config F serve",
            "portal --config F --check-config",
            "portal --config F migrate",
            "portal --config F migrate --check --json",
            "portal --config F doctor",
            "portal doctor --json --radiusd http://10.0.0.1:9812",
            "portal admin create --email a@b --password-stdin --config F",
            "portal admin create --email a@b --password-stdin --json",
            "portal admin create --email a@b --password-stdin --role cashier",
            "portal admin list --json",
            "portal admin set-role a@b manager",
            "portal admin set-role a@b support --site Market --site Beach --json",
            "portal admin set-role a@b support --all-sites",
            "portal admin suspend a@b",
            "portal admin restore a@b --json",
            "portal admin unlock a@b",
            "portal admin reset-2fa a@b --json",
            "portal audit verify --json",
            "portal audit verify --noted 7:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "portal token create --name n --json",
            "portal token create --name n --scope packages:* --scope *:read --expires 90d --from 10.0.0.0/24 --from 10.1.0.1",
            "portal token list --json",
            "portal token revoke n",
            "portal nas add --name n --address 10.0.0.0/24 --secret-stdin --identifier i --site s --coa-port 3799 \
             --hotspot-host 10.5.50.1 --hotspot-host h:8090 --json",
            "portal nas add --name n --address 10.0.0.1 --secret-stdin --require-message-authenticator yes \
             --limit-proxy-state false",
            "portal nas set n --limit-proxy-state false --json",
            "portal nas rotate-secret n --generate",
            "portal nas rotate-secret n --secret-stdin --overlap 2h --json",
            "portal nas add --name n --address 10.0.0.1 --secret-stdin --overlap 0",
            "portal nas set n --require-message-authenticator auto --address 10.0.0.2 --coa-port 1700 --site s",
            "portal nas list --json",
            "portal nas remove --name n",
            "portal nas remove n",
            "portal customer add --phone 0712345678 --name N",
            "portal grant --customer 0712345678 --package 1-day --login l --password-stdin",
            "portal voucher print --package 1-hour --count 3",
            "portal voucher print --package 1-hour --count 40 --agent Njeri --label l --pdf /p --sheet 58mm --csv /c",
            "portal voucher batches --agent Njeri",
            "portal voucher export 42 --csv /c",
            "portal voucher give 42 --agent Njeri",
            "portal voucher sell 42 1-40",
            "portal voucher void 42 7 --reason lost --json",
            "portal package add --slug s --name n --price 20 --duration 1h",
            "portal package add --slug s --name n --price 20 --duration 1h --at Market=15 --at Beach=no --offered-hours none --name-sw Saa",
            "portal package set s --price 25 --at Market=usual --offered-from 2026-12-01T00:00:00+03:00 --hours none --json",
            "portal package set s --inactive",
            "portal package history s --json",
            "portal package list",
            "portal discount add --name n --percent 20",
            "portal discount add --name n --code karibu-24 --amount 5 --currency KES --per-person 1 --uses 100 --owner 0712345678",
            "portal discount add --name n --percent 10 --every 10 --package 1-hour --package 1-day --site s --stackable --json",
            "portal discount add --name n --percent 50 --first-purchase --from 2026-12-01T00:00:00+03:00 --until 2027-01-01T00:00:00+03:00",
            "portal discount list --json",
            "portal discount end --code KARIBU24",
            "portal discount end --name n",
            "portal outage give-back --site s",
            "portal message list --json",
            "portal message set ended --locale sw --text t",
            "portal message set ended --subject s",
            "portal message set ended --subject s --text t --json",
            "portal message off trouble",
            "portal message address",
            "portal person export --phone 0712345678",
            "portal person erase --phone 0712345678 --json",
            "portal person erase --phone 0712345678 --give-up-access",
            "portal person offers --json",
            "portal retention show --json",
            "portal retention run",
            "portal session list --json",
            "portal backup status --json",
            "portal backup list",
            "portal backup check --database postgres:///mlango?host=/run/x&user=mlango --json",
            "portal backup report full --started 2026-12-01T02:30:00.123Z --ended 2026-12-01T02:31:00Z --size 4096 --detail d",
            "portal backup report drill --started 2026-12-01T02:30:00Z --failed --recovery-point 2026-12-01T02:29:00Z --json",
            "portal money list",
            "portal money list --all --json",
            "portal money assign RKTQDM7W6S --order AB2CD3EF",
            "portal money assign RKTQDM7W6S --phone 0712345678 --package 1-hour --json",
            "portal money refund RKTQDM7W6S",
            "portal money refund RKTQDM7W6S --reverse",
            "portal money refund pi_3Px4kJ2eZvKYlo2C --json",
            "portal money refund AB2CD3EF",
            "portal money refund RKTQDM7W6S --reverse --again",
            "portal money refund RKTQDM7W6S --given-back RKU1234567",
            "portal money refund AB2CD3EF --keep-access",
            "portal money refund AB2CD3EF --reverse --again --json",
            "portal money owed --json",
            "portal money given-back AB2CD3EF --proof RKU1234567",
            "portal money given-back AB2CD3EF --proof cash --only-owed --json",
            "portal money register --unanswered cancelled --json",
            "portal session disconnect 0192e4a0-0000-7000-8000-000000000001",
            "portal wireguard peers",
            "portal wireguard peers --json",
            "portal demo --json",
            "portal seed --customers 10 --sessions 5",
            "portal seed --customers 10 --history 5 --json",
        ] {
            if let Err(error) = Arguments::try_parse_from(line.split_whitespace()) {
                panic!("{line}: {error}");
            }
        }
    }

    #[test]
    fn wrong_usage_ends_with_code_two() {
        for line in [
            "portal nosuch",
            "portal admin create --email a@b",
            "portal admin set-role a@b root",
            "portal admin set-role a@b support --site Market --all-sites",
            "portal admin reset-2fa",
            "portal audit verify --noted 7",
            "portal seed",
            "portal token create --name n --expires soon",
            "portal token revoke",
            "portal nas remove",
            "portal person erase",
            "portal person export --phone x",
            "portal nas set",
            "portal nas rotate-secret n",
            "portal nas rotate-secret n --generate --secret-stdin",
            "portal nas rotate-secret n --generate --overlap 31d",
            "portal nas set n --require-message-authenticator maybe",
            "portal nas set n --limit-proxy-state",
            "portal package add",
            "portal package set",
            "portal package set s --active --inactive",
            "portal package set s --duration 1h --until day",
            "portal package set s --at Market",
            "portal package set s --offered-from tomorrow",
            "portal package history",
            "portal discount add --name n",
            "portal discount add --name n --percent 20 --amount 5",
            "portal discount add --name n --percent 0",
            "portal discount add --name n --percent 20 --every 1",
            "portal discount add --name n --percent 20 --owner 0712345678",
            "portal discount add --name n --percent 20 --until tomorrow",
            "portal discount end",
            "portal outage give-back",
            "portal voucher print --package 1-hour --sheet letter",
            "portal voucher print --package 1-hour --use-by tomorrow",
            "portal voucher sell 42 40-1",
            "portal voucher void 42 7",
            "portal message set weather --text t",
            "portal money assign RKTQDM7W6S",
            "portal money assign RKTQDM7W6S --phone 0712345678",
            "portal money assign RKTQDM7W6S --order AB2CD3EF --phone 0712345678 --package 1-hour",
            "portal money assign not-a-receipt --order AB2CD3EF",
            "portal money refund RKTQDM7W6S --again",
            "portal money refund pi_",
            "portal money refund RKTQDM7W6S --reverse --given-back X",
            "portal money given-back AB2CD3EF",
            "portal money given-back AB2CD3EF --proof cash --only-owed --keep-access",
            "portal message set ended",
        ] {
            let error = Arguments::try_parse_from(line.split_whitespace()).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn an_error_is_one_line_and_says_nothing_twice() {
        let cause = anyhow::anyhow!("no such\n  file");
        assert_eq!(sentence(&cause.context("the key cannot be read")), "the key cannot be read: no such file");
        let cause = anyhow::anyhow!("no file").context("PostgreSQL is away: no file");
        assert_eq!(sentence(&cause), "PostgreSQL is away: no file");
    }
}
