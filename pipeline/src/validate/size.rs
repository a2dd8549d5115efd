//! How large a pipeline may be. The same for an object and for a file: what the operator fills in doesn't count, so both are
//! judged alike.

use super::FieldError;
use crate::config::{self, Pipeline, Reclaim};
use crate::limits::MAX_RENDERED_BYTES;
use crate::{Destination, Source, Transform};

pub(super) fn rendered(
    sources: &[Source],
    transforms: &[Transform],
    destinations: &[Destination],
) -> Option<FieldError> {
    let pipeline = Pipeline {
        name: String::new(),
        revision: String::new(),
        reclaim: Reclaim::default(),
        max_held_bytes: config::default_max_held_bytes(),
        sources: sources.iter().map(as_users_write_it).collect(),
        transforms: transforms.to_vec(),
        destinations: destinations.to_vec(),
    };
    let bytes = pipeline.rendered_bytes();
    (bytes > MAX_RENDERED_BYTES).then(|| {
        FieldError::new(
            "sources",
            format!(
                "sources, transforms and destinations make {} KiB of configuration, at most {} KiB are possible",
                bytes.div_ceil(1024),
                MAX_RENDERED_BYTES / 1024
            ),
        )
    })
}

fn as_users_write_it(source: &Source) -> Source {
    Source {
        container: None,
        start_at: None,
        mounts: Vec::new(),
        resource: std::collections::BTreeMap::new(),
        ..source.clone()
    }
}
