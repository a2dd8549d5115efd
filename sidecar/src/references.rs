//! References: Secrets and ConfigMaps that are mounted below `--refs-dir`, one directory each.
//!
//! Files are read when a request needs them, at most once a second ([`Derived`]), and what was made of them is kept
//! until their content changes; so a rotated Secret takes effect without a restart, and no inotify instance is spent on
//! it. The keys of one Secret are read through the directory that the kubelet's link `..data` names, so that a
//! certificate and its key always are of one generation.
//!
//! A [`Secret`] can't be printed: it has no `Debug` and no `Display`, and no error here quotes content.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pipeline::reference::{ConfigMapKeyRef, SecretKeyRef, SecretRef};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// Kubernetes allows no more for a whole Secret.
const MAX_BYTES: u64 = 1 << 20;
/// Files are looked at again after this; a kubelet takes longer to bring a change.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where the kubelet puts the present generation of a mount.
const GENERATION: &str = "..data";

/// The directory of references, if there is one.
#[derive(Clone, Debug, Default)]
pub struct References {
    root: Option<Arc<Path>>,
}

/// One mounted Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mounted {
    Secret(String),
    ConfigMap(String),
}

/// The content of a referenced file.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

/// A referenced file can't be used. Paths and names only, never content.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    #[error("{what} is needed, but the sidecar was started without --refs-dir")]
    NoDirectory { what: String },
    #[error("{what} is missing ({path})")]
    Missing { what: String, path: String },
    #[error("{what} can't be read ({path})")]
    Unreadable {
        what: String,
        path: String,
        source: io::Error,
    },
    #[error("{what} is empty ({path})")]
    Empty { what: String, path: String },
    #[error("{what} has more than {MAX_BYTES} bytes ({path})")]
    TooLarge { what: String, path: String },
}

impl References {
    pub fn new(root: Option<PathBuf>) -> Self {
        Self {
            root: root.map(Into::into),
        }
    }

    /// The values of these keys, all of one generation.
    pub(crate) fn read<const KEYS: usize>(
        &self,
        mounted: &Mounted,
        keys: [&str; KEYS],
    ) -> Result<[Secret; KEYS], ReferenceError> {
        let mut values = [const { Secret(Vec::new()) }; KEYS];
        let Some(root) = &self.root else {
            let what = keys.first().map_or_else(String::new, |key| mounted.describe(key));
            return Err(ReferenceError::NoDirectory { what });
        };
        let folder = root.join(mounted.folder());
        let generation = open(&folder.join(GENERATION), OFlags::DIRECTORY)
            .or_else(|_| open(&folder, OFlags::DIRECTORY))
            .map(|directory| (directory, folder.clone()));
        for (value, key) in values.iter_mut().zip(keys) {
            let (what, path) = (mounted.describe(key), folder.join(key));
            let opened = generation.as_ref().map_err(|errno| *errno);
            let file = opened.and_then(|(directory, _)| {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
                rustix::fs::openat(directory, key, flags, Mode::empty())
            });
            *value = read_bounded(file.map(File::from).map_err(io::Error::from), what, &path)?;
        }
        Ok(values)
    }
}

fn open(path: &Path, flags: OFlags) -> Result<std::os::fd::OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC | flags, Mode::empty())
}

/// A file that isn't below `--refs-dir`, by the same rules; `what` says to people what it is.
pub(crate) fn read_file(path: &Path, what: &str) -> Result<Secret, ReferenceError> {
    read_bounded(File::open(path), what.to_owned(), path)
}

fn read_bounded(file: io::Result<File>, what: String, path: &Path) -> Result<Secret, ReferenceError> {
    let path = path.display().to_string();
    let mut content = Vec::new();
    let read = file.and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut content));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ReferenceError::Missing { what, path }),
        Err(source) => Err(ReferenceError::Unreadable { what, path, source }),
        Ok(0) => Err(ReferenceError::Empty { what, path }),
        Ok(length) if length as u64 > MAX_BYTES => Err(ReferenceError::TooLarge { what, path }),
        Ok(_) => Ok(Secret(content)),
    }
}

impl Mounted {
    fn folder(&self) -> PathBuf {
        // The key is joined later, through the directory of its generation.
        match self {
            Self::Secret(name) => SecretRef { name: name.clone() }.path(""),
            Self::ConfigMap(name) => ConfigMapKeyRef {
                name: name.clone(),
                key: String::new(),
            }
            .path(),
        }
    }

    /// For people: one of its keys.
    pub(crate) fn describe(&self, key: &str) -> String {
        match self {
            Self::Secret(name) => format!("key {key:?} of Secret {name:?}"),
            Self::ConfigMap(name) => format!("key {key:?} of ConfigMap {name:?}"),
        }
    }
}

impl From<&SecretRef> for Mounted {
    fn from(reference: &SecretRef) -> Self {
        Self::Secret(reference.name.clone())
    }
}

impl From<&SecretKeyRef> for Mounted {
    fn from(reference: &SecretKeyRef) -> Self {
        Self::Secret(reference.name.clone())
    }
}

impl From<&ConfigMapKeyRef> for Mounted {
    fn from(reference: &ConfigMapKeyRef) -> Self {
        Self::ConfigMap(reference.name.clone())
    }
}

