//! `connectrpc.conformance.v1.ConformanceService`.
use std::{pin::Pin, time::Duration};

use futures_util::{Stream, StreamExt, stream};
use prost_types::Any;
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    definition::{Head, add_metadata, any, one, status},
    pb::{
        BidiStreamRequest, BidiStreamResponse, ClientStreamRequest, ClientStreamResponse, ConformancePayload,
        IdempotentUnaryRequest, IdempotentUnaryResponse, ServerStreamRequest, ServerStreamResponse,
        StreamResponseDefinition, UnaryRequest, UnaryResponse, UnimplementedRequest, UnimplementedResponse,
        conformance_payload::RequestInfo, conformance_service_server::ConformanceService,
    },
};

/// The service under test.
pub struct Conformance;

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl ConformanceService for Conformance {
    async fn unary(&self, request: Request<UnaryRequest>) -> Result<Response<UnaryResponse>, Status> {
        let (head, requests) = (Head::of(&request), vec![any(request.get_ref())]);
        let definition = request.into_inner().response_definition;
        one(&head, definition, requests, |payload| UnaryResponse { payload: Some(payload) }).await
    }

    async fn idempotent_unary(
        &self,
        request: Request<IdempotentUnaryRequest>,
    ) -> Result<Response<IdempotentUnaryResponse>, Status> {
        let (head, requests) = (Head::of(&request), vec![any(request.get_ref())]);
        let definition = request.into_inner().response_definition;
        one(&head, definition, requests, |payload| IdempotentUnaryResponse { payload: Some(payload) }).await
    }

    async fn unimplemented(
        &self,
        _: Request<UnimplementedRequest>,
    ) -> Result<Response<UnimplementedResponse>, Status> {
        Err(Status::unimplemented("not implemented"))
    }

    async fn client_stream(
        &self,
        request: Request<Streaming<ClientStreamRequest>>,
    ) -> Result<Response<ClientStreamResponse>, Status> {
        let head = Head::of(&request);
        let mut incoming = request.into_inner();
        let (mut definition, mut requests) = (None, Vec::new());
        while let Some(message) = incoming.message().await? {
            requests.push(any(&message));
            if requests.len() == 1 {
                definition = message.response_definition;
            }
        }
        one(&head, definition, requests, |payload| ClientStreamResponse { payload: Some(payload) }).await
    }

    type ServerStreamStream = Answers<ServerStreamResponse>;

    async fn server_stream(
        &self,
        request: Request<ServerStreamRequest>,
    ) -> Result<Response<Self::ServerStreamStream>, Status> {
        let info = Head::of(&request).info(vec![any(request.get_ref())]);
        let definition = request.into_inner().response_definition.unwrap_or_default();
        let answers = stream::iter(planned(&definition, info))
            .then(paced(&definition))
            .map(|item| item.map(|payload| ServerStreamResponse { payload: Some(payload) }));
        Ok(with_metadata(Box::pin(answers), &definition))
    }

    type BidiStreamStream = Answers<BidiStreamResponse>;

    async fn bidi_stream(
        &self,
        request: Request<Streaming<BidiStreamRequest>>,
    ) -> Result<Response<Self::BidiStreamStream>, Status> {
        let head = Head::of(&request);
        let mut incoming = request.into_inner();
        let Some(first) = incoming.message().await? else {
            return Ok(Response::new(Box::pin(stream::empty())));
        };
        let mut requests = vec![any(&first)];
        let definition = first.response_definition.unwrap_or_default();
        let answers: Answers<ConformancePayload> = if first.full_duplex {
            let (answers, receiver) = mpsc::channel(1);
            tokio::spawn(converse(incoming, definition.clone(), head, requests, answers));
            Box::pin(ReceiverStream::new(receiver))
        } else {
            while let Some(message) = incoming.message().await? {
                requests.push(any(&message));
            }
            Box::pin(stream::iter(planned(&definition, head.info(requests))).then(paced(&definition)))
        };
        let answers = answers.map(|item| item.map(|payload| BidiStreamResponse { payload: Some(payload) }));
        Ok(with_metadata(Box::pin(answers), &definition))
    }
}

/// All answers of a stream that has read its requests: the first one says what they were.
fn planned(
    definition: &StreamResponseDefinition,
    info: RequestInfo,
) -> Vec<Result<ConformancePayload, Status>> {
    let mut info = Some(info);
    let mut answers: Vec<_> = definition
        .response_data
        .iter()
        .map(|data| Ok(ConformancePayload { data: data.clone(), request_info: info.take() }))
        .collect();
    answers.extend(definition.error.clone().map(|error| Err(status(error, info.as_ref()))));
    answers
}

/// An answer that may have to wait.
type Later<T> = Pin<Box<dyn Future<Output = Result<T, Status>> + Send>>;

/// Waits before each answer that is a message.
fn paced<T: Send + 'static>(
    definition: &StreamResponseDefinition,
) -> impl Fn(Result<T, Status>) -> Later<T> + use<T> {
    let delay = Duration::from_millis(definition.response_delay_ms.into());
    move |answer| {
        Box::pin(async move {
            if answer.is_ok() {
                sleep(delay).await;
            }
            answer
        })
    }
}

fn with_metadata<T>(body: Answers<T>, definition: &StreamResponseDefinition) -> Response<Answers<T>> {
    let mut response = Response::new(body);
    add_metadata(response.metadata_mut(), &definition.response_headers, &definition.response_trailers);
    response
}

/// Full duplex: one answer for each request, then what is left to say.
async fn converse(
    mut incoming: Streaming<BidiStreamRequest>,
    definition: StreamResponseDefinition,
    head: Head,
    mut requests: Vec<Any>,
    answers: mpsc::Sender<Result<ConformancePayload, Status>>,
) {
    let delay = Duration::from_millis(definition.response_delay_ms.into());
    let (mut sent, mut open) = (0, true);
    for data in definition.response_data {
        if sent > 0 && open {
            match incoming.message().await {
                Ok(Some(message)) => requests.push(any(&message)),
                Ok(None) => open = false,
                Err(status) => return drop(answers.send(Err(status)).await),
            }
        }
        let requests = std::mem::take(&mut requests);
        let info = match sent {
            0 => Some(head.info(requests)),
            _ if open => Some(RequestInfo { requests, ..RequestInfo::default() }),
            _ => None,
        };
        sleep(delay).await;
        if answers.send(Ok(ConformancePayload { data, request_info: info })).await.is_err() {
            return;
        }
        sent += 1;
    }
    while definition.error.is_none() && open {
        match incoming.message().await {
            Ok(message) => open = message.is_some(),
            Err(status) => return drop(answers.send(Err(status)).await),
        }
    }
    if let Some(error) = definition.error {
        let info = (sent == 0).then(|| head.info(requests));
        drop(answers.send(Err(status(error, info.as_ref()))).await);
    }
}
