//! Container images FROM scratch: one layer, written as one archive that every tool takes.
//!
//! The archive is an OCI image layout (`oci-layout`, `index.json`, `blobs/`) that also carries the `manifest.json` of
//! `docker save`. So `ctr images import`, `docker load`, `kind load image-archive`, `crane push` and
//! `skopeo copy oci-archive:` all read the same file; it is the form that Docker itself has written since version 25.
//!
//! Invariants:
//! * the same [`ImageArchive`] gives the same bytes: no clock, no random value, no owner taken from the disk;
//! * the layer is an uncompressed tar, so that its digest doesn't depend on a compressor's version.
//!
//! Formats: OCI image specification 1.1 (`image-layout.md`, `manifest.md`, `config.md`); Docker image specification 1.2.
//!
//! Deliberately not here: base images, several layers, several platforms in one archive.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What the image is, and all that is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageArchive {
    /// Full name with registry and tag, such as `ghcr.io/acme/operator:1.0.0`.
    pub reference: String,
    /// The command, as absolute path and arguments.
    pub entrypoint: Vec<String>,
    /// `USER` of the image, numeric (`65532:0`), because the image has no `/etc/passwd`.
    pub user: String,
    /// Regular files, owned by root.
    pub files: Vec<ImageFile>,
    /// Folders that must exist beyond the parents of `files`, which are made with mode 0755.
    pub folders: Vec<ImageFolder>,
    /// `org.opencontainers.image.*` and others.
    pub labels: BTreeMap<String, String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// TCP ports the program listens on.
    pub exposed_ports: Vec<u16>,
}

/// A regular file of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// The content.
    pub bytes: Vec<u8>,
}

