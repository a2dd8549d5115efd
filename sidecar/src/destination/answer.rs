//! What an HTTP status means for records, where a destination has nothing more exact to say (`delivery.md` section 6).
//! Anything that isn't listed is Blocked: never dropped, never taken for stored.

use std::borrow::Cow;

use http::StatusCode;
use pipeline::report::FailureReason;

use crate::batch::{Answer, Failure, Refusals, Suspicion};
use crate::transport::{AuthorizationError, RequestError, Response, TlsError, TransportError, TunnelError};

/// A message of a server is cut here.
const MAX_MESSAGE: usize = 256;

/// By the status alone; success is for the destination to judge.
pub(super) fn of_status(response: &Response) -> Answer {
    let status = response.status;
    let failure = |reason| of_words(reason, &words(response));
    match status.as_u16() {
        408 => Answer::Retry {
            failure: failure(FailureReason::Unreachable),
            after: response.retry_after,
            suspicion: Suspicion::Content,
        },
        429 => Answer::Retry {
            failure: failure(FailureReason::RateLimited),
            after: response.retry_after,
            suspicion: Suspicion::None,
        },
        500..=599 => Answer::Retry {
            failure: failure(FailureReason::ServerError),
            after: response.retry_after,
            suspicion: of_server_error(status),
        },
        413 => Answer::Split {
            failure: failure(FailureReason::Refused),
        },
        400 | 422 => Answer::Refused {
            failure: failure(FailureReason::Refused),
        },
        401 | 403 | 407 => Answer::Blocked {
            failure: failure(FailureReason::Unauthorized),
        },
        404 | 410 => Answer::Blocked {
            failure: failure(FailureReason::NotFound),
        },
        _ => Answer::Blocked {
            failure: failure(FailureReason::UnexpectedAnswer),
        },
    }
}

/// 503 speaks of the server alone (RFC 9110 section 15.6.4); a proxy says 502 or 504 of a server that died or hangs.
fn of_server_error(status: StatusCode) -> Suspicion {
    match status {
        StatusCode::INTERNAL_SERVER_ERROR | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => Suspicion::Content,
        _ => Suspicion::None,
    }
}

pub(crate) fn stored() -> Answer {
    Answer::Accepted {
        refused: Refusals::None,
        failure: None,
    }
}

/// There was no answer.
pub(crate) fn of_request_error(error: &RequestError) -> Answer {
    match error {
        RequestError::Transport(error) => of_transport(error, &chain(error)),
        RequestError::Authorization(error) => of_authorization(error),
    }
}

fn of_transport(error: &TransportError, message: &str) -> Answer {
    let blocked = |reason| Answer::Blocked {
        failure: of_words(reason, message),
    };
    match error {
        TransportError::Setup(TlsError::Reference(_)) => blocked(FailureReason::SecretMissing),
        TransportError::Tls { .. } | TransportError::Setup(_) => blocked(FailureReason::TlsFailure),
        TransportError::Proxy {
            source: TunnelError::Refused(status),
            ..
        } => of_proxy(*status, message),
        _ => Answer::Retry {
            failure: of_words(FailureReason::Unreachable, message),
            after: None,
            suspicion: match error {
                TransportError::Exchange { .. } | TransportError::Timeout { .. } => Suspicion::Content,
                _ => Suspicion::None,
            },
        },
    }
}

/// What a proxy answers to CONNECT: that the server can't be reached passes, that it may not be reached doesn't.
fn of_proxy(status: StatusCode, message: &str) -> Answer {
    let reason = match status.as_u16() {
        408 | 429 | 500..=599 => {
            return Answer::Retry {
                failure: of_words(FailureReason::Unreachable, message),
                after: None,
                suspicion: Suspicion::None,
            };
        }
        401 | 403 | 407 => FailureReason::Unauthorized,
        _ => FailureReason::UnexpectedAnswer,
    };
    Answer::Blocked {
        failure: of_words(reason, message),
    }
}

/// There is nothing to prove ourselves with. What a token endpoint answers to a bad client is 400 or 401
/// (RFC 6749 section 5.2), which is a matter for people; the rest is as with a destination.
fn of_authorization(error: &AuthorizationError) -> Answer {
    let message = chain(error);
    match error {
        AuthorizationError::TokenTransport { source, .. } => without_suspicion(of_transport(source, &message)),
        AuthorizationError::TokenRefused { response, .. } => {
            let message = format!("{message}: {}", words(response));
            match of_status(response) {
                Answer::Retry { failure, after, .. } => Answer::Retry {
                    failure: of_words(failure.reason, &message),
                    after,
                    suspicion: Suspicion::None,
                },
                _ => Answer::Blocked {
                    failure: of_words(FailureReason::Unauthorized, &message),
                },
            }
        }
        AuthorizationError::NoToken { .. } => Answer::Blocked {
            failure: of_words(FailureReason::UnexpectedAnswer, &message),
        },
        AuthorizationError::Reference(_) | AuthorizationError::NotAHeader { .. } => Answer::Blocked {
            failure: of_words(FailureReason::SecretMissing, &message),
        },
    }
}

