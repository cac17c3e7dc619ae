//! What should be: keys with their states, secrets with their keys.
use std::collections::BTreeMap;

use serde_json::Value;

/// One sealed secret, or what is left of it.
#[derive(Clone, Debug)]
pub(super) struct Secret {
    /// `None`: wiped.
    pub(super) kid: Option<String>,
    pub(super) plaintext: String,
    version: u64,
}

impl Secret {
    pub(super) fn new(kid: String, plaintext: String) -> Self {
        Self { kid: Some(kid), plaintext, version: 1 }
    }
}

/// The whole of one runner.
pub(super) struct Model {
    runner: String,
    /// Whether a key was ever ACTIVE.
    registered: bool,
    pub(super) keys: Vec<(String, String)>,
    secrets: BTreeMap<(String, String), Secret>,
    /// Versions of the runner itself, which its Honeycomb key shares.
    runner_version: u64,
    /// What came of every re-sealing.
    pub(super) outcomes: Vec<&'static str>,
}

impl Model {
    pub(super) fn new(runner: &str) -> Self {
        let (keys, secrets, outcomes) = (Vec::new(), BTreeMap::new(), Vec::new());
        Self { runner: runner.to_owned(), registered: false, keys, secrets, runner_version: 1, outcomes }
    }

    pub(super) fn active(&self) -> Option<String> {
        self.in_state("ACTIVE").pop()
    }

    pub(super) fn in_state(&self, wanted: &str) -> Vec<String> {
        self.keys.iter().filter(|(_, state)| state == wanted).map(|(kid, _)| kid.clone()).collect()
    }

    fn state(&self, kid: &str) -> Option<&str> {
        self.keys.iter().find(|(known, _)| known == kid).map(|(_, state)| state.as_str())
    }

    fn set_state(&mut self, kid: &str, state: &str) {
        match self.keys.iter_mut().find(|(known, _)| known == kid) {
            Some(key) => state.clone_into(&mut key.1),
            None => self.keys.push((kid.to_owned(), state.to_owned())),
        }
    }

    /// The keys whose private halves must be kept.
    pub(super) fn in_use(&self) -> Vec<String> {
        [self.in_state("ACTIVE"), self.in_state("RETIRING")].concat()
    }

    /// A registration is completed; `proved` is the key that was ACTIVE when it began, if it was answered for.
    pub(super) fn register(&mut self, kid: &str, proved: Option<&str>) -> &'static str {
        self.set_state(kid, "PENDING");
        let takes_over = !self.registered || (proved.is_some() && proved == self.active().as_deref());
        if takes_over {
            self.activate(kid);
        }
        if takes_over { "ACTIVE" } else { "PENDING" }
    }

    pub(super) fn activate(&mut self, kid: &str) {
        if let Some(old) = self.active() {
            self.set_state(&old, "RETIRING");
        }
        self.registered = true;
        self.set_state(kid, "ACTIVE");
        self.retire();
    }

    /// A RETIRING key that nothing is sealed with is RETIRED.
    fn retire(&mut self) {
        for kid in self.in_state("RETIRING") {
            if !self.secrets.values().any(|secret| secret.kid.as_ref() == Some(&kid)) {
                self.set_state(&kid, "RETIRED");
            }
        }
    }

    pub(super) fn put(&mut self, sub: &str, field: &str, secret: Secret) {
        self.secrets.insert((sub.to_owned(), field.to_owned()), secret);
    }

    /// A secret is entered again, or for the first time.
    pub(super) fn replace(&mut self, sub: &str, field: &str, mut secret: Secret) {
        if sub == self.runner {
            self.runner_version += 1;
            secret.version = self.runner_version;
        } else if let Some(old) = self.secrets.get(&(sub.to_owned(), field.to_owned())) {
            secret.version = old.version + 1;
        }
        self.put(sub, field, secret);
        self.retire();
    }

    pub(super) fn remove(&mut self, sub: &str) {
        self.secrets.retain(|(of, _), _| of != sub);
        self.retire();
    }

    /// Integrations and host tokens by one of their secrets.
    pub(super) fn objects(&self) -> Vec<(String, String)> {
        self.secrets.keys().filter(|(sub, _)| *sub != self.runner).cloned().collect()
    }

    /// How many secrets go: a client secret is missing afterwards, a host token is gone with all it has.
    pub(super) fn revoke(&mut self, kid: &str) -> u64 {
        if self.state(kid) == Some("REVOKED") {
            return 0;
        }
        self.set_state(kid, "REVOKED");
        let under = |secret: &Secret| secret.kid.as_deref() == Some(kid);
        let hit: Vec<_> =
            self.secrets.iter().filter(|(_, secret)| under(secret)).map(|(which, _)| which.clone()).collect();
        for (sub, field) in &hit {
            match field.as_str() {
                "oauth.client_secret" => {
                    let secret = self.secrets.get_mut(&(sub.clone(), field.clone())).expect("it is there");
                    secret.kid = None;
                    secret.version += 1;
                }
                _ => self.secrets.retain(|(of, _), _| of != sub),
            }
            self.runner_version += u64::from(*sub == self.runner);
        }
        self.retire();
        hit.len() as u64
    }

    /// The code that a re-sealing must end with.
    pub(super) fn reseal(&mut self, request: &Value, new_kid: &str) -> &'static str {
        let outcome = self.judge(request, new_kid);
        self.outcomes.push(outcome);
        outcome
    }

    fn judge(&mut self, request: &Value, new_kid: &str) -> &'static str {
        let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        let which = (text("sub"), text("field"));
        let Some(secret) = self.secrets.get(&which).filter(|secret| secret.kid.is_some()) else {
            return "NOT_FOUND";
        };
        if self.active().as_deref() != Some(new_kid) {
            return "FAILED_PRECONDITION";
        }
        let old = text("expectedOldKid");
        match self.state(&old) {
            Some("RETIRING") => {}
            Some("RETIRED" | "REVOKED") => return "ABORTED",
            _ => return "FAILED_PRECONDITION",
        }
        if secret.kid.as_ref() != Some(&old) || secret.version.to_string() != text("expectedVersion") {
            return "ABORTED";
        }
        let of_runner = which.0 == self.runner;
        let secret = self.secrets.get_mut(&which).expect("it is there");
        secret.kid = Some(new_kid.to_owned());
        secret.version += 1;
        self.runner_version += u64::from(of_runner);
        self.retire();
        "OK"
    }

    /// What is sealed, with its plaintext.
    pub(super) fn sealed(&self) -> impl Iterator<Item = (&(String, String), &Secret)> {
        self.secrets.iter().filter(|(_, secret)| secret.kid.is_some())
    }

    /// As `ListSecrets` shows it, sorted.
    pub(super) fn shown(&self) -> Vec<[String; 4]> {
        let active = self.active();
        let row = |((sub, field), secret): (&(String, String), &Secret)| {
            let state = match &secret.kid {
                None => "MISSING",
                kid if *kid == active => "OK",
                Some(_) => "STALE_KEY",
            };
            [sub.clone(), field.clone(), state.to_owned(), secret.kid.clone().unwrap_or_default()]
        };
        let mut rows: Vec<_> = self.secrets.iter().map(row).collect();
        rows.sort_unstable();
        rows
    }
}

/// The same numbers for the same seed: xorshift64*.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % end
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() { None } else { Some(from[self.below(from.len())].clone()) }
    }
}
