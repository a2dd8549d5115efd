//! The sidecar's configuration file, version 1. The operator renders it as JSON; people may write YAML.
//!
//! Parsing is two-staged so that one refused pipeline never blocks another: the frame (version, settings, resource)
//! must be right as a whole, each pipeline is then parsed and judged on its own. Unknown fields are refused
//! everywhere: a skipped `redact` would leak.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::validate::{self, FieldError};
use crate::{ByteSize, Destination, Duration, Source, Transform};

/// The only version of the configuration format so far.
pub const VERSION: u32 = 1;

/// Name of the directory beside the logs where sidecars keep positions (`stateVolume: LogVolume`), below it one for each
/// namespace and Deployment. Nothing in a directory of this name is a log.
pub const STATE_DIRECTORY: &str = ".logshipping";

/// What the sidecar runs, as written by the operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    #[serde(default = "current_version")]
    pub version: u32,
    /// Hash of the whole content, see [`Config::seal`]; reported back as `configHash`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    #[serde(default)]
    pub sidecar: Settings,
    /// Resource attributes of every record, by their OpenTelemetry names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resource: BTreeMap<String, String>,
    pub pipelines: Vec<Pipeline>,
}

const fn current_version() -> u32 {
    VERSION
}

/// Settings of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    #[serde(default = "default_drain_timeout")]
    pub drain_timeout: Duration,
    #[serde(default)]
    pub placement: Placement,
    #[serde(default)]
    pub log_level: LogLevel,
    /// The container's memory limit, from which the budget follows. Unset: no limit is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<ByteSize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            drain_timeout: default_drain_timeout(),
            placement: Placement::default(),
            log_level: LogLevel::default(),
            memory_limit: None,
        }
    }
}

const fn default_drain_timeout() -> Duration {
    Duration::from_secs(20)
}

/// How the sidecar's container stands in the pod, which decides when SIGTERM comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Placement {
    /// A native sidecar: SIGTERM comes after the application has ended.
    #[default]
    Native,
    /// A plain container: SIGTERM comes to both at the same moment.
    Container,
}

/// How much the sidecar says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// One LogShipping object's part of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pipeline {
    /// `namespace/name` of the LogShipping object, or any name when standalone.
    pub name: String,
    /// Revision of the specification, reported back once it runs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    #[serde(default)]
    pub reclaim: Reclaim,
    /// Bound on deleted files that are kept open until delivered.
    #[serde(default = "default_max_held_bytes")]
    pub max_held_bytes: ByteSize,
    pub sources: Vec<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<Transform>,
    pub destinations: Vec<Destination>,
}

/// Where `maxHeldBytes` and a size limit of the volume are both unset.
pub const fn default_max_held_bytes() -> ByteSize {
    ByteSize::from_mib(1024)
}

/// Whether delivered ranges of log files are given back to the file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Reclaim {
    #[default]
    Never,
    AfterDelivery,
}

/// A configuration file whose frame is right; each pipeline is either usable or refused with its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub hash: String,
    pub sidecar: Settings,
    pub resource: BTreeMap<String, String>,
    pub pipelines: Vec<Pipeline>,
    pub refused: Vec<Refused>,
}

/// A pipeline that isn't used, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub pipeline: String,
    pub revision: String,
    pub errors: Vec<FieldError>,
}

/// The file as a whole is unusable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("not valid JSON or YAML")]
    Syntax(#[source] serde_saphyr::Error),
    #[error("there is nothing in it")]
    Empty,
    #[error("version {0} is not known, this sidecar understands version {VERSION}")]
    Version(u64),
    #[error("{path}: {message}")]
    Field { path: String, message: String },
}

/// The frame of the file: pipelines stay raw.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Frame {
    #[serde(default = "current_version")]
    #[allow(
        dead_code,
        reason = "judged before the frame is parsed; listed so that it isn't an unknown field"
    )]
    version: u32,
    #[serde(default)]
    hash: String,
    #[serde(default)]
    sidecar: Settings,
    #[serde(default)]
    resource: BTreeMap<String, String>,
    pipelines: Vec<Value>,
}

impl Config {
    /// Sets `hash` to the hash of everything else.
    #[must_use]
    pub fn seal(mut self) -> Self {
        self.hash.clear();
        let content = serde_json::to_vec(&self).unwrap_or_default();
        self.hash = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&content));
        self
    }
}

impl Pipeline {
    /// How many bytes it takes in a configuration as the operator writes it, which is indented: people read it.
    pub fn rendered_bytes(&self) -> usize {
        // Two levels further in than by itself, and the comma after it.
        const INDENTATION: usize = 4;
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.len() + (text.lines().count() * (INDENTATION + 1)) + 1
    }
}

