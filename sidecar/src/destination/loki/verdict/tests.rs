//! Answers of a real Loki 3.7.8, word for word, and what they mean. Those marked otherwise are from its source.

use pipeline::report::FailureReason::{NotFound, RateLimited, Refused, ServerError, Unauthorized, UnexpectedAnswer};

use super::*;
use crate::batch::Answer;
use crate::destination::answer::tests::{meaning, response};

const TOO_FAR_BEHIND: &str = r#"entry with timestamp 2026-11-23 05:11:35.296374 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-11-23T05:11:35Z, oldest acceptable timestamp is: 2026-11-23T06:11:35Z',
entry with timestamp 2026-11-23 05:11:35.296373999 +0000 UTC ignored, reason: 'entry too far behind, entry timestamp is: 2026-11-23T05:11:35Z, oldest acceptable timestamp is: 2026-11-23T06:11:35Z',
user 'fake', total ignored: 12 out of 13 for stream: {job="a", service_name="a"}
"#;
const TOO_LONG: &str = r#"2 errors like: max entry size '262144' bytes exceeded for stream '{job="a", service_name="a"}' while adding an entry with length '300000' bytes; 1 errors like: max entry size '262144' bytes exceeded for stream '{job="a", service_name="a"}' while adding an entry with length '300001' bytes
"#;
const TOO_OLD: &str = r#"2 errors like: entry for stream '{job="a", service_name="a"}' has timestamp too old: 2026-11-03T07:18:42Z, oldest acceptable timestamp is: 2026-11-16T07:18:42Z; 1 errors like: entry for stream '{job="a", service_name="a"}' has timestamp too old: 2026-11-03T07:18:43Z, oldest acceptable timestamp is: 2026-11-16T07:18:42Z
"#;
const TOO_NEW: &str = r#"entry for stream '{job="a", service_name="a"}' has timestamp too new: 2026-11-23T09:11:35Z
"#;
const LARGE_METADATA: &str = r#"stream '{job="a", service_name="a"}' has structured metadata too large: '70001' bytes, limit: '65536' bytes. Please see `limits_config.max_structured_metadata_size` or contact your Loki administrator to increase it
"#;
const MUCH_METADATA: &str = r#"stream '{job="a", service_name="a"}' has too many structured metadata labels: '200', limit: '128'. Please see `limits_config.max_structured_metadata_entries_count` or contact your Loki administrator to increase it
"#;
const MANY_LABELS: &str = r#"entry for stream '{l0="v", l1="v", service_name="unknown_service"}' has 16 label names; limit 15
"#;
const BAD_LABEL: &str = "couldn't parse labels: 1:3: parse error: unexpected character inside braces: '-'\n";
const LONG_NAME: &str = "stream '{nnn=\"v\"}' has label name too long: 'nnn'\n";
const LONG_VALUE: &str = "stream '{n=\"vvv\"}' has label value too long: 'vvv'\n";
const NO_STREAM: &str = "error at least one valid stream is required for ingestion\n";

fn refused_count(answer: &Answer) -> Option<usize> {
    match answer {
        Answer::Accepted {
            refused: Refusals::Count(count),
            failure: Some(_),
        } => Some(*count),
        _ => None,
    }
}

#[test]
fn entries_that_are_refused_for_themselves_are_counted_and_the_rest_is_stored() {
    let one_of_one = TOO_FAR_BEHIND.replace("12 out of 13", "1 out of 1");
    for (body, count) in [
        (TOO_FAR_BEHIND, 12),
        (one_of_one.as_str(), 1),
        (TOO_LONG, 3),
        (TOO_OLD, 3),
        (LARGE_METADATA, 1),
    ] {
        assert_eq!(refused_count(&classify(&response(400, body))), Some(count), "{body}");
    }
}

