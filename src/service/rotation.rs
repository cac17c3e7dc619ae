//! Rotation of the server's own keyring.
//!
//! ```text
//! a new seed, known to every server -> ACTIVE -> records sealed again, a batch at a time -> old seeds, once unused
//! ```
//!
//! Every arrow is one atomic write that does nothing the second time, and the keyring itself says how far a rotation
//! is. So it may end anywhere, with this process too, and the next one goes on from there.
use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use uuid::Uuid;

use super::{
    Service,
    accounts::access_token_location,
    keyring::{POLL, Ring},
    runners::metrics_password_location,
    start::stored_seed,
};
use crate::{
    at_rest::{Location, SeedState},
    domain::access::Caller,
    error::{Error, Kind, Result},
    store::{SealedColumn, SealedRecord, SeedRow},
};

/// How many records are sealed again by one transaction.
const BATCH: u16 = 100;
/// After this long every server has looked at the keyring twice.
const SPREAD: Duration = Duration::from_millis(2 * POLL.as_secs() * 1_000 + 1_000);

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationStage {
    /// The servers hear of the new seed.
    Spreading,
    /// Records are sealed again.
    Resealing,
    /// Everything that can be opened is sealed under the new seed.
    Done,
}

/// What a rotation has done so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationProgress {
    /// How far it is.
    pub stage: RotationStage,
    /// The seed that everything is sealed with.
    pub key_id: u32,
    /// Whether it goes on with one that was interrupted.
    pub resumed: bool,
    /// How many records this call has sealed again.
    pub resealed: u64,
    /// How many there were to be.
    pub total: u64,
    /// How many cannot be opened and stay as they are, with their seed.
    pub unreadable: u64,
    /// The seeds that were retired because nothing needs them any more.
    pub retired: Vec<u32>,
}

/// A rotation that is being made. Each step is one atomic change; dropping it between two loses nothing.
pub struct Rotation {
    service: Arc<Service>,
    caller: Caller,
    step: Step,
    progress: RotationProgress,
}

/// What comes next.
#[derive(Clone, Copy)]
enum Step {
    Announce,
    Activate,
    Reseal {
        /// Of [`SealedColumn::ALL`].
        column: usize,
        after: Uuid,
        /// Whether somebody else was faster with a record, so that all are looked at again.
        missed: bool,
    },
    Finish,
    Over,
}

impl Step {
    const FROM_THE_START: Self = Self::Reseal { column: 0, after: Uuid::nil(), missed: false };
}

impl Service {
    /// Begins a rotation, or goes on with one that was interrupted.
    ///
    /// # Errors
    /// [`Kind::Forbidden`] for administrators of any organization but the first.
    pub async fn rotate_keyring(self: &Arc<Self>, caller: &Caller) -> Result<Rotation> {
        self.operates(caller).await?;
        let seeds = self.store.seed_rows().await?;
        let newest = seeds.last().map_or(0, |seed| seed.key_id);
        let unfinished = seeds.last().is_some_and(|seed| is_unfinished(&seeds, seed));
        let key_id = u32::try_from(newest + i64::from(!unfinished)).map_err(Error::internal)?;
        if !unfinished {
            let seed = stored_seed(self.rings.generate(key_id)?, self.now());
            self.store.add_seed(self.actor(caller), seed).await?;
        }
        Ok(Rotation {
            service: Arc::clone(self),
            caller: caller.clone(),
            step: Step::Announce,
            progress: RotationProgress {
                stage: RotationStage::Spreading,
                key_id,
                resumed: unfinished,
                resealed: 0,
                total: 0,
                unreadable: 0,
                retired: Vec::new(),
            },
        })
    }
}

/// Whether the newest seed waits to become ACTIVE, or for records that others sealed.
fn is_unfinished(all: &[SeedRow], newest: &SeedRow) -> bool {
    newest.state == SeedState::DecryptOnly.name() || (newest.resealed_at.is_none() && all.len() > 1)
}

