//! Taking over one pipeline: everything new is built first, and only when all of it could be built the old gives way.
//! What is equal after defaulting isn't touched, so a reload makes no duplicates where nothing changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::{Destination, Pipeline};

use crate::sending::Health;

use super::Engine;
use super::clock::Now;
use super::discover::{At, Ground};
use super::lane::{Fate, Lane, Link};
use super::lockstep::Stock;
use super::running::{Running, Shared, detach};
use super::source::{Source, SourceId, Walked};

/// What was built for a pipeline, in the order of its configuration: `None` where the old part stays.
struct Parts {
    sources: Vec<Option<Source>>,
    lanes: Vec<Option<NewLink>>,
}

/// For a lane that is new or changed.
type NewLink = (Arc<Health>, Link);

impl Engine {
    /// # Errors
    /// With the field that can't be built; what ran before runs on.
    pub(super) fn take_over_pipeline(
        &mut self,
        pipeline: &Pipeline,
        resource: &BTreeMap<String, String>,
        now: Now,
    ) -> Result<(), String> {
        let known = self
            .running
            .iter()
            .position(|running| running.pipeline.name == pipeline.name);
        let parts = Parts {
            sources: self.build_sources(known, pipeline, resource)?,
            lanes: self.build_lanes(known, pipeline)?,
        };
        let index = known.unwrap_or_else(|| {
            self.running.push(Running {
                pipeline: pipeline.clone(),
                sources: Vec::new(),
                lanes: Vec::new(),
                stock: Stock::default(),
            });
            self.running.len() - 1
        });
        if let Some(saved) = &mut self.saved {
            let running = &mut self.running[index];
            // What was read for others was read with the old settings.
            running.stock.clear();
            commit_lanes(running, pipeline, parts.lanes, (&self.files, saved, now));
            commit_sources(running, pipeline, parts.sources, (&self.files, saved, now));
            running.pipeline = pipeline.clone();
            reconcile_flows(running, (&self.files, saved, now));
        }
        self.find_files(index, now);
        Ok(())
    }

    fn build_sources(
        &mut self,
        known: Option<usize>,
        pipeline: &Pipeline,
        resource: &BTreeMap<String, String>,
    ) -> Result<Vec<Option<Source>>, String> {
        let mut sources = Vec::new();
        for (at, config) in pipeline.sources.iter().enumerate() {
            let resource: Arc<[_]> = merge([resource, &self.options.resource, &config.resource]).into();
            let known = known.map(|index| &self.running[index].sources);
            let known = known.and_then(|sources| sources.iter().find(|source| source.config.name == config.name));
            if known.is_some_and(|known| {
                known.config == *config && known.transforms == pipeline.transforms && known.resource == resource
            }) {
                sources.push(None);
                continue;
            }
            let id = if let Some(known) = known {
                known.id
            } else {
                self.next_source += 1;
                SourceId(self.next_source)
            };
            let built = Source::new(id, config.clone(), &pipeline.transforms, resource);
            sources.push(Some(built.map_err(|error| format!("sources[{at}].{error}"))?));
        }
        Ok(sources)
    }

    fn build_lanes(&mut self, known: Option<usize>, pipeline: &Pipeline) -> Result<Vec<Option<NewLink>>, String> {
        let mut lanes = Vec::new();
        for (at, destination) in pipeline.destinations.iter().enumerate() {
            let known = known.map(|index| &self.running[index].lanes);
            let known = known.and_then(|lanes| lanes.iter().find(|lane| lane.destination.name == destination.name));
            if known.is_some_and(|lane| lane.sends_as(destination)) {
                lanes.push(None);
                continue;
            }
            let health = known.map_or_else(Arc::default, |lane| Arc::clone(&lane.health));
            let link = self.sending.link(&pipeline.name, destination, &health);
            lanes.push(Some((
                health,
                link.map_err(|error| format!("destinations[{at}]: {error}"))?,
            )));
        }
        Ok(lanes)
    }

    /// Lets new lanes follow known files, and walks what is new or changed.
    fn find_files(&mut self, index: usize, now: Now) {
        for source in 0..self.running[index].sources.len() {
            let at = At { running: index, source };
            let tails = &self.running[index].sources[source].tails;
            let known: Vec<_> = tails
                .iter()
                .map(|(id, tail)| (*id, tail.origin.path.clone(), tail.place.clone()))
                .collect();
            for (id, path, place) in known {
                self.follow(at, id, (&path, Ground::Matches), place, now);
            }
            if self.running[index].sources[source].walked != Walked::Current {
                self.begin_walk(at);
                self.scan(at, now);
            }
        }
        self.know_flows(index, now);
    }