#[test]
fn everything_else_keeps_the_records() {
    let limited = TOO_FAR_BEHIND.replace(
        "'entry too far behind, entry timestamp is: 2026-11-23T05:11:35Z",
        // From the source: both kinds in one answer.
        "'Per stream rate limit exceeded (limit: 3MB/sec) while attempting to ingest for stream '{}' totaling 9B",
    );
    for (status, body, expected, reason) in [
        (400, TOO_NEW, "retry", Refused),
        (400, limited.as_str(), "retry", RateLimited),
        (400, MUCH_METADATA, "blocked", Refused),
        (400, MANY_LABELS, "blocked", Refused),
        (400, BAD_LABEL, "blocked", Refused),
        (400, LONG_NAME, "blocked", Refused),
        (400, LONG_VALUE, "blocked", Refused),
        (400, "", "refused", Refused),
        (400, "<html>400 Bad Request</html>", "refused", Refused),
        (400, "snappy: corrupt input\n", "refused", Refused),
        (
            400,
            "2 errors like: something new; 1 errors like: max entry size '1' bytes exceeded",
            "refused",
            Refused,
        ),
        (422, NO_STREAM, "refused", Refused),
        (401, "no org id\n", "blocked", Unauthorized),
        (404, "404 page not found\n", "blocked", NotFound),
        (
            429,
            "ingestion rate limit exceeded for user fake (limit: 52428 bytes/sec)",
            "retry",
            RateLimited,
        ),
        (500, "empty ring\n", "retry", ServerError),
        (
            500,
            "rpc error: received message larger than max (9 vs. 4)",
            "split",
            Refused,
        ),
        (413, "request body too large", "split", Refused),
        (200, "<html>Please log in</html>", "blocked", UnexpectedAnswer),
        // From the source: the default status of a tenant whose ingestion is blocked.
        (
            260,
            "ingestion blocked for user 'fake' until '2027-01-01T00:00:00Z' with status code '260'",
            "blocked",
            UnexpectedAnswer,
        ),
    ] {
        assert_eq!(
            meaning(&classify(&response(status, body))),
            (expected, Some(reason)),
            "{status} {body}"
        );
    }
}

#[test]
fn only_an_empty_success_means_stored() {
    for status in [200, 204] {
        assert_eq!(classify(&response(status, "")), stored());
    }
}

#[test]
fn numbers_that_nobody_can_count_to_are_no_harm() {
    let body = format!(
        "{0} errors like: max entry size; {0} errors like: max entry size",
        usize::MAX
    );
    assert_eq!(refused_count(&classify(&response(400, &body))), Some(usize::MAX));
    let body = "entry too far behind\ntotal ignored: 99999999999999999999999 out of 1";
    assert_eq!(refused_count(&classify(&response(400, body))), Some(1));
}

proptest::proptest! {
    /// Only what Loki says in so many words means that something was stored.
    #[test]
    fn any_answer_has_a_meaning_and_few_of_them_mean_stored(
        status in 100_u16..1000,
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
        sentence in proptest::sample::select(vec!["", TOO_FAR_BEHIND, TOO_LONG, TOO_NEW, BAD_LABEL, NO_STREAM, "; total ignored: ", " errors like: "]),
        at in 0..3_usize,
    ) {
        let mut body = bytes;
        let place = body.len() * at / 2;
        body.splice(place..place, sentence.bytes());
        let mut response = response(status, "");
        response.body = body.clone().into();
        for answer in [classify(&response), classify_empty(&response)] {
            match answer {
                Answer::Accepted { refused: Refusals::None, .. } => {
                    let says_so = status == 204 || (status == 200 && String::from_utf8_lossy(&body).trim().is_empty());
                    let is_probe = status == 422 && String::from_utf8_lossy(&body).contains(super::NO_STREAM);
                    proptest::prop_assert!(says_so || is_probe, "{}", status);
                }
                Answer::Accepted { refused, failure } => {
                    proptest::prop_assert!(status == 400 && failure.is_some() && refused != Refusals::Count(0));
                }
                Answer::Retry { failure, .. } | Answer::Blocked { failure } | Answer::Split { failure } | Answer::Refused { failure } => {
                    proptest::prop_assert!(failure.message.chars().count() <= 256);
                    proptest::prop_assert!(!failure.message.chars().any(char::is_control), "{:?}", failure.message);
                }
            }
        }
    }
}
