//! `comanda`: the program and its commands, each with a call of what performs it: `serve.rs` (start and stop),
//! `operator.rs` (`user`, `sync`), `check.rs`, `demo/`, and `crates/replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use comanda::accounts::UserRole;
use comanda::config::{self, Config, Source};
use comanda::database::DatabaseServer;
use comanda::{check, demo, operator, router, serve, telemetry};

/// Returns freed memory to the system: hashing a password takes 19 MiB, which the system's allocator keeps per thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The backend of restaurant ordering and delivery: one program on PostgreSQL.
#[derive(Parser)]
#[command(version, about, long_about = None, after_help = "Configuration comes from the environment and from .env; \
                                                           `comanda config` prints the effective values, .env.example \
                                                           explains them.")]
struct Cli {
    /// Read the configuration from this file instead of .env (the environment still comes first)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API, the console and live updates
    ///
    /// Without `DATABASE_URL` a private PostgreSQL runs in `DATA_DIR`. Pending migrations are applied first.
    Serve {
        /// Create demo data (fourteen restaurants in Bologna, users, weeks of orders) and run the traffic simulator
        #[arg(long)]
        demo: bool,
    },
    /// Apply the pending migrations of the database
    Migrate,
    /// Manage the demo data
    #[command(subcommand)]
    Demo(DemoCommand),
    /// Replay a real delivery day against a running server, through its public API only
    Replay(comanda_replay::Args),
    /// Check the consistency of the database: money, stock, status, tenant isolation. Exits with 1 on any violation
    ///
    /// It only reads, from one snapshot of the database, and can run next to a server.
    Check,
    /// Manage users: create them with a role, disable them, sign them out, remove their second factor
    #[command(subcommand)]
    User(UserCommand),
    /// Manage offline operations of devices
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Print the effective configuration, without secrets
    Config {
        /// Print .env.example instead
        #[arg(long)]
        example: bool,
    },
    /// Print the OpenAPI document
    Openapi,
}

#[derive(Subcommand)]
enum DemoCommand {
    /// Delete the demo data from the database, so that the server can run in production on it
    ///
    /// The demo restaurants are deleted with all their data (menus, orders, deliveries), and so are the demo users.
    /// Users who ordered from, or delivered for, other restaurants are disabled instead, with an unknown password. All
    /// or nothing; it cannot be undone.
    Remove,
}

#[derive(Subcommand)]
enum SyncCommand {
    /// List operations that failed repeatedly and were abandoned
    List {
        /// Include pending operations
        #[arg(long)]
        all: bool,
    },
    /// Show one operation in full
    Show {
        /// The id of the operation, `syn_…`, as `comanda sync list` prints it
        id: String,
    },
    /// Retry abandoned operations on the running servers, once the cause is fixed
    Retry {
        /// The id of the operation, `syn_…`, as `comanda sync list` prints it; without it, all abandoned operations
        id: Option<String>,
    },
}

