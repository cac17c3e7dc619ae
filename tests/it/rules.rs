//! The rules of `proto/`, as requests meet them.
use sealink::{
    api::rules::{self, Rpc, Rules, violations_detail},
    error::{Error, Kind},
    pb::{
        gitpod::v1::{self as gitpod, PaginationRequest},
        sealink::v1 as own,
    },
};

const LIST: &str = gitpod::ListScmIntegrationsRequest::PATH;
const UUID: &str = "0193f5a0-7c2e-7d31-9b1c-aa55aa55aa55";

/// The broken rules of a request, as `field rule`.
fn broken<R: Rules>(request: &R) -> Vec<String> {
    let error = rules::check(request).expect_err("a broken rule");
    assert_eq!(error.kind(), Kind::Invalid);
    error.violations().iter().map(|violation| format!("{} {}", violation.field, violation.rule)).collect()
}

fn message<R: Rules>(request: &R) -> String {
    rules::check(request).expect_err("a broken rule").message().to_owned()
}

fn ok<R: Rules>(request: &R) {
    rules::check(request).expect("a valid request");
}

fn get_runner(id: &str) -> gitpod::GetRunnerRequest {
    gitpod::GetRunnerRequest { runner_id: id.into() }
}

fn list(ids: Vec<String>, page_size: i32) -> gitpod::ListScmIntegrationsRequest {
    gitpod::ListScmIntegrationsRequest {
        pagination: Some(PaginationRequest { page_size, token: String::new() }),
        filter: Some(gitpod::list_scm_integrations_request::Filter { runner_ids: ids }),
    }
}

#[test]
fn a10_only_hyphenated_uuids_pass() {
    for id in [UUID, &UUID.to_uppercase(), "00000000-0000-0000-0000-000000000000"] {
        ok(&get_runner(id));
    }
    let braces = format!("{{{UUID}}}");
    let urn = format!("urn:uuid:{UUID}");
    let simple = UUID.replace('-', "");
    let longer = format!("{UUID}0");
    let wide = UUID.replacen('0', "\u{ff10}", 1);
    for id in [&braces, &urn, &simple, &longer, &wide, "0193f5a07-c2e-7d31-9b1c-aa55aa55aa55", "x", " "] {
        assert_eq!(broken(&get_runner(id)), ["runner_id string.uuid"], "{id}");
    }
    assert_eq!(
        message(&get_runner("secret")),
        "validation error: runner_id: value must be a valid UUID [string.uuid]"
    );
}

#[test]
fn an_absent_id_is_named() {
    assert_eq!(
        message(&gitpod::CreateScmIntegrationRequest::default()),
        "validation error: runner_id: value is empty, which is not a valid UUID [string.uuid_empty]"
    );
}

#[test]
fn a15_page_size_is_not_clamped() {
    for size in [0, 1, 25, 100] {
        ok(&list(Vec::new(), size));
    }
    for size in [-1, 101, i32::MAX, i32::MIN] {
        assert_eq!(broken(&list(Vec::new(), size)), ["pagination.page_size int32.gte_lte"], "{size}");
    }
    assert_eq!(
        message(&list(Vec::new(), -1)),
        "validation error: pagination.page_size: value must be greater than or equal to 0 and less than or \
         equal to 100 [int32.gte_lte]"
    );
}

#[test]
fn a36_id_filters_are_limited_and_each_id_is_checked() {
    ok(&list(vec![UUID.into(); 25], 0));
    assert_eq!(broken(&list(vec![UUID.into(); 26], 0)), ["filter.runner_ids repeated.max_items"]);
    let mixed = vec![UUID.into(), UUID.into(), "no".into(), String::new()];
    assert_eq!(
        broken(&list(mixed, 101)),
        [
            "pagination.page_size int32.gte_lte",
            "filter.runner_ids[2] string.uuid",
            "filter.runner_ids[3] string.uuid_empty"
        ]
    );
}

#[test]
fn absent_messages_are_not_checked() {
    ok(&gitpod::ListScmIntegrationsRequest::default());
    ok(&gitpod::ListRunnersRequest::default());
}

#[test]
fn lengths_count_code_points() {
    let named = |name: String| gitpod::CreateRunnerRequest { name, ..Default::default() };
    ok(&named("äöü".into()));
    ok(&named("\u{1f511}".repeat(127)));
    assert_eq!(broken(&named("äö".into())), ["name string.min_len"]);
    assert_eq!(broken(&named("ä".repeat(128))), ["name string.max_len"]);
    assert_eq!(broken(&named(String::new())), ["name string.min_len"]);
    assert_eq!(
        message(&named("ab".into())),
        "validation error: name: value length must be at least 3 characters [string.min_len]"
    );
}

