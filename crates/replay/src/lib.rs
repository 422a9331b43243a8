//! Replays a real delivery day against a running server, through its public API only, and checks the results.
//!
//! A day is a folder of four files ([`day`]). Its users register ([`actors`]); its orders are placed, prepared and
//! delivered at their times ([`play`], [`dispatch`], [`courier`]) on a clock that is faster than real time ([`clock`]);
//! sockets listen as the staff of every restaurant ([`listener`]) and record an audit ([`audit`]) that is compared with
//! a GET of every order ([`final_check`]). The result is a table ([`report`]).

mod actors;
pub mod audit;
mod clock;
mod courier;
pub mod day;
mod dispatch;
mod final_check;
mod listener;
pub mod plane;
mod play;
pub mod progress;
pub mod report;
mod table;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use actors::{Actors, Registration};
use comanda_client::{BadAddress, CallError, Client, Session};
use day::Day;
use listener::Listener;
use play::Stage;
use progress::{Progress, say};
use report::{Facts, Report, SignUp};

pub use table::DayError;

/// Plays a real delivery day against a running server through its public API, and checks that nothing is lost.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with the day's four TAB-separated files: orders, restaurants, couriers and parameters
    pub dir: PathBuf,
    /// Address of the server to play against
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub url: String,
    /// How many times faster than real time the day runs (above 0, at most 3600)
    #[arg(long, default_value = "60", value_parser = parse_speed)]
    pub speed: f64,
    /// Decides who orders what; the same seed orders the same
    #[arg(long, default_value = "1")]
    pub seed: u64,
    /// Minutes of the day before an order is ready at which a courier is called
    #[arg(long, value_name = "MINUTES", default_value = "10", value_parser = parse_minutes)]
    pub call_ahead: f64,
    /// E-mail of an administrator of the server, who opens the restaurants and takes on the couriers
    #[arg(long, value_name = "EMAIL", env = "COMANDA_ADMIN_EMAIL", default_value = "admin@demo.comanda.example")]
    pub admin_email: String,
    /// The administrator's password
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "COMANDA_ADMIN_PASSWORD",
        default_value = "comanda demo",
        hide_env_values = true
    )]
    pub admin_password: String,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed > 0.0 && speed <= 3600.0 => Ok(speed),
        _ => Err("must be a number above 0 and at most 3600".to_owned()),
    }
}

fn parse_minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.0..=1440.0).contains(&minutes) => Ok(minutes),
        _ => Err("must be a number of minutes from 0 to 1440".to_owned()),
    }
}

/// Why a day could not be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file is invalid.
    #[error(transparent)]
    Day(#[from] DayError),
    /// The address is invalid.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// No server responds.
    #[error("no server answers at {url}: {error}; start one with `comanda serve`, or pass its address with --url")]
    NoServer {
        /// The address of the server.
        url: String,
        /// The error of the network.
        error: CallError,
    },
    /// An administrator is required to create restaurants.
    #[error(
        "cannot sign in as the administrator {email}: {error}; make one on the server with \
         `comanda user create --role admin --email EMAIL --name NAME`, then pass --admin-email and --admin-password"
    )]
    Admin {
        /// The e-mail address of the failed sign-in.
        email: String,
        /// The error of the server.
        error: CallError,
    },
    /// A user could not register.
    #[error("signing up the day's people failed: {0}")]
    SignUp(CallError),
    /// The sockets cannot join their rooms.
    #[error("the live events cannot be listened to: {0}")]
    Sockets(String),
    /// Ctrl-C before the day had begun.
    #[error("broken off before the day began")]
    BrokenOff,
}

