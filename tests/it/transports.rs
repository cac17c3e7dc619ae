//! One story told over every transport, with the same ending.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use prost::Message;
use sealink::{
    api::rules::Rpc,
    pb::gitpod::v1::{
        CreateScmIntegrationRequest, CreateScmIntegrationResponse, DeleteScmIntegrationRequest,
        DeleteScmIntegrationResponse, GetScmIntegrationRequest, GetScmIntegrationResponse,
        ListScmIntegrationsRequest, ListScmIntegrationsResponse, PaginationRequest,
        UpdateScmIntegrationRequest, UpdateScmIntegrationResponse, list_scm_integrations_request::Filter,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tonic::Code;

use crate::{
    support::{Agent, TestServer},
    transport::{Answer, Call, envelope, gzip},
};

/// How a call travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    ConnectJson,
    ConnectProto,
    /// Compressed both ways, over HTTP/2.
    ConnectGzip,
    /// GET for what has no side effects, else POST.
    ConnectGet,
    ConnectGetJson,
    Grpc,
    GrpcGzip,
    GrpcWeb,
}

const ALL: [Transport; 8] = [
    Transport::ConnectJson,
    Transport::ConnectProto,
    Transport::ConnectGzip,
    Transport::ConnectGet,
    Transport::ConnectGetJson,
    Transport::Grpc,
    Transport::GrpcGzip,
    Transport::GrpcWeb,
];

/// A caller that knows one transport.
struct Caller<'a> {
    server: &'a TestServer,
    prefix: &'static str,
    token: String,
    transport: Transport,
}

type Outcome<A> = Result<A, (Code, String)>;

impl Caller<'_> {
    async fn call<R, A>(&self, request: &R) -> Outcome<A>
    where
        R: Rpc + Message + Serialize,
        A: Message + Default + DeserializeOwned,
    {
        let path = format!("{}{}", self.prefix, R::PATH);
        let get = matches!(self.transport, Transport::ConnectGet | Transport::ConnectGetJson);
        let call =
            if get && R::NO_SIDE_EFFECTS { self.get(&path, request) } else { self.post(&path, request) };
        let answer =
            call.header("authorization", &format!("Bearer {}", self.token)).send(self.server.address).await;
        self.read(&answer)
    }

    fn get<R: Message + Serialize>(&self, path: &str, request: &R) -> Call {
        let (encoding, message) = match self.transport {
            Transport::ConnectGetJson => ("json", serde_json::to_vec(request).expect("JSON")),
            _ => ("proto", request.encode_to_vec()),
        };
        let message = URL_SAFE_NO_PAD.encode(message);
        Call::new(Method::GET, &format!("{path}?connect=v1&base64=1&encoding={encoding}&message={message}"))
    }

    fn post<R: Message + Serialize>(&self, path: &str, request: &R) -> Call {
        let proto = request.encode_to_vec();
        match self.transport {
            Transport::ConnectJson | Transport::ConnectGetJson => {
                Call::connect(path, "application/json", serde_json::to_vec(request).expect("JSON"))
            }
            Transport::ConnectProto | Transport::ConnectGet => {
                Call::connect(path, "application/proto", proto)
            }
            Transport::ConnectGzip => Call::connect(path, "application/proto", gzip(&proto))
                .header("content-encoding", "gzip")
                .header("accept-encoding", "gzip")
                .http2(),
            Transport::Grpc => Call::grpc(path, envelope(0, &proto)),
            Transport::GrpcGzip => Call::grpc(path, envelope(1, &gzip(&proto)))
                .header("grpc-encoding", "gzip")
                .header("grpc-accept-encoding", "gzip"),
            Transport::GrpcWeb => Call::connect(path, "application/grpc-web+proto", envelope(0, &proto)),
        }
    }

    fn read<A: Message + Default + DeserializeOwned>(&self, answer: &Answer) -> Outcome<A> {
        match self.transport {
            Transport::Grpc | Transport::GrpcGzip => match answer.grpc() {
                (Code::Ok, _) => Ok(framed(&answer.body)),
                error => Err(error),
            },
            Transport::GrpcWeb => {
                let code = Code::from(answer.web_status().parse::<i32>().expect("a number"));
                if code == Code::Ok { Ok(framed(&answer.body)) } else { Err((code, web_message(answer))) }
            }
            _ if answer.status != 200 => {
                let (_, code, message) = answer.connect();
                Err((connect_code(&code), message))
            }
            Transport::ConnectJson | Transport::ConnectGetJson => {
                Ok(serde_json::from_slice(&answer.body).expect("canonical JSON"))
            }
            _ => Ok(A::decode(&*unzipped(answer)).expect("a message")),
        }
    }
}

/// The one message of a gRPC answer.
fn framed<A: Message + Default>(body: &[u8]) -> A {
    let (head, rest) = body.split_first_chunk::<5>().expect("a frame");
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let message = &rest[..length];
    let message = if head[0] == 1 { gunzip(message) } else { message.to_vec() };
    A::decode(&*message).expect("a message")
}

