//! `http`: JSON lines by POST. Any 2xx answer means that all of them are stored.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::BuildError;
use super::answer;
use super::coding::Coding;
use crate::batch::Answer;
use crate::transport::{Endpoint, Response};

/// The media type of JSON lines; an own header replaces it.
const MEDIA_TYPE: &str = "application/x-ndjson";

pub(super) fn endpoint(settings: &pipeline::destination::Http, coding: Coding) -> Result<Endpoint, BuildError> {
    let field = |field: &'static str| move |error| BuildError::Endpoint { field, error };
    let endpoint = Endpoint::new(&settings.url, "").map_err(field("http.url"))?;
    let endpoint = endpoint
        .header(CONTENT_TYPE.as_str(), MEDIA_TYPE)
        .map_err(field("http.headers"))?;
    let endpoint = settings
        .headers
        .iter()
        .try_fold(endpoint, |endpoint, (name, value)| endpoint.header(name, value))
        .map_err(field("http.headers"))?;
    // The last word, since it says what is done here.
    match coding.token() {
        Some(token) => endpoint
            .header(CONTENT_ENCODING.as_str(), token)
            .map_err(field("compression")),
        None => Ok(endpoint),
    }
}

pub(super) fn classify(response: &Response) -> Answer {
    if response.status.is_success() {
        answer::stored()
    } else {
        answer::of_status(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::answer::tests::{meaning, response};

    #[test]
    fn only_success_means_stored() {
        for (status, expected) in [
            (200, "accepted"),
            (204, "accepted"),
            (302, "blocked"),
            (400, "refused"),
            (503, "retry"),
        ] {
            assert_eq!(meaning(&classify(&response(status, "<html>"))).0, expected, "{status}");
        }
    }
}
