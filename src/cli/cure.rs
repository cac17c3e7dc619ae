//! The server's refusals in the words of the command line: flags for fields, and what to do next.
use crate::error::{Error, Kind, Violation};

/// Fields of requests, and how the command line calls them. Longer names first: one holds another.
const FLAGS: &[(&str, &str)] = &[
    ("oauth_plaintext_client_secret", "--client-secret-file"),
    ("oauth_client_id", "--client-id"),
    ("virtual_directory", "--virtual-directory"),
    ("filter.runner_ids", "--runner"),
    ("filter.actor_id", "--actor"),
    ("expected.mac", "--expect-head"),
    ("issuer_url", "--issuer-url"),
    ("runner_id", "the runner's id"),
    ("display_name", "--name"),
    ("configuration[", "--set ["),
    ("configuration: ", "--set: "),
    ("valid_for", "--expires-in"),
    ("scm_id", "--scm"),
    ("pat must be true", "--pat must be given"),
];

/// Fields of the REST API, whose names are too short to be looked for in sentences.
const REST_FLAGS: &[(&str, &str)] = &[
    ("access_token", "--access-token-file"),
    ("content", "the file"),
    ("scm_type", "TYPE"),
    ("url", "--url"),
];

/// What the server says, and what helps.
const CURES: &[(&str, &str)] = &[
    ("runner does not have a public key", "run `sealink agent register` on the runner first"),
    ("runner not found", "`sealink runner list` shows those you may use"),
    ("SCM integration not found", "`sealink integration list` shows those you may see"),
    ("account not found", "`sealink account list` shows yours"),
    (
        "the forge does not accept the access token any more",
        "make another there, and `sealink account replace-token TYPE --access-token-file FILE`",
    ),
    (
        "the access token belongs to another account of the forge",
        "`sealink account replace-token` takes one of the account that was linked",
    ),
    ("host authentication token not found", "`sealink host-token list` shows those you may see"),
    ("LLM integration not found", "`sealink llm list` shows those you may see"),
    ("environment class not found", "`sealink environment-class list` shows those you may see"),
    ("service account not found", "`sealink service-account list` shows them"),
    ("group not found", "`sealink group list` shows them"),
    ("group membership not found", "`sealink group member list GROUP` shows who is in it"),
    ("organization not found", "groups are made in your own organization"),
    ("runner policy not found", "`sealink runner policy list RUNNER` shows them"),
    ("only those who administer this runner may do this", "ask its creator or an administrator"),
    ("user not found", "`sealink user list` shows them"),
    ("user already exists", "choose another name"),
    ("token not found", "`sealink token list` shows them"),
    ("key not found", "`sealink runner key list RUNNER` shows them"),
    ("you may not use this runner", "ask its creator or an administrator"),
];

/// The same error in the words of the command line.
pub(super) fn cure(error: Error) -> Error {
    let mut message = match error.violations() {
        broken if error.kind() == Kind::Invalid && !broken.is_empty() => {
            broken.iter().map(blamed).collect::<Vec<_>>().join("; ")
        }
        _ => error.message().to_owned(),
    };
    for (field, flag) in FLAGS {
        message = message.replace(field, flag);
    }
    if let Some((_, help)) = CURES.iter().find(|(said, _)| message == *said) {
        message = format!("{message}: {help}");
    }
    if let Some(delay) = error.retry_delay().filter(|_| !message.contains("try again")) {
        message = format!("{message}; try again in {} s", delay.as_secs().max(1));
    }
    if message == error.message() { error } else { Error::new(error.kind(), message) }
}

/// A broken rule without its id, which is for programs: `--host: value must be ..`.
fn blamed(one: &Violation) -> String {
    let flag = REST_FLAGS.iter().find(|(field, _)| *field == one.field).map(|(_, flag)| *flag);
    format!("{}: {}", flag.unwrap_or(&one.field), one.message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::cure;
    use crate::{
        domain::account,
        error::{Error, Kind},
    };

    #[test]
    fn fields_become_flags_and_refusals_get_a_cure() {
        let said = |error| cure(error).message().to_owned();
        assert_eq!(
            said(Error::new(
                Kind::Precondition,
                "oauth_plaintext_client_secret must be set when issuer_url changes"
            )),
            "--client-secret-file must be set when --issuer-url changes"
        );
        assert_eq!(
            said(Error::invalid("valid_for", "sealink.token_life", "value must be at most 90 days")),
            "--expires-in: value must be at most 90 days"
        );
        assert_eq!(
            said(Error::new(Kind::Precondition, "runner does not have a public key")),
            "runner does not have a public key: run `sealink agent register` on the runner first"
        );
        assert_eq!(
            said(Error::not_found(account::RESOURCE)),
            "account not found: `sealink account list` shows yours"
        );
        let rejected = Error::new(Kind::Forbidden, "the forge does not accept the access token any more");
        assert!(said(rejected).contains(": make another there, and `sealink account replace-token"));
        assert_eq!(said(Error::invalid("url", "", "is linked already")), "--url: is linked already");
        assert_eq!(
            said(Error::new(Kind::Unavailable, "busy").retry_after(Duration::from_secs(30))),
            "busy; try again in 30 s"
        );
        assert_eq!(said(Error::new(Kind::Conflict, "as it is")), "as it is");
    }
}
