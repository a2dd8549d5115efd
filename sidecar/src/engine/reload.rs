//! Looking for a configuration and taking it over. A bad file, or a bad pipeline in it, never stops what runs.

use pipeline::config::{self, Loaded};
use pipeline::report::{Rejected, State};

use crate::configuration::Look;
use crate::positions::{OpenError, Store};
use crate::process::describe;

use super::clock::Now;
use super::saved::Saved;
use super::{CONFIG_LOOK, CONFIG_SEARCH, Engine, STATE_RETRY, own};

impl Engine {
    /// Opens the positions. Without them nothing is shipped: everything would be sent again.
    pub(super) fn open_state(&mut self, now: Now) {
        if self.saved.is_some() || now.instant < self.due.state {
            return;
        }
        self.due.state = now.instant + STATE_RETRY;
        let opened = Store::open(&self.options.state).or_else(|error| match error {
            OpenError::Locked | OpenError::NewerVersion(_) => Err(error),
            // Shipping without a memory beats not shipping: at worst a restart sends again what is still there.
            OpenError::Io(error) => {
                let error = format!("{}: {}", self.options.state.display(), describe(&OpenError::Io(error)));
                tracing::error!(%error, "positions can't be kept on disk, a restart will begin anew");
                self.positions_error = Some(error);
                Store::in_memory().map_err(OpenError::Io)
            }
        });
        match opened {
            Ok(store) => {
                self.rejected.clear();
                self.end_standby();
                self.own_files = own::files(&self.options.state);
                self.saved = Some(Saved::new(store, now));
                self.due.config = now.instant;
            }
            Err(error @ OpenError::Locked) => self.stand_by(error.to_string()),
            Err(error) => {
                tracing::error!(%error, "waiting for the state directory");
                self.rejected = vec![whole_file(format!("state directory: {error}"))];
            }
        }
    }

    /// Looks for a new configuration, when it is time to.
    pub(super) fn look_at_config(&mut self, now: Now) {
        if now.instant < self.due.config {
            return;
        }
        let waits = self.saved.is_none() && self.standby.is_none();
        if waits || self.draining.is_some() {
            self.due.config = now.instant + CONFIG_LOOK;
            return;
        }
        self.watch_config();
        let has_none = self.has_no_config();
        let is_watched = self.config_watch.is_some() && !self.watcher.must_poll();
        self.due.config = match (has_none, is_watched) {
            (true, _) => now.instant + CONFIG_SEARCH,
            (false, false) => now.instant + CONFIG_LOOK,
            (false, true) => self.due.round_after(now.instant),
        };
        if self.saved.is_none() {
            return self.look_in_standby(now);
        }
        let look = self.config.look();
        if !matches!(look, Look::Unchanged) {
            self.publish_soon(now);
        }
        match look {
            Look::Unchanged => {}
            Look::Absent if has_none => self.state = State::NoConfig,
            Look::Absent => tracing::warn!("the configuration is gone, the last good one runs on"),
            Look::Unreadable(error) => self.refuse_file(error.to_string()),
            Look::Changed(text) => self.take_over(&text, now),
        }
    }

    pub(super) const fn has_no_config(&self) -> bool {
        matches!(self.state, State::Starting | State::NoConfig)
    }

    fn watch_config(&mut self) {
        if self.config_watch.is_some() {
            return;
        }
        let directory = self.config.directory();
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(directory, flags, rustix::fs::Mode::empty()) {
            self.config_watch = self.watcher.add_aside(&fd, directory);
        }
    }

    pub(super) fn refuse_file(&mut self, error: String) {
        tracing::error!(%error, "the configuration is refused, what runs runs on");
        self.reloads.refused += 1;
        self.rejected = vec![whole_file(error)];
        if self.state == State::Starting {
            self.state = State::NoConfig;
        }
    }

    fn take_over(&mut self, text: &str, now: Now) {
        let loaded = match config::load(text) {
            Ok(loaded) => loaded,
            Err(error) => return self.refuse_file(describe(&error)),
        };
        self.refuse_pipelines(&loaded);
        self.end_removed(&loaded, now);
        for pipeline in &loaded.pipelines {
            if let Err(error) = self.take_over_pipeline(pipeline, &loaded.resource, now) {
                self.reject(&pipeline.name, &pipeline.revision, error);
            }
        }
        if self.running.is_empty() && !self.rejected.is_empty() {
            self.state = State::NoConfig;
            return;
        }
        self.adopt_settings(&loaded, text);
    }

    /// Anew, by what the parser says of each.
    pub(super) fn refuse_pipelines(&mut self, loaded: &Loaded) {
        self.rejected.clear();
        for refused in &loaded.refused {
            let error = pipeline::validate::join(&refused.errors);
            self.reject(&refused.pipeline, &refused.revision, error);
        }
    }

    pub(super) fn adopt_settings(&mut self, loaded: &Loaded, text: &str) {
        self.settings = loaded.sidecar.clone();
        self.logging.set_level(self.settings.log_level);
        // A configuration written by hand has no hash; its text's serves.
        self.config_hash = if loaded.hash.is_empty() {
            format!("{:032x}", xxhash_rust::xxh3::xxh3_128(text.as_bytes()))
        } else {
            loaded.hash.clone()
        };
        self.state = State::Running;
        self.reloads.succeeded += 1;
        tracing::info!(hash = %self.config_hash, pipelines = self.running.len(), "configuration loaded");
    }

    fn reject(&mut self, pipeline: &str, revision: &str, error: String) {
        tracing::error!(pipeline, revision, %error, "a pipeline is refused, what ran before runs on");
        self.reloads.refused += 1;
        self.rejected.push(Rejected {
            pipeline: pipeline.to_owned(),
            revision: revision.to_owned(),
            error,
        });
    }

    /// Pipelines that are in the file no more, not even refused.
    fn end_removed(&mut self, loaded: &Loaded, now: Now) {
        let Some(saved) = &mut self.saved else {
            return;
        };
        let named = |name: &str| {
            loaded.pipelines.iter().any(|pipeline| pipeline.name == name)
                || loaded.refused.iter().any(|refused| refused.pipeline == name)
        };
        let (kept, removed): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|running| named(&running.pipeline.name));
        self.running = kept;
        for running in removed {
            tracing::info!(pipeline = %running.pipeline.name, "the pipeline was removed");
            running.end((&self.files, saved, now));
        }
    }
}

fn whole_file(error: String) -> Rejected {
    Rejected {
        error,
        ..Rejected::default()
    }
}
