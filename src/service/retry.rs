//! Deciding anew when somebody else was faster.
use crate::error::{Kind, Result};

/// How often a change is decided before its conflict is the caller's.
const ATTEMPTS: u32 = 5;

/// Runs `attempt`, which reads, decides and writes, until it ends in anything but a conflict.
///
/// # Errors
/// Those of `attempt`; [`Kind::Conflict`] after five of them.
pub(super) async fn until_settled<T, F>(mut attempt: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if error.kind() == Kind::Conflict => {}
            done => return done,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn a_conflict_is_tried_again_and_nothing_else() {
        for (conflicts, last, runs, ends) in [
            (0, Kind::NotFound, 1, Kind::NotFound),
            (4, Kind::NotFound, 5, Kind::NotFound),
            (5, Kind::NotFound, 5, Kind::Conflict),
        ] {
            let ran = Cell::new(0);
            let done: Result<()> = until_settled(|| async {
                ran.set(ran.get() + 1);
                Err(Error::new(if ran.get() > conflicts { last } else { Kind::Conflict }, "test"))
            })
            .await;
            assert_eq!((done.unwrap_err().kind(), ran.get()), (ends, runs));
        }
    }
}
