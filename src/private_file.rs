//! Files only their owner may read: tokens, keys, state. Written whole or not at all.
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// A private file that does not exist yet under its name. Dropped without [`commit`](Self::commit) or
/// [`commit_new`](Self::commit_new), it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Prepares to write `path`, mode 0600, so that a full or read-only disk shows before anything
    /// irreversible is done. An existing regular file is replaced on commit.
    ///
    /// # Errors
    /// As the operating system says; `InvalidInput` if `path` is there but is no regular file.
    pub fn create(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it exists and is not a regular file"));
        }
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let draft = parent(path).join(format!(".{}.{}.draft", name.to_string_lossy(), std::process::id()));
        // What a crashed process with the same id left behind.
        let _ = fs::remove_file(&draft);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        Ok(Self { file, temporary: draft, path: path.to_owned() })
    }

    /// The same for a file that must not be there yet; give it its name with [`commit_new`](Self::commit_new).
    ///
    /// # Errors
    /// `AlreadyExists` if it is there; otherwise as [`create`](Self::create).
    pub fn create_new(path: &Path) -> io::Result<Self> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists already: name another file"));
        }
        Self::create(path)
    }

    /// Writes the content, waits until the disk has it, and gives the file its name.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn commit(mut self, content: &[u8]) -> io::Result<()> {
        self.write(content)?;
        fs::rename(&self.temporary, &self.path)?;
        self.sync_name()
    }

    /// The same, but never replaces anything: of two that commit the same name, one wins.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken; otherwise as the operating system says.
    pub fn commit_new(mut self, content: &[u8]) -> io::Result<()> {
        self.write(content)?;
        fs::hard_link(&self.temporary, &self.path)?;
        // The draft is a second name of the file: a failure to remove it is one the caller should hear of.
        fs::remove_file(&self.temporary)?;
        self.sync_name()
    }

    fn write(&mut self, content: &[u8]) -> io::Result<()> {
        self.file.write_all(content)?;
        self.file.sync_all()
    }

    fn sync_name(&self) -> io::Result<()> {
        File::open(parent(&self.path))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit the draft has its final name, and this finds nothing.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Writes a private file in one go.
///
/// # Errors
/// As [`Draft`].
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    Draft::create(path)?.commit(content)
}

/// Creates a directory only its owner may enter, with its parents; an existing one stays as it is.
///
/// # Errors
/// As the operating system says.
pub fn create_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The permission bits.
///
/// # Errors
/// As the operating system says.
pub fn mode(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

/// Lets only its owner enter a directory.
///
/// # Errors
/// As the operating system says.
pub fn narrow_dir(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Whether anybody but the owner may read or write.
///
/// # Errors
/// As the operating system says.
pub fn is_open_to_others(path: &Path) -> io::Result<bool> {
    Ok(mode(path)? & 0o077 != 0)
}

/// Reads at most `limit` bytes of text.
///
/// # Errors
/// As the operating system says; `InvalidData` if it is longer, or not UTF-8.
pub fn read_text(from: impl Read, limit: u64) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_can_read_and_a_draft_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        drop(Draft::create(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        fs::write(&path, "old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(!is_open_to_others(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        Draft::create(&path).unwrap().commit_new(b"first").unwrap();
        let late = Draft::create(&path).unwrap().commit_new(b"late");
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let early = Draft::create_new(&path);
        assert_eq!(early.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
        assert!(!is_open_to_others(&path).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn never_replaces_what_is_no_regular_file() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [link.as_path(), dir.path()] {
            assert_eq!(Draft::create(path).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn text_has_a_limit() {
        assert_eq!(*read_text(&b"four"[..], 4).unwrap(), "four");
        assert!(read_text(&b"fives"[..], 4).is_err());
        assert!(read_text(&[0xff][..], 4).is_err());
    }
}