/// Parses and judges a configuration file, JSON or YAML.
///
/// # Errors
/// When the frame is wrong. Wrong pipelines are listed in [`Loaded::refused`].
pub fn load(text: &str) -> Result<Loaded, ConfigError> {
    let document = document(text)?;
    check_version(&document)?;
    let frame: Frame = parse(document)?;
    let mut loaded = Loaded {
        hash: frame.hash,
        sidecar: frame.sidecar,
        resource: frame.resource,
        pipelines: Vec::new(),
        refused: Vec::new(),
    };
    let mut names = BTreeSet::new();
    for (index, raw) in frame.pipelines.into_iter().enumerate() {
        let text = |field: &str| raw.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (name, revision) = (text("name"), text("revision"));
        match judge(&raw, &mut names) {
            Ok(pipeline) => loaded.pipelines.push(pipeline),
            Err(errors) => {
                let pipeline = if name.is_empty() {
                    format!("pipelines[{index}]")
                } else {
                    name
                };
                loaded.refused.push(Refused {
                    pipeline,
                    revision,
                    errors,
                });
            }
        }
    }
    Ok(loaded)
}

/// What the operator writes is JSON; the stricter parser is also the faster one, so it comes first.
fn document(text: &str) -> Result<Value, ConfigError> {
    let document = serde_json::from_str(text)
        .or_else(|_| serde_saphyr::from_str(text))
        .map_err(ConfigError::Syntax)?;
    if document == Value::Null {
        return Err(ConfigError::Empty);
    }
    Ok(document)
}

/// A newer version must be named as such, whatever else in it can't be understood.
fn check_version(document: &Value) -> Result<(), ConfigError> {
    match document.get("version").and_then(Value::as_u64) {
        Some(version) if version != u64::from(VERSION) => Err(ConfigError::Version(version)),
        _ => Ok(()),
    }
}

fn judge(raw: &Value, names: &mut BTreeSet<String>) -> Result<Pipeline, Vec<FieldError>> {
    let pipeline: Pipeline = parse(raw.clone()).map_err(|_| validate::parts(raw))?;
    let mut errors = validate::pipeline(&pipeline);
    if !names.insert(pipeline.name.clone()) {
        errors.push(FieldError::new(
            "name",
            format!("{:?} is used by another pipeline", pipeline.name),
        ));
    }
    if errors.is_empty() { Ok(pipeline) } else { Err(errors) }
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ConfigError> {
    serde_path_to_error::deserialize(value).map_err(|error| ConfigError::Field {
        path: error.path().to_string(),
        message: error.into_inner().to_string(),
    })
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
pipelines:
- name: a
  sources: [{name: s, paths: [/var/log/a.log]}]
  destinations: [{name: out, stdout: {}}]
";

    #[test]
    fn a_short_file_gets_every_default() {
        let loaded = load(GOOD).unwrap();
        assert_eq!(loaded.refused, []);
        assert_eq!(loaded.sidecar, Settings::default());
        let source = &loaded.pipelines[0].sources[0];
        assert_eq!(
            (source.encoding.as_str(), source.max_line_bytes),
            ("utf-8", ByteSize::from_mib(1))
        );
        assert_eq!(loaded.pipelines[0].destinations[0].timeout, Duration::from_secs(30));
    }

    #[test]
    fn a_refused_pipeline_leaves_the_others_alone() {
        let text =
            format!("{GOOD}- {{name: b, revision: r2, sources: [{{name: s, pathz: [/x]}}], destinations: []}}\n");
        let loaded = load(&text).unwrap();
        assert_eq!(loaded.pipelines.len(), 1);
        assert_eq!(
            (loaded.refused[0].pipeline.as_str(), loaded.refused[0].revision.as_str()),
            ("b", "r2")
        );
        assert_eq!(loaded.refused[0].errors[0].path, "sources[0].pathz");
    }

    #[test]
    fn a_newer_version_is_refused_by_its_number() {
        assert!(matches!(
            load("{version: 2, pipelines: [], news: 1}"),
            Err(ConfigError::Version(2))
        ));
    }

    #[test]
    fn unknown_fields_of_the_frame_are_named() {
        let error = load("{pipelines: [], sidecar: {drain: 1s}}").unwrap_err();
        assert!(error.to_string().starts_with("sidecar.drain: unknown field"), "{error}");
    }

    #[test]
    fn the_same_name_twice_is_refused_the_second_time() {
        let twice = GOOD.to_owned() + &GOOD.replace("pipelines:\n", "");
        let loaded = load(&twice).unwrap();
        assert_eq!((loaded.pipelines.len(), loaded.refused.len()), (1, 1));
    }

    #[test]
    fn the_seal_covers_the_content_and_not_itself() {
        let config = Config {
            version: VERSION,
            hash: String::new(),
            sidecar: Settings::default(),
            resource: BTreeMap::new(),
            pipelines: load(GOOD).unwrap().pipelines,
        };
        let sealed = config.clone().seal();
        assert_eq!(sealed.clone().seal(), sealed);
        let mut other = config;
        other.pipelines[0].revision = "r".to_owned();
        assert_ne!(other.seal().hash, sealed.hash);
    }

    #[test]
    fn what_is_rendered_is_read_back_the_same() {
        let loaded = load(GOOD).unwrap();
        let config = Config {
            version: VERSION,
            hash: String::new(),
            sidecar: loaded.sidecar,
            resource: loaded.resource,
            pipelines: loaded.pipelines,
        };
        let again = load(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again.pipelines, config.pipelines);
    }
}
