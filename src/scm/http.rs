//! The only sockets to forges: one client, one set of limits.
//!
//! TLS is always verified, against the system's roots and the operator's. No proxy variables: behind a proxy, the
//! check of addresses would check the proxy's.
use std::{fmt, fs, path::Path, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{ACCEPT, CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use reqwest::{Certificate, Client, ClientBuilder, redirect};
use tokio::time::{Instant, timeout_at};
use url::Url;
use zeroize::Zeroizing;

use super::{
    ForgeError,
    egress::{ForbiddenAddress, Gates, Origin, Policy},
};
use crate::error::{Error, Kind, Result};

/// The longest JSON that is read, in bytes.
const MAX_BODY: usize = 5 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// One question, redirects included: a live call waits 8 s in all.
const TOTAL: Duration = Duration::from_secs(7);
/// Renamed repositories answer with a redirect.
const MAX_REDIRECTS: usize = 3;
const MAX_CA_BYTES: u64 = 1 << 20;
/// How long a forge is left alone that is away.
const REST: Duration = Duration::from_secs(15);
/// The longest wait that a forge may ask for, and have passed on.
pub(super) const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long a forge may take. Tests shorten it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the whole answer is here; at most half of it is spent waiting for a place among the questions to the
    /// same forge.
    pub total: Duration,
    /// How long a forge is left alone that is away.
    pub rest: Duration,
}

impl Limits {
    /// Those of the server's questions for its members, who wait longer than a live call.
    #[must_use]
    pub const fn for_members() -> Self {
        Self { connect: CONNECT_TIMEOUT, total: Duration::from_secs(10), rest: REST }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: CONNECT_TIMEOUT, total: TOTAL, rest: REST }
    }
}

/// The shared client. Connections are reused per origin.
#[derive(Debug)]
pub struct Http {
    /// For origins the operator allowed by name.
    allowed: Client,
    /// For all others; `None` on a machine without root certificates.
    checked: Option<Client>,
    policy: Policy,
    limits: Limits,
    gates: Gates,
}

/// One request. The body is JSON or a form and is wiped after it was sent.
pub struct Request<'a> {
    /// GET or POST.
    pub method: Method,
    /// Where; must be at the origin.
    pub url: Url,
    /// Who asks, and in which words the answer is wanted. Values with a credential are marked sensitive.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// A form for a token endpoint, already encoded.
    pub form: Option<Zeroizing<String>>,
    /// Whether an outage counts against the forge.
    pub counts: bool,
}

/// What came back, whatever its status. Bodies of token endpoints are credentials: neither they nor headers are printed.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// The body, at most 5 MiB.
    pub body: Bytes,
}

impl Http {
    /// A client with the operator's policy; `ca` is a PEM file of additional roots.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a `ca` that holds no certificate, [`Kind::Precondition`] if it cannot be read.
    pub fn new(policy: Policy, ca: Option<&Path>, limits: Limits) -> Result<Arc<Self>> {
        let roots = ca.map(read_ca).transpose()?.unwrap_or_default();
        let unusable = |source| Error::new(Kind::Precondition, "cannot set up TLS").caused_by(source);
        let checked = builder(&policy, false, limits).https_only(true).tls_certs_merge(roots.clone()).build();
        let checked = match (checked, ca) {
            (Err(_), Some(path)) => return Err(no_certificate(path)),
            (built, _) => built.ok(),
        };
        // Spares a machine that only asks in the clear the need of any root.
        let allowed = builder(&policy, true, limits);
        let tls = policy.allows_tls();
        let allowed = if tls { allowed.tls_certs_merge(roots) } else { allowed.tls_certs_only([]) };
        let allowed = allowed.build().map_err(unusable)?;
        Ok(Arc::new(Self { allowed, checked, policy, limits, gates: Gates::new(limits.rest) }))
    }

    /// Where this client may connect to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The origin of an integration's host.
    ///
    /// # Errors
    /// [`ForgeError::Disallowed`] if it is not connected to.
    pub fn origin(&self, host: &str) -> Result<Origin, ForgeError> {
        self.policy.origin(host).map_err(ForgeError::Disallowed)
    }

    /// Sends, and follows at most three redirects of a GET as long as they stay at `origin`.
    ///
    /// # Errors
    /// Whatever went wrong before an answer with a status was there, and [`ForgeError::Protocol`] for one that
    /// leads elsewhere or is too long; [`ForgeError::Busy`] and [`ForgeError::Resting`] for a forge that was not asked.
    /// A status of refusal is no error here.
    pub async fn send(&self, origin: &Origin, request: Request<'_>) -> Result<Response, ForgeError> {
        self.send_until(origin, request, None).await
    }

    /// The same, which ends at `end` if that is sooner.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_until(
        &self,
        origin: &Origin,
        request: Request<'_>,
        end: Option<Instant>,
    ) -> Result<Response, ForgeError> {
        let client = if origin.is_allowed() { Some(&self.allowed) } else { self.checked.as_ref() };
        let client = client.ok_or(ForgeError::Unreachable("this machine has no root certificates"))?;
        let latest = Instant::now() + self.limits.total;
        let end = end.map_or(latest, |end| end.min(latest));
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ForgeError::TimedOut);
        }
        let counts = request.counts;
        let pass = self.gates.enter(origin, left / 2).await?;
        let answer = timeout_at(end, follow(client, origin, request)).await;
        let answer = answer.unwrap_or(Err(ForgeError::TimedOut));
        let outage = match &answer {
            Ok(answer) => ForgeError::ServerError(answer.status.as_u16()).is_outage(),
            Err(error) => error.is_outage(),
        };
        if counts || !outage {
            pass.ends(outage);
        }
        answer
    }
}

