//! Every list walks an index of its own, also without the statistics that ANALYZE would gather: a plan that
//! sorts, or walks a whole organization for one runner, is a hundred times slower once there are rows.
use sqlx::{AssertSqlSafe, Row, SqlitePool, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::{
    Location, Store, accounts, audit_chain, audit_log, configuration, environment_classes, groups,
    host_token_pages, host_token_refresh, integration_pages, llm_pages, memberships, runner_keys,
    runner_pages, runner_policies, secret_pages, service_accounts, ssh_keys, token_lookup, tokens, users,
};

/// A query, and the index its outermost loop has to use.
const LISTS: &[(&str, &str)] = &[
    (integration_pages::OF_ORGANIZATION, "scm_integration_page (organization_id=? AND id>?)"),
    (integration_pages::OF_CREATOR, "scm_integration_creator_page (creator_id=? AND id>?)"),
    (runner_pages::ALL, "runner_page (organization_id=? AND id>?)"),
    (runner_pages::CREATED, "runner_creator_page (creator_id=? AND id>?)"),
    (runner_pages::ONE, "(id=?"),
    (tokens::ALL, "token_page (organization_id=? AND id>?)"),
    (tokens::OF_MEMBER, "token_member_page (member_id=? AND id>?)"),
    (users::LIST, "member_page (organization_id=? AND id>?)"),
    (runner_keys::LIST, "runner_key_page (runner_id=? AND id<?)"),
    (audit_log::ALL, "audit_entry_page (organization_id=? AND id>? AND id<?)"),
    (audit_log::OF_OBJECT, "audit_entry_object_page (organization_id=? AND object=? AND id<?)"),
    (audit_chain::LINKS, "PRIMARY KEY (organization_id=? AND sequence>?)"),
    (audit_chain::HEAD, "PRIMARY KEY (organization_id=?)"),
    (environment_classes::OF_ORGANIZATION, "environment_class_page (organization_id=? AND id>?)"),
    (environment_classes::OF_CREATOR, "environment_class_creator_page (creator_id=? AND id>?)"),
    (runner_policies::LIST, "runner_policy_page (runner_id=? AND id>?)"),
    // As many look-ups as policies give the member runners, in the order of their ids.
    (runner_pages::GRANTED, "(id=?"),
    (groups::LIST, "member_group_page (organization_id=? AND id>?)"),
    (memberships::LIST, "group_membership_page (group_id=? AND id>?)"),
    (accounts::LIST, "scm_account_member_page (member_id=?)"),
    (accounts::NEWEST, "(member_id=?"),
    (ssh_keys::LIST, "ssh_key_member_page (member_id=?)"),
    (service_accounts::LIST, "member_page (organization_id=? AND id>?)"),
    (environment_classes::OF_RUNNER, "environment_class_runner_page (runner_id=? AND id>?)"),
    (host_token_pages::OF_ORGANIZATION, "host_token_page (organization_id=? AND id>?)"),
    (host_token_pages::OF_SUBJECT, "host_token_subject_page (organization_id=? AND subject_id=? AND id>?)"),
    (host_token_pages::OF_CREATOR, "host_token_creator_page (creator_id=? AND id>?)"),
    (host_token_refresh::DUE, "host_token_refresh_due (due_at<?)"),
    (host_token_pages::OF_RUNNER, "host_token_runner_page (runner_id=? AND id>?)"),
];

struct Plans {
    _directory: TempDir,
    pool: SqlitePool,
}

impl Plans {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("sealink.db");
        Store::open(&Location::Sqlite(path.clone())).await.unwrap().close().await;
        let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(path)).await.unwrap();
        Self { _directory: directory, pool }
    }

    async fn of(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        let steps = sqlx::query(sql).fetch_all(&self.pool).await.unwrap();
        steps.iter().map(|step| step.get::<String, _>("detail")).collect()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }
}

