//! `loki`: a snappy block of protobuf to `/loki/api/v1/push`; 204 means stored.
//!
//! One stream a request. Loki's ingester answers for the last stream of a request only, so an error of an earlier one
//! would be lost, and with it the records. One request then has exactly one verdict.
//!
//! Loki drops an entry that equals another of its stream in time and text, so equal times of different files in one
//! stream are set apart before the first request (`times`).

mod labels;
mod protobuf;
mod streams;
mod times;
mod verdict;

use std::io;

use bytes::Bytes;
use http::header::CONTENT_TYPE;

use super::{BuildError, Probe, Requests};
use crate::batch::{Batch, Origin, Times};
use crate::transport::Endpoint;
use labels::Labels;
pub(super) use verdict::classify;
use verdict::classify_empty;

const PATH: &str = "/loki/api/v1/push";
const TENANT: &str = "X-Scope-OrgID";

/// How records of this destination are written.
#[derive(Debug)]
pub(super) struct Loki {
    labels: Labels,
    encoder: protobuf::Encoder,
}

pub(super) fn endpoint(settings: &pipeline::destination::Loki) -> Result<Endpoint, BuildError> {
    let field = |field: &'static str| move |error| BuildError::Endpoint { field, error };
    let endpoint = Endpoint::new(&settings.url, PATH).map_err(field("loki.url"))?;
    let endpoint = endpoint
        .header(CONTENT_TYPE.as_str(), "application/x-protobuf")
        .map_err(field("loki.url"))?;
    match &settings.tenant {
        Some(tenant) => endpoint.header(TENANT, tenant).map_err(field("loki.tenant")),
        None => Ok(endpoint),
    }
}

/// A push of no streams: the way, the credentials and the tenant are judged before its emptiness is.
pub(super) fn probe() -> Probe {
    Probe::Empty {
        body: Bytes::from_static(protobuf::EMPTY),
        classify: classify_empty,
    }
}

impl Loki {
    pub(super) fn new(settings: &pipeline::destination::Loki) -> Self {
        Self {
            labels: Labels::new(&settings.labels),
            encoder: protobuf::Encoder::new(&settings.structured_metadata),
        }
    }

    /// The records of each stream, in reading order, and their times set apart.
    pub(super) fn requests(&self, batch: &Batch) -> Requests {
        let records = streams::split(&self.labels, batch);
        let times = times::set_apart(batch, &records);
        Requests { records, times }
    }

    /// `records` are of one stream, at least one.
    pub(super) fn encode(
        &mut self,
        (batch, times): (&Batch, &Times),
        records: &[u32],
        max_record_bytes: usize,
    ) -> io::Result<Bytes> {
        let labels = records
            .first()
            .map(|first| self.labels.of(batch, &batch.records[*first as usize]));
        self.encoder
            .encode((batch, times), records, &labels.unwrap_or_default(), max_record_bytes)
    }

    pub(super) fn buffers(&self) -> usize {
        self.encoder.buffers()
    }
}