/// Nobody but the token endpoint was asked.
fn without_suspicion(answer: Answer) -> Answer {
    match answer {
        Answer::Retry { failure, after, .. } => Answer::Retry {
            failure,
            after,
            suspicion: Suspicion::None,
        },
        other => other,
    }
}

/// An error and its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

/// The status and what the server said.
pub(super) fn words(response: &Response) -> String {
    let body = String::from_utf8_lossy(&response.body[..response.body.len().min(4 * MAX_MESSAGE)]);
    let status = status_line(response.status);
    let body = body.trim();
    if body.is_empty() {
        status.into_owned()
    } else {
        format!("{status}: {body}")
    }
}

fn status_line(status: StatusCode) -> Cow<'static, str> {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()).into(),
        None => status.as_u16().to_string().into(),
    }
}

/// For people: one line, at most 256 characters, without control characters.
pub(crate) fn of_words(reason: FailureReason, words: &str) -> Failure {
    let printable = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut message = String::new();
    for word in printable.collect::<String>().split_whitespace() {
        if !message.is_empty() {
            message.push(' ');
        }
        message.push_str(word);
    }
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
    }
    Failure { reason, message }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::time::Duration;

    pub(in crate::destination) fn response(status: u16, body: &str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: body.as_bytes().to_vec().into(),
        }
    }

    /// The name of an answer's meaning, for tables.
    pub(in crate::destination) fn meaning(answer: &Answer) -> (&'static str, Option<FailureReason>) {
        match answer {
            Answer::Accepted { .. } => ("accepted", None),
            Answer::Retry { failure, .. } => ("retry", Some(failure.reason)),
            Answer::Blocked { failure } => ("blocked", Some(failure.reason)),
            Answer::Split { failure } => ("split", Some(failure.reason)),
            Answer::Refused { failure } => ("refused", Some(failure.reason)),
        }
    }

    #[test]
    fn every_status_has_one_of_four_meanings() {
        use FailureReason::{NotFound, RateLimited, Refused, ServerError, Unauthorized, UnexpectedAnswer, Unreachable};
        for (status, expected, reason) in [
            (408, "retry", Unreachable),
            (429, "retry", RateLimited),
            (500, "retry", ServerError),
            (503, "retry", ServerError),
            (599, "retry", ServerError),
            (413, "split", Refused),
            (400, "refused", Refused),
            (422, "refused", Refused),
            (401, "blocked", Unauthorized),
            (403, "blocked", Unauthorized),
            (407, "blocked", Unauthorized),
            (404, "blocked", NotFound),
            (410, "blocked", NotFound),
            (301, "blocked", UnexpectedAnswer),
            (405, "blocked", UnexpectedAnswer),
            (418, "blocked", UnexpectedAnswer),
            (200, "blocked", UnexpectedAnswer),
            (999, "blocked", UnexpectedAnswer),
        ] {
            assert_eq!(
                meaning(&of_status(&response(status, ""))),
                (expected, Some(reason)),
                "{status}"
            );
        }
    }

    #[test]
    fn a_server_may_ask_for_time() {
        let mut busy = response(503, "busy");
        busy.retry_after = Some(Duration::from_secs(9));
        let Answer::Retry { failure, after, .. } = of_status(&busy) else {
            panic!("not a retry")
        };
        assert_eq!(
            (failure.message.as_str(), after),
            ("503 Service Unavailable: busy", busy.retry_after)
        );
    }

    #[test]
    fn words_of_a_server_are_one_short_printable_line() {
        let failure = of_words(FailureReason::Refused, "a\r\n\tb\u{1b}[31mc\u{85}");
        assert_eq!(failure.message, "a b [31mc");
        assert_eq!(
            of_words(FailureReason::Refused, &"ä".repeat(5000))
                .message
                .chars()
                .count(),
            MAX_MESSAGE
        );
    }

    proptest::proptest! {
        #[test]
        fn any_answer_of_any_server_keeps_the_records_or_is_a_success(
            status in 100_u16..1000,
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..3000),
        ) {
            let mut response = response(status, "");
            response.body = body.into();
            match of_status(&response) {
                Answer::Accepted { .. } => proptest::prop_assert!(false, "success is for the destination to judge"),
                Answer::Retry { failure, .. } | Answer::Blocked { failure } | Answer::Split { failure } | Answer::Refused { failure } => {
                    proptest::prop_assert!(failure.message.chars().count() <= MAX_MESSAGE);
                    proptest::prop_assert!(!failure.message.chars().any(char::is_control));
                }
            }
        }
    }
}
