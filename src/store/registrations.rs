//! Keys that were offered and not yet proved.
use sqlx::FromRow;

use super::{
    Store,
    changes::log_audit,
    on,
    runner_keys::activate,
    tx::{Tx, execute, on_tx},
};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{OrganizationId, RegistrationId, RunnerId},
        runner_key::{KeyAlgorithm, KeyState},
        secret::Kid,
    },
    error::{Error, Kind, Result},
};

/// How many wrong answers end a registration.
const TRIES: i64 = 5;

/// A registration to be stored. Of the expected answers only their SHA-256 is kept.
#[derive(Clone, Debug)]
pub struct NewRegistration {
    /// Its id, which the challenges are bound to.
    pub id: RegistrationId,
    /// Whose key it is to become.
    pub runner: RunnerId,
    /// The offered key.
    pub kid: Kid,
    /// What the offered key is.
    pub algorithm: KeyAlgorithm,
    /// Its length.
    pub bits: u32,
    /// The key itself.
    pub public_key: Vec<u8>,
    /// SHA-256 of the answer to the new key's challenge.
    pub answer_new_hash: [u8; 32],
    /// SHA-256 of the answer to the ACTIVE key's challenge, and that key.
    pub old: Option<([u8; 32], Kid)>,
    /// When it ends.
    pub expires_at: Instant,
}

/// A registration as stored.
#[derive(Clone, Debug, FromRow)]
pub struct Registration {
    /// Its id.
    pub id: RegistrationId,
    /// Whose key it is to become.
    pub runner_id: RunnerId,
    /// The offered key.
    pub kid: Kid,
    /// SHA-256 of the answer to the new key's challenge.
    pub answer_new_hash: Vec<u8>,
    /// SHA-256 of the answer to the ACTIVE key's challenge.
    pub answer_old_hash: Option<Vec<u8>>,
    /// The key that was ACTIVE.
    pub old_kid: Option<Kid>,
    /// How many wrong answers came.
    pub wrong_answers: i64,
    /// When it ends.
    pub expires_at: Instant,
}

impl Registration {
    /// Refuses what needs no look at the answer any more. Only the write decides: others may answer at the same
    /// time.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the tries are used up.
    pub fn takes_answers(&self) -> Result<()> {
        if self.wrong_answers < TRIES { Ok(()) } else { Err(used_up()) }
    }
}

impl Store {
    /// Stores a registration; expired ones of the runner go.
    pub async fn begin_registration(&self, actor: Actor, new: NewRegistration) -> Result<()> {
        const SWEEP: &str = "DELETE FROM key_registration WHERE runner_id = $1 AND expires_at < $2";
        const SQL: &str = "INSERT INTO key_registration (id, organization_id, runner_id, kid, algorithm, bits, \
            public_key, answer_new_hash, answer_old_hash, old_kid, wrong_answers, expires_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11)";
        self.write((actor, new), |tx, (actor, new)| {
            Box::pin(async move {
                execute!(tx, SWEEP, new.runner, actor.at)?;
                let (answer_old, old_kid) =
                    new.old.as_ref().map(|(hash, kid)| (hash.as_slice(), kid)).unzip();
                execute!(
                    tx,
                    SQL,
                    new.id,
                    actor.organization,
                    new.runner,
                    &new.kid,
                    new.algorithm,
                    i64::from(new.bits),
                    &new.public_key,
                    new.answer_new_hash.as_slice(),
                    answer_old,
                    old_kid,
                    new.expires_at,
                )?;
                let entry = Entry::new("runner_key.begin", &new.kid).of_runner(new.runner);
                log_audit(tx, actor, &entry).await
            })
        })
        .await
    }

    /// A registration of the organization.
    pub async fn registration(
        &self,
        organization: OrganizationId,
        id: RegistrationId,
    ) -> Result<Option<Registration>> {
        const SQL: &str = "SELECT id, runner_id, kid, answer_new_hash, answer_old_hash, old_kid, wrong_answers, \
            expires_at FROM key_registration WHERE id = $1 AND organization_id = $2";
        on!(self, pool => sqlx::query_as(SQL).bind(id).bind(organization).fetch_optional(pool).await)
    }

    /// Counts a wrong answer; how many tries are left.
    ///
    /// # Errors
    /// [`Kind::Precondition`] if the tries are used up: this answer was not judged, and is not counted.
    /// [`Kind::NotFound`] if the registration is gone.
    pub async fn count_wrong_answer(&self, actor: Actor, id: RegistrationId) -> Result<i64> {
        const SQL: &str = "UPDATE key_registration SET wrong_answers = wrong_answers + 1 \
            WHERE id = $1 AND organization_id = $2 AND wrong_answers < $3 RETURNING wrong_answers";
        self.write((actor, id), |tx, (actor, id)| {
            Box::pin(async move {
                let wrong = on_tx!(tx, conn => sqlx::query_scalar::<_, i64>(SQL)
                    .bind(*id).bind(actor.organization).bind(TRIES).fetch_optional(conn).await)?;
                let Some(wrong) = wrong else { return Err(ended(tx, actor, *id).await?) };
                log_audit(tx, actor, &Entry::new("runner_key.wrong_answer", id)).await?;
                Ok(TRIES - wrong)
            })
        })
        .await
    }

