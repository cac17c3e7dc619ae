//! The start of the server: keyring, and on the very first one organization and administrator.
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    InFlight, Service, keyring::Rings, live::Desk, new_token, profiles::Profiles, recent::Recent,
    revocations::Revocations, rotation::location, sealing::KeyCache, watch::Hub,
};
use crate::{
    at_rest::{Keyring, KeyringRow, RootKey, SeedState},
    clock::{Clock, Instant},
    domain::{
        allowed_origins::AllowedOrigins,
        audit::Actor,
        id::{OrganizationId, UserId},
        public_url::PublicUrl,
        token::{Credential, TokenKind},
        user::{NewUser, Role},
    },
    error::{Error, Kind, Result},
    scm::provider::Forges,
    store::{FirstAdmin, NewTokenRow, SealedColumn, SealedRecord, Store, StoredSeed},
};

/// The number of the first seed.
const FIRST_SEED: u32 = 1;

/// What a server starts with.
pub struct Start {
    /// The open database.
    pub store: Store,
    /// Where the time comes from.
    pub clock: Clock,
    /// The root key.
    pub root_key: RootKey,
    /// Hosts that integrations may name although a rule refuses them.
    pub allowed_origins: AllowedOrigins,
    /// Where browsers and forges reach the server.
    pub public_url: PublicUrl,
    /// The way to members' forges.
    pub forges: Forges,
}

/// Where the administrator's token comes from.
pub enum Admin<'a> {
    /// The operator presets it.
    Preset(Zeroizing<String>),
    /// The first start makes it and hands it over here.
    Generated(&'a dyn TokenDelivery),
}

/// Where the administrator finds the token that the first start makes.
pub trait TokenDelivery: Sync {
    /// Hands the token over, before anything is stored: after a crash in between the next start makes
    /// another.
    ///
    /// # Errors
    /// Whatever keeps the token from its reader; nothing is stored then.
    fn deliver(&self, token: &str) -> Result<()>;

    /// Takes the token back: another replica's start was faster, and its token is the one that works.
    ///
    /// # Errors
    /// Whatever keeps a token in place that opens nothing.
    fn withdraw(&self) -> Result<()>;
}

impl Start {
    /// Whether the database has a keyring, which only its own root key opens.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_keyring(store: &Store) -> Result<bool> {
        Ok(!store.seeds().await?.is_empty())
    }

    /// Opens a database's keyring with its root key.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the root key is another one, or the keyring is damaged.
    pub fn unlock(root_key: &RootKey, seeds: Vec<StoredSeed>) -> Result<Keyring> {
        let rows = seeds.into_iter().map(keyring_row).collect::<Result<Vec<_>>>()?;
        Keyring::unlock(root_key, &rows)
            .map_err(|error| Error::new(Kind::DataLoss, format!("the keyring stays closed: {error}")))
    }

    /// Opens the keyring, proves that it opens what is stored, and makes the first administrator.
    ///
    /// # Errors
    /// [`Kind::DataLoss`] if the root key is not the database's; nothing was written then.
    pub async fn service(self, admin: Admin<'_>) -> Result<Service> {
        let Self { store, clock, root_key, allowed_origins, public_url, forges } = self;
        let keyring = open_keyring(&store, &clock, &root_key).await?;
        prove(&store, &keyring).await?;
        first_start(&store, &clock, &admin).await?;
        let organization = store.first_organization().await?;
        apply_preset(&store, &clock, organization, &admin).await?;
        let epoch = store.epoch().await?;
        let rings = Rings::new(root_key, keyring)?;
        let store = Arc::new(store);
        let process = clock.new_id();
        Ok(Service {
            store,
            clock,
            rings,
            keys: KeyCache::default(),
            in_flight: InFlight::default(),
            allowed_origins,
            epoch,
            process,
            hub: Hub::default(),
            desk: Desk::default(),
            revocations: Revocations::default(),
            public_url,
            forges,
            profiles: Profiles::default(),
            recent: Recent::default(),
        })
    }
}

impl Service {
    /// Whether anybody can administer: a preset token ends with the first start without it, and nothing else may
    /// have been made.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_administrator_token(&self) -> Result<bool> {
        let organization = self.store.first_organization().await?;
        self.store.has_administrator_token(organization, self.now()).await
    }
}

