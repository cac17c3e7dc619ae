//! One forge is asked sixteen questions at once, and left alone while it is away; the others are asked as ever.
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sealink::{
    domain::allowed_origins::AllowedOrigins,
    scm::{
        ForgeError,
        egress::Policy,
        http::{self as forge, Http, Limits},
    },
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// So long that no test waits for it.
const PATIENT: Limits =
    Limits { connect: Duration::from_mins(1), total: Duration::from_hours(1), rest: Duration::from_hours(1) };

/// What a forge saw of its visitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    inside: usize,
    most: usize,
    all: usize,
}

/// A forge that answers nobody until it is told to.
struct Hesitant {
    origin: String,
    /// One answer each.
    leave: Arc<Semaphore>,
    seen: watch::Receiver<Seen>,
    status: Arc<Mutex<StatusCode>>,
}

impl Hesitant {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("its address"));
        let leave = Arc::new(Semaphore::new(0));
        let status = Arc::new(Mutex::new(StatusCode::OK));
        let (count, seen) = watch::channel(Seen::default());
        let (held, said, count) = (Arc::clone(&leave), Arc::clone(&status), Arc::new(count));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (held, said, count) = (Arc::clone(&held), Arc::clone(&said), Arc::clone(&count));
                let service = service_fn(move |_: Request<Incoming>| {
                    visit(Arc::clone(&held), Arc::clone(&said), Arc::clone(&count))
                });
                let builder = hyper::server::conn::http1::Builder::new();
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { origin, leave, seen, status }
    }

    fn answers(&self, status: StatusCode) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.leave.add_permits(1_000);
    }

    async fn until(&self, what: impl FnMut(&Seen) -> bool) -> Seen {
        *self.seen.clone().wait_for(what).await.expect("a forge that runs")
    }

    fn seen(&self) -> Seen {
        *self.seen.borrow()
    }
}

async fn visit(
    leave: Arc<Semaphore>,
    status: Arc<Mutex<StatusCode>>,
    count: Arc<watch::Sender<Seen>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    count.send_modify(|seen| {
        (seen.inside, seen.all) = (seen.inside + 1, seen.all + 1);
        seen.most = seen.most.max(seen.inside);
    });
    leave.acquire().await.expect("it is never closed").forget();
    count.send_modify(|seen| seen.inside -= 1);
    let mut answer = Response::new(Full::new(Bytes::from_static(b"{}")));
    *answer.status_mut() = *status.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(answer)
}

fn client(forges: &[&Hesitant], limits: Limits) -> Arc<Http> {
    let origins: Vec<_> = forges.iter().map(|forge| forge.origin.clone()).collect();
    let allowed = AllowedOrigins::parse(&origins).expect("origins");
    Http::new(Policy::new(allowed), None, limits).expect("a client")
}

async fn ask(http: Arc<Http>, origin: String) -> Result<forge::Response, ForgeError> {
    let origin = http.origin(origin.trim_start_matches("http://"))?;
    let request = forge::Request {
        method: Method::GET,
        url: origin.at(&["user"]),
        headers: &[],
        form: None,
        counts: true,
    };
    http.send(&origin, request).await
}

#[tokio::test]
async fn a_forge_is_asked_sixteen_questions_at_once() {
    let (slow, quick) = (Hesitant::start().await, Hesitant::start().await);
    let http = client(&[&slow, &quick], PATIENT);
    let mut asked = JoinSet::new();
    for _ in 0..100 {
        asked.spawn(ask(Arc::clone(&http), slow.origin.clone()));
    }
    slow.until(|seen| seen.inside == 16).await;
    quick.answers(StatusCode::OK);
    ask(Arc::clone(&http), quick.origin.clone()).await.expect("another forge answers meanwhile");
    // Each answer lets one more in.
    for answered in 1..=20 {
        slow.leave.add_permits(1);
        slow.until(|seen| seen.all == 16 + answered && seen.inside == 16).await;
    }
    slow.answers(StatusCode::OK);
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.expect("no panic").expect("an answer").status, StatusCode::OK);
    }
    assert_eq!(slow.seen(), Seen { inside: 0, most: 16, all: 100 });
}

#[tokio::test]
async fn who_gives_up_gives_its_place_back() {
    let forge = Hesitant::start().await;
    let http = client(&[&forge], PATIENT);
    let mut asked = JoinSet::new();
    for _ in 0..16 {
        asked.spawn(ask(Arc::clone(&http), forge.origin.clone()));
    }
    forge.until(|seen| seen.all == 16).await;
    asked.shutdown().await;
    for _ in 0..16 {
        asked.spawn(ask(Arc::clone(&http), forge.origin.clone()));
    }
    forge.until(|seen| seen.all == 32).await;
}

#[tokio::test]
async fn a_place_is_waited_for_until_half_of_the_time_is_over() {
    let forge = Hesitant::start().await;
    let limits = Limits { total: Duration::from_secs(2), ..PATIENT };
    let http = client(&[&forge], limits);
    let mut asked = JoinSet::new();
    for _ in 0..40 {
        asked.spawn(ask(Arc::clone(&http), forge.origin.clone()));
    }
    let mut ended = Vec::new();
    while let Some(answer) = asked.join_next().await {
        ended.push(answer.expect("no panic").expect_err("nobody is answered"));
    }
    // However slow this machine is: whoever was not let in was not heard, and nobody waits for ever.
    let silent = ended.iter().filter(|error| **error == ForgeError::TimedOut).count();
    let turned_away = |error: &&ForgeError| matches!(error, ForgeError::Busy | ForgeError::Resting(_));
    assert_eq!(silent + ended.iter().filter(turned_away).count(), 40, "{ended:?}");
    assert!(silent >= 16 && forge.seen().all <= silent, "{silent} {:?}", forge.seen());
}

#[tokio::test]
async fn a_forge_that_is_away_is_left_alone() {
    let (away, there) = (Hesitant::start().await, Hesitant::start().await);
    let http = client(&[&away, &there], PATIENT);
    let ask = async |forge: &Hesitant| ask(Arc::clone(&http), forge.origin.clone()).await;
    there.answers(StatusCode::OK);
    // What is an answer of whatever kind ends the count.
    for status in
        [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS]
    {
        for _ in 1..10 {
            away.answers(StatusCode::BAD_GATEWAY);
            assert_eq!(ask(&away).await.expect("an answer").status, StatusCode::BAD_GATEWAY);
        }
        away.answers(status);
        assert_eq!(ask(&away).await.expect("an answer").status, status);
    }
    for status in
        [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].repeat(4)
    {
        away.answers(status);
        if away.seen().all < 50 {
            assert_eq!(ask(&away).await.expect("an answer").status, status);
        }
    }
    for _ in 0..20 {
        assert!(matches!(ask(&away).await, Err(ForgeError::Resting(_))));
        assert_eq!(ask(&there).await.expect("an answer").status, StatusCode::OK);
    }
    assert_eq!((away.seen().all, there.seen().all), (50, 20));
}

#[tokio::test]
async fn after_the_rest_one_question_tries() {
    let forge = Hesitant::start().await;
    let http = client(&[&forge], Limits { rest: Duration::ZERO, ..PATIENT });
    let ask = async || ask(Arc::clone(&http), forge.origin.clone()).await;
    forge.answers(StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..30 {
        assert_eq!(ask().await.expect("an answer").status, StatusCode::SERVICE_UNAVAILABLE);
    }
    forge.answers(StatusCode::OK);
    assert_eq!(ask().await.expect("an answer").status, StatusCode::OK);
}