#[derive(Subcommand)]
enum UserCommand {
    /// Create a user; the password is read from standard input
    Create {
        /// E-mail address of the new user
        #[arg(long)]
        email: String,
        /// Name of the new user
        #[arg(long)]
        name: String,
        /// The role of the user
        #[arg(long, value_enum, default_value = "customer")]
        role: RoleArgument,
    },
    /// Disable a user; all their sessions end at once, on running servers too
    Disable {
        /// E-mail address of the user
        #[arg(long)]
        email: String,
    },
    /// Enable a user again
    Enable {
        /// E-mail address of the user
        #[arg(long)]
        email: String,
    },
    /// List the sessions of a user
    Sessions {
        /// E-mail address of the user
        #[arg(long)]
        email: String,
    },
    /// End one session of a user, or all, at once, on running servers too
    Revoke {
        /// E-mail address of the user
        #[arg(long)]
        email: String,
        /// Only this session (`ses_…`, as `comanda user sessions` lists it); without it, all sessions
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
    /// Delete the second factor of a user who has lost phone and recovery codes; verify their identity first
    ResetSecondFactor {
        /// E-mail address of the user
        #[arg(long)]
        email: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArgument {
    Customer,
    Staff,
    Driver,
    Admin,
}

impl From<RoleArgument> for UserRole {
    fn from(role: RoleArgument) -> Self {
        match role {
            RoleArgument::Customer => Self::Customer,
            RoleArgument::Staff => Self::Staff,
            RoleArgument::Driver => Self::Driver,
            RoleArgument::Admin => Self::Admin,
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => fail(error.as_ref()),
    }
}

/// Prints an error in one line: what is wrong and what to do.
#[expect(clippy::print_stderr, reason = "for the person at the terminal")]
fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("comanda: {error}");
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "these commands print their answer")]
async fn run(cli: Cli) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let source = Source::from_environment(cli.config.as_deref())?;
    match cli.command {
        Command::Config { example: true } => print!("{}", config::example_file()),
        Command::Config { example: false } => {
            print!("{}", config::effective(&source));
            Config::read(&source)?;
        }
        Command::Openapi => println!("{}", serde_json::to_string_pretty(&router::document())?),
        Command::Demo(DemoCommand::Remove) => {
            let removed = demo::remove::remove(&Config::read(&source)?).await?;
            println!(
                "{} restaurant(s) and {} account(s) of the demo are removed; {} account(s) with orders or deliveries \
                 of other restaurants are disabled.",
                removed.restaurants, removed.users, removed.disabled
            );
        }
        Command::Replay(args) => return Ok(comanda_replay::run(args).await),
        Command::Serve { demo } => {
            let config = Config::read(&source)?;
            let _telemetry = telemetry::begin(&config.log)?;
            serve::serve(config, demo).await?;
        }
        Command::Migrate => {
            let reached = DatabaseServer::find(&Config::read(&source)?).await?;
            let applied = reached.migrate().await?;
            reached.leave().await;
            println!("{applied} migration(s) applied; the schema is up to date.");
        }
        Command::Check => {
            let holds = check::run(&Config::read(&source)?).await?;
            return Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Command::User(command) => manage_users(&Config::read(&source)?, command).await?,
        Command::Sync(command) => manage_sync(&Config::read(&source)?, command).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::print_stdout, reason = "these commands print their answer")]
async fn manage_users(config: &Config, command: UserCommand) -> Result<(), operator::OperatorError> {
    match command {
        UserCommand::Create { email, name, role } => {
            println!("{}", operator::create_user(config, &email, &name, role.into()).await?);
        }
        UserCommand::Disable { email } => {
            println!("{} is disabled; all sessions have ended.", operator::set_disabled(config, &email, true).await?);
        }
        UserCommand::Enable { email } => {
            println!("{} is enabled.", operator::set_disabled(config, &email, false).await?);
        }
        UserCommand::Sessions { email } => {
            for session in operator::sessions(config, &email).await? {
                let address = session.address.as_deref().unwrap_or("-");
                let device = session.device.as_deref().unwrap_or("-");
                println!("{}  last used {}  from {address}  {device}", session.id, session.last_used_at.to_rfc3339());
            }
        }
        UserCommand::Revoke { email, session } => {
            println!("{} session(s) ended.", operator::revoke(config, &email, session.as_deref()).await?);
        }
        UserCommand::ResetSecondFactor { email } => {
            let removed = operator::reset_second_factor(config, &email).await?;
            println!(
                "{}",
                if removed {
                    "The second factor is deleted; all sessions have ended."
                } else {
                    "The account has no second factor."
                }
            );
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "these commands print their answer")]
async fn manage_sync(config: &Config, command: SyncCommand) -> Result<(), operator::OperatorError> {
    match command {
        SyncCommand::List { all } => {
            for one in operator::sync_list(config, all).await? {
                let (at, error) = (one.received_at.to_rfc3339(), one.last_error.as_deref().unwrap_or("-"));
                println!(
                    "{}  {:?}  {}  {} #{}  {}  received {at}  failed {}×  {error}",
                    one.id, one.state, one.email, one.device, one.seq, one.kind, one.attempts
                );
            }
        }
        SyncCommand::Show { id } => {
            let one = operator::sync_show(config, &id).await?;
            println!(
                "user       {}\ndevice     {}\nseq        {}\nopId       {}",
                one.email, one.device, one.seq, one.op_id
            );
            println!("kind       {}\nstate      {:?}\nfailed     {}×", one.kind, one.state, one.attempts);
            println!(
                "done at    {} (by the device's clock)\nreceived   {}",
                one.said_at.to_rfc3339(),
                one.received_at.to_rfc3339()
            );
            println!("last error {}", one.last_error.as_deref().unwrap_or("-"));
            println!("payload    {}\nresult     {}", one.payload, one.result.as_deref().unwrap_or("-"));
        }
        SyncCommand::Retry { id } => {
            println!("{} operation(s) will be retried.", operator::sync_retry(config, id.as_deref()).await?);
        }
    }
    Ok(())
}