#[test]
fn exact_lengths() {
    let revoke = |id: &str| own::RevokeTokenRequest { token_id: id.into() };
    ok(&revoke("123456789012"));
    for id in ["", "12345678901", "1234567890123"] {
        assert_eq!(broken(&revoke(id)), ["token_id string.len"], "{id}");
    }
}

#[test]
fn optional_fields_are_checked_only_when_set() {
    let named = |name: Option<&str>| gitpod::UpdateRunnerRequest {
        runner_id: UUID.into(),
        name: name.map(Into::into),
        spec: None,
    };
    ok(&named(None));
    ok(&named(Some("abc")));
    assert_eq!(broken(&named(Some(""))), ["name string.min_len"]);
}

#[test]
fn ignored_when_empty_and_checked_otherwise() {
    let managed = |id: &str| gitpod::CreateRunnerRequest {
        name: "abc".into(),
        runner_manager_id: id.into(),
        ..Default::default()
    };
    ok(&managed(""));
    ok(&managed(UUID));
    assert_eq!(broken(&managed("no")), ["runner_manager_id string.uuid"]);

    let limited = |limit: i32| {
        #[expect(deprecated, reason = "old clients still send it")]
        gitpod::SearchRepositoriesRequest { runner_id: UUID.into(), limit, ..Default::default() }
    };
    ok(&limited(0));
    ok(&limited(100));
    assert_eq!(broken(&limited(101)), ["limit int32.gte_lte"]);
    assert_eq!(broken(&limited(-1)), ["limit int32.gte_lte"]);
}

#[test]
fn enums_must_be_defined_and_zero_is() {
    let kind = |kind: i32| gitpod::CreateRunnerRequest { name: "abc".into(), kind, ..Default::default() };
    ok(&kind(0));
    ok(&kind(3));
    assert_eq!(broken(&kind(4)), ["kind enum.defined_only"]);
    let kinds = gitpod::list_runners_request::Filter { kinds: vec![1, 99], ..Default::default() };
    let request = gitpod::ListRunnersRequest { filter: Some(kinds), ..Default::default() };
    assert_eq!(broken(&request), ["filter.kinds[1] enum.defined_only"]);
}

#[test]
fn lists_that_must_not_be_empty() {
    let mut request = gitpod::CreateLlmIntegrationRequest { runner_id: UUID.into(), ..Default::default() };
    assert_eq!(broken(&request), ["models repeated.min_items"]);
    request.models = vec![gitpod::SupportedModel::Sonnet45 as i32];
    ok(&request);
    request.models.push(-1);
    assert_eq!(broken(&request), ["models[1] enum.defined_only"]);
}

#[test]
fn uris_are_absolute() {
    let url = |url: &str| gitpod::CheckRepositoryAccessRequest {
        runner_id: UUID.into(),
        repository_url: url.into(),
    };
    for good in [
        "https://github.com/a/b",
        "http://user:pw@[::1]:8080/p?q=1#f",
        "ssh://git@host/a%20b.git",
        "urn:a:b",
        "file:///tmp",
    ] {
        ok(&url(good));
    }
    for bad in [
        "",
        "github.com/a/b",
        "//github.com/a",
        "1http://a",
        "https://a b",
        "https://a/%zz",
        "https://a/%2",
        "https://[::1",
        "https://[no]/",
        "https://a:8x/",
        "https://a/ä",
        "https://a/#b#c",
        "https://a/\n",
        ":a",
    ] {
        assert_eq!(broken(&url(bad)), ["repository_url string.uri"], "{bad}");
    }
}

#[test]
fn nested_messages_of_requests_are_checked() {
    let subject = gitpod::Subject { id: "no".into(), principal: 99 };
    let request = gitpod::CreateHostAuthenticationTokenRequest {
        runner_id: UUID.into(),
        host: "github.com".into(),
        token: "t".into(),
        subject: Some(subject),
        ..Default::default()
    };
    assert_eq!(broken(&request), ["subject.id string.uuid", "subject.principal enum.defined_only"]);
    let listed = own::ListKeysRequest {
        runner_id: UUID.into(),
        pagination: Some(PaginationRequest { page_size: 101, token: String::new() }),
    };
    assert_eq!(broken(&listed), ["pagination.page_size int32.gte_lte"]);
}

#[test]
fn a_disabled_message_is_not_checked() {
    use gitpod::validate_runner_configuration_request::Config;
    let class = gitpod::EnvironmentClass { display_name: "x".into(), ..Default::default() };
    ok(&gitpod::ValidateRunnerConfigurationRequest {
        runner_id: "no".into(),
        config: Some(Config::EnvironmentClass(class)),
    });
}

