//! Combined reads: requests that wait at the same moment are answered by one query.
//!
//! A query starts after every request it serves has arrived, so it sees every change acknowledged before
//! them: nothing is cached, nothing can be stale. A request never joins a query that is already running.
use std::{panic::AssertUnwindSafe, sync::Mutex};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::error::{Error, Kind, Result};

/// How many requests share a query at most.
const BATCH: usize = 16;
/// How many requests may wait; beyond that callers wait to queue.
const QUEUE: usize = 1_024;

type Waiting<Q, A> = (Q, oneshot::Sender<Result<A>>);

/// A queue of questions of one kind.
pub(crate) struct Combiner<Q, A> {
    queue: mpsc::Sender<Waiting<Q, A>>,
    task: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

/// Answers many questions of one kind by one query, in their order.
pub(crate) trait Answer<Q, A>: Send + 'static {
    /// One answer per question.
    fn answer<'q>(&'q mut self, questions: &'q [Q]) -> BoxFuture<'q, Result<Vec<A>>>;
    /// Lets go of what the questions were asked on.
    fn close(self) -> BoxFuture<'static, ()>;
}

impl<Q: Send + Sync + 'static, A: Send + 'static> Combiner<Q, A> {
    /// Starts the task that asks `source`.
    pub(crate) fn start(source: impl Answer<Q, A>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(combine(source, waiting, stopped));
        Self { queue, task: Mutex::new(Some((stop, task))) }
    }

    /// Asks one question.
    pub(crate) async fn ask(&self, question: Q) -> Result<A> {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::new(Kind::Unavailable, "the server is shutting down");
        self.queue.send((question, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Refuses further questions, answers those that wait, and closes the source.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        let Some((stop, task)) = task else { return };
        drop(stop);
        if let Err(error) = task.await {
            tracing::error!(%error, "a combiner ended early");
        }
    }
}

async fn combine<Q: Sync, A>(
    mut source: impl Answer<Q, A>,
    mut waiting: mpsc::Receiver<Waiting<Q, A>>,
    mut stop: oneshot::Receiver<()>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let received = tokio::select! {
            biased;
            received = waiting.recv_many(&mut batch, BATCH) => received,
            _ = &mut stop, if !waiting.is_closed() => {
                // What waits by now is still received.
                waiting.close();
                continue;
            }
        };
        if received == 0 {
            break;
        }
        let (questions, replies): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let mut answers = answer_all(&mut source, &questions).await.into_iter();
        for reply in replies {
            let missing = || Err(Error::internal("a combined read has too few answers"));
            drop(reply.send(answers.next().unwrap_or_else(missing)));
        }
    }
    source.close().await;
}

/// A failure is one request's failure: if the batch fails, each question is asked by itself. But a database
/// that is away is so for all of them, and waiting for it once is enough.
async fn answer_all<Q: Sync, A>(source: &mut impl Answer<Q, A>, questions: &[Q]) -> Vec<Result<A>> {
    match answer(source, questions).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if questions.len() == 1 => vec![Err(error)],
        Err(error) if error.kind() == Kind::Unavailable => {
            questions.iter().map(|_| Err(error.share())).collect()
        }
        Err(_) => {
            let mut answers = Vec::with_capacity(questions.len());
            for question in questions {
                let one = answer(source, std::slice::from_ref(question)).await;
                let none = || Error::internal("a combined read has no answer");
                answers.push(one.and_then(|mut all| all.pop().ok_or_else(none)));
            }
            answers
        }
    }
}

/// A panic is an error too: the task must outlive it.
async fn answer<Q: Sync, A>(source: &mut impl Answer<Q, A>, questions: &[Q]) -> Result<Vec<A>> {
    let asked = AssertUnwindSafe(async { source.answer(questions).await }).catch_unwind().await;
    asked.unwrap_or_else(|_| Err(Error::internal("a combined read panicked")))
}
