//! The stored form of an integration: one self-delimiting record, so that a page is its rows' records one
//! after the other and costs the database one value.
//!
//! Encoded as protobuf, whose rules for adding fields are the rules for changing this format: never reuse a
//! number, never change a type.
use prost::Message;
use uuid::Uuid;

use crate::{
    clock::Instant,
    domain::{
        host::Host,
        id::{IntegrationId, RunnerId},
        integration::{Integration, OAuth},
        issuer::IssuerUrl,
        secret::{Kid, Sealed},
    },
    error::{Error, Kind, Result},
};

#[derive(Message)]
struct Record {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    runner: Vec<u8>,
    #[prost(string, tag = "3")]
    scm_id: String,
    #[prost(string, tag = "4")]
    host: String,
    #[prost(message, optional, tag = "5")]
    oauth: Option<OAuthRecord>,
    #[prost(bool, tag = "6")]
    pat: bool,
    #[prost(string, optional, tag = "7")]
    virtual_directory: Option<String>,
    #[prost(uint64, tag = "8")]
    version: u64,
    #[prost(int64, tag = "9")]
    created_at: i64,
    #[prost(int64, tag = "10")]
    updated_at: i64,
}

#[derive(Message)]
struct OAuthRecord {
    #[prost(string, tag = "1")]
    client_id: String,
    #[prost(string, optional, tag = "2")]
    issuer: Option<String>,
    #[prost(bytes = "vec", optional, tag = "3")]
    sealed: Option<Vec<u8>>,
    #[prost(string, tag = "4")]
    kid: String,
}

/// Encodes one integration, its length first.
pub(super) fn encode(integration: &Integration) -> Vec<u8> {
    let oauth = integration.oauth.as_ref().map(|oauth| OAuthRecord {
        client_id: oauth.client_id.clone(),
        issuer: oauth.issuer.as_ref().map(|issuer| issuer.as_str().to_owned()),
        sealed: oauth.secret.as_ref().map(|secret| secret.bytes.clone()),
        kid: oauth.secret.as_ref().map(|secret| secret.kid.0.clone()).unwrap_or_default(),
    });
    let record = Record {
        id: integration.id.0.as_bytes().to_vec(),
        runner: integration.runner.0.as_bytes().to_vec(),
        scm_id: integration.scm_id.clone(),
        host: integration.host.as_str().to_owned(),
        oauth,
        pat: integration.pat,
        virtual_directory: integration.virtual_directory.clone(),
        version: integration.version,
        created_at: integration.created_at.0,
        updated_at: integration.updated_at.0,
    };
    record.encode_length_delimited_to_vec()
}

/// Decodes records that stand one after the other.
///
/// # Errors
/// [`Kind::DataLoss`] if they are damaged.
pub(super) fn decode_all(mut records: &[u8]) -> Result<Vec<Integration>> {
    let mut integrations = Vec::new();
    while !records.is_empty() {
        let record = Record::decode_length_delimited(&mut records).map_err(damaged)?;
        integrations.push(integration(record)?);
    }
    Ok(integrations)
}

/// Decodes the one record that a row has.
///
/// # Errors
/// [`Kind::DataLoss`] if it is damaged.
pub(super) fn decode(stored: &[u8]) -> Result<Integration> {
    let record = Record::decode_length_delimited(stored).map_err(damaged)?;
    integration(record)
}

fn integration(record: Record) -> Result<Integration> {
    let oauth = record.oauth.map(|oauth| OAuth {
        client_id: oauth.client_id,
        issuer: oauth.issuer.map(IssuerUrl::from_stored),
        secret: oauth.sealed.map(|bytes| Sealed { bytes, kid: Kid(oauth.kid) }),
    });
    Ok(Integration {
        id: IntegrationId(Uuid::from_slice(&record.id).map_err(damaged)?),
        runner: RunnerId(Uuid::from_slice(&record.runner).map_err(damaged)?),
        scm_id: record.scm_id,
        host: Host::from_stored(record.host),
        oauth,
        pat: record.pat,
        virtual_directory: record.virtual_directory,
        version: record.version,
        created_at: Instant(record.created_at),
        updated_at: Instant(record.updated_at),
    })
}

fn damaged(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::DataLoss, "a stored integration is damaged").caused_by(source)
}
