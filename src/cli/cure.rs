//! The server's refusals in the words of the command line: flags for fields, and what to do next.
use crate::error::Error;

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

/// What the server says, and what helps.
const CURES: &[(&str, &str)] = &[
    ("runner does not have a public key", "run `sealink agent register` on the runner first"),
    ("runner not found", "`sealink runner list` shows those you may use"),
    ("SCM integration not found", "`sealink integration list` shows those you may see"),
    ("account not found", "`sealink account list` shows yours"),
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
    let said = error.message().strip_prefix("validation error: ").unwrap_or(error.message());
    let mut message = said.split("; ").map(without_rule).collect::<Vec<_>>().join("; ");
    for (field, flag) in FLAGS {
        message = message.replace(field, flag);
    }
    if let Some((_, help)) = CURES.iter().find(|(said, _)| message == *said) {
        message = format!("{message}: {help}");
    }
    if message == error.message() { error } else { Error::new(error.kind(), message) }
}

/// A rule's id is for programs: `--host: value must be .. [sealink.host]`.
fn without_rule(part: &str) -> &str {
    let rule = part.strip_suffix(']').and_then(|open| open.rsplit_once(" ["));
    rule.map_or(part, |(sentence, _)| sentence)
}

#[cfg(test)]
mod tests {
    use super::cure;
    use crate::error::{Error, Kind};

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
        assert_eq!(said(Error::new(Kind::Conflict, "as it is")), "as it is");
    }
}
