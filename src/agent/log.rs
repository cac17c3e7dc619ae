//! The end of the agent's own log, in memory, for people who may not log in on its machine.
use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// How much is kept, in bytes.
pub const KEPT: usize = 1 << 20;

/// Keeps the last [`KEPT`] bytes that were logged. What is logged holds no secret, because secrets are types
/// that print nothing; so what is kept needs no redaction of its own. Clones share it.
#[derive(Clone, Default)]
pub struct LogTail(Arc<Mutex<VecDeque<u8>>>);

impl LogTail {
    /// The last whole lines, `max` bytes at most.
    #[must_use]
    pub fn last(&self, max: usize) -> Vec<u8> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = kept.len().saturating_sub(max);
        let bytes: Vec<u8> = kept.iter().skip(start).copied().collect();
        // What was cut off at the front belongs to a line that is not whole.
        let whole =
            |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let cut = start > 0 || kept.len() == KEPT;
        let from = if cut { whole(&bytes) } else { 0 };
        bytes[from..].to_vec()
    }
}

impl fmt::Debug for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogTail(..)")
    }
}

/// Writes to stderr as before, and keeps what was written.
#[derive(Clone, Debug)]
pub struct Tee(pub LogTail);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
        drop(kept);
        io::stderr().write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(tail: &LogTail, bytes: &[u8]) {
        tail.0.lock().unwrap().extend(bytes);
    }

    #[test]
    fn the_end_is_whole_lines() {
        let tail = LogTail::default();
        assert_eq!(tail.last(10), b"");
        put(&tail, b"one\ntwo\nthree\n");
        assert_eq!(tail.last(100), b"one\ntwo\nthree\n");
        assert_eq!(tail.last(7), b"three\n");
        assert_eq!(tail.last(3), b"");
    }

    #[test]
    fn old_lines_go() {
        let mut tee = Tee(LogTail::default());
        put(&tee.0, &vec![b'x'; KEPT - 4]);
        put(&tee.0, b"\nend\n");
        // One write more, to have the surplus taken away.
        tee.write_all(b"").unwrap();
        assert_eq!(tee.0.last(KEPT), b"end\n");
    }
}
