//! The server under test of the Connect conformance suite: its service behind the product's own listener,
//! layers and bridge. Missing is only authentication; different are the message limit, which the runner sets,
//! the texts of INTERNAL errors, which the suite compares, and the JSON codec, because of `google.protobuf.Any`.
mod codec;
mod definition;
mod service;

use std::error::Error;

use prost::Message;
use sealink::{
    api::layers::layers,
    listener::{Limits, serve},
    rpc::{Bridge, Config, Methods},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, stdin, stdout},
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tonic::service::Routes;

/// The generated types of the suite.
#[allow(dead_code, clippy::all, clippy::pedantic, reason = "generated")]
mod pb {
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
    include!(concat!(env!("OUT_DIR"), "/connectrpc.conformance.v1.rs"));
}

/// The largest message when the runner sets no limit.
const NO_LIMIT: usize = 4 << 20;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let request = read_request().await?;
    if request.use_tls {
        return Err("TLS is not part of this run".into());
    }
    let max_message = match request.message_receive_limit {
        0 => NO_LIMIT,
        limit => usize::try_from(limit)?,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let answer = pb::ServerCompatResponse {
        host: address.ip().to_string(),
        port: u32::from(address.port()),
        pem_cert: Vec::new(),
    };
    write_response(&answer).await?;
    let service = pb::conformance_service_server::ConformanceServiceServer::new(service::Conformance)
        .max_decoding_message_size(usize::MAX);
    let config = Config { max_message, expose_internal: true, ..Config::default() };
    let methods = Methods::default().with(pb::DESCRIPTORS, true)?;
    let app = layers(Bridge::new(Routes::new(service).prepare(), methods, config), None);
    let mut stop = signal(SignalKind::terminate())?;
    serve(listener, app, Limits::default(), async move {
        stop.recv().await;
    })
    .await?;
    Ok(())
}

async fn read_request() -> Result<pb::ServerCompatRequest, Box<dyn Error>> {
    let mut input = stdin();
    let length = input.read_u32().await?;
    let mut message = vec![0; usize::try_from(length)?];
    input.read_exact(&mut message).await?;
    Ok(pb::ServerCompatRequest::decode(&*message)?)
}

async fn write_response(response: &pb::ServerCompatResponse) -> Result<(), Box<dyn Error>> {
    let mut output = stdout();
    output.write_u32(u32::try_from(response.encoded_len())?).await?;
    output.write_all(&response.encode_to_vec()).await?;
    output.flush().await?;
    Ok(())
}
