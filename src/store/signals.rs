//! Hints that something changed: from every write to whoever waits in this process, and on PostgreSQL to the
//! other servers on the same database.
//!
//! A hint may be lost or come twice, so whoever waits for one also looks by itself now and then.
use std::{collections::HashSet, fmt, str::FromStr, sync::Mutex};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    sync::{broadcast, mpsc},
    task::JoinHandle,
    time::{Duration, sleep},
};
use uuid::Uuid;

use super::failure::failure;
use crate::{
    domain::id::{CallId, RunnerId},
    error::Result,
};

/// Hints that one who listens slowly may miss.
const BUFFER: usize = 4_096;
const CHANNEL: &str = "sealink";
/// How long to wait after the database refused to listen.
const PAUSE: Duration = Duration::from_secs(1);

/// What to look at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// A runner's configuration has a new revision.
    Changed(RunnerId),
    /// A runner's agents have a call to answer.
    Called(RunnerId),
    /// A call was answered.
    Answered(CallId),
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed(runner) => write!(f, "changed {runner}"),
            Self::Called(runner) => write!(f, "called {runner}"),
            Self::Answered(call) => write!(f, "answered {call}"),
        }
    }
}

impl FromStr for Signal {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, id) = text.split_once(' ').ok_or(())?;
        let id = Uuid::try_parse(id).map_err(drop)?;
        match word {
            "changed" => Ok(Self::Changed(RunnerId(id))),
            "called" => Ok(Self::Called(RunnerId(id))),
            "answered" => Ok(Self::Answered(CallId(id))),
            _ => Err(()),
        }
    }
}

/// Where hints come together.
pub(crate) struct Signals {
    here: broadcast::Sender<Signal>,
    /// Towards the other servers.
    there: Option<mpsc::Sender<Signal>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Signals {
    /// For a database that no other server shares.
    pub(crate) fn alone() -> Self {
        Self { here: broadcast::channel(BUFFER).0, there: None, tasks: Mutex::default() }
    }

    /// For a PostgreSQL database with any number of servers. Uses connections of its own.
    pub(crate) async fn shared(options: PgConnectOptions) -> Result<Self> {
        let pool = PgPoolOptions::new().max_connections(2).min_connections(0);
        let pool = pool.connect_with(options).await.map_err(failure)?;
        let (there, waiting) = mpsc::channel(BUFFER);
        let here = broadcast::channel(BUFFER).0;
        let tasks = vec![tokio::spawn(listen(pool.clone(), here.clone())), tokio::spawn(tell(pool, waiting))];
        Ok(Self { here, there: Some(there), tasks: Mutex::new(tasks) })
    }

    /// Passes hints on to everybody.
    pub(crate) fn send(&self, signals: impl IntoIterator<Item = Signal>) {
        for signal in signals {
            // Nobody listens, or the queue is full: it is a hint.
            let _ = self.here.send(signal);
            let _ = self.there.as_ref().map(|there| there.try_send(signal));
        }
    }

    /// Hints from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Signal> {
        self.here.subscribe()
    }

    /// Ends the exchange with the other servers.
    pub(crate) fn close(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
    }
}

/// Hears the other servers, and itself once more, for as long as the process lives.
async fn listen(pool: PgPool, here: broadcast::Sender<Signal>) {
    loop {
        if let Err(error) = hear(&pool, &here).await {
            tracing::warn!(%error, "hints from other servers are lost, polling goes on");
        }
        sleep(PAUSE).await;
    }
}

async fn hear(pool: &PgPool, here: &broadcast::Sender<Signal>) -> sqlx::Result<()> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    loop {
        if let Ok(signal) = listener.recv().await?.payload().parse() {
            let _ = here.send(signal);
        }
    }
}

/// Tells the other servers: one statement for all that waits meanwhile, outside of the writes' own
/// transactions, whose COMMITs would queue for it.
async fn tell(pool: PgPool, mut waiting: mpsc::Receiver<Signal>) {
    const SQL: &str = "SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint";
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BUFFER).await > 0 {
        let hints: HashSet<_> = batch.drain(..).collect();
        let hints: Vec<_> = hints.iter().map(ToString::to_string).collect();
        if let Err(error) = sqlx::query(SQL).bind(CHANNEL).bind(&hints).execute(&pool).await {
            tracing::debug!(%error, "a hint to other servers is lost");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_read_as_they_are_written() {
        let id = Uuid::from_u128(7);
        for signal in
            [Signal::Changed(RunnerId(id)), Signal::Called(RunnerId(id)), Signal::Answered(CallId(id))]
        {
            assert_eq!(signal.to_string().parse(), Ok(signal));
        }
        assert_eq!("changed".parse::<Signal>(), Err(()));
    }
}
