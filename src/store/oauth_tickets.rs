//! Flows that connect a user's account at a forge. Each step of a flow can be taken once.
use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, changes::log_audit, on, tx::execute};
use crate::{
    clock::Instant,
    domain::{
        audit::{Actor, Entry},
        id::{IntegrationId, OrganizationId, RunnerId, UserId},
        oauth_ticket::{FlowHash, MEMORY, OauthClient, OauthTicket},
        secret::{Kid, Sealed},
        token::TokenId,
    },
    error::Result,
};

/// How often it is written down that one flow failed.
const MOST_FAILURES: i64 = 8;

#[derive(FromRow)]
struct Row {
    id: Uuid,
    organization_id: OrganizationId,
    member_id: UserId,
    runner_id: RunnerId,
    integration_id: IntegrationId,
    client_id: String,
    issuer_url: String,
    token_id: TokenId,
    cookie_hash: Option<Vec<u8>>,
    verifier: Option<Vec<u8>>,
    verifier_kid: Option<Kid>,
    expires_at: Instant,
    finished_at: Option<Instant>,
}

impl Row {
    fn ticket(self) -> OauthTicket {
        OauthTicket {
            id: self.id,
            organization: self.organization_id,
            user: self.member_id,
            runner: self.runner_id,
            integration: self.integration_id,
            client: OauthClient { id: self.client_id, issuer: self.issuer_url },
            token: self.token_id,
            started: self.cookie_hash.is_some(),
            cookie: self.cookie_hash.and_then(|hash| hash.try_into().ok()),
            verifier: self.verifier.zip(self.verifier_kid).map(|(bytes, kid)| Sealed { bytes, kid }),
            expires_at: self.expires_at,
            finished: self.finished_at.is_some(),
        }
    }
}

macro_rules! select_ticket {
    ($where:literal) => {
        concat!(
            "SELECT id, organization_id, member_id, runner_id, integration_id, client_id, issuer_url, token_id, \
             cookie_hash, verifier, verifier_kid, expires_at, finished_at FROM oauth_ticket ",
            $where
        )
    };
}

impl Store {
    /// Stores a fresh flow; `hash` is that of the ticket in its link.
    pub async fn open_oauth_ticket(&self, ticket: OauthTicket, hash: FlowHash) -> Result<()> {
        const SQL: &str = "INSERT INTO oauth_ticket (id, organization_id, member_id, runner_id, \
            integration_id, client_id, issuer_url, token_id, ticket_hash, expires_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        self.write((ticket, hash), |tx, (ticket, hash)| {
            Box::pin(async move {
                execute!(
                    tx,
                    SQL,
                    ticket.id,
                    ticket.organization,
                    ticket.user,
                    ticket.runner,
                    ticket.integration,
                    &ticket.client.id,
                    &ticket.client.issuer,
                    &ticket.token,
                    hash.as_slice(),
                    ticket.expires_at,
                )
                .map(|_| ())
            })
        })
        .await
    }

    /// The flow whose link ends with the ticket of this hash.
    pub async fn oauth_ticket(&self, hash: FlowHash) -> Result<Option<OauthTicket>> {
        const SQL: &str = select_ticket!("WHERE ticket_hash = $1");
        let row: Option<Row> =
            on!(self, pool => sqlx::query_as(SQL).bind(hash.as_slice()).fetch_optional(pool).await)?;
        Ok(row.map(Row::ticket))
    }

    /// The flow that a forge answers with the state of this hash.
    pub async fn oauth_ticket_of_state(&self, hash: FlowHash) -> Result<Option<OauthTicket>> {
        const SQL: &str = select_ticket!("WHERE state_hash = $1");
        let row: Option<Row> =
            on!(self, pool => sqlx::query_as(SQL).bind(hash.as_slice()).fetch_optional(pool).await)?;
        Ok(row.map(Row::ticket))
    }

    /// The names of an organization and of one of its users who is not disabled.
    pub async fn oauth_names(
        &self,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<(String, String)>> {
        const SQL: &str = "SELECT o.name, m.name FROM member m JOIN organization o ON o.id = m.organization_id \
            WHERE m.organization_id = $1 AND m.id = $2 AND m.disabled_at IS NULL";
        on!(self, pool => sqlx::query_as(SQL).bind(organization).bind(user).fetch_optional(pool).await)
    }

    /// Gives a flow to the browser that confirms it. `false`: one has done so before.
    pub async fn start_oauth_ticket(&self, id: Uuid, cookie: FlowHash, state: FlowHash) -> Result<bool> {
        const SQL: &str = "UPDATE oauth_ticket SET cookie_hash = $2, state_hash = $3 \
            WHERE id = $1 AND cookie_hash IS NULL";
        self.write((id, cookie, state), |tx, (id, cookie, state)| {
            Box::pin(async move { Ok(execute!(tx, SQL, *id, cookie.as_slice(), state.as_slice())? > 0) })
        })
        .await
    }

    /// Keeps the sealed verifier until the forge sends the browser back.
    pub async fn keep_oauth_verifier(&self, id: Uuid, verifier: Sealed) -> Result<()> {
        const SQL: &str = "UPDATE oauth_ticket SET verifier = $2, verifier_kid = $3 WHERE id = $1";
        self.write((id, verifier), |tx, (id, verifier)| {
            Box::pin(async move { execute!(tx, SQL, *id, &verifier.bytes, &verifier.kid).map(|_| ()) })
        })
        .await
    }

    /// Takes a flow's last step. `false`: it was taken before.
    pub async fn finish_oauth_ticket(&self, id: Uuid, now: Instant) -> Result<bool> {
        const SQL: &str = "UPDATE oauth_ticket SET finished_at = $2, verifier = NULL, verifier_kid = NULL \
            WHERE id = $1 AND finished_at IS NULL";
        self.write((id, now), |tx, (id, now)| Box::pin(async move { Ok(execute!(tx, SQL, *id, *now)? > 0) }))
            .await
    }

    /// Writes down that a flow failed, unless that was done for it many times already.
    pub async fn note_oauth_failure(&self, actor: Actor, id: Uuid, entry: Entry) -> Result<()> {
        const SQL: &str = "UPDATE oauth_ticket SET failures = failures + 1 WHERE id = $1 AND failures < $2";
        self.write((actor, id, entry), |tx, (actor, id, entry)| {
            Box::pin(async move {
                if execute!(tx, SQL, *id, MOST_FAILURES)? == 0 {
                    return Ok(());
                }
                log_audit(tx, actor, entry).await
            })
        })
        .await
    }

    /// Takes what flows carry whose time is up, and deletes them a while later.
    pub async fn forget_oauth_tickets(&self, now: Instant) -> Result<()> {
        const ANY: &str = "SELECT count(*) FROM (SELECT 1 FROM oauth_ticket WHERE expires_at <= $1 \
            AND (verifier IS NOT NULL OR expires_at <= $2) LIMIT 1) AS one";
        const EMPTY: &str = "UPDATE oauth_ticket SET verifier = NULL, verifier_kid = NULL \
            WHERE expires_at <= $1 AND verifier IS NOT NULL";
        const DELETE: &str = "DELETE FROM oauth_ticket WHERE expires_at <= $1";
        let old = now.minus(MEMORY);
        let any: i64 = on!(self, pool => sqlx::query_scalar(ANY).bind(now).bind(old).fetch_one(pool).await)?;
        if any == 0 {
            return Ok(());
        }
        self.write((now, old), |tx, (now, old)| {
            Box::pin(async move {
                execute!(tx, EMPTY, *now)?;
                execute!(tx, DELETE, *old).map(|_| ())
            })
        })
        .await
    }
}
