//! Waiting for the lock on the state directory, which decides who ships: pods that share a volume with logs may share their
//! positions too (`stateVolume: LogVolume`). Whoever waits reads and judges the configuration, so that it is known to
//! be ready, but opens no log and sends nothing. When the lock is free, the configuration is taken over as at a start.

use pipeline::config::{self, Loaded, Pipeline};
use pipeline::report::{DestinationReport, PipelineReport, SourceReport, State};

use crate::configuration::Look;
use crate::process::describe;

use super::Engine;
use super::clock::Now;

/// What is told while another one ships.
#[derive(Debug)]
pub(super) struct Standby {
    /// Why.
    pub(super) reason: String,
    pub(super) pipelines: Vec<PipelineReport>,
}

impl Engine {
    /// The lock is held by another process.
    pub(super) fn stand_by(&mut self, reason: String) {
        if self.standby.is_none() {
            tracing::info!(%reason, "another one ships, waiting to take over");
            self.standby = Some(Standby {
                reason,
                pipelines: Vec::new(),
            });
        }
    }

    /// It is ours now: everything begins as if the process had just started.
    pub(super) fn end_standby(&mut self) {
        if self.standby.take().is_some() {
            tracing::info!("the other one is gone, taking over");
            self.config.forget();
            self.state = State::Starting;
        }
    }

    /// Judges the configuration that it will ship by.
    pub(super) fn look_in_standby(&mut self, now: Now) {
        let look = self.config.look();
        if !matches!(look, Look::Unchanged) {
            self.publish_soon(now);
        }
        match look {
            Look::Changed(text) => match config::load(&text) {
                Ok(loaded) => self.get_ready(&loaded, &text),
                Err(error) => self.refuse_file(describe(&error)),
            },
            Look::Unreadable(error) => self.refuse_file(error.to_string()),
            Look::Absent if self.has_no_config() => self.state = State::NoConfig,
            Look::Absent | Look::Unchanged => {}
        }
    }

    fn get_ready(&mut self, loaded: &Loaded, text: &str) {
        self.refuse_pipelines(loaded);
        if loaded.pipelines.is_empty() && !loaded.refused.is_empty() {
            self.state = State::NoConfig;
            return;
        }
        if let Some(standby) = &mut self.standby {
            standby.pipelines = loaded.pipelines.iter().map(idle).collect();
        }
        self.adopt_settings(loaded, text);
    }
}

/// As it is reported before anything is read.
fn idle(pipeline: &Pipeline) -> PipelineReport {
    let sources = pipeline.sources.iter().map(|source| SourceReport {
        name: source.name.clone(),
        ..SourceReport::default()
    });
    let destinations = pipeline.destinations.iter().map(|destination| DestinationReport {
        name: destination.name.clone(),
        ..DestinationReport::default()
    });
    PipelineReport {
        name: pipeline.name.clone(),
        revision: pipeline.revision.clone(),
        sources: sources.collect(),
        destinations: destinations.collect(),
        ..PipelineReport::default()
    }
}
