//! Gives back the memory that only the start, or a rare request, needed.
//!
//! Command line, configuration, migrations and the dynamic linker touch two thirds of the program's pages once.
//! The kernel keeps them for the process until memory is short, and monitoring counts them as its own. Those
//! that are still needed come back from the page cache with the next access.
#![expect(unsafe_code, reason = "madvise cannot be called without; it drops only what the files still hold")]
use std::{fs, io, time::Duration};

use rustix::mm::{Advice, madvise};

/// Addresses of this process.
#[derive(Debug, PartialEq, Eq)]
struct Range {
    start: usize,
    length: usize,
}

/// When what only the start needs has been called.
const STARTED: Duration = Duration::from_secs(2);
/// How often a running server trims itself. What its requests need is back after a few hundred soft faults.
const PAUSE: Duration = Duration::from_mins(1);

/// Trims the process once it has started and every minute. Best effort: a failure ends it.
pub async fn keep_trim() {
    tokio::time::sleep(STARTED).await;
    while let Ok(()) = trim() {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Drops the resident pages of the program and its libraries that are exactly as in their files.
///
/// # Errors
/// What the kernel said; nothing is lost then.
fn trim() -> io::Result<()> {
    for Range { start, length } in clean_files(&fs::read_to_string("/proc/self/smaps")?) {
        // SAFETY: no page of the range was ever written to, and none can be: each is read from its file again.
        unsafe { madvise(std::ptr::with_exposed_provenance_mut(start), length, Advice::LinuxDontNeed)? };
    }
    Ok(())
}

/// The mappings of files that cannot be written to and have no page of their own: `proc_pid_smaps(5)`. The
/// relocated part of a program is read-only, too, but its pages are its own.
fn clean_files(smaps: &str) -> Vec<Range> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in smaps.lines() {
        let (head, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some((start, end)) = head.split_once('-') {
            candidate = read_only_file(start, end, rest);
        } else if head == "Anonymous:" && rest.trim() == "0 kB" {
            found.extend(candidate.take());
        }
    }
    found
}

fn read_only_file(start: &str, end: &str, rest: &str) -> Option<Range> {
    let mut columns = rest.split_whitespace();
    let (permissions, path) = (columns.next()?, columns.nth(3)?);
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let program = path.starts_with('/') && permissions.starts_with("r-") && permissions.ends_with('p');
    program.then(|| Range { start, length: end.saturating_sub(start) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unwritable_mappings_without_pages_of_their_own() {
        const SMAPS: &str = "\
1000-3000 r-xp 00001000 fd:00 12 /usr/bin/sealink\nRss: 8 kB\nAnonymous:             0 kB\nVmFlags: rd ex
3000-4000 r--p 00003000 fd:00 12 /usr/bin/sealink\nAnonymous:             4 kB
4000-5000 rw-p 00004000 fd:00 12 /usr/bin/sealink\nAnonymous:             0 kB
5000-6000 r--s 00000000 fd:00 13 /var/lib/sealink/sealink.db-shm\nAnonymous:             0 kB
6000-7000 r--p 00000000 00:00 0 [vvar]\nAnonymous:             0 kB
7000-8000 ---p 00000000 fd:00 14 /lib/libc.so.6\nAnonymous:             0 kB
8000-9000 r--p 00000000 fd:00 14 /lib/libc.so.6\nAnonymous:             0 kB\n";
        let kept = [Range { start: 0x1000, length: 0x2000 }, Range { start: 0x8000, length: 0x1000 }];
        assert_eq!(clean_files(SMAPS), kept);
    }

    #[test]
    fn the_program_runs_on() {
        let resident =
            || fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(2).unwrap().to_owned();
        let before: u64 = resident().parse().unwrap();
        trim().unwrap();
        let after: u64 = resident().parse().unwrap();
        assert!(after < before, "{after} of {before} shared pages are resident");
    }
}
