//! SQLite's one writer: takes queued steps, gives each a savepoint, commits them together, then answers.
//!
//! One fsync then serves every step that was waiting. A step that fails rolls back to its own savepoint and
//! leaves the others alone; a failed COMMIT fails all of them; nothing is answered before it.
use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{Connection, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::tx::{Tx, execute};
use crate::error::{Error, Kind, Result};

/// How many steps share a COMMIT at most.
const BATCH: usize = 128;
/// How many steps may wait; beyond that callers wait to queue.
const QUEUE: usize = 1_024;

/// The handle of the writer task.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Step>>,
    task: Mutex<Option<JoinHandle<()>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    writes: AtomicU64,
    commits: AtomicU64,
}

/// A queued step, its types erased.
trait Step: Send {
    /// Runs the step and keeps its result; true if its changes are to stay.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    /// Answers the caller: with the step's own result, or with why it was not committed.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Queued<I, T, F> {
    input: I,
    step: F,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<I, T, F> Step for Queued<I, T, F>
where
    I: Send + Sync,
    T: Send,
    F: for<'t> Fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        Box::pin(async move {
            let step = AssertUnwindSafe((self.step)(tx, &self.input)).catch_unwind().await;
            let result = step.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let own = self.result.unwrap_or_else(|| Err(Error::internal("a write was not run")));
        // A step that failed by itself says so even if the COMMIT of the others failed too.
        let result = own.and_then(|value| committed.map(|()| value));
        drop(self.reply.send(result));
    }
}

impl Writer {
    /// Starts the task that owns `connection`.
    pub(crate) fn start(connection: SqliteConnection) -> Self {
        let (queue, steps) = mpsc::channel(QUEUE);
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(write_all(connection, steps, Arc::clone(&counts)));
        Self { queue, task: Mutex::new(Some(task)), counts }
    }

    /// Queues a step and waits until it is durable.
    pub(crate) async fn submit<I, T, F>(&self, input: I, step: F) -> Result<T>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx, &'t I) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let stopped = || Error::new(Kind::Unavailable, "the server is shutting down");
        let queued = Box::new(Queued { input, step, result: None, reply });
        self.queue.send(queued).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// Acknowledged writes and the COMMITs they took.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.counts.writes.load(Ordering::Relaxed), self.counts.commits.load(Ordering::Relaxed))
    }

    /// Finishes what is queued and closes the connection.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        let Some(task) = task else { return };
        // A step with nothing to do, to be sure that everything before it is done.
        let last = self.submit((), |_, ()| Box::pin(async { Ok(()) })).await;
        if last.is_ok() {
            task.abort();
        }
    }
}

async fn write_all(
    connection: SqliteConnection,
    mut steps: mpsc::Receiver<Box<dyn Step>>,
    counts: Arc<Counts>,
) {
    let mut tx = Tx::Sqlite(connection);
    let mut batch = Vec::with_capacity(BATCH);
    while steps.recv_many(&mut batch, BATCH).await > 0 {
        let committed = commit(&mut tx, &mut batch).await;
        if committed.is_ok() {
            counts.commits.fetch_add(1, Ordering::Relaxed);
            counts.writes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        }
        for step in batch.drain(..) {
            step.answer(committed.as_ref().copied().map_err(copy));
        }
    }
    if let Tx::Sqlite(connection) = tx {
        drop(connection.close().await);
    }
}

/// Runs every step of the batch inside one transaction.
async fn commit(tx: &mut Tx, batch: &mut [Box<dyn Step>]) -> Result<()> {
    execute!(tx, "BEGIN IMMEDIATE; SAVEPOINT step")?;
    let done = run(tx, batch).await;
    if done.is_err()
        && let Err(error) = execute!(tx, "ROLLBACK")
    {
        // SQLite has rolled back by itself, as it does when the disk is full.
        tracing::debug!(error = %error, "nothing to roll back");
    }
    done
}

async fn run(tx: &mut Tx, batch: &mut [Box<dyn Step>]) -> Result<()> {
    for step in batch {
        if step.run(tx).await {
            execute!(tx, "RELEASE step; SAVEPOINT step")?;
        } else {
            execute!(tx, "ROLLBACK TO step")?;
        }
    }
    execute!(tx, "RELEASE step; COMMIT").map(|_| ())
}

/// The same error for everybody whose write shared the COMMIT; the cause is logged once, by the first.
fn copy(error: &Error) -> Error {
    let copy = Error::new(error.kind(), error.message().to_owned());
    match error.retry_delay() {
        Some(delay) => copy.retry_after(delay),
        None => copy,
    }
}
