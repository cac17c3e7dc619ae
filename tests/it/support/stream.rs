//! A server stream as it comes.
use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::time::timeout;

use super::Watch;

/// How long a test waits for the next message.
const PATIENCE: Duration = Duration::from_secs(20);

/// The messages of one Connect stream.
pub(crate) struct EventStream {
    response: reqwest::Response,
    buffer: Vec<u8>,
    watch: Arc<Watch>,
}

impl EventStream {
    pub(crate) fn new(response: reqwest::Response, watch: &Arc<Watch>) -> Self {
        Self { response, buffer: Vec::new(), watch: Arc::clone(watch) }
    }

    /// The next message, or how the stream ended.
    pub(crate) async fn step(&mut self) -> Result<Value, Value> {
        loop {
            if let Some((flag, message)) = self.envelope() {
                self.watch.said("a stream", &message);
                let message = serde_json::from_slice(&message).expect("JSON");
                return if flag == 0 { Ok(message) } else { Err(message) };
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("a message in time");
            self.buffer.extend_from_slice(&chunk.expect("a whole stream").expect("an end"));
        }
    }

    fn envelope(&mut self) -> Option<(u8, Vec<u8>)> {
        let (header, rest) = self.buffer.split_first_chunk::<5>()?;
        let length = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let (flag, message) = (header[0], rest.get(..length)?.to_vec());
        self.buffer.drain(..5 + length);
        Some((flag, message))
    }

    /// The next message that is no keep-alive.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let message = self.step().await.unwrap_or_else(|end| panic!("the stream ended: {end}"));
            if message.get("keepAlive").is_none() {
                return message;
            }
        }
    }

    /// The code it ends with, whatever comes before.
    pub(crate) async fn end(&mut self) -> String {
        loop {
            if let Err(end) = self.step().await {
                return end["error"]["code"].as_str().unwrap_or("ok").to_owned();
            }
        }
    }
}