    /// Its files have to be found, perhaps such as were left out before.
    fn begin_walk(&mut self, at: At) {
        let running = &self.running[at.running];
        let source = running.sources[at.source].id;
        let flows = running.lanes.iter().filter_map(|lane| lane.flows.get(&source));
        if let Some(saved) = &mut self.saved {
            flows.for_each(|flow| saved.begin_walk(flow.key));
        }
    }

    /// From now on the flows are known, also to a later process: what is found besides is new, see `startAt`.
    fn know_flows(&mut self, index: usize, now: Now) {
        let Some(saved) = &mut self.saved else {
            return;
        };
        let walked_at = Now::read();
        for flow in self.running[index].lanes.iter().flat_map(|lane| lane.flows.values()) {
            saved.end_walk(flow.key, walked_at);
            if saved.counters(flow.key).is_none() {
                saved.put_counters(flow.key, flow.account.counters, now);
            }
        }
    }
}

/// Later ones win; sorted by name.
fn merge(attributes: [&BTreeMap<String, String>; 3]) -> Vec<(String, String)> {
    let all: BTreeMap<_, _> = attributes.into_iter().flatten().collect();
    all.into_iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn commit_lanes(
    running: &mut Running,
    pipeline: &Pipeline,
    built: Vec<Option<NewLink>>,
    (files, saved, now): Shared<'_>,
) {
    let mut old = std::mem::take(&mut running.lanes);
    for (destination, built) in pipeline.destinations.iter().zip(built) {
        let known = old.iter().position(|lane| lane.destination.name == destination.name);
        let lane = change_lane(known.map(|at| old.remove(at)), destination, built, now);
        running.lanes.extend(lane);
    }
    for lane in old {
        running.end_lane(lane, (files, &mut *saved, now));
    }
}

fn change_lane(known: Option<Lane>, destination: &Destination, built: Option<NewLink>, now: Now) -> Option<Lane> {
    match (known, built) {
        (Some(mut lane), None) => {
            lane.set_destination(destination.clone());
            Some(lane)
        }
        (Some(mut lane), Some((_, link))) => {
            lane.succeed(destination.clone(), link, now);
            Some(lane)
        }
        (None, Some((health, link))) => Some(Lane::new(destination.clone(), link, health)),
        (None, None) => None,
    }
}

fn commit_sources(
    running: &mut Running,
    pipeline: &Pipeline,
    built: Vec<Option<Source>>,
    (files, saved, now): Shared<'_>,
) {
    for source in built.into_iter().flatten() {
        match running.sources.iter().position(|known| known.id == source.id) {
            None => running.sources.push(source),
            Some(at) => {
                let left = running.sources[at].change(source);
                let id = running.sources[at].id;
                for file in left {
                    running.detach(id, file, Fate::Withdrawn, (files, &mut *saved, now));
                }
                for (file, tail) in &running.sources[at].tails {
                    running
                        .lanes
                        .iter_mut()
                        .for_each(|lane| lane.set_origin(id, *file, &tail.origin));
                }
            }
        }
    }
    let place = |source: &Source| {
        pipeline
            .sources
            .iter()
            .position(|config| config.name == source.config.name)
    };
    let gone: Vec<_> = running
        .sources
        .iter()
        .filter(|source| place(source).is_none())
        .map(|source| source.id)
        .collect();
    for id in gone {
        let tails = running
            .sources
            .iter()
            .find(|source| source.id == id)
            .map(|source| &source.tails);
        for file in tails
            .into_iter()
            .flat_map(|tails| tails.keys().copied())
            .collect::<Vec<_>>()
        {
            running.detach(id, file, Fate::Withdrawn, (files, &mut *saved, now));
        }
        running.lanes.iter_mut().for_each(|lane| _ = lane.flows.remove(&id));
        running.sources.retain(|source| source.id != id);
    }
    running.sources.sort_by_key(place);
}

/// Every lane has the flows of the sources that it takes, and no others.
fn reconcile_flows(running: &mut Running, (files, saved, now): Shared<'_>) {
    for lane in &mut running.lanes {
        for source in &running.sources {
            if lane.takes(&source.config.name) {
                lane.open_flow(&running.pipeline.name, source, saved);
                continue;
            }
            for file in source.tails.keys() {
                detach(lane, (source.id, *file), Fate::Withdrawn, (files, &mut *saved, now));
            }
            lane.flows.remove(&source.id);
        }
    }
}
