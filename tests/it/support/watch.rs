//! Every test is a taint test: what was secret in it is looked for in everything that its server wrote and answered.
//!
//! An [`Actor`](super::Actor) tells its server's watch every token it holds and is given, and every secret it sends; an
//! agent its private keys. When the server ends, all of them are searched in every spelling: in the log at level trace,
//! in the files of its data directory (database, write-ahead log), in the tables of its PostgreSQL database, and in
//! every answer. What processes print and leave behind is watched by `found.rs`.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    io::{self, Write},
    net::SocketAddr,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use sealink::{
    config::{Log, LogFormat},
    telemetry,
};
use serde_json::Value;

use super::{Answer, Canary, canary::found_in};

/// Members of requests that are secrets, in lower case without underscores.
const SECRETS: [&str; 9] = [
    "oauthplaintextclientsecret",
    "password",
    "honeycombapikey",
    "exchangetoken",
    "token",
    "accesstoken",
    "refreshtoken",
    "apikey",
    "clientsecret",
];
/// The same, as base64 of bytes.
const SECRET_BYTES: [&str; 2] = ["answernew", "answerold"];
/// Answers that hand out a token: that is where it belongs.
const ISSUERS: [&str; 5] =
    ["ExchangeToken", "CreateRunner", "CreateRunnerToken", "CreateRunnerLogsToken", "CreateToken"];
/// Members of answers that hand a token to its owner.
const ISSUED: [&str; 3] = ["token", "accessToken", "exchangeToken"];
/// Where the server keeps its own, to be read by its owner.
const OWN_FILES: [&str; 2] = ["admin-token", "root.key"];
/// Shorter ones, and the same byte again and again, could be anywhere by chance.
const LEAST: usize = 10;
/// The name of a field that some tests send as its value, too: it stands in messages.
const FIELD: &str = "oauth_plaintext_client_secret";

/// A method and everything it answered, headers included, save tokens to their owners.
pub(crate) type Heard = (String, Vec<u8>);

/// What one server was told in confidence, and what it said.
pub(crate) struct Watch {
    /// Secrets by what they are.
    secrets: Mutex<BTreeMap<Vec<u8>, String>>,
    heard: Mutex<Vec<Heard>>,
    /// How long the log was before this server began.
    log_from: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    /// Begins to log everything, once for all servers of this process.
    pub(crate) fn new() -> Arc<Self> {
        let log_from = lock(log()).begin();
        Arc::new(Self { secrets: Mutex::default(), heard: Mutex::default(), log_from })
    }

    /// The server listens there: what is said to it and heard from it without an [`Actor`](super::Actor) counts, too.
    pub(crate) fn listens_at(self: &Arc<Self>, address: SocketAddr) {
        lock(&SERVERS).insert(address, Arc::downgrade(self));
    }

    /// A request by hand, with the answer to it.
    pub(crate) fn by_hand(to: SocketAddr, path: &str, sent: &[u8], answer: &[u8]) {
        let Some(watch) = lock(&SERVERS).get(&to).and_then(Weak::upgrade) else { return };
        if let Ok(body) = serde_json::from_slice(sent) {
            watch.sent(&body);
        }
        if ISSUERS.iter().any(|issuer| path.contains(issuer)) {
            watch.issued(path, answer);
        } else {
            watch.said(path, answer);
        }
    }

    /// Text that is searched in the end.
    pub(super) fn overheard(&self, who: &str, text: Vec<u8>) {
        lock(&self.heard).push((who.to_owned(), text));
    }

    /// From now on this must appear nowhere.
    pub(crate) fn keep_secret(&self, name: &str, secret: &[u8]) {
        let guess = secret.iter().all(|byte| *byte == secret[0]);
        if secret.len() >= LEAST && !guess && memchr::memmem::find(FIELD.as_bytes(), secret).is_none() {
            lock(&self.secrets).entry(secret.to_vec()).or_insert_with(|| name.to_owned());
        }
    }

    /// The secrets in a request.
    pub(crate) fn sent(&self, body: &Value) {
        match body {
            Value::Object(members) => members.iter().for_each(|(name, value)| self.sent_as(name, value)),
            Value::Array(items) => items.iter().for_each(|item| self.sent(item)),
            _ => {}
        }
    }

    fn sent_as(&self, name: &str, value: &Value) {
        let plain = name.replace('_', "").to_ascii_lowercase();
        match value {
            // Its token is opaque, but no secret.
            _ if plain == "pagination" => {}
            Value::String(secret) if SECRETS.contains(&plain.as_str()) => {
                self.keep_secret(name, secret.as_bytes());
            }
            Value::String(text) if SECRET_BYTES.contains(&plain.as_str()) => {
                STANDARD.decode(text).iter().for_each(|secret| self.keep_secret(name, secret));
            }
            _ => self.sent(value),
        }
    }

