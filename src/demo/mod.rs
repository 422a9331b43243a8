//! The demo city: demo data and a traffic simulator.
//!
//! `comanda serve --demo` creates data of fourteen restaurants in an empty database ([`seed`]) and runs a simulator
//! ([`simulator`]) of customers, staff and drivers, all of whom use the public API ([`comanda_client`]).

pub mod chance;
pub mod city;
pub mod dataset;
pub mod remove;
pub mod seed;
pub mod simulator;
mod sql;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use city::{City, CityError, PASSWORD};
use comanda_client::BadAddress;
use comanda_replay::progress::say;
use dataset::{DemoData, DemoDataError};
pub use simulator::Simulator;
use simulator::speed::SimulationSpeed;

use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Mode};
use crate::database::DatabaseError;
use crate::problem::Problem;

/// Why the demo cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The mode is production, and the password of the demo's administrator is public.
    #[error(
        "--demo makes accounts whose password everybody knows, and MODE is production: start without --demo, or set \
         MODE=development"
    )]
    Production,
    /// The database is in use.
    #[error(
        "the database has users who are not the demo's: point DATABASE_URL or DATA_DIR at an empty one, or start \
         without --demo"
    )]
    OtherUsers,
    /// The database still has accounts of the demo.
    #[error(
        "MODE is production, and the database has {0} enabled account(s) of the demo, whose password everybody knows: \
         remove the demo with `comanda demo remove`, or point DATABASE_URL or DATA_DIR at another database"
    )]
    Leftover(usize),
    /// The database cannot be reached or used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A document of the demo data cannot be read.
    #[error(transparent)]
    City(#[from] CityError),
    /// A document of the demo data is not valid.
    #[error("the demo data is not valid: {0}")]
    DemoData(#[from] DemoDataError),
    /// The server refused a step.
    #[error("the demo data could not be created: {0}. Start again: it continues where it stopped")]
    Refused(Problem),
    /// The server's address is not valid.
    #[error("the simulator cannot reach the server: {0}")]
    Address(#[from] BadAddress),
}

impl From<Problem> for DemoError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

/// Checks that the mode allows a demo.
///
/// # Errors
/// In production.
pub fn allowed(config: &Config) -> Result<(), DemoError> {
    if config.mode == Mode::Production { Err(DemoError::Production) } else { Ok(()) }
}

/// Creates the demo data if it is missing.
///
/// # Errors
/// When the database has other users, or does not answer.
pub async fn found(app: &App) -> Result<(), DemoError> {
    allowed(&app.config)?;
    let data = Arc::new(DemoData::of(&City::read()?)?);
    let began = Instant::now();
    if let Some(built) = seed::build(&app.db, &app.passwords, &app.clock, &data).await? {
        let (restaurants, seconds) = (data.restaurants.len(), began.elapsed().as_secs_f64());
        say(&format!(
            "The demo city is built: {restaurants} restaurants, {} past orders, {seconds:.1} s.",
            built.orders
        ));
    }
    Ok(())
}

/// Starts the simulator against the server that listens at this address.
///
/// # Errors
/// When the server's address is not valid.
pub fn begin(listening: SocketAddr, clock: Clock) -> Result<Simulator, DemoError> {
    Ok(Simulator::begin(&base_address(listening), City::read()?, clock, SimulationSpeed::default())?)
}

/// The URL of the server on this machine.
fn base_address(listening: SocketAddr) -> String {
    let mut address = listening;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    format!("http://{address}")
}

/// The accounts of the demo, to be printed.
pub fn logins() -> String {
    let slug = "night-owl-diner";
    let rows = [
        ("Administrator", city::admin_email()),
        ("Owner", format!("owner.{slug}@{}", city::DOMAIN)),
        ("Staff", format!("staff.{slug}@{}", city::DOMAIN)),
        ("Driver", format!("{}  (driver1 … driver20)", city::driver_email(1))),
        ("Customer", format!("ada@{}", city::DOMAIN)),
    ];
    let mut text = format!("  Demo logins, all with the password \"{PASSWORD}\":\n");
    for (who, address) in rows {
        let _ = writeln!(text, "    {who:<14} {address}");
    }
    text.push_str("  Other restaurants: their slug instead of night-owl-diner, as GET /api/restaurants lists them.");
    text
}