/// Why a plan is no walk along `index`; `None` if it is.
fn fault(plan: &[String], index: &str) -> Option<String> {
    let walks = plan.first().is_some_and(|step| step.starts_with("SEARCH") && step.contains(index));
    let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
    let scans = plan.iter().any(|step| step.starts_with("SCAN"));
    (!walks || sorts || scans).then(|| format!("{plan:?} does not walk {index}"))
}

#[tokio::test]
async fn every_list_walks_its_own_index() {
    let plans = Plans::new().await;
    for (sql, index) in LISTS {
        assert_eq!(fault(&plans.of(sql).await, index), None);
    }
}

/// The hot query: the questions are walked, and everything else is searched for each of them.
#[tokio::test]
async fn combined_reads_search_for_every_question() {
    let plans = Plans::new().await;
    for (sql, searches) in [
        (token_lookup::SQLITE_TOKENS, ["SEARCH t USING", "SEARCH m USING"].as_slice()),
        (
            integration_pages::SQLITE_PAGES,
            &[
                "SEARCH t USING",
                "SEARCH m USING",
                "SEARCH r USING",
                "SEARCH i USING INDEX scm_integration_runner_page (runner_id=? AND id>?)",
            ],
        ),
        (
            configuration::SQLITE_OWN,
            &[
                "SEARCH t USING",
                "SEARCH m USING",
                "SEARCH r USING",
                "SEARCH k USING",
                "SEARCH s USING",
                "SEARCH i USING INDEX scm_integration_runner_page (runner_id=?)",
            ],
        ),
    ] {
        let plan = plans.of(sql).await;
        for search in searches {
            assert!(plan.iter().any(|step| step.starts_with(search)), "{search}: {plan:#?}");
        }
        // What is scanned is the questions, and the page that was just found.
        let scanned = plan.iter().filter_map(|step| step.strip_prefix("SCAN "));
        let wrong: Vec<_> = scanned.filter(|what| !what.starts_with("a ") && *what != "p").collect();
        assert!(wrong.is_empty(), "{wrong:?}: {plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{plan:#?}");
    }
}

/// Lists of several places, or of rows with their secrets: what is read of each is found along its own index.
#[tokio::test]
async fn merged_lists_search_each_place() {
    let plans = Plans::new().await;
    let places =
        ["scm_integration_runner_page (runner_id=? AND id>?)", "sealed_secret_page (runner_id=? AND id>?)"];
    for (sql, searches) in [
        (secret_pages::ALL, places.as_slice()),
        (secret_pages::STALE, &places),
        (llm_pages::OF_ORGANIZATION, &["llm_integration_page (organization_id=? AND id>?)"]),
        (llm_pages::OF_CREATOR, &["llm_integration_creator_page (creator_id=? AND id>?)"]),
        (llm_pages::GRANTED, &["llm_integration_runner_page (runner_id=? AND id>?)"]),
        (host_token_pages::GRANTED, &["host_token_runner_page (runner_id=? AND id>?)"]),
        (llm_pages::OF_RUNNER, &["llm_integration_runner_page (runner_id=? AND id>?)"]),
    ] {
        let plan = plans.of(sql).await;
        for search in searches {
            let found = plan.iter().any(|step| step.starts_with("SEARCH") && step.contains(search));
            assert!(found, "{search}: {plan:#?}");
        }
        let scanned = plan.iter().filter_map(|step| step.strip_prefix("SCAN "));
        // What is scanned is the first rows that were just found.
        let wrong: Vec<_> = scanned.filter(|what| !["a", "b", "c", "l"].contains(what)).collect();
        assert!(wrong.is_empty(), "{wrong:?}: {plan:#?}");
    }
}

/// Without its index a list is caught.
#[tokio::test]
async fn a_missing_index_is_noticed() {
    let plans = Plans::new().await;
    plans.execute("DROP INDEX scm_integration_creator_page; DROP INDEX runner_key_page").await;
    let noticed = [1, 8].map(|number| LISTS[number]);
    for (sql, index) in noticed {
        assert!(fault(&plans.of(sql).await, index).is_some(), "{sql}");
    }
}
