//! Settings: the embedded defaults, then a file, then the environment, then flags.
mod environment;
mod sections;
mod tables;

use std::{fs, net::SocketAddr, path::Path};

use serde::Deserialize;

pub use self::sections::{Cors, Database, Limits, Log, LogFormat, Reflection, Scm, Server};
use self::tables::{check_bounds, mistyped, overlay, parse, set};

use crate::{
    domain::{allowed_origins::AllowedOrigins, network::Network, public_url::PublicUrl},
    error::{Error, Kind, Result},
    scm::{
        egress::Policy,
        http::{Limits as ForgeLimits, check_ca},
        provider::Forges,
    },
    store::Location,
};

/// Every setting with its default and its reason: also the reference for people.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Shorter names that the environment may use.
const SHORT: [(&str, &str); 3] = [
    ("SEALINK_LISTEN", "server.listen"),
    ("SEALINK_DATA_DIR", "server.data_dir"),
    ("SEALINK_LOG", "log.level"),
];

/// All settings of `sealink serve`; what each means stands in `config.default.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `[server]`.
    pub server: Server,
    /// `[database]`.
    pub database: Database,
    /// `[cors]`.
    pub cors: Cors,
    /// `[limits]`.
    pub limits: Limits,
    /// `[log]`.
    pub log: Log,
    /// `[scm]`.
    pub scm: Scm,
}

impl Settings {
    /// Reads the settings and checks them, before anything is made or opened on their word; `flags` are
    /// `("server.listen", "127.0.0.1:0")` pairs and win. Origins of pages are checked by [`open`](crate::server::open).
    ///
    /// # Errors
    /// [`Kind::Invalid`] with a sentence that names the key.
    pub fn load(file: Option<&Path>, flags: &[(&str, String)]) -> Result<Self> {
        let mut settings = parse("config.default.toml", DEFAULTS)?;
        let known = settings.clone();
        if let Some(path) = file {
            let name = path.display().to_string();
            let text = fs::read_to_string(path)
                .map_err(|error| refuse(format!("{name}: cannot be read: {error}")))?;
            overlay(&mut settings, parse(&name, &text)?, &name)?;
        }
        for (key, value) in environment::settings(&known)?
            .into_iter()
            .chain(flags.iter().cloned().map(|(k, v)| (k.to_owned(), v)))
        {
            set(&mut settings, &key, &value)?;
        }
        check_bounds(&settings)?;
        let settings: Self = settings.try_into().map_err(|error| mistyped(&error))?;
        settings.check()?;
        Ok(settings)
    }

    /// What the types do not say. The values are thrown away: whoever needs them reads them again.
    fn check(&self) -> Result<()> {
        self.forges()?;
        if let Some(path) = self.ca_file() {
            check_ca(path).map_err(|error| refuse(format!("scm.ca_file: {error}")))?;
        }
        self.location()?;
        if !self.server.public_url.is_empty() {
            PublicUrl::parse(&self.server.public_url)?;
        }
        Ok(())
    }

    /// Where browsers and forges reach the server that listens on `address`.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for what is no such URL.
    pub fn public_url(&self, address: SocketAddr) -> Result<PublicUrl> {
        match self.server.public_url.as_str() {
            "" => Ok(PublicUrl::of(address)),
            url => PublicUrl::parse(url),
        }
    }

    /// Forges that may be asked although a rule refuses their addresses.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for what is no origin.
    pub fn allowed_origins(&self) -> Result<AllowedOrigins> {
        let refused = || refuse("scm.allowed_origins: must be http(s)://host[:port]");
        AllowedOrigins::parse(&self.scm.allowed_origins).ok_or_else(refused)
    }

    /// The way to members' forges.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for origins or networks that are none.
    pub fn forges(&self) -> Result<Forges> {
        let networks =
            self.scm.allowed_cidrs.iter().map(|text| Network::parse(text)).collect::<Result<_>>()?;
        let policy = Policy::new(self.allowed_origins()?).with_networks(networks);
        Ok(Forges::new(policy, self.ca_file().map(Path::to_owned), ForgeLimits::for_members()))
    }

    fn ca_file(&self) -> Option<&Path> {
        Some(self.scm.ca_file.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// Where the data is.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a URL of another kind.
    pub fn location(&self) -> Result<Location> {
        let url = self.database.url.expose();
        if url.is_empty() {
            return Ok(Location::Sqlite(self.server.data_dir.join("sealink.db")));
        }
        if let Some(path) = url.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Location::Sqlite(path.into()));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            if let Some(name) = self.database.url.unknown_parameter() {
                return Err(refuse(format!("database.url: unknown parameter {name:?}")));
            }
            return Ok(Location::Postgres(self.database.url.clone()));
        }
        Err(refuse("database.url: must be sqlite://PATH or postgres://USER@HOST/NAME"))
    }

    /// Whether reflection is served.
    #[must_use]
    pub fn reflection(&self) -> bool {
        match self.server.reflection {
            Reflection::On => true,
            Reflection::Off => false,
            Reflection::Auto => self.server.listen.ip().is_loopback(),
        }
    }
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, message.into())
}
