//! A member's public SSH keys.
mod kind;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use md5::{Digest as _, Md5};
use sha2::{Digest as _, Sha256};
use ssh_key::PublicKey;

use crate::{
    clock::Instant,
    domain::{
        account::ScmType,
        id::{SshKeyId, UserId},
    },
    error::{Error, Kind, Result},
};

/// How many keys a member may have.
pub const MOST_KEYS: usize = 1_000;
/// The longest key in OpenSSH's form, in bytes: RSA with 16,384 bits and a comment.
const MAX_CONTENT: usize = 8_192;
/// The longest name, in characters.
const MAX_NAME: usize = 255;

/// A public key as it stands in `authorized_keys`: type, base64, comment, on one line without options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshPublicKey {
    content: String,
    fingerprint: String,
    md5_fingerprint: String,
}

/// A key that a member has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshKey {
    /// The key's id.
    pub id: SshKeyId,
    /// Whose it is.
    pub member: UserId,
    /// What its owner calls it.
    pub name: String,
    /// The key, as it was sent.
    pub content: String,
    /// `SHA256:` and base64, as ssh prints it. No two keys of a member have the same.
    pub fingerprint: String,
    /// The older form: 16 bytes in hexadecimal digits, with colons between them.
    pub md5_fingerprint: String,
    /// When it was stored.
    pub created_at: Instant,
}

/// A key to be stored, its fields checked.
#[derive(Clone, Debug)]
pub struct NewSshKey {
    name: String,
    key: SshPublicKey,
}

impl SshPublicKey {
    /// Reads a public key of a type that sshd takes: Ed25519, ECDSA, RSA of 1024 to 16384 bits, or the first two of a
    /// security key. White space around it is dropped.
    ///
    /// # Errors
    /// [`Kind::Invalid`] on `content` for anything else: a private key, options in front, a certificate, more than
    /// one line.
    pub fn parse(content: &str) -> Result<Self> {
        let refuse = |message| Error::invalid("content", "sealink.ssh_key", message);
        let content = content.trim();
        if content.contains("PRIVATE KEY") {
            return Err(refuse(
                "must be a public key, and this is a private one: make another, it is no secret now",
            ));
        }
        if content.len() > MAX_CONTENT || content.chars().any(char::is_control) {
            return Err(refuse("must be one line of at most 8192 bytes"));
        }
        let malformed = || refuse("must be a public key as in authorized_keys: ssh-ed25519 AAAA.. comment");
        let key = PublicKey::from_openssh(content).map_err(|_| malformed())?;
        kind::check(key.key_data()).map_err(refuse)?;
        let bytes = key.to_bytes().map_err(|_| malformed())?;
        let md5: Vec<_> = Md5::digest(&bytes).iter().map(|byte| hex::encode([*byte])).collect();
        Ok(Self {
            content: content.to_owned(),
            fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&bytes))),
            md5_fingerprint: md5.join(":"),
        })
    }

    /// The line itself.
    #[must_use]
    pub fn content(&self) -> &str {
        &self.content
    }

    /// As [`SshKey::fingerprint`].
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// As [`SshKey::md5_fingerprint`].
    #[must_use]
    pub fn md5_fingerprint(&self) -> &str {
        &self.md5_fingerprint
    }
}

/// A member has as many keys as may be.
#[must_use]
pub fn too_many() -> Error {
    Error::new(Kind::Precondition, format!("is one too many: nobody has more than {MOST_KEYS} keys"))
        .blaming("content", "sealink.count")
}

impl NewSshKey {
    /// Checks a key's fields; what is absent is as if it were empty.
    ///
    /// # Errors
    /// [`Kind::Invalid`] naming every field that is wrong.
    pub fn parse(name: Option<&str>, content: Option<&str>) -> Result<Self> {
        let blank = |field: &'static str| Error::invalid(field, "sealink.blank", "can't be blank");
        let name = name.unwrap_or_default();
        let name = match name.trim() {
            "" => Err(blank("name")),
            trimmed if name.chars().count() > MAX_NAME || trimmed.chars().any(char::is_control) => {
                let message = "must be at most 255 characters without control characters";
                Err(Error::invalid("name", "sealink.text", message))
            }
            name => Ok(name.to_owned()),
        };
        let key = match content.map(str::trim).unwrap_or_default() {
            "" => Err(blank("content")),
            content => SshPublicKey::parse(content),
        };
        match (name, key) {
            (Ok(name), Ok(key)) => Ok(Self { name, key }),
            (Err(name), Err(key)) => {
                Err(Error::violations_of([name.violations(), key.violations()].concat()))
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    /// A key that a forge shows under `title`, named `<type>-<title>`: of the title at most 200 characters, and no
    /// control characters.
    #[must_use]
    pub fn imported(scm_type: ScmType, title: &str, key: SshPublicKey) -> Self {
        let plain: String = title.chars().filter(|letter| !letter.is_control()).take(200).collect();
        Self { name: format!("{}-{}", scm_type.id(), plain.trim()), key }
    }

    /// As [`SshKey::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &SshPublicKey {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g nora@laptop";

    /// What `ssh-keygen -l` says of this key, with and without `-E md5`.
    #[test]
    fn fingerprints_are_those_of_ssh() {
        let key = SshPublicKey::parse(&format!("  {KEY}\n")).unwrap();
        assert_eq!(key.content(), KEY);
        assert_eq!(key.md5_fingerprint(), "05:6d:11:6f:aa:82:7f:17:e4:a2:92:09:ca:cf:9d:42");
        assert_eq!(key.fingerprint().len(), 50);
        let renamed = SshPublicKey::parse(KEY.trim_end_matches("nora@laptop")).unwrap();
        assert_eq!(renamed.fingerprint(), key.fingerprint(), "a comment is not the key");
    }

    #[test]
    fn only_one_plain_public_key_is_taken() {
        for wrong in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 AAAA",
            "no key at all, but long enough to be one",
            &format!("command=\"rm\" {KEY}"),
            &format!("{KEY}\n{KEY}"),
            &KEY.replace("ssh-ed25519", "ssh-rsa"),
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            &format!("{KEY}{}", "x".repeat(9_000)),
        ] {
            assert!(SshPublicKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let error = NewSshKey::parse(None, Some(" ")).unwrap_err();
        let fields: Vec<_> = error.violations().iter().map(|one| one.field.as_str()).collect();
        assert_eq!(fields, ["name", "content"]);
        assert_eq!(NewSshKey::parse(Some(" laptop "), Some(KEY)).unwrap().name(), "laptop");
    }

    #[test]
    fn imported_keys_are_named_after_their_forge() {
        let name = |title: &str| {
            let key = SshPublicKey::parse(KEY).unwrap();
            NewSshKey::imported(ScmType::GitHubEnterprise, title, key).name().to_owned()
        };
        assert_eq!(name("work laptop"), "github-enterprise-work laptop");
        assert_eq!(name("a\u{7}b\n "), "github-enterprise-ab");
        let longest = name(&"\u{e9}".repeat(1_000));
        assert_eq!(longest.chars().count(), "github-enterprise-".len() + 200);
        assert!(NewSshKey::parse(Some(&longest), Some(KEY)).is_ok(), "as if it were stored by hand");
    }
}
