//! SQLite's one writer: takes queued steps, gives each a savepoint, commits them together, then answers.
//!
//! One fsync then serves every step that was waiting. A step that fails rolls back to its own savepoint and
//! leaves the others alone; if the transaction is lost, all of them fail; nothing is answered before COMMIT.
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

use super::{
    signals::Signals,
    tx::{On, Tx, execute},
};
use crate::error::{Error, Kind, Result};

/// How many steps share a COMMIT at most.
const BATCH: usize = 128;
/// How many steps may wait; beyond that callers wait to queue.
const QUEUE: usize = 1_024;

/// The handle of the writer task.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Step>>,
    task: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    writes: AtomicU64,
    commits: AtomicU64,
}

/// A queued step, its types erased.
trait Step: Send {
    /// Runs the step and keeps its result. An error is a copy of the step's own: its changes must go.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<()>>;
    /// Answers the caller: with the step's own result, or with why it was not committed.
    fn answer(self: Box<Self>, committed: Result<()>);
    /// Whether the step's changes are part of what was committed.
    fn is_kept(&self) -> bool;
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
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<()>> {
        Box::pin(async move {
            let step = AssertUnwindSafe(async { (self.step)(tx, &self.input).await }).catch_unwind().await;
            let result = step.unwrap_or_else(|_| Err(Error::internal("a write panicked")));
            let kept = result.as_ref().map(|_| ()).map_err(Error::share);
            self.result = Some(result);
            kept
        })
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let result = match (self.result, committed) {
            // A step that failed by itself says so even if the COMMIT of the others failed too.
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(lost)) => Err(lost),
            (None, Ok(())) => Err(Error::internal("a write was not run")),
        };
        drop(self.reply.send(result));
    }

    fn is_kept(&self) -> bool {
        matches!(self.result, Some(Ok(_)))
    }
}

impl Writer {
    /// Starts the task that owns `connection`.
    pub(crate) fn start(connection: SqliteConnection, signals: Arc<Signals>) -> Self {
        let (queue, steps) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::<Counts>::default();
        let task = tokio::spawn(write_all(connection, steps, stopped, Arc::clone(&counts), signals));
        Self { queue, task: Mutex::new(Some((stop, task))), counts }
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

    /// Refuses further steps, finishes what is queued, and closes the connection.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().ok().and_then(|mut task| task.take());
        let Some((stop, task)) = task else { return };
        drop(stop);
        if let Err(error) = task.await {
            tracing::error!(%error, "the writer ended early");
        }
    }
}

async fn write_all(
    connection: SqliteConnection,
    mut steps: mpsc::Receiver<Box<dyn Step>>,
    mut stop: oneshot::Receiver<()>,
    counts: Arc<Counts>,
    signals: Arc<Signals>,
) {
    let mut tx = Tx::new(On::Sqlite(connection));
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let waiting = tokio::select! {
            biased;
            _ = &mut stop, if !steps.is_closed() => {
                // What is queued by now is still received.
                steps.close();
                continue;
            }
            waiting = steps.recv_many(&mut batch, BATCH) => waiting,
        };
        if waiting == 0 {
            break;
        }
        let committed = commit(&mut tx, &mut batch, &mut steps).await;
        // A failure is logged by each request that it hits.
        if committed.is_ok() {
            let kept = batch.iter().filter(|step| step.is_kept()).count();
            counts.commits.fetch_add(1, Ordering::Relaxed);
            counts.writes.fetch_add(kept as u64, Ordering::Relaxed);
        }
        // Those of a step that failed wake somebody for nothing.
        signals.send(tx.signals.drain(..));
        for step in batch.drain(..) {
            step.answer(committed.as_ref().copied().map_err(Error::share));
        }
    }
    if let On::Sqlite(connection) = tx.on {
        drop(connection.close().await);
    }
}

/// Runs every step of the batch inside one transaction.
async fn commit(
    tx: &mut Tx,
    batch: &mut Vec<Box<dyn Step>>,
    steps: &mut mpsc::Receiver<Box<dyn Step>>,
) -> Result<()> {
    let done = match execute!(tx, "BEGIN IMMEDIATE; SAVEPOINT step") {
        Ok(_) => run(tx, batch).await,
        Err(error) => {
            // Whoever queued meanwhile has waited for the same lock: one timeout is enough for all.
            while let Ok(step) = steps.try_recv() {
                batch.push(step);
            }
            Err(error)
        }
    };
    // Also if BEGIN failed: nothing may be left open that the next batch would trip over.
    if done.is_err()
        && let Err(error) = execute!(tx, "ROLLBACK")
    {
        // SQLite has rolled back by itself, as it does when the disk is full, or had not begun.
        tracing::debug!(error = %error, "nothing to roll back");
    }
    done
}

async fn run(tx: &mut Tx, batch: &mut [Box<dyn Step>]) -> Result<()> {
    for step in batch {
        match step.run(tx).await {
            Ok(()) => execute!(tx, "RELEASE step; SAVEPOINT step").map(|_| ())?,
            // If even that fails, the step's error has ended the whole transaction and tells more.
            Err(own) => execute!(tx, "ROLLBACK TO step").map(|_| ()).map_err(|_| own)?,
        }
    }
    execute!(tx, "RELEASE step; COMMIT").map(|_| ())
}