    /// Turns a proved registration into a key. It becomes ACTIVE if it is the runner's first key ever, or if
    /// `replaces` names the key that is still ACTIVE; else it waits as PENDING.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the registration is gone, [`Kind::Precondition`] if its tries are used up, or the
    /// key was replaced, revoked or became another runner's meanwhile.
    pub async fn complete_registration(
        &self,
        actor: Actor,
        id: RegistrationId,
        replaces: Option<Kid>,
    ) -> Result<(Kid, KeyState)> {
        self.write((actor, id, replaces), |tx, (actor, id, replaces)| {
            Box::pin(async move {
                let (runner, kid) = take(tx, actor, *id).await?;
                let present = on_tx!(tx, conn => sqlx::query_as::<_, (bool, Option<Kid>, KeyState)>(PRESENT)
                    .bind(runner).bind(&kid).fetch_optional(conn).await)?;
                let (registered, active, state) = present.ok_or_else(replaced_meanwhile)?;
                let proved = active.is_some() && active == *replaces;
                let state = match state {
                    KeyState::Pending if !registered || proved => {
                        activate(tx, actor, runner, &kid).await?;
                        KeyState::Active
                    }
                    // The key was offered before and is in use or waits already.
                    KeyState::Pending | KeyState::Active => state,
                    _ => return Err(replaced_meanwhile()),
                };
                let entry = Entry::new("runner_key.register", &kid)
                    .of_runner(runner)
                    .with("active", state == KeyState::Active);
                log_audit(tx, actor, &entry).await?;
                Ok((kid, state))
            })
        })
        .await
    }
}

fn replaced_meanwhile() -> Error {
    Error::new(Kind::Precondition, "this key was replaced, revoked or given to another runner meanwhile")
}

const PRESENT: &str = "SELECT r.registered, k.kid, n.state FROM runner r \
    JOIN runner_key n ON n.runner_id = r.id AND n.kid = $2 \
    LEFT JOIN runner_key k ON k.runner_id = r.id AND k.state = 'ACTIVE' WHERE r.id = $1";

/// Removes the registration and stores its key as PENDING, unless the runner has that key already.
async fn take(tx: &mut Tx, actor: &Actor, id: RegistrationId) -> Result<(RunnerId, Kid)> {
    /// Locks the runner first, so that two registrations of one runner follow one another.
    const LOCK: &str = "UPDATE runner SET updated_at = updated_at WHERE id = \
        (SELECT runner_id FROM key_registration WHERE id = $1)";
    const INSERT: &str = "INSERT INTO runner_key (id, organization_id, runner_id, kid, state, algorithm, bits, \
        public_key, created_at, revocation_reason) \
        SELECT id, organization_id, runner_id, kid, 'PENDING', algorithm, bits, public_key, $2, '' \
        FROM key_registration k WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM revoked_key r \
            WHERE r.organization_id = k.organization_id AND r.kid = k.kid) ON CONFLICT (organization_id, kid) DO NOTHING";
    const DELETE: &str = "DELETE FROM key_registration WHERE id = $1 AND organization_id = $2 \
        AND wrong_answers < $3 RETURNING runner_id, kid";
    execute!(tx, LOCK, id)?;
    execute!(tx, INSERT, id, actor.at)?;
    let taken = on_tx!(tx, conn => sqlx::query_as::<_, (RunnerId, Kid)>(DELETE)
        .bind(id).bind(actor.organization).bind(TRIES).fetch_optional(conn).await)?;
    match taken {
        Some(taken) => Ok(taken),
        None => Err(ended(tx, actor, id).await?),
    }
}

/// Why a registration takes no answer: it is there with its tries used up, or gone.
async fn ended(tx: &mut Tx, actor: &Actor, id: RegistrationId) -> Result<Error> {
    const SQL: &str = "SELECT id FROM key_registration WHERE id = $1 AND organization_id = $2";
    let found = on_tx!(tx, conn => sqlx::query_scalar::<_, RegistrationId>(SQL)
        .bind(id).bind(actor.organization).fetch_optional(conn).await)?;
    Ok(found.map_or_else(|| Error::not_found("key registration"), |_| used_up()))
}

fn used_up() -> Error {
    Error::new(Kind::Precondition, "too many wrong answers: begin again")
}
