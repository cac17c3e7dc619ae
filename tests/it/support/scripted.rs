//! A live agent whose answers a test writes down.
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{Actor, Agent, Answer, EventStream};

/// It takes calls until it is dropped.
pub(crate) struct LiveAgent {
    asked: Arc<Mutex<Vec<Value>>>,
    task: JoinHandle<()>,
}

impl LiveAgent {
    /// Every call it was offered so far.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first call that it is offered; waits for it.
    pub(crate) async fn first(&self) -> Value {
        loop {
            if let Some(first) = self.asked().into_iter().next() {
                return first;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

impl Drop for LiveAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Agent {
    /// Another process of the same runner.
    pub(crate) fn twin(&self) -> Self {
        Self { id: super::new_id().to_string(), ..self.clone() }
    }

    /// The same process, connected to another server.
    pub(crate) fn through(&self, other: &Actor) -> Self {
        let token = self.actor.token.as_deref().expect("a token");
        Self { actor: other.with_token(token), ..self.clone() }
    }

    /// `WatchRequests`.
    pub(crate) async fn requests(&self, capacity: u32) -> EventStream {
        let body = json!({ "agentId": self.id, "capacity": capacity });
        self.actor.stream("RunnerAgentService/WatchRequests", &body).await
    }

    /// `SendResponse` to `call`, with `result` as its other members.
    pub(crate) async fn respond(&self, call: &Value, result: &Value) -> Answer {
        let mut body = result.clone();
        body["agentId"] = json!(self.id);
        body["requestId"] = call["requestId"].clone();
        body["attempt"] = call["attempt"].clone();
        self.actor.call("RunnerAgentService/SendResponse", &body).await
    }

    /// Lives, takes calls, and answers as `script` says: the result's member, or nothing at all.
    pub(crate) async fn live(
        &self,
        script: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
    ) -> LiveAgent {
        self.beat(&self.id).await.ok();
        let mut stream = self.requests(256).await;
        let asked = Arc::<Mutex<Vec<Value>>>::default();
        let (agent, heard) = (self.clone(), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok(call) = stream.step().await {
                if call.get("keepAlive").is_some() {
                    continue;
                }
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
                if let Some(result) = script(&call) {
                    let agent = agent.clone();
                    tokio::spawn(async move { agent.respond(&call, &result).await });
                }
            }
        });
        LiveAgent { asked, task }
    }
}