impl Secret {
    /// For tokens that a server gave.
    pub(crate) fn new(content: Vec<u8>) -> Self {
        Self(content)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Without the line end that an editor or `echo` leaves behind, which no credential means.
    pub(crate) fn line(&self) -> &[u8] {
        let end = self.0.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r'));
        &self.0[..end.map_or(0, |last| last + 1)]
    }
}

/// What was made of files, made anew when their content changes. Whoever holds the old value can tell by the pointer.
pub(crate) struct Derived<T> {
    latest: Mutex<Option<Latest<T>>>,
}

struct Latest<T> {
    looked_at: Instant,
    content: Vec<Secret>,
    value: Arc<T>,
}

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self {
            latest: Mutex::new(None),
        }
    }
}

impl<T> fmt::Debug for Derived<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Derived").finish_non_exhaustive()
    }
}

impl<T> Derived<T> {
    /// The present value. Files are read again when that was longer ago than [`LOOK_EVERY`]; after an error, each time.
    pub(crate) fn get<E>(
        &self,
        now: Instant,
        read: impl FnOnce() -> Result<Vec<Secret>, E>,
        make: impl FnOnce(&[Secret]) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(latest) = latest.as_ref().filter(|latest| now < latest.looked_at + LOOK_EVERY) {
            return Ok(Arc::clone(&latest.value));
        }
        let known = latest.take();
        let content = read()?;
        let value = match known {
            Some(known) if known.content == content => known.value,
            _ => Arc::new(make(&content)?),
        };
        *latest = Some(Latest {
            looked_at: now,
            content,
            value: Arc::clone(&value),
        });
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// As the kubelet does it: a directory for each generation, and a flip of the link.
    fn mount(folder: &Path, generation: &str, keys: &[(&str, &str)]) {
        let directory = folder.join(generation);
        fs::create_dir_all(&directory).unwrap();
        for (key, value) in keys {
            fs::write(directory.join(key), value).unwrap();
            let _ = symlink(format!("{GENERATION}/{key}"), folder.join(key));
        }
        symlink(generation, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join(GENERATION)).unwrap();
    }

    fn secret(name: &str) -> Mounted {
        Mounted::Secret(name.to_owned())
    }

    #[test]
    fn keys_are_read_in_the_kubelets_form_and_as_plain_files() {
        let root = tempfile::tempdir().unwrap();
        mount(
            &root.path().join("secrets/auth"),
            "..1",
            &[("username", "u\n"), ("password", "p")],
        );
        fs::create_dir_all(root.path().join("configmaps/trust")).unwrap();
        fs::write(root.path().join("configmaps/trust/ca.crt"), "PEM").unwrap();
        let references = References::new(Some(root.path().to_owned()));
        let [user, password] = references.read(&secret("auth"), ["username", "password"]).ok().unwrap();
        assert_eq!((user.line(), password.line()), (&b"u"[..], &b"p"[..]));
        assert_eq!(user.bytes(), b"u\n");
        let trust = Mounted::ConfigMap("trust".to_owned());
        let [ca] = references.read(&trust, ["ca.crt"]).ok().unwrap();
        assert_eq!(ca.bytes(), b"PEM");
    }

    #[test]
    fn what_can_not_be_used_is_named_and_never_quoted() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("secrets/auth");
        mount(&folder, "..1", &[("empty", "")]);
        fs::create_dir(folder.join("..1/folder")).unwrap();
        fs::write(folder.join("..1/large"), vec![b'x'; (1 << 20) + 1]).unwrap();
        let references = References::new(Some(root.path().to_owned()));
        let error = |name, key| {
            let error = references.read(&secret(name), [key]).err().unwrap();
            error.to_string().replace(&root.path().display().to_string(), "")
        };
        for (name, key, expected) in [
            (
                "auth",
                "password",
                "key \"password\" of Secret \"auth\" is missing (/secrets/auth/password)",
            ),
            (
                "nobody",
                "password",
                "key \"password\" of Secret \"nobody\" is missing (/secrets/nobody/password)",
            ),
            (
                "auth",
                "empty",
                "key \"empty\" of Secret \"auth\" is empty (/secrets/auth/empty)",
            ),
            (
                "auth",
                "large",
                "key \"large\" of Secret \"auth\" has more than 1048576 bytes (/secrets/auth/large)",
            ),
            (
                "auth",
                "folder",
                "key \"folder\" of Secret \"auth\" can't be read (/secrets/auth/folder)",
            ),
        ] {
            assert_eq!(error(name, key), expected);
        }
        let nowhere = References::new(None).read(&secret("auth"), ["password"]).err().unwrap();
        assert!(nowhere.to_string().contains("--refs-dir"), "{nowhere}");
    }

    #[test]
    fn a_value_is_made_anew_only_when_the_content_changes_and_not_before_it_is_time_to_look() {
        let derived = Derived::<Vec<u8>>::default();
        let start = Instant::now();
        let get = |milliseconds, content: &str| {
            let content = vec![Secret::new(content.as_bytes().to_vec())];
            let now = start + Duration::from_millis(milliseconds);
            derived
                .get(now, || Ok::<_, ()>(content), |content| Ok(content[0].bytes().to_vec()))
                .unwrap()
        };
        let first = get(0, "one");
        assert!(Arc::ptr_eq(&first, &get(999, "two")), "not yet looked at");
        assert!(Arc::ptr_eq(&first, &get(1000, "one")), "the same content");
        assert_eq!(*get(2000, "two"), b"two");
        let gone = derived.get(start + Duration::from_secs(9), || Err("missing"), |_| Ok(Vec::new()));
        assert_eq!(gone.err(), Some("missing"));
        let back = derived.get(
            start + Duration::from_secs(9),
            || Ok::<_, ()>(Vec::new()),
            |_| Ok(vec![3]),
        );
        assert_eq!(*back.unwrap(), [3], "after an error it is read again at once");
    }
}
