//! The task of one lane.

use super::{BuildError, LaneParts};

pub(super) struct Lane {
    parts: LaneParts,
}

impl Lane {
    pub(super) fn new(destination: &pipeline::Destination, parts: LaneParts) -> Result<Self, BuildError> {
        destination.kind().ok_or(BuildError::NoType)?;
        Ok(Self { parts })
    }

    pub(super) async fn run(mut self) {
        while let Some(_batch) = self.parts.batches.recv().await {}
    }
}
