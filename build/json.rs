//! Changes the generated JSON: some fields are named even when they are empty, base64 is written unscanned, and
//! numbers are read in every spelling.
//!
//! proto3 JSON leaves out empty values, and so does pbjson; but the response types of one family of clients
//! require these fields and fail, or iterate over nothing, without them. Base64 has nothing to escape, and
//! ciphertexts are most of what the hottest answers consist of.
//!
//! pbjson refuses the numbers of enums that it does not know, where protobuf keeps them; and integers that are
//! written as `1.0` or `1e0`, which the mapping allows. So both are read by types of `src/pb/number.rs`.
use std::{error::Error, fs, path::Path};

use prost_reflect::{DescriptorPool, Kind};

use crate::names;

/// Fields of answers that are always there.
const ALWAYS: &[&str] = &[
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
    "sealink.v1.ExportAuditLogResponse.entries",
    "sealink.v1.ListAuditEntriesResponse.entries",
    "gitpod.v1.ListGroupsResponse.groups",
    "gitpod.v1.ListMembershipsResponse.members",
    "sealink.v1.ListServiceAccountsResponse.service_accounts",
    "sealink.v1.ListUsersResponse.users",
    "sealink.v1.ListTokensResponse.tokens",
    "sealink.v1.ListKeysResponse.keys",
    "sealink.v1.ListSecretsResponse.secrets",
    "sealink.v1.ListSecretsToResealResponse.secrets",
];

/// Rewrites pbjson's files in `out`. Fails where its output is not what this module expects.
pub(crate) fn adapt(pool: &DescriptorPool, out: &Path) -> Result<(), Box<dyn Error>> {
    for package in ["gitpod.v1", "sealink.v1", "grpc.health.v1"] {
        let file = out.join(format!("{package}.serde.rs"));
        let mut source = open_numbers(&fs::read_to_string(&file)?)?;
        for path in ALWAYS.iter().filter(|path| path.starts_with(package)) {
            source = emit(pool, &source, path).ok_or_else(|| format!("pbjson's code for {path} is new"))?;
        }
        fs::write(&file, unscanned(&source).ok_or("pbjson's code for bytes is new")?)?;
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

/// Base64 by `pb::Base64` instead of as any string.
fn unscanned(source: &str) -> Option<String> {
    const ENCODE: &str = "pbjson::private::base64::encode(";
    let mut pieces = source.split(ENCODE);
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (value, rest) = piece.split_once(").as_str()")?;
        out.extend(["&crate::pb::Base64(", value, ")", rest]);
    }
    Some(out)
}

/// The same code with every enum and every integer read as the mapping wants.
fn open_numbers(source: &str) -> Result<String, Box<dyn Error>> {
    let source = source.replace("::pbjson::private::NumberDeserialize<", "crate::pb::number::Number<");
    let lines = source.lines().map(|line| {
        let open = if line.contains(" as i32") { open_enum(line) } else { Some(line.to_owned()) };
        open.map(|line| line + "\n").ok_or_else(|| format!("pbjson reads enums in a new way: {line}").into())
    });
    lines.collect()
}

/// `next_value::<Vec<Kind>>()?.. x as i32` becomes `next_value::<Vec<OpenEnum<Kind>>>()?.. x.0`.
fn open_enum(line: &str) -> Option<String> {
    let (head, rest) = line.split_once("map_.next_value::<")?;
    let (read, tail) = rest.split_once(">()?")?;
    let (outer, name, close) = match read.rsplit_once('<') {
        Some((outer, inner)) => (format!("{outer}<"), inner.strip_suffix('>')?, ">"),
        None => (String::new(), read, ""),
    };
    let tail = swap(tail, " as i32", ".0", 1)?;
    Some(format!("{head}map_.next_value::<{outer}crate::pb::number::OpenEnum<{name}>{close}>()?{tail}"))
}

/// Replaces `from` by `to` if it occurs exactly `times` times.
fn swap(source: &str, from: &str, to: &str, times: usize) -> Option<String> {
    (source.matches(from).count() == times).then(|| source.replace(from, to))
}
