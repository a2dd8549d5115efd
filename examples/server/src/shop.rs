//! What the server answers: a small web shop. Pure; no socket, no file, no clock.

use crate::logs::Failure;
use crate::settings;

/// An answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body, plain text.
    pub body: String,
    /// What else the server has to do about the request.
    pub consequence: Consequence,
}

/// What a request entails besides its answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Consequence {
    /// A line in the access log.
    Logged,
    /// A line in the access log, and a stack trace in the error log.
    Failed(Failure),
    /// Nothing: probes are not logged, or nothing else could be read in the log.
    Unlogged,
    /// Another rate of the server's own traffic; not logged either.
    NewRate(f64),
}

/// Orders that exist; others are not found.
const ORDERS: u64 = 1_000;

/// Answers a request by its method and target (`/rate?rps=20`).
pub fn answer(method: &str, target: &str) -> Answer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    match path {
        "/healthz" => Answer {
            status: 200,
            body: "ok\n".to_owned(),
            consequence: Consequence::Unlogged,
        },
        "/rate" => change_rate(query),
        "/" => logged(
            200,
            "Welcome to the shop. Try /orders/7, /checkout, /rate?rps=20.\n".to_owned(),
        ),
        "/checkout" => failed(method, path),
        _ => match path.strip_prefix("/orders/").and_then(|number| number.parse().ok()) {
            Some(number @ 1..=ORDERS) => logged(200, format!("order {number}: shipped\n")),
            _ => logged(404, "not found\n".to_owned()),
        },
    }
}

fn logged(status: u16, body: String) -> Answer {
    Answer {
        status,
        body,
        consequence: Consequence::Logged,
    }
}

fn change_rate(query: &str) -> Answer {
    let unlogged = |status, body| Answer {
        status,
        body,
        consequence: Consequence::Unlogged,
    };
    let Some(wanted) = query.split('&').find_map(|pair| pair.strip_prefix("rps=")) else {
        return unlogged(400, "say how many requests a second: /rate?rps=20\n".to_owned());
    };
    match settings::rate(wanted) {
        Ok(rate) => {
            let body = format!("{rate} requests a second\n");
            Answer {
                status: 200,
                body,
                consequence: Consequence::NewRate(rate),
            }
        }
        Err(error) => unlogged(400, format!("{error}\n")),
    }
}

/// The till is always out of order.
fn failed(method: &str, path: &str) -> Answer {
    let trace = [
        "java.lang.IllegalStateException: payment was not confirmed",
        "\tat dev.logshipping.shop.Till.charge(Till.java:118)",
        "\tat dev.logshipping.shop.Checkout.pay(Checkout.java:64)",
        "\tat dev.logshipping.shop.CheckoutController.post(CheckoutController.java:37)",
        "\tat java.base/java.lang.Thread.run(Thread.java:1583)",
        "Caused by: java.net.SocketTimeoutException: Read timed out",
        "\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)",
        "\tat dev.logshipping.shop.Till.charge(Till.java:112)",
        "\t... 3 more",
    ];
    let failure = Failure {
        thread: "http-worker".to_owned(),
        message: format!("{method} {path} failed"),
        trace: trace.map(str::to_owned).to_vec(),
    };
    Answer {
        status: 500,
        body: "internal error\n".to_owned(),
        consequence: Consequence::Failed(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_their_status_and_their_place_in_the_logs() {
        let cases = [
            ("/", 200, "Logged"),
            ("/healthz", 200, "Unlogged"),
            ("/orders/7", 200, "Logged"),
            ("/orders/0", 404, "Logged"),
            ("/orders/seven", 404, "Logged"),
            ("/favicon.ico", 404, "Logged"),
            ("/checkout", 500, "Failed"),
            ("/rate?rps=2.5", 200, "NewRate(2.5)"),
            ("/rate", 400, "Unlogged"),
            ("/rate?rps=many", 400, "Unlogged"),
        ];
        for (target, status, consequence) in cases {
            let answer = answer("GET", target);
            assert_eq!(answer.status, status, "{target}");
            assert!(
                format!("{:?}", answer.consequence).starts_with(consequence),
                "{target}: {answer:?}"
            );
        }
    }

    #[test]
    fn a_failure_carries_a_stack_trace_with_a_cause() {
        let Consequence::Failed(failure) = answer("POST", "/checkout").consequence else {
            panic!("no failure")
        };
        assert_eq!(failure.message, "POST /checkout failed");
        assert!(failure.trace[0].starts_with("java.lang.") && failure.trace[1].starts_with("\tat "));
        assert!(failure.trace.iter().any(|line| line.starts_with("Caused by: ")));
    }
}