/// The command: replays the day, prints the report, and fails if anything was lost, repeated, out of order or
/// undelivered. The first Ctrl-C ends the day in order, the second one at once.
pub async fn run(args: Args) -> ExitCode {
    let cancel = CancellationToken::new();
    let mut replay = Box::pin(replay(&args, &cancel));
    let outcome = loop {
        tokio::select! {
            outcome = &mut replay => break outcome,
            Ok(()) = tokio::signal::ctrl_c() => {
                if cancel.is_cancelled() {
                    return ExitCode::from(130);
                }
                say("breaking off; once more to stop at once");
                cancel.cancel();
            }
        }
    };
    let report = match outcome {
        Ok(report) => report,
        Err(error) => {
            say(&format!("replay: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let text = if args.json {
        serde_json::to_string_pretty(&report).unwrap_or_else(|error| error.to_string())
    } else {
        report.to_string()
    };
    // A reader may close the pipe early; the exit status is still correct.
    let _ = writeln!(std::io::stdout(), "{text}");
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Replays the day until its end or until `cancel`.
pub async fn replay(args: &Args, cancel: &CancellationToken) -> Result<Report, ReplayError> {
    let day = Day::read(&args.dir)?;
    let client = Client::new(&args.url)?;
    let mut random = StdRng::seed_from_u64(args.seed);
    let began = Instant::now();
    let (actors, listener) = tokio::select! {
        () = cancel.cancelled() => return Err(ReplayError::BrokenOff),
        prepared = prepare(args, &day, &client, &mut random) => prepared?,
    };
    let sign_up = SignUp {
        restaurants: actors.tables.len(),
        couriers: actors.riders.len(),
        guests: actors.guests.len(),
        seconds: began.elapsed().as_secs_f64(),
    };
    let (name, expected) = (day.name.clone(), day.meals.len());
    let baskets = play::fill_baskets(&day, &actors, &mut random);
    let stage = Arc::new(Stage { day, actors, baskets, call_ahead: args.call_ahead });

    // The latencies of the report are those of the day only, without registrations and final reads.
    client.calls().take();
    let began = Instant::now();
    let progress = Progress::begin("playing the day", expected);
    let played = play::play(stage.clone(), args.speed, &progress, cancel).await;
    drop(progress);
    let (wall, calls) = (began.elapsed(), client.calls().take());

    // An order and its delivery end separately. A cancelled day has no end to wait for.
    let (ends, silence) = if played.broken_off {
        (usize::MAX, Duration::from_secs(1))
    } else {
        (played.click_to_door.len() * 2, Duration::from_secs(10))
    };
    let (mut audit, reconnects) = listener.close(ends, silence).await;
    let progress = Progress::begin("reading back", played.placed.len());
    let final_counts = final_check::compare_orders(&stage, &played.placed, &mut audit, &progress).await;
    drop(progress);
    let findings = audit.close();
    Ok(Report::of(Facts {
        day: name,
        expected,
        speed: args.speed,
        seed: args.seed,
        sign_up,
        played,
        final_counts,
        findings,
        reconnects,
        calls,
        wall,
    }))
}

/// Registers all users and opens the listener.
async fn prepare(
    args: &Args,
    day: &Day,
    client: &Client,
    random: &mut StdRng,
) -> Result<(Actors, Listener), ReplayError> {
    client.health().await.map_err(|error| ReplayError::NoServer { url: args.url.clone(), error })?;
    let admin = sign_in_admin(args, client).await?;
    let run = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let progress = Progress::begin("signing up", actors::size_for(day));
    let registration = Registration { client, admin: &admin, run: &run };
    let actors = registration.all(day, random, &progress).await.map_err(ReplayError::SignUp)?;
    drop(progress);
    let staff = actors.tables.iter().map(|table| (table.restaurant.clone(), table.staff.clone())).collect();
    let listener = Listener::open(staff).await?;
    Ok((actors, listener))
}

async fn sign_in_admin(args: &Args, client: &Client) -> Result<Session, ReplayError> {
    let login = client.login(&args.admin_email, &args.admin_password).await;
    login.map_err(|error| ReplayError::Admin { email: args.admin_email.clone(), error })
}
