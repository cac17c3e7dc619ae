//! Makes the generated JSON name some fields even when they are empty.
//!
//! proto3 JSON leaves out empty values, and so does pbjson; but the response types of one family of clients
//! require these fields and fail, or iterate over nothing, without them.
use std::{error::Error, fs, path::Path};

use prost_reflect::{DescriptorPool, Kind};

use crate::names;

/// Fields of answers that are always there.
const ALWAYS: [&str; 25] = [
    "gitpod.v1.ListSCMIntegrationsResponse.integrations",
    "gitpod.v1.ListLLMIntegrationsResponse.integrations",
    "gitpod.v1.ListHostAuthenticationTokensResponse.tokens",
    "gitpod.v1.ListRunnersResponse.runners",
    "gitpod.v1.ListEnvironmentClassesResponse.environment_classes",
    "gitpod.v1.ListRunnerPoliciesResponse.policies",
    "gitpod.v1.ListGatewaysResponse.gateways",
    "gitpod.v1.CreateRunnerResponse.runner",
    "gitpod.v1.GetRunnerResponse.runner",
    "gitpod.v1.CreateHostAuthenticationTokenResponse.token",
    "gitpod.v1.GetHostAuthenticationTokenResponse.token",
    "gitpod.v1.CreateRunnerPolicyResponse.policy",
    "gitpod.v1.UpdateRunnerPolicyResponse.policy",
    "gitpod.v1.HostAuthenticationToken.id",
    "gitpod.v1.EnvironmentClass.id",
    "gitpod.v1.EnvironmentClass.runner_id",
    "gitpod.v1.CreateRunnerLogsTokenResponse.access_token",
    "gitpod.v1.Gateway.name",
    "gitpod.v1.Gateway.url",
    "gitpod.v1.ListGroupsResponse.groups",
    "gitpod.v1.ListMembershipsResponse.members",
    "sealink.v1.ListServiceAccountsResponse.service_accounts",
    "sealink.v1.ListUsersResponse.users",
    "sealink.v1.ListTokensResponse.tokens",
    "sealink.v1.ListKeysResponse.keys",
];

/// Rewrites pbjson's files in `out`. Fails where its output is not what this module expects.
pub(crate) fn always_emit(pool: &DescriptorPool, out: &Path) -> Result<(), Box<dyn Error>> {
    for package in ["gitpod.v1", "sealink.v1"] {
        let file = out.join(format!("{package}.serde.rs"));
        let mut source = fs::read_to_string(&file)?;
        for path in ALWAYS.iter().filter(|path| path.starts_with(package)) {
            source = emit(pool, &source, path).ok_or_else(|| format!("pbjson's code for {path} is new"))?;
        }
        fs::write(&file, source)?;
    }
    Ok(())
}

/// One field of one message; `None` if the message, the field or the code is not as expected.
fn emit(pool: &DescriptorPool, source: &str, path: &str) -> Option<String> {
    let (message, field) = path.rsplit_once('.')?;
    let field = pool.get_message_by_name(message)?.get_field_by_name(field)?;
    let name = names::field(field.name());
    // The serializer of this message: from the head of its impl to the end of its only function.
    let called = source.find(&format!("serializer.serialize_struct(\"{message}\", len)"))?;
    let start = source[..called].rfind("impl serde::Serialize for ")?;
    let end = called + source[called..].find("struct_ser.end()")?;
    let (head, body, tail) = (&source[..start], &source[start..end], &source[end..]);
    let body = if field.is_list() || matches!(field.kind(), Kind::String) {
        // Once where the fields are counted, once where they are written.
        swap(body, &format!("if !self.{name}.is_empty() {{"), "{", 2)?
    } else {
        let counted = swap(body, &format!("if self.{name}.is_some() {{"), "{", 1)?;
        let default = format!(
            "{{\n            let empty = Default::default();\n            \
             let v = self.{name}.as_ref().unwrap_or(&empty);"
        );
        swap(&counted, &format!("if let Some(v) = self.{name}.as_ref() {{"), &default, 1)?
    };
    Some([head, &body, tail].concat())
}

/// Replaces `from` by `to` if it occurs exactly `times` times.
fn swap(source: &str, from: &str, to: &str, times: usize) -> Option<String> {
    (source.matches(from).count() == times).then(|| source.replace(from, to))
}