async fn follow(client: &Client, origin: &Origin, request: Request<'_>) -> Result<Response, ForgeError> {
    let Request { method, mut url, headers, form, .. } = request;
    let form = form.map(|text| Bytes::from_owner(ZeroizedBytes(text)));
    for _ in 0..=MAX_REDIRECTS {
        if !origin.holds(&url) {
            return Err(ForgeError::Protocol("it leads to another host"));
        }
        let mut request = client.request(method.clone(), url.clone());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(form) = &form {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone());
        }
        let answer = request.send().await.map_err(|error| failure(&error))?;
        let next = answer.status().is_redirection().then(|| answer.headers().get(LOCATION)).flatten();
        let Some(next) = next.filter(|_| method == Method::GET) else { return read(answer).await };
        let next = next.to_str().ok().and_then(|text| url.join(text).ok());
        url = next.ok_or(ForgeError::Protocol("it answers with a redirect to nowhere"))?;
    }
    Err(ForgeError::Protocol("it redirects too often"))
}

struct ZeroizedBytes(Zeroizing<String>);

impl AsRef<[u8]> for ZeroizedBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Response {
    /// How long the forge asks to wait: `retry-after` in seconds, at most an hour.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    }

    /// Whether there is another page, by `link` or as GitLab says it.
    #[must_use]
    pub fn says_more(&self) -> bool {
        let link = self.header("link").is_some_and(|link| link.contains("rel=\"next\""));
        link || self.header("x-next-page").is_some_and(|page| !page.is_empty())
    }

    /// The text of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// The header that asks for JSON.
#[must_use]
pub fn accept_json() -> (HeaderName, HeaderValue) {
    (ACCEPT, HeaderValue::from_static("application/json"))
}

fn builder(policy: &Policy, loopback: bool, limits: Limits) -> ClientBuilder {
    Client::builder()
        .user_agent(concat!("sealink/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(limits.connect)
        .timeout(limits.total)
        .pool_max_idle_per_host(4)
        .dns_resolver(policy.resolver(loopback))
}

fn read_ca(path: &Path) -> Result<Vec<Certificate>> {
    let unusable =
        |source| Error::new(Kind::Precondition, format!("cannot read {}", path.display())).caused_by(source);
    let length = fs::metadata(path).map_err(unusable)?.len();
    if length > MAX_CA_BYTES {
        return Err(no_certificate(path));
    }
    let pem = fs::read(path).map_err(unusable)?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|_| no_certificate(path))?;
    if found.is_empty() { Err(no_certificate(path)) } else { Ok(found) }
}

fn no_certificate(path: &Path) -> Error {
    Error::new(Kind::Invalid, format!("{} holds no certificate in PEM that can be used", path.display()))
}

/// Whether a PEM file of additional roots can be used, without those of the system, which take megabytes.
///
/// # Errors
/// As [`Http::new`].
pub fn check_ca(path: &Path) -> Result<()> {
    let built = Client::builder().no_proxy().tls_certs_only(read_ca(path)?).build();
    built.map(drop).map_err(|_| no_certificate(path))
}

async fn read(mut answer: reqwest::Response) -> Result<Response, ForgeError> {
    let too_long = ForgeError::Protocol("its answer is too long");
    if answer.content_length().is_some_and(|length| length > MAX_BODY as u64) {
        return Err(too_long);
    }
    let (status, headers, mut body) = (answer.status(), answer.headers().clone(), BytesMut::new());
    while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(too_long);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body: body.freeze() })
}

/// What a failed exchange means, without its text: that names addresses.
fn failure(error: &reqwest::Error) -> ForgeError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<ForbiddenAddress>() {
            return ForgeError::Disallowed(
                "the forge's name leads to an address that is not connected to from here",
            );
        }
        cause = inner.source();
    }
    let text = || format!("{error:?}").to_ascii_lowercase();
    if error.is_timeout() && !error.is_connect() {
        ForgeError::TimedOut
    } else if error.is_connect() && text().contains("certificate") {
        ForgeError::Unreachable(
            "its certificate is not trusted here; a private authority must be added to those trusted",
        )
    } else if error.is_connect() && text().contains("dns") {
        ForgeError::Unreachable("its name cannot be resolved")
    } else if error.is_connect() {
        ForgeError::NoConnection
    } else {
        ForgeError::Protocol("it broke off its answer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forge_is_believed_within_reason() {
        for (value, seconds) in [
            ("0", Some(0)),
            ("3600", Some(3_600)),
            ("3601", Some(3_600)),
            ("18446744073709551615", Some(3_600)),
            ("18446744073709551616", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            let answer = Response { status: StatusCode::TOO_MANY_REQUESTS, headers, body: Bytes::new() };
            assert_eq!(answer.retry_after(), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn an_answer_is_printed_without_what_it_says() {
        let secret = HeaderValue::from_static("canary-header-4711");
        let answer = Response {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(http::header::SET_COOKIE, secret)]),
            body: Bytes::from_static(br#"{"access_token":"canary-token-4711"}"#),
        };
        assert_eq!(format!("{answer:?}"), "Response(200 OK, 36 bytes)");
        assert_eq!(format!("{answer:#?}"), "Response(200 OK, 36 bytes)");
    }
}