/// An empty folder of the image, for example one that a volume is mounted on or that a program writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolder {
    /// Absolute path in the image.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Why an archive could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ImageArchiveError {
    /// A name that containerd would import under another name than the pods ask for.
    #[error("image reference {reference:?} needs a registry, a name and a tag, such as localhost/name:1")]
    Reference {
        /// The name that was given.
        reference: String,
    },
    /// Layers have relative paths; a path in the specification is absolute to leave no doubt.
    #[error("{path:?} is not an absolute path of a file in the image")]
    FilePath {
        /// The path that was given.
        path: String,
    },
    /// The archive could not be written to disk.
    #[error("cannot write the image archive {}", path.display())]
    Write {
        /// Where it should have gone.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
/// containerd takes the full name of the image from this annotation.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

impl ImageArchive {
    /// Writes the archive to `path`, whole or not at all: a reader never sees half an image.
    pub fn write(&self, path: &Path) -> Result<(), ImageArchiveError> {
        let tag = self.tag()?;
        let failed = |source| ImageArchiveError::Write {
            path: path.to_owned(),
            source,
        };
        let layer = Blob::new(LAYER_TYPE, self.layer()?);
        let config = Blob::new(CONFIG_TYPE, json_bytes(&self.config(&layer.digest)));
        let manifest = Blob::new(MANIFEST_TYPE, json_bytes(&oci_manifest(&config, &layer)));
        let index = self.index(&manifest, tag);
        let docker = json!([{ "Config": config.path(), "RepoTags": [self.reference], "Layers": [layer.path()] }]);

        let folder = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let mut archive = tar::Builder::new(io::BufWriter::new(file.as_file_mut()));
        let parts = [
            (
                "oci-layout".to_owned(),
                json_bytes(&json!({ "imageLayoutVersion": "1.0.0" })),
            ),
            ("index.json".to_owned(), json_bytes(&index)),
            ("manifest.json".to_owned(), json_bytes(&docker)),
            (config.path(), config.bytes),
            (manifest.path(), manifest.bytes),
            (layer.path(), layer.bytes),
        ];
        for (name, bytes) in &parts {
            append_file(&mut archive, name, 0o644, bytes).map_err(failed)?;
        }
        archive
            .into_inner()
            .and_then(|mut writer| writer.flush())
            .map_err(failed)?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(readable).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    fn tag(&self) -> Result<&str, ImageArchiveError> {
        let refused = || ImageArchiveError::Reference {
            reference: self.reference.clone(),
        };
        let (registry, rest) = self.reference.split_once('/').ok_or_else(refused)?;
        let (name, tag) = rest.rsplit_once(':').ok_or_else(refused)?;
        let is_registry = registry == "localhost" || registry.contains(['.', ':']);
        if is_registry && !name.is_empty() && !tag.is_empty() && !tag.contains('/') {
            Ok(tag)
        } else {
            Err(refused())
        }
    }

    fn layer(&self) -> Result<Vec<u8>, ImageArchiveError> {
        let in_memory = |source| ImageArchiveError::Write {
            path: PathBuf::from("layer.tar"),
            source,
        };
        let mut layer = tar::Builder::new(Vec::new());
        for (path, folder) in self.all_folders()? {
            let mut header = header(tar::EntryType::Directory, folder.mode, 0);
            header.set_uid(folder.uid.into());
            header.set_gid(folder.gid.into());
            layer
                .append_data(&mut header, format!("{path}/"), io::empty())
                .map_err(in_memory)?;
        }
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        for file in files {
            append_file(&mut layer, relative(&file.path)?, file.mode, &file.bytes).map_err(in_memory)?;
        }
        layer.into_inner().map_err(in_memory)
    }

    /// Every folder of the layer by its relative path, parents first (the order of a `BTreeMap`).
    fn all_folders(&self) -> Result<BTreeMap<String, ImageFolder>, ImageArchiveError> {
        let mut folders = BTreeMap::new();
        let parents_of = self
            .files
            .iter()
            .map(|file| &file.path)
            .chain(self.folders.iter().map(|folder| &folder.path));
        for path in parents_of {
            let path = relative(path)?;
            for (end, _) in path.match_indices('/') {
                let parent = &path[..end];
                let implied = ImageFolder {
                    path: format!("/{parent}"),
                    mode: 0o755,
                    uid: 0,
                    gid: 0,
                };
                folders.insert(parent.to_owned(), implied);
            }
        }
        for folder in &self.folders {
            folders.insert(relative(&folder.path)?.to_owned(), folder.clone());
        }
        Ok(folders)
    }

    fn config(&self, layer_digest: &str) -> Value {
        let env: Vec<String> = self.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let ports: BTreeMap<String, Value> = self
            .exposed_ports
            .iter()
            .map(|port| (format!("{port}/tcp"), json!({})))
            .collect();
        json!({
            "architecture": architecture(),
            "os": "linux",
            "config": {
                "User": self.user,
                "Env": env,
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "ExposedPorts": ports,
                "Labels": self.labels,
            },
            "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        })
    }

    fn index(&self, manifest: &Blob, tag: &str) -> Value {
        let mut descriptor = manifest.descriptor();
        descriptor["platform"] = json!({ "architecture": architecture(), "os": "linux" });
        descriptor["annotations"] =
            json!({ CONTAINERD_NAME: self.reference, "org.opencontainers.image.ref.name": tag });
        json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor] })
    }
}

/// A piece of content that others refer to by its digest.
struct Blob {
    media_type: &'static str,
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let digest = format!("sha256:{}", crate::hex(&Sha256::digest(&bytes)));
        Self {
            media_type,
            digest,
            bytes,
        }
    }

    fn path(&self) -> String {
        format!("blobs/{}", self.digest.replace(':', "/"))
    }

    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest, "size": self.bytes.len() })
    }
}

fn oci_manifest(config: &Blob, layer: &Blob) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    })
}

fn append_file<W: Write>(archive: &mut tar::Builder<W>, path: &str, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut header = header(tar::EntryType::Regular, mode, bytes.len() as u64);
    archive.append_data(&mut header, path, bytes)
}