impl Rotation {
    /// Makes the next step and says how far it is.
    ///
    /// # Errors
    /// Those of the database. Nothing is lost: another rotation goes on from here.
    pub async fn next(&mut self) -> Result<RotationProgress> {
        match self.step {
            Step::Announce => self.step = Step::Activate,
            Step::Activate => self.activate().await?,
            Step::Reseal { column, after, missed } => self.reseal(column, after, missed).await?,
            Step::Finish => self.finish().await?,
            Step::Over => {}
        }
        Ok(self.progress.clone())
    }

    /// Whether there is no further step.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.step, Step::Over)
    }

    /// Encrypts with the new seed from now on: once every server can open what it makes, and before anything is
    /// sealed again every server does the same.
    async fn activate(&mut self) -> Result<()> {
        let service = &self.service;
        service.reload_keyring().await?;
        self.spread().await;
        service.store.activate_seed(service.actor(&self.caller), self.progress.key_id).await?;
        service.reload_keyring().await?;
        self.spread().await;
        let active = service.ring().keyring.active_id();
        let mut total = 0;
        for column in SealedColumn::ALL {
            let counts = service.store.records_by_seed(column).await?;
            total += counts.iter().filter(|(id, _)| *id != active).map(|(_, count)| count).sum::<u64>();
        }
        self.progress.total = total;
        self.progress.stage = RotationStage::Resealing;
        self.step = Step::FROM_THE_START;
        Ok(())
    }

    async fn spread(&self) {
        if self.service.store.is_shared() {
            sleep(SPREAD).await;
        }
    }

    /// Seals one batch again.
    async fn reseal(&mut self, number: usize, after: Uuid, missed: bool) -> Result<()> {
        let Some(column) = SealedColumn::ALL.get(number).copied() else {
            if missed {
                self.progress.unreadable = 0;
            }
            self.step = if missed { Step::FROM_THE_START } else { Step::Finish };
            return Ok(());
        };
        let (service, ring) = (&self.service, self.service.ring());
        let stale = service.store.stale_records(column, ring.keyring.active_id(), (after, BATCH)).await?;
        let Some(last) = stale.last().map(|record| record.row_id) else {
            self.step = Step::Reseal { column: number + 1, after: Uuid::nil(), missed };
            return Ok(());
        };
        let (mut unreadable, mut records) = (0, Vec::with_capacity(stale.len()));
        for found in stale {
            match sealed_again(&ring, column, &found) {
                Ok(new) => records.push((found.row_id, found.record, new)),
                Err(error) if error.kind() == Kind::DataLoss => {
                    tracing::error!(column = column.name(), row = %found.row_id, "a record cannot be opened");
                    unreadable += 1;
                }
                Err(error) => return Err(error),
            }
        }
        let wanted = records.len();
        let swapped = service.store.swap_records(service.actor(&self.caller), column, records).await?;
        self.progress.resealed += swapped;
        self.progress.unreadable += unreadable;
        let missed = missed || usize::try_from(swapped) != Ok(wanted);
        self.step = Step::Reseal { column: number, after: last, missed };
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        let (service, progress) = (&self.service, &self.progress);
        let actor = service.actor(&self.caller);
        service.store.finish_rotation(actor, progress.key_id, progress.unreadable).await?;
        self.progress.retired = service.retire_seeds().await?;
        self.progress.stage = RotationStage::Done;
        self.step = Step::Over;
        Ok(())
    }
}

fn sealed_again(ring: &Ring, column: SealedColumn, found: &SealedRecord) -> Result<Vec<u8>> {
    location(column, found, |location| {
        let plain = ring.keyring.open(location, &found.record)?;
        ring.keyring.seal(location, &plain)
    })
}

/// Where a record stands.
pub(super) fn location<T>(
    column: SealedColumn,
    found: &SealedRecord,
    run: impl FnOnce(&Location<'_>) -> Result<T>,
) -> Result<T> {
    let (owner, row) = (found.owner_id.to_string(), found.row_id.to_string());
    run(&match column {
        SealedColumn::MetricsPassword => metrics_password_location(&row),
        SealedColumn::AccessToken => access_token_location(&owner, &row, &found.origin),
    })
}