fn unzipped(answer: &Answer) -> Vec<u8> {
    match answer.headers.get("content-encoding") {
        Some(encoding) if encoding == "gzip" => gunzip(&answer.body),
        _ => answer.body.to_vec(),
    }
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut plain).expect("gzip");
    plain
}

fn web_message(answer: &Answer) -> String {
    let encoded = if let Some(message) = answer.headers.get("grpc-message") {
        message.to_str().expect("ASCII").to_owned()
    } else {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let rest = text.split("grpc-message: ").nth(1).unwrap_or_default();
        rest.split("\r\n").next().unwrap_or_default().to_owned()
    };
    percent_encoding::percent_decode_str(&encoded).decode_utf8_lossy().into_owned()
}

fn connect_code(name: &str) -> Code {
    (0..17)
        .map(Code::from)
        .find(|code| {
            let camel = format!("{code:?}");
            name.replace('_', "") == camel.to_lowercase() || (name == "canceled" && *code == Code::Cancelled)
        })
        .unwrap_or_else(|| panic!("{name}"))
}

#[tokio::test]
async fn the_same_story_over_every_transport() {
    let server = TestServer::start().await;
    for transport in ALL {
        for prefix in ["", "/api"] {
            let agent = server.admin().register().await;
            let token = server.admin().token.expect("a token");
            tell(&Caller { server: &server, prefix, token, transport }, &agent).await;
            println!("{transport:?} {prefix}: ok");
        }
    }
}

async fn tell(caller: &Caller<'_>, agent: &Agent) {
    let mut create = CreateScmIntegrationRequest {
        runner_id: agent.runner.clone(),
        scm_id: "github".to_owned(),
        host: "host0.example.com".to_owned(),
        oauth_client_id: Some("client_id".to_owned()),
        oauth_plaintext_client_secret: Some("canary-client-secret-4711".to_owned()),
        ..CreateScmIntegrationRequest::default()
    };
    let mut ids = Vec::new();
    for at in 0..4 {
        create.host = format!("host{at}.example.com");
        let made: CreateScmIntegrationResponse = caller.call(&create).await.expect("created");
        assert_eq!(agent.opened(&made.id).await, "canary-client-secret-4711");
        ids.push(made.id);
    }
    let again: Outcome<CreateScmIntegrationResponse> = caller.call(&create).await;
    assert_eq!(again.expect_err("a conflict").0, Code::AlreadyExists);

    let get = GetScmIntegrationRequest { id: ids[0].clone() };
    let got: GetScmIntegrationResponse = caller.call(&get).await.expect("found");
    let shown = got.integration.expect("an integration");
    let oauth = shown.oauth.as_ref().expect("OAuth");
    assert_eq!(
        (shown.host.as_str(), oauth.client_id.as_str(), shown.pat),
        ("host0.example.com", "client_id", false)
    );
    assert!(!oauth.encrypted_client_secret.is_empty());

    let (mut token, mut seen, mut pages) = (String::new(), Vec::new(), 0);
    loop {
        let list = ListScmIntegrationsRequest {
            filter: Some(Filter { runner_ids: vec![agent.runner.clone()] }),
            pagination: Some(PaginationRequest { page_size: 1, token }),
        };
        let page: ListScmIntegrationsResponse = caller.call(&list).await.expect("a page");
        seen.extend(page.integrations.into_iter().map(|one| one.id));
        pages += 1;
        token = page.pagination.expect("pagination").next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!((seen, pages), (ids.clone(), 4));

    let mut update = UpdateScmIntegrationRequest {
        id: ids[0].clone(),
        oauth_client_id: Some(String::new()),
        pat: Some(true),
        ..UpdateScmIntegrationRequest::default()
    };
    let UpdateScmIntegrationResponse {} = caller.call(&update).await.expect("updated");
    let got: GetScmIntegrationResponse = caller.call(&get).await.expect("found");
    let shown = got.integration.expect("an integration");
    assert_eq!((shown.oauth, shown.pat), (None, true), "an empty text is a value");
    (update.oauth_client_id, update.pat) = (None, None);
    let UpdateScmIntegrationResponse {} = caller.call(&update).await.expect("nothing to update");

    let delete = DeleteScmIntegrationRequest { id: ids[0].clone() };
    let DeleteScmIntegrationResponse {} = caller.call(&delete).await.expect("deleted");
    let missing = (Code::NotFound, "SCM integration not found".to_owned());
    let gone: Outcome<GetScmIntegrationResponse> = caller.call(&get).await;
    assert_eq!(gone.expect_err("gone"), missing);
    let gone: Outcome<DeleteScmIntegrationResponse> = caller.call(&delete).await;
    assert_eq!(gone.expect_err("gone"), missing);
    let bad: Outcome<GetScmIntegrationResponse> =
        caller.call(&GetScmIntegrationRequest { id: "x".to_owned() }).await;
    let text = "validation error: id: value must be a valid UUID [string.uuid]".to_owned();
    assert_eq!(bad.expect_err("no id"), (Code::InvalidArgument, text));

    let stranger = Caller { token: "sealink_pat_x".to_owned(), ..*caller };
    let refused: Outcome<GetScmIntegrationResponse> = stranger.call(&get).await;
    assert_eq!(refused.expect_err("a stranger").0, Code::Unauthenticated);
}
