//! What Loki's answers mean, after Loki 3.7 (`pkg/validation/validate.go`, `pkg/distributor`, `pkg/ingester/stream.go`).
//!
//! * 204: all stored. 200 without a body is the same; anything else that looks like success isn't one (an ingestion that
//!   is blocked by the tenant's limits is answered with 260 unless configured otherwise, and nothing is stored).
//! * 400 with reasons that speak of single entries: those were left out and the rest is stored. Sending again would
//!   change nothing. Which ones they were isn't said, but how many.
//! * 400 about labels or about what the tenant may send: the configuration doesn't fit the server and nothing of the
//!   stream is stored. People must act; giving records up would empty the files into nowhere.
//! * any other 400 says nothing about records, and may come from a proxy.

use pipeline::report::FailureReason;

use crate::batch::{Answer, Refusals, Suspicion};
use crate::destination::answer::{of_status, of_words, stored, words};
use crate::transport::Response;

/// What a sentence in a 400 is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// The entry itself, for ever.
    Entry,
    /// Something that passes.
    Moment,
    /// Labels or limits that all records of the stream run into.
    Stream,
}

/// Fragments of Loki's sentences; nothing else is believed.
const SENTENCES: [(&str, Subject); 18] = [
    ("entry too far behind", Subject::Entry),
    ("entry out of order", Subject::Entry),
    ("has timestamp too old", Subject::Entry),
    ("max entry size", Subject::Entry),
    ("has structured metadata too large", Subject::Entry),
    // Becomes true as time goes by: this node's clock is ahead of Loki's.
    ("has timestamp too new", Subject::Moment),
    ("rate limit exceeded", Subject::Moment),
    ("maximum active stream limit exceeded", Subject::Moment),
    ("has too many structured metadata labels", Subject::Stream),
    (
        "includes structured metadata, but this feature is disallowed",
        Subject::Stream,
    ),
    (" label names", Subject::Stream),
    ("has label name too long", Subject::Stream),
    ("has label value too long", Subject::Stream),
    ("has duplicate label name", Subject::Stream),
    ("error parsing labels", Subject::Stream),
    ("couldn't parse labels", Subject::Stream),
    ("error at least one label pair is required", Subject::Stream),
    ("missing required labels", Subject::Stream),
];

/// What Loki says of a push without streams.
const NO_STREAM: &str = "at least one valid stream is required";

/// How gRPC inside Loki says that a request is too large; it comes with a 500.
const TOO_LARGE: &str = "received message larger than max";

pub(in crate::destination) fn classify(response: &Response) -> Answer {
    let body = String::from_utf8_lossy(&response.body);
    match response.status.as_u16() {
        204 => stored(),
        200 if body.trim().is_empty() => stored(),
        400 => bad_request(response, &body),
        500 if body.contains(TOO_LARGE) => Answer::Split {
            failure: of_words(FailureReason::Refused, &words(response)),
        },
        _ => of_status(response),
    }
}

/// The same for a push without streams, which is refused for just that with 422.
pub(in crate::destination) fn classify_empty(response: &Response) -> Answer {
    let is_judged = response.status.as_u16() == 422 && String::from_utf8_lossy(&response.body).contains(NO_STREAM);
    if is_judged { stored() } else { classify(response) }
}

fn bad_request(response: &Response, body: &str) -> Answer {
    let failure = |reason| of_words(reason, &words(response));
    let subjects: Vec<Option<Subject>> = sentences(body).map(subject).collect();
    let is = |wanted| subjects.contains(&Some(wanted));
    if is(Subject::Moment) {
        let reason = if body.contains("rate limit") {
            FailureReason::RateLimited
        } else {
            FailureReason::Refused
        };
        return Answer::Retry {
            failure: failure(reason),
            after: response.retry_after,
            suspicion: Suspicion::None,
        };
    }
    if is(Subject::Stream) {
        return Answer::Blocked {
            failure: failure(FailureReason::Refused),
        };
    }
    if subjects.is_empty() || subjects.contains(&None) {
        return of_status(response);
    }
    Answer::Accepted {
        refused: Refusals::Count(ignored(body)),
        failure: Some(failure(FailureReason::Refused)),
    }
}

fn subject(sentence: &str) -> Option<Subject> {
    SENTENCES
        .iter()
        .find(|(fragment, _)| sentence.contains(fragment))
        .map(|(_, subject)| *subject)
}

/// The distributor joins its reasons with `; `, one for each kind. The ingester writes a line for each of the first
/// entries and a last one with the sum. A label's value could hold such a separator; then a piece of it isn't known, and
/// an unknown sentence only means that the batch is tried again.
fn sentences(body: &str) -> impl Iterator<Item = &str> {
    body.lines()
        .flat_map(|line| line.split("; "))
        .map(str::trim)
        .filter(|sentence| !sentence.is_empty() && !sentence.contains("total ignored: "))
}

/// `total ignored: 7 out of 10`, or the sum of `7 errors like: ...`, where a sentence without a number stands for one.
fn ignored(body: &str) -> usize {
    if let Some((_, rest)) = body.split_once("total ignored: ") {
        return leading_number(rest).unwrap_or(1);
    }
    let numbers = sentences(body).map(|sentence| {
        let is_sum = sentence.contains(" errors like: ");
        is_sum.then(|| leading_number(sentence)).flatten().unwrap_or(1)
    });
    numbers.fold(0, usize::saturating_add)
}

fn leading_number(text: &str) -> Option<usize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text[..digits].parse().ok()
}

#[cfg(test)]
mod tests;
