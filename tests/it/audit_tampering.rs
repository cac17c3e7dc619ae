//! Somebody with all rights in the database, but without the server's root key, changes the audit log.
use aws_lc_rs::hmac;
use sealink::{
    clock::Instant,
    domain::{
        audit_chain::{StoredEntry, covered},
        id::OrganizationId,
    },
};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{
    audit::{head, is_whole, settled, verified},
    support::{Database, TestServer, on_both_stores},
};

/// A chain of some length, and nothing in the way of changing it.
async fn disarmed(server: &TestServer) -> i64 {
    for _ in 0..6 {
        server.admin().create_runner().await;
    }
    let count = settled(server).await;
    is_whole(&server.admin(), count).await;
    server
        .database()
        .run(
            "DROP TRIGGER audit_entry_stays; DROP TRIGGER audit_entry_remains; \
             DROP TRIGGER audit_link_stays; DROP TRIGGER audit_link_remains; DROP TRIGGER audit_entry_waits",
            "DROP TRIGGER audit_entry_stays ON audit_entry; DROP TRIGGER audit_link_stays ON audit_link; \
             DROP TRIGGER audit_entry_waits ON audit_entry",
        )
        .await;
    count
}

async fn tamper(server: &TestServer, sql: &str) {
    server.database().run(sql, sql).await;
}

async fn found(server: &TestServer, expected: Option<&Value>) -> (String, i64) {
    let finding = verified(&server.admin(), expected).await["finding"].clone();
    let place = finding["sequence"].as_str().map_or(0, |place| place.parse().expect("a number"));
    (finding["fault"].as_str().unwrap_or("none").to_owned(), place)
}

const FOURTH: &str = "(SELECT entry_id FROM audit_link WHERE sequence = 4)";

async fn an_edited_entry_is_found(server: &TestServer) {
    disarmed(server).await;
    for (column, value) in [
        ("at", "at + 1"),
        ("actor_kind", "'runner'"),
        ("actor_id", "id"),
        ("token_id", "'another'"),
        ("action", "'runner.delete'"),
        ("object", "'another'"),
        ("details", "'{ }'"),
    ] {
        tamper(server, &format!("CREATE TABLE kept AS SELECT * FROM audit_entry WHERE id = {FOURTH}")).await;
        tamper(server, &format!("UPDATE audit_entry SET {column} = {value} WHERE id = {FOURTH}")).await;
        assert_eq!(found(server, None).await, ("AUDIT_FAULT_CHANGED".to_owned(), 4), "{column}");
        let back =
            format!("UPDATE audit_entry SET {column} = (SELECT {column} FROM kept) WHERE id = {FOURTH}");
        tamper(server, &back).await;
        tamper(server, "DROP TABLE kept").await;
        assert_eq!(found(server, None).await.0, "none", "{column} is as it was");
    }
    tamper(server, "UPDATE audit_link SET key_id = 77 WHERE sequence = 2").await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_UNKNOWN_KEY".to_owned(), 2));
}

async fn a_removed_entry_is_found(server: &TestServer) {
    let count = disarmed(server).await;
    tamper(server, &format!("DELETE FROM audit_entry WHERE id = {FOURTH}")).await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_REMOVED".to_owned(), 4));
    tamper(server, "DELETE FROM audit_link WHERE sequence = 4").await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_GAP".to_owned(), 4));
    // Closing the gap one by one: every place is taken until its link has moved.
    for place in 5..=count {
        tamper(server, &format!("UPDATE audit_link SET sequence = sequence - 1 WHERE sequence = {place}"))
            .await;
    }
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_CHANGED".to_owned(), 4));
}

async fn reordered_entries_are_found(server: &TestServer) {
    disarmed(server).await;
    for (from, to) in [(3, 99), (4, 3), (99, 4)] {
        tamper(server, &format!("UPDATE audit_link SET sequence = {to} WHERE sequence = {from}")).await;
    }
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_CHANGED".to_owned(), 3));
}

