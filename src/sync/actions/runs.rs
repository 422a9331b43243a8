//! The devices whose operations this node runs: one task for each device, a few devices at once, and a limited share of
//! them for one user and for one network. Other requests of the device wait for its task instead of polling the
//! database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::ids::UserId;
use crate::limits::{Subject, SubjectPart};
use crate::network::Network;
use crate::shares::Shares;
use crate::sync::Device;

/// The devices whose operations are running.
#[derive(Debug, Clone)]
pub struct DeviceRuns {
    running: Arc<Mutex<HashMap<Device, watch::Receiver<()>>>>,
    permits: Arc<Semaphore>,
    of_users: Arc<Shares<UserId, Semaphore>>,
    of_networks: Arc<Shares<SubjectPart, Semaphore>>,
    at_once: usize,
}

/// Which task runs a device's operations.
pub enum Start {
    /// The caller, until the value is dropped.
    Own(DeviceRun),
    /// Another task, which ends when this changes or is closed.
    Another(watch::Receiver<()>),
}

/// The run of a device; it ends when the value is dropped.
#[derive(Debug)]
pub struct DeviceRun {
    runs: DeviceRuns,
    device: Device,
    _end: watch::Sender<()>,
}

/// A permit for one of the devices that run at once.
#[derive(Debug)]
pub struct DevicePermit {
    _permits: Vec<OwnedSemaphorePermit>,
}

impl DeviceRuns {
    /// Runs at most `at_once` devices, and at most a quarter of them for one user, half of them for one network and
    /// three quarters for one IPv6 /48.
    pub fn new(at_once: usize) -> Self {
        Self {
            running: Arc::default(),
            permits: Arc::new(Semaphore::new(at_once.max(1))),
            of_users: Arc::new(Shares::new()),
            of_networks: Arc::new(Shares::new()),
            at_once: at_once.max(1),
        }
    }

    /// Starts the run of a device, unless a task of this node already runs it.
    pub fn start(&self, device: &Device) -> Start {
        let mut running = self.lock();
        if let Some(end) = running.get(device) {
            return Start::Another(end.clone());
        }
        let (end, ended) = watch::channel(());
        running.insert(device.clone(), ended);
        Start::Own(DeviceRun { runs: self.clone(), device: device.clone(), _end: end })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Device, watch::Receiver<()>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeviceRun {
    /// Waits for a permit, first of the user's share, then of that of the network of the request, then of all. `None`:
    /// the server stops. Operations that are run later need none: their devices follow one after another.
    pub async fn permit(&self, network: Network) -> Option<DevicePermit> {
        let at_once = self.runs.at_once;
        let of_user = self.runs.of_users.of(self.device.user, || Semaphore::new((at_once / 4).max(1)));
        let mut permits = vec![of_user.acquire_owned().await.ok()?];
        for part in Subject::Network(network).parts() {
            let SubjectPart::Block(block) = part else { continue };
            let share = block.share(at_once / 2, at_once).max(1);
            let share = self.runs.of_networks.of(part, || Semaphore::new(share));
            permits.push(share.acquire_owned().await.ok()?);
        }
        permits.push(Arc::clone(&self.runs.permits).acquire_owned().await.ok()?);
        Some(DevicePermit { _permits: permits })
    }
}

impl Drop for DeviceRun {
    fn drop(&mut self) {
        self.runs.lock().remove(&self.device);
    }
}
