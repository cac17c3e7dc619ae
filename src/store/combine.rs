//! Combined reads: requests that wait at the same moment are answered by one query, and those that ask the same by one
//! answer.
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

/// Answers many questions of one kind by one query, in their order; no two of them are equal.
pub(crate) trait Answer<Q, A>: Send + 'static {
    /// One answer per question.
    fn answer<'q>(&'q mut self, questions: &'q [Q]) -> BoxFuture<'q, Result<Vec<A>>>;
    /// Lets go of what the questions were asked on.
    fn close(self) -> BoxFuture<'static, ()>;
}

impl<Q: PartialEq + Send + Sync + 'static, A: Clone + Send + Sync + 'static> Combiner<Q, A> {
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

async fn combine<Q: PartialEq + Sync, A: Clone>(
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
        let (mut questions, mut askers) =
            (Vec::with_capacity(received), Vec::<Vec<_>>::with_capacity(received));
        for (question, reply) in batch.drain(..) {
            if let Some(same) = questions.iter().position(|asked| *asked == question) {
                askers[same].push(reply);
            } else {
                questions.push(question);
                askers.push(vec![reply]);
            }
        }
        let mut answers = answer_all(&mut source, &questions).await.into_iter();
        for replies in askers {
            let missing = || Err(Error::internal("a combined read has too few answers"));
            tell(answers.next().unwrap_or_else(missing), replies);
        }
    }
    source.close().await;
}

/// Gives everybody who asked the same the same answer; one of them needs no copy of it.
fn tell<A: Clone>(answer: Result<A>, mut replies: Vec<oneshot::Sender<Result<A>>>) {
    let last = replies.pop();
    for reply in replies {
        drop(reply.send(answer.as_ref().map(A::clone).map_err(Error::share)));
    }
    if let Some(last) = last {
        drop(last.send(answer));
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Notify;

    use super::*;

    /// Says of each question how often it was asked; the first waits.
    struct Source {
        asked: Arc<Mutex<Vec<Vec<u32>>>>,
        first: Arc<Notify>,
    }

    impl Answer<u32, u32> for Source {
        fn answer<'q>(&'q mut self, questions: &'q [u32]) -> BoxFuture<'q, Result<Vec<u32>>> {
            Box::pin(async move {
                self.asked.lock().unwrap().push(questions.to_vec());
                if questions == [0] {
                    self.first.notified().await;
                }
                if questions.contains(&9) {
                    return Err(Error::internal("nine"));
                }
                Ok(questions.iter().map(|question| question * 10).collect())
            })
        }

        fn close(self) -> BoxFuture<'static, ()> {
            Box::pin(async {})
        }
    }

    #[tokio::test]
    async fn who_asks_the_same_at_the_same_moment_shares_an_answer() {
        let (asked, first) = (Arc::default(), Arc::new(Notify::new()));
        let source = Source { asked: Arc::clone(&asked), first: Arc::clone(&first) };
        let combiner = Arc::new(Combiner::start(source));
        let ask = |question: u32| {
            let combiner = Arc::clone(&combiner);
            tokio::spawn(async move { combiner.ask(question).await.map_err(|error| error.kind()) })
        };
        let blocking = ask(0);
        while asked.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = [1, 2, 1, 9, 1, 9].into_iter().map(ask).collect();
        // All of them wait by now: this runtime has one thread.
        tokio::task::yield_now().await;
        first.notify_one();
        assert_eq!(blocking.await.unwrap(), Ok(0));
        let mut answers = Vec::new();
        for one in waiting {
            answers.push(one.await.unwrap());
        }
        let nine = Err(Kind::Internal);
        assert_eq!(answers, [Ok(10), Ok(20), Ok(10), nine, Ok(10), nine]);
        // One failure is nobody else's.
        let expected = [vec![0], vec![1, 2, 9], vec![1], vec![2], vec![9]];
        assert_eq!(*asked.lock().unwrap(), expected);
        // Whoever asks later is asked for anew.
        assert_eq!(ask(1).await.unwrap(), Ok(10));
        assert_eq!(asked.lock().unwrap().len(), expected.len() + 1);
    }
}
