//! Whether the database takes writes, as the last ones showed: asking costs nothing as long as it does.
use std::sync::atomic::{AtomicU8, Ordering};

use uuid::Uuid;

use super::{Store, failure, tx::execute};
use crate::error::Result;

/// What a write finds that fails for want of room: more than fits between what is there already.
const PROBE: usize = 65_536;

/// What becomes of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// They are taken.
    Taken,
    /// The disk is full, or the database may only be read. Reads go on.
    Refused,
    /// The disk fails.
    Failing,
}

/// What the last write showed.
#[derive(Debug, Default)]
pub(super) struct LastWrite(AtomicU8);

impl LastWrite {
    /// A write failed for the disk's sake. One that succeeds proves little, since a small one may find room where a
    /// large one does not: only a probe clears it.
    pub(super) fn note<T>(&self, written: &Result<T>) {
        let trouble = written.as_ref().err().and_then(failure::of_disk);
        if let Some(trouble) = trouble {
            self.0.store(trouble as u8, Ordering::Relaxed);
        }
    }

    fn clear(&self) {
        self.0.store(Writes::Taken as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Writes {
        match self.0.load(Ordering::Relaxed) {
            0 => Writes::Taken,
            1 => Writes::Refused,
            _ => Writes::Failing,
        }
    }
}

impl Store {
    /// What became of the last writes.
    #[must_use]
    pub fn writes(&self) -> Writes {
        self.last_write.get()
    }

    /// Finds out whether writes are taken again, by one that needs room and leaves nothing.
    ///
    /// # Errors
    /// Why they are not.
    pub async fn probe_writes(&self, id: Uuid) -> Result<()> {
        const FILL: &str = "INSERT INTO write_probe (id, bytes) VALUES ($1, $2)";
        const EMPTY: &str = "DELETE FROM write_probe";
        self.write(id, |tx, id| {
            Box::pin(async move {
                execute!(tx, FILL, *id, vec![0_u8; PROBE])?;
                execute!(tx, EMPTY).map(|_| ())
            })
        })
        .await?;
        self.last_write.clear();
        Ok(())
    }
}
