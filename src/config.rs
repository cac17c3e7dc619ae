//! Settings: the embedded defaults, then a file, then the environment, then flags.
mod environment;

use std::{
    fs,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::{Table, Value};

use crate::{
    domain::{allowed_origins::AllowedOrigins, network::Network, public_url::PublicUrl},
    error::{Error, Kind, Result},
    scm::{
        egress::Policy,
        http::{Limits as ForgeLimits, check_ca},
        provider::Forges,
    },
    store::{DatabaseUrl, Location},
};

/// Every setting with its default and its reason: also the reference for people.
pub const DEFAULTS: &str = include_str!("../config.default.toml");

/// Shorter names that the environment may use.
const SHORT: [(&str, &str); 3] = [
    ("SEALINK_LISTEN", "server.listen"),
    ("SEALINK_DATA_DIR", "server.data_dir"),
    ("SEALINK_LOG", "log.level"),
];

/// The least and the most that each number may be: no server can work beyond, or safely.
const BOUNDS: [(&str, RangeInclusive<i64>); 4] = [
    ("limits.connections", 1..=1_000_000),
    ("limits.connections_per_ip", 1..=1_000_000),
    ("limits.message_bytes", 1_024..=4 * 1_024 * 1_024),
    ("limits.request_timeout_seconds", 1..=3_600),
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

/// `[server]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    pub listen: std::net::SocketAddr,
    /// Where browsers and forges reach it; empty for where it listens.
    pub public_url: String,
    /// Where database, root key and admin token live.
    pub data_dir: PathBuf,
    /// Whether to serve reflection.
    pub reflection: Reflection,
}

/// Whether to serve reflection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reflection {
    /// Only while listening on loopback.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// `[database]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite://PATH`, `postgres://..`, or empty for the data directory's own.
    pub url: DatabaseUrl,
}

/// `[cors]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// Origins whose pages may call.
    pub allowed_origins: Vec<String>,
}

/// `[limits]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections per address.
    pub connections_per_ip: usize,
    /// Bytes of one request message.
    pub message_bytes: usize,
    /// How long a unary call may take.
    pub request_timeout_seconds: u64,
}

/// `[log]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// A filter as tracing's `EnvFilter` reads it.
    pub level: String,
    /// For whom.
    pub format: LogFormat,
}

/// For whom the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// People.
    Text,
    /// Programs: one JSON object a line.
    Json,
}

/// `[scm]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scm {
    /// Origins that integrations may name although a rule refuses them.
    pub allowed_origins: Vec<String>,
    /// Private networks in which members' forges may be.
    pub allowed_cidrs: Vec<String>,
    /// Certificate authorities to trust at forges, besides the system's; empty for none.
    pub ca_file: PathBuf,
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

/// Numbers are checked while they still have their sign and their key.
fn check_bounds(settings: &Table) -> Result<()> {
    for (key, bounds) in BOUNDS {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let value = settings.get(section).and_then(|values| values.get(name)).and_then(Value::as_integer);
        if !value.is_some_and(|value| bounds.contains(&value)) {
            let (least, most) = bounds.into_inner();
            return Err(refuse(format!("{key}: must be a whole number from {least} to {most}")));
        }
    }
    Ok(())
}

/// A type error with its key, which the library tells in a line of its own.
fn mistyped(error: &toml::de::Error) -> Error {
    let text = error.to_string();
    let key = text.lines().find_map(|line| line.strip_prefix("in `")?.strip_suffix('`'));
    refuse(format!("{}: {}", key.unwrap_or("settings"), error.message()))
}

fn parse(name: &str, text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| refuse(format!("{name}: {}", error.message())))
}

/// Puts a file's values over the defaults; a key that has no default is unknown.
fn overlay(settings: &mut Table, file: Table, name: &str) -> Result<()> {
    for (section, values) in file {
        let Some(Value::Table(known)) = settings.get_mut(&section) else {
            return Err(refuse(format!("{name}: unknown section [{section}]")));
        };
        let Value::Table(values) = values else {
            return Err(refuse(format!("{name}: {section} must be a section")));
        };
        for (key, value) in values {
            if !known.contains_key(&key) {
                return Err(refuse(format!("{name}: unknown key {section}.{key}")));
            }
            known.insert(key, value);
        }
    }
    Ok(())
}

/// Sets one key from text, in the type its default has.
fn set(settings: &mut Table, key: &str, text: &str) -> Result<()> {
    let (section, name) = key.split_once('.').unwrap_or((key, ""));
    let known =
        settings.get_mut(section).and_then(Value::as_table_mut).and_then(|values| values.get_mut(name));
    let Some(value) = known else { return Err(refuse(format!("unknown setting {key}"))) };
    *value = match value {
        Value::Integer(_) => {
            text.parse().map(Value::Integer).map_err(|_| refuse(format!("{key}: must be a whole number")))?
        }
        Value::Boolean(_) => {
            text.parse().map(Value::Boolean).map_err(|_| refuse(format!("{key}: must be true or false")))?
        }
        Value::Array(_) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
        }
        _ => Value::String(text.to_owned()),
    };
    Ok(())
}
