//! The storage conformance list: every behaviour runs on SQLite and on PostgreSQL.
//!
//! The tests on PostgreSQL need a server that may create databases, and are run by
//! `TEST_POSTGRES_URL=postgres://.. cargo test -- --include-ignored`.
mod atomic;
mod audit;
mod audit_kill;
mod change_log;
mod database;
mod faults;
mod idempotency;
mod idempotency_kill;
mod integrations;
mod isolation;
mod keyring_site;
mod keys;
mod kill;
mod members_own;
mod negative;
mod opening;
mod pages;
mod postgres_faults;
pub(crate) mod process;
mod refresh;
mod root_rotation;
mod rotation_kill;
mod runners;
mod start;
mod tokens;
mod users;
mod values;
mod world;

/// Makes each behaviour a test per database.
macro_rules! conformance {
    ($($module:ident: $($behaviour:ident)+;)+) => {
        mod sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $behaviour() {
                    super::database::on_sqlite(super::$module::$behaviour).await;
                }
            )+)+
        }
        mod postgres {
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[ignore = "needs TEST_POSTGRES_URL"]
                async fn $behaviour() {
                    super::database::on_postgres(super::$module::$behaviour).await;
                }
            )+)+
        }
    };
}

conformance! {
    atomic:
        a_failing_audit_leaves_nothing
        parallel_changes_of_one_runner_are_counted_without_gaps
        a_caller_that_goes_away_leaves_no_half_change;
    audit:
        a_lease_has_one_holder_until_it_expires
        a_lost_lease_appends_nothing
        of_ten_appends_at_once_one_counts
        a_change_that_fails_waits_for_nothing;
    change_log:
        old_changes_are_forgotten_and_the_newest_kept;
    idempotency:
        expired_keys_are_swept_under_a_lease
        a_repeat_that_makes_something_fails;
    integrations:
        an_integration_is_created_read_updated_and_deleted
        absent_integrations
        a_duplicate_is_refused_and_leaves_nothing
        an_update_at_an_old_version_is_a_conflict
        ten_updates_of_one_integration_at_once_all_count
        of_fifty_equal_creates_at_once_one_wins
        of_ten_deletes_at_once_one_wins
        updates_and_deletes_at_once_never_break
        a_secret_sealed_with_another_than_the_active_key_is_a_conflict;
    isolation:
        a_stranger_sees_nothing
        a_stranger_changes_nothing;
    keys:
        the_first_key_is_active_and_the_next_waits
        a_proved_replacement_is_active_at_once
        a_replaced_key_retires_with_its_last_secret
        revoking_wipes_and_is_remembered
        of_ten_revocations_at_once_one_counts
        a_registration_is_used_once
        first_registrations_at_once_make_one_active_key
        approvals_at_once_leave_one_active_key
        a_key_belongs_to_one_runner
        a_key_revoked_during_its_registration_stays_out
        wrong_answers_are_counted
        of_sixty_wrong_answers_at_once_five_are_judged
        expired_registrations_are_swept;
    refresh:
        only_who_has_a_token_to_itself_asks_for_it;
    members_own:
        keys_are_imported_all_or_none
        what_is_a_members_own_is_found_by_it_alone
        one_asks_for_a_profile;
    negative:
        a_missing_unique_index_is_noticed
        a_lost_audit_entry_is_noticed
        a_gap_in_a_change_log_is_noticed;
    pages:
        integrations_of_a_runner
        integrations_of_an_organization
        integrations_of_a_creator
        runners_of_an_organization
        runners_of_a_creator
        tokens_of_an_organization
        tokens_of_a_user
        users_of_an_organization
        keys_of_a_runner_newest_first
        combined_questions_get_their_own_answers;
    runners:
        a_runner_is_created_read_updated_and_deleted
        absent_runners
        an_update_of_an_old_version_is_a_conflict
        ten_updates_of_one_runner_at_once_all_count
        a_list_is_narrowed
        deleting_takes_everything_of_the_runner_and_nothing_else
        creating_while_deleting_leaves_no_orphan
        a_configuration_is_one_moment
        a_honeycomb_key_sealed_with_a_replaced_key_is_a_conflict;
    start:
        the_first_start_happens_once
        the_first_seed_is_stored_once
        a_preset_token_replaces_the_last_one
        a_revoked_preset_token_stays_revoked
        dropping_a_preset_token_is_audited_once
        an_administrators_token_is_found_while_it_works
        servers_that_start_together_agree;
    tokens:
        a_token_is_created_found_touched_and_revoked
        absent_tokens
        a_duplicate_token_is_refused
        an_exchange_token_works_once
        an_expired_exchange_token_does_not_work
        of_ten_revocations_of_a_token_one_is_audited
        a_token_shows_its_owners_present_state;
    users:
        a_user_is_created_read_and_disabled
        absent_users
        a_duplicate_user_is_refused
        names_differ_by_case
        of_ten_disablings_one_is_audited;
    values:
        the_longest_values_come_back
        microseconds_come_back
        order_is_the_order_of_ids
        hosts_are_unique_whatever_their_case
        nul_is_refused_before_the_store;
}