async fn a_tail_that_was_cut_is_found_by_a_kept_head(server: &TestServer) {
    let count = disarmed(server).await;
    let kept = head(&server.admin()).await;
    assert_eq!(found(server, Some(&kept)).await.0, "none");
    let last = format!("(SELECT entry_id FROM audit_link WHERE sequence > {})", count - 2);
    tamper(server, &format!("DELETE FROM audit_entry WHERE id IN {last}")).await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_REMOVED".to_owned(), count - 1));
    tamper(server, &format!("DELETE FROM audit_link WHERE sequence > {}", count - 2)).await;
    // What is left is a whole chain: this is why heads are kept elsewhere.
    is_whole(&server.admin(), count - 2).await;
    assert_eq!(found(server, Some(&kept)).await, ("AUDIT_FAULT_CUT".to_owned(), count));
    // And so it stays when the chain has grown beyond that place again.
    server
        .database()
        .run(
            "CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry BEGIN INSERT INTO audit_pending \
             (organization_id, entry_id) VALUES (NEW.organization_id, NEW.id); END",
            "CREATE TRIGGER audit_entry_waits AFTER INSERT ON audit_entry \
             FOR EACH ROW EXECUTE FUNCTION audit_entry_waits()",
        )
        .await;
    for _ in 0..3 {
        server.admin().create_runner().await;
    }
    assert_eq!(settled(server).await, count + 1);
    is_whole(&server.admin(), count + 1).await;
    assert_eq!(found(server, Some(&kept)).await, ("AUDIT_FAULT_CUT".to_owned(), count));
    let early = json!({ "count": 0 });
    assert_eq!(found(server, Some(&early)).await.0, "none");
}

#[derive(FromRow)]
struct Row {
    sequence: i64,
    key_id: i64,
    organization_id: Uuid,
    id: Uuid,
    at: Instant,
    actor_kind: String,
    actor_id: Uuid,
    token_id: String,
    action: String,
    object: String,
    details: String,
}

/// The whole chain anew, as the server does it, but under a key of one's own.
async fn forge(database: &Database, key: &hmac::Key) {
    const ROWS: &str = "SELECT l.sequence, l.key_id, e.* FROM audit_link l JOIN audit_entry e ON e.id = l.entry_id \
        ORDER BY l.sequence";
    const FORGE: &str = "UPDATE audit_link SET mac = $2 WHERE sequence = $1";
    let rows: Vec<Row> = match database {
        Database::Sqlite(pool) => sqlx::query_as(ROWS).fetch_all(pool).await,
        Database::Postgres { pool, .. } => sqlx::query_as(ROWS).fetch_all(pool).await,
    }
    .expect("rows");
    let mut previous = [0; 32];
    for row in rows {
        let Row {
            sequence,
            key_id,
            organization_id,
            id,
            at,
            actor_kind,
            actor_id,
            token_id,
            action,
            object,
            details,
        } = row;
        let entry = StoredEntry { id, at, actor_kind, actor_id, token: token_id, action, object, details };
        let place = (sequence.unsigned_abs(), u32::try_from(key_id).expect("a key"));
        let bytes = covered(OrganizationId(organization_id), &entry, place, &previous);
        previous = hmac::sign(key, &bytes).as_ref().try_into().expect("32 bytes");
        match database {
            Database::Sqlite(pool) => {
                sqlx::query(FORGE).bind(sequence).bind(previous.as_slice()).execute(pool).await.map(|_| ())
            }
            Database::Postgres { pool, .. } => {
                sqlx::query(FORGE).bind(sequence).bind(previous.as_slice()).execute(pool).await.map(|_| ())
            }
        }
        .expect("forged");
    }
}

async fn a_chain_made_anew_without_the_key_is_found(server: &TestServer) {
    disarmed(server).await;
    tamper(server, &format!("UPDATE audit_entry SET action = 'runner.delete' WHERE id = {FOURTH}")).await;
    for key in [[0; 32], [7; 32]] {
        forge(server.database(), &hmac::Key::new(hmac::HMAC_SHA256, &key)).await;
        assert_eq!(found(server, None).await, ("AUDIT_FAULT_CHANGED".to_owned(), 1));
    }
    // From the changed entry on, so that what is before it still verifies.
    tamper(
        server,
        "UPDATE audit_link SET mac = (SELECT mac FROM audit_link l WHERE l.sequence = 5) WHERE sequence = 1",
    )
    .await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_CHANGED".to_owned(), 1));
}

async fn entries_beside_the_chain_are_found(server: &TestServer) {
    disarmed(server).await;
    let copy = |id: &str| {
        format!(
            "INSERT INTO audit_entry (id, organization_id, at, actor_kind, actor_id, token_id, action, object, details) \
             SELECT {id}, organization_id, at, actor_kind, actor_id, token_id, action, object, details \
             FROM audit_entry WHERE id = {FOURTH}"
        )
    };
    server.database().run(&copy("randomblob(16)"), &copy("gen_random_uuid()")).await;
    assert_eq!(found(server, None).await, ("AUDIT_FAULT_STRAY".to_owned(), 0));
}

on_both_stores! {
    an_edited_entry_is_found,
    a_removed_entry_is_found,
    reordered_entries_are_found,
    a_tail_that_was_cut_is_found_by_a_kept_head,
    a_chain_made_anew_without_the_key_is_found,
    entries_beside_the_chain_are_found,
}
