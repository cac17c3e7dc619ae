//! The database: the only module that knows SQL.
//!
//! Every method is one atomic step named after its use. A query is written once, in the dialect SQLite and
//! PostgreSQL share; where they differ, both texts stand side by side in the file that needs them.
//! Reads run on whichever pool is open (`on!`); writes are steps given to `Store::write`.
mod account_lists;
mod account_profiles;
mod accounts;
mod audit_chain;
mod audit_log;
mod bootstrap;
mod change_log;
mod changes;
mod combine;
mod configuration;
mod environment_classes;
mod failure;
mod granted;
mod groups;
mod host_credentials;
mod host_token_pages;
mod host_token_refresh;
mod host_tokens;
mod idempotency;
mod integration_pages;
mod integrations;
mod keyring;
mod leases;
mod live_calls;
mod liveness;
mod llm_integrations;
mod llm_pages;
mod members;
mod memberships;
mod migrate;
mod notes;
mod oauth_connect;
mod oauth_tickets;
#[cfg(test)]
mod plans;
mod postgres;
mod record;
mod registrations;
mod reseal;
mod rotation;
mod runner_keys;
mod runner_pages;
mod runner_policies;
mod runners;
mod schemas;
mod sealed_secrets;
mod secret_pages;
mod service_accounts;
mod signals;
mod sqlite;
mod ssh_keys;
#[cfg(test)]
mod steps;
mod token_lookup;
mod tokens;
mod tx;
mod url;
mod users;
mod wipe;
mod writability;
mod writer;

use std::{fs::File, path::PathBuf, sync::Arc};

use sqlx::{PgPool, SqlitePool};

pub use self::{
    audit_chain::PendingEntry,
    bootstrap::FirstAdmin,
    change_log::Change,
    configuration::{Configured, OwnConfiguration, OwnConfigurationQuery},
    environment_classes::ClassScope,
    host_token_refresh::DueRefresh,
    host_tokens::{NewHostTokenRow, Update as HostTokenUpdate},
    idempotency::Remembered,
    integration_pages::{IntegrationScope, RunnerPage, RunnerPageQuery},
    integrations::Update as IntegrationUpdate,
    keyring::StoredSeed,
    leases::Lease,
    live_calls::{NewCallRow, Progress},
    liveness::{Agent, StreamChange},
    llm_integrations::{LlmUpdate, NewLlmRow},
    llm_pages::LlmScope,
    registrations::{NewRegistration, Registration},
    reseal::Reseal,
    rotation::{SealedColumn, SealedRecord, SeedRow},
    runners::{NewRow as NewRunnerRow, RecordUpdate, Update as RunnerUpdate},
    sealed_secrets::{NewSecret, SecretChange},
    signals::Signal,
    token_lookup::{StoredToken, TokenOwner},
    tokens::{NewTokenRow, Revoked},
    url::DatabaseUrl,
    writability::Writes,
};
use self::{combine::Combiner, signals::Signals, writability::LastWrite, writer::Writer};
use crate::{
    domain::{
        account::Accounts,
        id::{OrganizationId, UserId},
        token::TokenId,
    },
    error::Result,
};

/// Where the data is.
#[derive(Clone, Debug)]
pub enum Location {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database, as a connection URL.
    Postgres(DatabaseUrl),
}

/// SQLite's readers, and the one connection that writes.
pub(crate) struct Lanes {
    read: SqlitePool,
    write: Writer,
    lock: File,
}

/// Which database is open.
pub(crate) enum Database {
    /// One file, one writer.
    Sqlite(Lanes),
    /// A server shared by any number of replicas.
    Postgres(PgPool),
}

/// Runs one expression on whichever pool is open; the expression is type-checked once for each.
macro_rules! on {
    ($store:expr, $pool:ident => $run:expr) => {
        match &$store.database {
            $crate::store::Database::Sqlite($crate::store::Lanes { read: $pool, .. }) => $run,
            $crate::store::Database::Postgres($pool) => $run,
        }
        .map_err($crate::store::failure::failure)
    };
}
pub(crate) use on;

/// The open database.
pub struct Store {
    database: Database,
    tokens: Combiner<TokenId, Option<StoredToken>>,
    runner_pages: Combiner<RunnerPageQuery, RunnerPage>,
    configurations: Combiner<OwnConfigurationQuery, OwnConfiguration>,
    account_lists: Combiner<(OrganizationId, UserId), Arc<Accounts>>,
    signals: Arc<Signals>,
    last_write: LastWrite,
}

impl Store {
    /// Opens the database, creates or migrates its schema, and starts its writer.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::error::Kind::Unavailable) if it cannot be reached or is locked,
    /// [`Kind::DataLoss`](crate::error::Kind::DataLoss) if the file is damaged, and
    /// [`Kind::Precondition`](crate::error::Kind::Precondition) if it is of a newer release or on a network
    /// file system.
    pub async fn open(location: &Location) -> Result<Self> {
        Self::open_if(location, |_| Ok(())).await
    }

    /// The same, if `fits` finds nothing wrong with the keyring, which is empty if there is none yet. Until then
    /// nothing is written: the schema may still be that of an older release.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of `fits`.
    pub async fn open_if(
        location: &Location,
        fits: impl FnOnce(Vec<StoredSeed>) -> Result<()> + Send,
    ) -> Result<Self> {
        match location {
            Location::Sqlite(path) => sqlite::open(path, fits).await,
            Location::Postgres(url) => postgres::open(url.expose(), fits).await,
        }
    }

    /// Ends every connection; what was queued is finished first. SQLite's last connection empties the
    /// write-ahead log into the file, and the last one is the writer's.
    pub async fn close(&self) {
        self.signals.close();
        self.tokens.close().await;
        self.runner_pages.close().await;
        self.configurations.close().await;
        self.account_lists.close().await;
        match &self.database {
            Database::Sqlite(lanes) => {
                lanes.read.close().await;
                if let Err(error) = lanes.lock.unlock() {
                    tracing::debug!(%error, "the database's lock ends with the process");
                }
                lanes.write.close().await;
            }
            Database::Postgres(pool) => pool.close().await,
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// Whatever it answers instead.
    pub async fn ping(&self) -> Result<()> {
        on!(self, pool => sqlx::query("SELECT 1").execute(pool).await.map(|_| ()))
    }

    /// Hints from now on that something changed.
    pub fn signals(&self) -> tokio::sync::broadcast::Receiver<Signal> {
        self.signals.subscribe()
    }

    /// Whether other servers may work on the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(self.database, Database::Postgres(_))
    }

    /// How many writes were acknowledged and how many COMMITs that took: (writes, commits). PostgreSQL
    /// commits each write for itself and counts nothing.
    #[must_use]
    pub fn write_counts(&self) -> (u64, u64) {
        match &self.database {
            Database::Sqlite(lanes) => lanes.write.counts(),
            Database::Postgres(_) => (0, 0),
        }
    }
}