#[test]
fn errors_never_repeat_the_value() {
    const CANARY: &str = "canary-in-a-bad-field";
    let error = rules::check(&list(vec![CANARY.into()], 0)).expect_err("a broken rule");
    assert!(!format!("{error} {error:?}").contains(CANARY));
}

#[test]
fn each_rpc_is_known_by_its_request() {
    fn path<R: Rpc>(_: &R) -> (&'static str, bool) {
        (R::PATH, R::NO_SIDE_EFFECTS)
    }
    assert_eq!(path(&get_runner(UUID)), ("/gitpod.v1.RunnerService/GetRunner", true));
    assert_eq!(
        path(&gitpod::CreateScmIntegrationRequest::default()),
        ("/gitpod.v1.RunnerConfigurationService/CreateSCMIntegration", false)
    );
    assert_eq!(path(&own::ListKeysRequest::default()), ("/sealink.v1.RunnerKeyService/ListKeys", true));
}

#[test]
fn a16_the_query_pages_lists_only() {
    fn pages<R: Rpc + Default>() -> bool {
        let mut request = R::default();
        let Some(pagination) = request.pagination_mut() else { return false };
        *pagination = Some(PaginationRequest { page_size: 7, token: "t".into() });
        true
    }
    assert!(pages::<gitpod::ListScmIntegrationsRequest>());
    assert!(pages::<gitpod::ListHostAuthenticationTokensRequest>());
    assert!(pages::<gitpod::ListEnvironmentClassesRequest>());
    assert!(pages::<gitpod::ListRunnersRequest>());
    assert!(pages::<gitpod::ListRunnerPoliciesRequest>());
    assert!(pages::<gitpod::ListScmOrganizationsRequest>());
    assert!(pages::<gitpod::ListLlmIntegrationsRequest>());
    assert!(pages::<own::ListUsersRequest>());
    assert!(pages::<own::ListTokensRequest>());
    assert!(pages::<own::ListKeysRequest>());
    assert!(!pages::<gitpod::SearchRepositoriesRequest>());
    assert!(!pages::<gitpod::GetRunnerRequest>());
    let mut request = gitpod::ListRunnersRequest::default();
    request.pagination_mut().expect("pages").get_or_insert_default().page_size = 7;
    assert_eq!(request.pagination.expect("set").page_size, 7);
}

#[test]
fn violations_become_an_error_detail() {
    let error = rules::check(&list(vec![UUID.into(), "no".into()], 0)).expect_err("a broken rule");
    let detail = violations_detail(LIST, error.violations());
    let [violation] = detail.violations.as_slice() else { panic!("one violation") };
    assert_eq!(violation.constraint_id.as_deref(), Some("string.uuid"));
    assert_eq!(violation.message.as_deref(), Some("value must be a valid UUID"));
    let elements = &violation.field.as_ref().expect("a path").elements;
    let told: Vec<_> =
        elements.iter().map(|element| (element.field_name.as_deref(), element.index)).collect();
    assert_eq!(told, [(Some("filter"), None), (Some("runner_ids"), Some(1))]);

    let error = rules::check(&list(Vec::new(), 101)).expect_err("a broken rule");
    let detail = violations_detail(LIST, error.violations());
    let size = &detail.violations[0].field.as_ref().expect("a path").elements[1];
    assert_eq!((size.field_number, size.field_type), (Some(1), Some(5)), "page_size is the int32 number 1");

    let policy = Error::invalid("host", "sealink.host", "value must be a host name");
    let detail = violations_detail(LIST, policy.violations());
    let host = &detail.violations[0].field.as_ref().expect("a path").elements;
    assert_eq!(
        (host[0].field_name.as_deref(), host[0].field_number),
        (Some("host"), None),
        "not on this wire"
    );
}

/// The same name is another number in another request.
#[test]
fn numbers_are_those_of_the_request() {
    for (rpc, field, number) in [
        (gitpod::CreateScmIntegrationRequest::PATH, "issuer_url", 7),
        (gitpod::UpdateScmIntegrationRequest::PATH, "issuer_url", 5),
        (gitpod::ListScmIntegrationsRequest::PATH, "pagination.page_size", 1),
    ] {
        let error = Error::invalid(field, "sealink.host", "value must be a host name");
        let detail = violations_detail(rpc, error.violations());
        let elements = &detail.violations[0].field.as_ref().expect("a path").elements;
        let last = elements.last().expect("an element");
        assert_eq!((last.field_number, last.field_type.is_some()), (Some(number), true), "{rpc} {field}");
    }
}
