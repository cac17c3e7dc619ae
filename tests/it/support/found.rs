//! What processes of ours leave behind and print: their secrets are found in their files, and searched in the rest.
use std::{fs, path::Path, thread};

use super::{Watch, files};

/// How every token of ours begins; a kind, an id, a secret and a checksum follow.
const TOKEN: &[u8] = b"sealink_";
/// All of a token, and the part of it that is secret.
const TOKEN_LENGTH: usize = 74;
const SECRET_LENGTH: usize = 49;
/// Files of a server and of an agent in which secrets belong: tokens, the root key, private keys.
const OWNERS: [&str; 4] = ["admin-token", "root.key", "state.json", ".pem"];
/// Directories that servers and agents make where they are started.
const OURS: [&str; 3] = ["sealink-data", "data", "sealink-agent"];

impl Watch {
    /// What a command printed, or anything else that somebody may read.
    pub(crate) fn said(&self, who: &str, text: &[u8]) {
        self.overheard(who, text.to_vec());
    }

    /// The same of whoever is told a token: it is a secret from now on, everywhere but here.
    pub(crate) fn issued(&self, who: &str, text: &[u8]) {
        let mut rest = text.to_vec();
        for token in tokens(text) {
            self.keep_token(token);
            while let Some(at) = memchr::memmem::find(&rest, token) {
                rest.drain(at..at + token.len());
            }
        }
        self.overheard(who, rest);
    }

    /// The end of processes that ran in `folder`: nothing that is secret in any file there is in what they said, or in
    /// a file of theirs where it does not belong.
    #[track_caller]
    pub(crate) fn end_in(&self, folder: &Path) {
        if thread::panicking() {
            return;
        }
        for (name, text) in files(folder) {
            for token in tokens(&text) {
                self.keep_token(token);
            }
            if name == "root.key" {
                self.keep_secret("the root key", text.trim_ascii());
            }
            private_lines(&text).for_each(|line| self.keep_secret("a private key", line));
        }
        let theirs = OURS.map(|name| folder.join(name)).into_iter().filter(|path| path.is_dir());
        let mut theirs: Vec<_> = theirs.flat_map(|path| files(&path)).collect();
        theirs.retain(|(name, _)| !OWNERS.iter().any(|owner| name.ends_with(owner)));
        if let Ok(log) = fs::read(folder.join("server.log")) {
            theirs.push(("server.log".to_owned(), log));
        }
        self.end(&theirs);
    }

    fn keep_token(&self, token: &[u8]) {
        self.keep_secret("a token", &token[TOKEN_LENGTH - SECRET_LENGTH..]);
    }
}

/// Every token in `text`.
fn tokens(text: &[u8]) -> Vec<&[u8]> {
    let found = memchr::memmem::find_iter(text, TOKEN).filter_map(|at| text.get(at..at + TOKEN_LENGTH));
    found.filter(|token| token.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')).collect()
}

/// The lines of a private key's PEM.
fn private_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let begins = memchr::memmem::find(text, b"PRIVATE KEY-----").map_or(text.len(), |at| at + 16);
    text[begins..].split(|byte| *byte == b'\n').filter(|line| line.len() > 20 && !line.starts_with(b"-----"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "secrets got out")]
    fn a_token_in_a_log_beside_its_file_is_noticed() {
        let token = format!("sealink_pat_{}", "0123456789ab".repeat(6));
        let token = &token[..TOKEN_LENGTH];
        let folder = tempfile::tempdir().expect("a directory");
        fs::write(folder.path().join("once"), token).expect("written");
        let watch = Watch::new();
        watch.issued("token create", token.as_bytes());
        watch.end_in(folder.path());
        fs::write(folder.path().join("server.log"), &token[10..]).expect("written");
        watch.end_in(folder.path());
    }
}