    /// An answer: the tokens that it issues are secrets from now on, and the rest of it is searched in the end.
    pub(crate) fn heard(&self, method: &str, answer: &Answer) {
        let mut body = answer.body.to_vec();
        if answer.status.is_success() && ISSUERS.iter().any(|issuer| method.ends_with(issuer)) {
            let issued = serde_json::from_slice::<Value>(&body).unwrap_or_default();
            for token in ISSUED.iter().filter_map(|member| issued[*member].as_str()) {
                self.keep_secret("an issued token", token.as_bytes());
                body = String::from_utf8_lossy(&body).replace(token, "").into_bytes();
            }
        }
        self.overheard(method, [format!("{:?}", answer.headers).as_bytes(), &body].concat());
    }

    /// Everything that was answered.
    pub(crate) fn transcript(&self) -> Vec<Heard> {
        lock(&self.heard).clone()
    }

    /// Which secrets are where: in `files`, in what was answered, or in the log of this process.
    pub(crate) fn leaks(&self, files: &[(String, Vec<u8>)]) -> BTreeSet<String> {
        let said = lock(log()).since(self.log_from).to_vec();
        let heard = lock(&self.heard);
        let answers = heard.iter().map(|(method, text)| (method.as_str(), text.as_slice()));
        let files = files.iter().filter(|(name, _)| !OWN_FILES.contains(&name.as_str()));
        let files = files.map(|(name, text)| (name.as_str(), text.as_slice()));
        let places: Vec<_> = files.chain(answers).chain([("the log", said.as_slice())]).collect();
        // Nearly always there is nothing to find, and one long text is searched faster than thousands of short ones.
        let all = places.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(&0);
        let secrets = lock(&self.secrets);
        let canaries: Vec<_> = secrets.iter().map(|(secret, name)| Canary::new(name, secret)).collect();
        let out = found_in(&canaries, &all);
        let found = places.iter().flat_map(|(place, text)| {
            let hits = out.iter().filter(|canary| canary.is_in(text));
            hits.map(move |canary| format!("{} is in {place}", canary.name))
        });
        found.collect()
    }

    /// The end of a server: none of its secrets may be anywhere.
    #[track_caller]
    pub(crate) fn end(&self, files: &[(String, Vec<u8>)]) {
        if !thread::panicking() {
            let leaks = self.leaks(files);
            assert!(leaks.is_empty(), "secrets got out: {leaks:#?}");
        }
    }

    /// For tests of this watch itself.
    pub(crate) fn forget(&self) {
        lock(&self.secrets).clear();
    }
}

/// Every file below `folder`, by its name.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(content) = fs::read(&path) {
            // A running server may have removed it since.
            found.push((path.file_name().expect("a name").to_string_lossy().into_owned(), content));
        }
    }
    found
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(log()).end(self.log_from);
    }
}

/// Whose watch listens where, in this process.
static SERVERS: LazyLock<Mutex<HashMap<SocketAddr, Weak<Watch>>>> = LazyLock::new(Mutex::default);

/// What the servers inside of this process log, as far back as one of their watches needs it.
struct LogText {
    text: Vec<u8>,
    /// How much was before `text`.
    forgotten: usize,
    /// Where each watch began.
    watches: Vec<usize>,
}

impl LogText {
    /// Where a new watch begins.
    fn begin(&mut self) -> usize {
        let from = self.forgotten + self.text.len();
        self.watches.push(from);
        from
    }

    fn since(&self, from: usize) -> &[u8] {
        &self.text[from - self.forgotten..]
    }

    /// Forgets what the watch that began there was the last to need.
    fn end(&mut self, from: usize) {
        if let Some(at) = self.watches.iter().position(|began| *began == from) {
            self.watches.swap_remove(at);
        }
        let needed = self.watches.iter().min().map_or(self.text.len(), |began| began - self.forgotten);
        self.text.drain(..needed);
        self.forgotten += needed;
    }
}

static SAID: Mutex<LogText> = Mutex::new(LogText { text: Vec::new(), forgotten: 0, watches: Vec::new() });

/// At level trace.
fn log() -> &'static Mutex<LogText> {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let everything = Log { level: "trace".to_owned(), format: LogFormat::Json };
        let subscriber = telemetry::subscriber(&everything, || Said).expect("a subscriber");
        tracing::subscriber::set_global_default(subscriber).expect("nobody else logs");
    });
    &SAID
}

struct Said;

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&SAID).text.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