async fn open_keyring(store: &Store, clock: &Clock, root_key: &RootKey) -> Result<Keyring> {
    if store.seeds().await?.is_empty() {
        let row = KeyringRow::generate(root_key, FIRST_SEED, SeedState::Active)?;
        store.first_seed(stored_seed(row, clock.now())).await?;
    }
    Start::unlock(root_key, store.seeds().await?)
}

/// A seed as it is stored.
pub(super) fn stored_seed(row: KeyringRow, created_at: Instant) -> StoredSeed {
    StoredSeed {
        key_id: row.key_id.into(),
        state: row.state.name().to_owned(),
        wrapped_seed: row.wrapped,
        root_fingerprint: row.root_fingerprint,
        created_at,
    }
}

pub(super) fn keyring_row(seed: StoredSeed) -> Result<KeyringRow> {
    let damaged = || Error::new(Kind::DataLoss, "the keyring is damaged");
    Ok(KeyringRow {
        key_id: u32::try_from(seed.key_id).map_err(|_| damaged())?,
        state: SeedState::from_name(&seed.state).ok_or_else(damaged)?,
        wrapped: seed.wrapped_seed,
        root_fingerprint: seed.root_fingerprint,
    })
}

/// How many records of a seed are tried: one that opens proves the seed, and one may be damaged.
const TRIED: u16 = 10;

/// Opens a stored record of every kind and seed before the server listens or writes: a keyring that cannot is the
/// wrong one.
async fn prove(store: &Store, keyring: &Keyring) -> Result<()> {
    for column in SealedColumn::ALL {
        for (key_id, _) in store.records_by_seed(column).await? {
            let tried = store.records_of_seed(column, key_id, TRIED).await?;
            let opens =
                |found: &SealedRecord| location(column, found, |at| keyring.open(at, &found.record)).is_ok();
            if tried.iter().any(opens) {
                continue;
            }
            if key_id == keyring.active_id() || !was_left_behind(store, key_id).await? {
                return Err(Error::new(
                    Kind::DataLoss,
                    format!("the keyring does not open what seed {key_id} has sealed"),
                ));
            }
            tracing::error!(
                key_id,
                column = column.name(),
                "records that no rotation could open are still there"
            );
        }
    }
    Ok(())
}

/// Whether a rotation has said of the records of a seed that they cannot be opened.
async fn was_left_behind(store: &Store, key_id: u32) -> Result<bool> {
    let seeds = store.seed_rows().await?;
    Ok(seeds.iter().any(|seed| seed.key_id > i64::from(key_id) && seed.resealed_at.is_some()))
}

async fn first_start(store: &Store, clock: &Clock, admin: &Admin<'_>) -> Result<()> {
    if store.is_bootstrapped().await? {
        return Ok(());
    }
    let organization = OrganizationId(clock.new_id());
    let id = UserId(clock.new_id());
    let token = match admin {
        Admin::Preset(_) => None,
        Admin::Generated(delivery) => {
            let token = new_token(TokenKind::Admin)?;
            delivery.deliver(&token.text)?;
            Some(NewTokenRow {
                id: clock.new_id(),
                token_id: token.id,
                kind: token.kind,
                member: Some(id),
                runner: None,
                hash: token.hash,
                description: "made by the first start".to_owned(),
                read_only: false,
                expires_at: None,
            })
        }
    };
    let user = NewUser::parse("admin".into(), "admin@localhost".into(), String::new(), Role::Admin)?;
    let actor = Actor::server(organization, clock.now(), clock.new_id());
    let first = FirstAdmin { epoch: clock.new_id(), organization, id, user, token };
    match (store.bootstrap(actor, first).await?, admin) {
        (false, Admin::Generated(delivery)) => delivery.withdraw(),
        _ => Ok(()),
    }
}

async fn apply_preset(
    store: &Store,
    clock: &Clock,
    organization: OrganizationId,
    admin: &Admin<'_>,
) -> Result<()> {
    let actor = Actor::server(organization, clock.now(), clock.new_id());
    match admin {
        Admin::Generated(_) => store.drop_preset_admin_token(actor).await,
        Admin::Preset(token) => {
            store.preset_admin_token(actor, Credential::preset(token).hash, clock.new_id()).await
        }
    }
}
