//! Public SSH keys.
use crate::{domain::ssh_key::SshKey, pb::sealink::v1 as pb};

/// A key as machines get it that let its owner in.
pub(crate) fn authorized_key(key: SshKey) -> pb::AuthorizedKey {
    pb::AuthorizedKey { content: key.content, name: key.name, fingerprint: key.fingerprint }
}