/// A header with nothing of this machine in it: root's, and as old as the epoch.
fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn relative(path: &str) -> Result<&str, ImageArchiveError> {
    let refused = || ImageArchiveError::FilePath { path: path.to_owned() };
    let relative = path.strip_prefix('/').ok_or_else(refused)?;
    let is_plain = relative.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if is_plain { Ok(relative) } else { Err(refused()) }
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The platform's name in OCI's words (those of Go).
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn image() -> ImageArchive {
        ImageArchive {
            reference: "localhost/server:1".to_owned(),
            entrypoint: vec!["/bin/server".to_owned()],
            user: "65532:0".to_owned(),
            files: vec![
                ImageFile {
                    path: "/etc/server/config".to_owned(),
                    mode: 0o644,
                    bytes: b"x".to_vec(),
                },
                ImageFile {
                    path: "/bin/server".to_owned(),
                    mode: 0o755,
                    bytes: b"elf".to_vec(),
                },
            ],
            folders: vec![ImageFolder {
                path: "/tmp".to_owned(),
                mode: 0o1777,
                uid: 0,
                gid: 0,
            }],
            exposed_ports: vec![8080],
            ..ImageArchive::default()
        }
    }

    fn written(image: &ImageArchive) -> BTreeMap<String, Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        image.write(&path).unwrap();
        let mut archive = tar::Archive::new(std::fs::File::open(path).unwrap());
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().display().to_string(), bytes)
        });
        entries.collect()
    }

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn every_digest_names_the_content_it_stands_for() {
        let files = written(&image());
        for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
            assert_eq!(*path, format!("blobs/sha256/{}", crate::hex(&Sha256::digest(bytes))));
        }
        let index = parsed(&files["index.json"]);
        let manifest_path = format!(
            "blobs/{}",
            index["manifests"][0]["digest"].as_str().unwrap().replace(':', "/")
        );
        let manifest = parsed(&files[&manifest_path]);
        let docker = parsed(&files["manifest.json"]);
        let config_path = docker[0]["Config"].as_str().unwrap();
        let layer_path = docker[0]["Layers"][0].as_str().unwrap();
        assert_eq!(
            format!(
                "blobs/{}",
                manifest["config"]["digest"].as_str().unwrap().replace(':', "/")
            ),
            config_path
        );
        assert_eq!(manifest["layers"][0]["size"], files[layer_path].len());
        let config = parsed(&files[config_path]);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        assert_eq!(config["config"]["ExposedPorts"], json!({ "8080/tcp": {} }));
        assert_eq!(config["config"]["User"], "65532:0");
        assert_eq!(
            index["manifests"][0]["annotations"][CONTAINERD_NAME],
            "localhost/server:1"
        );
        assert_eq!(docker[0]["RepoTags"][0], "localhost/server:1");
    }

    #[test]
    fn the_layer_has_parents_before_children_and_keeps_modes() {
        let layer = image().layer().unwrap();
        let mut archive = tar::Archive::new(layer.as_slice());
        let entries: Vec<_> = archive.entries().unwrap().map(Result::unwrap).collect();
        let listed: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.path().unwrap().display().to_string(),
                    entry.header().mode().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("bin/", 0o755),
            ("etc/", 0o755),
            ("etc/server/", 0o755),
            ("tmp/", 0o1777),
            ("bin/server", 0o755),
            ("etc/server/config", 0o644),
        ];
        assert_eq!(listed, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn the_same_image_gives_the_same_bytes_whatever_the_order_of_its_files() {
        let mut reordered = image();
        reordered.files.reverse();
        assert_eq!(written(&image()), written(&reordered));
    }

    #[test]
    fn names_and_paths_that_would_be_taken_for_others_are_refused() {
        for reference in [
            "server",
            "server:1",
            "acme/server:1",
            "localhost/server",
            "localhost/:1",
            "localhost/a:",
        ] {
            let refused = ImageArchive {
                reference: reference.to_owned(),
                ..image()
            };
            let error = refused.write(Path::new("/nowhere/image.tar")).unwrap_err();
            assert!(
                matches!(error, ImageArchiveError::Reference { .. }),
                "{reference}: {error}"
            );
        }
        for path in ["bin/server", "/bin/../server", "/", "//bin", "/bin/"] {
            let mut refused = image();
            refused.files[0].path = path.to_owned();
            let error = refused.write(Path::new("/nowhere/image.tar")).unwrap_err();
            assert!(matches!(error, ImageArchiveError::FilePath { .. }), "{path}: {error}");
        }
    }
}
