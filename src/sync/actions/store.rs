//! Stores a batch before any of its operations run: new operations are stored, known ones are recognised.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::accounts::actions::attempt_limits;
use crate::accounts::attempt_limits::Counter;
use crate::clock::clamp;
use crate::config;
use crate::ids::SessionId;
use crate::problem::{Code, Problem};
use crate::row_limit::{self, RowLimit};
use crate::sync::sql::{self, NewOperation, ReceivedOperation, devices};
use crate::sync::{Device, OperationState, kinds};
use crate::uow::Tx;

/// An operation as a device sends it.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The sequence number of the device.
    pub seq: i64,
    /// The id that the device generated.
    pub op_id: String,
    /// When it was done, by the device's clock.
    pub at: DateTime<Utc>,
    /// The kind of operation.
    pub kind: String,
    /// The payload as it was sent, before its kind is checked.
    pub payload: serde_json::Value,
}

/// The result of storing an operation of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntakeOutcome {
    /// It is new, or known and not finished.
    Open,
    /// It was finished before this batch arrived.
    Finished,
    /// Its `seq` or `opId` belongs to another operation.
    Other,
}

impl Sent {
    fn fingerprint(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        // The fields of objects are sorted, so equal payloads give the same text.
        for part in [&self.kind, &self.at.to_rfc3339(), &self.payload.to_string()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }

    fn to_new_operation(&self, fingerprint: [u8; 32], now: DateTime<Utc>) -> NewOperation {
        NewOperation {
            seq: self.seq,
            op_id: self.op_id.clone(),
            kind: self.kind.clone(),
            payload: self.payload.to_string(),
            fingerprint,
            said_at: self.at,
            counts_at: clamp(self.at, now).ok(),
            in_order: kinds::in_order(&self.kind),
            aggregate: kinds::aggregate(&self.kind, &self.op_id, &self.payload),
            refers: kinds::refers(&self.kind, &self.payload),
        }
    }
}

/// Stores the new operations of a batch; returns the result for each operation.
///
/// # Errors
/// `too_many` when the user has too many devices, or too many operations of this one wait; 429 when too many devices of
/// the network (`of_network`) synchronise for the first time.
pub async fn store(
    tx: &mut Tx,
    device: &Device,
    session: SessionId,
    sent: &[Sent],
    of_network: Vec<Counter>,
    bounds: config::Sync,
) -> Result<Vec<IntakeOutcome>, Problem> {
    let held = sql::lock_device(tx, device).await?;
    if held.is_new {
        attempt_limits::take_within(tx, &of_network).await?;
        devices::enlist(tx, device).await?;
        let is_surplus = row_limit::count(tx, RowLimit::SyncDevices, device.user.uuid()).await? > bounds.max_devices;
        if is_surplus && !devices::retire_idle(tx, device).await? {
            let detail = "Too many devices of this user have unfinished operations (SYNC_MAX_DEVICES). Send the \
                          missing operations, or remove a device with DELETE /api/me/sync-devices.";
            return Err(Problem::new(Code::TooMany, detail));
        }
    }
    let seqs: Vec<_> = sent.iter().map(|one| one.seq).collect();
    let op_ids: Vec<_> = sent.iter().map(|one| one.op_id.clone()).collect();
    let mut met = BatchIntake::with(sql::known(tx, device, &seqs, &op_ids).await?, held.forgotten_below);
    let now = tx.now();
    let answers: Vec<_> = sent.iter().map(|one| met.take_in(one, now)).collect();
    if met.fresh.is_empty() {
        return Ok(answers);
    }
    let waiting = sql::count_waiting(tx, device, held.next_seq).await?;
    let fresh = i64::try_from(met.fresh.len()).unwrap_or(i64::MAX);
    if waiting.saturating_add(fresh) > bounds.max_waiting {
        let detail =
            "Too many operations of this device are waiting. Send the missing one first; see SYNC_MAX_WAITING.";
        return Err(Problem::new(Code::TooMany, detail).with("nextSeq", held.next_seq));
    }
    sql::insert(tx, device, session, &met.fresh).await?;
    sql::advance(tx, device, held.next_seq).await?;
    Ok(answers)
}

/// The known operations of a batch.
#[derive(Default)]
struct BatchIntake {
    by_seq: BTreeMap<i64, (String, Vec<u8>, OperationState)>,
    by_name: BTreeMap<String, i64>,
    fresh: Vec<NewOperation>,
    forgotten_below: i64,
}

impl BatchIntake {
    fn with(known: Vec<ReceivedOperation>, forgotten_below: i64) -> Self {
        let mut stored = Self { forgotten_below, ..Self::default() };
        for one in known {
            stored.by_name.insert(one.op_id.clone(), one.seq);
            stored.by_seq.insert(one.seq, (one.op_id, one.fingerprint, one.state));
        }
        stored
    }

    fn take_in(&mut self, sent: &Sent, now: DateTime<Utc>) -> IntakeOutcome {
        let fingerprint = sent.fingerprint();
        match (self.by_seq.get(&sent.seq), self.by_name.get(&sent.op_id)) {
            (Some((op_id, known, state)), _) if *op_id == sent.op_id && *known == fingerprint => match state {
                OperationState::Pending | OperationState::Dead => IntakeOutcome::Open,
                OperationState::Applied | OperationState::Rejected => IntakeOutcome::Finished,
            },
            // It is finished, and its result is no longer stored.
            (None, None) if sent.seq < self.forgotten_below => IntakeOutcome::Finished,
            (None, None) => {
                self.by_name.insert(sent.op_id.clone(), sent.seq);
                self.by_seq.insert(sent.seq, (sent.op_id.clone(), fingerprint.to_vec(), OperationState::Pending));
                self.fresh.push(sent.to_new_operation(fingerprint, now));
                IntakeOutcome::Open
            }
            _ => IntakeOutcome::Other,
        }
    }
}
