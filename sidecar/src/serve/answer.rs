//! What each path answers. A table, and a function per row.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use pipeline::report::State;

use super::Observe;
use crate::metrics;

type Answer = Response<Full<Bytes>>;

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

pub(super) fn to<B>(request: &Request<B>, observe: &Observe) -> Answer {
    let page = match request.uri().path() {
        "/status" => status,
        "/metrics" => exposition,
        "/livez" => livez,
        "/readyz" => readyz,
        _ => return answer(StatusCode::NOT_FOUND, TEXT, "paths: /status /metrics /livez /readyz\n"),
    };
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return page(observe);
    }
    let mut refused = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "GET only\n");
    refused
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    refused
}

fn status(observe: &Observe) -> Answer {
    match serde_json::to_vec(&observe().report) {
        Ok(report) => answer(StatusCode::OK, JSON, report),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
    }
}

fn exposition(observe: &Observe) -> Answer {
    match metrics::render(&observe()) {
        Ok(text) => answer(StatusCode::OK, prometheus::TEXT_FORMAT, text),
        Err(error) => answer(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
    }
}

/// The process answers, so it works.
fn livez(_: &Observe) -> Answer {
    answer(StatusCode::OK, TEXT, "ok\n")
}

/// A configuration is loaded. How destinations do is no matter: nothing gets better by taking the pod out of service.
fn readyz(observe: &Observe) -> Answer {
    match observe().report.state {
        State::Running | State::Draining => answer(StatusCode::OK, TEXT, "ok\n"),
        State::Starting | State::NoConfig => {
            answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no configuration is loaded\n")
        }
    }
}

fn answer(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
