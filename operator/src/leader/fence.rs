//! What keeps a process from writing that doesn't hold the lease, or doesn't know whether it still does.
//!
//! Each write is checked right before it is sent, by the monotonic clock: a process that was stopped for a minute and
//! goes on in the middle of its work finds its term over. A write that is under way when the term ends is given up; the
//! API server may still carry it out, which is why all of them have preconditions besides.

use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tower::{BoxError, Service};

/// Until when this process may write.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    /// None where nobody else may act, so that there is no end.
    until: Option<watch::Receiver<Option<Instant>>>,
}

/// A write that wasn't sent, or whose answer wasn't waited for.
#[derive(Debug, thiserror::Error)]
#[error("this process does not hold the lease")]
struct NotElected;

impl Term {
    /// Begun, and without an end.
    pub(crate) const fn endless() -> Self {
        Self { until: None }
    }

    pub(super) const fn of(until: watch::Receiver<Option<Instant>>) -> Self {
        Self { until: Some(until) }
    }

    /// Returns once it has begun.
    pub(crate) async fn begun(mut self) {
        if let Some(until) = &mut self.until
            && until.wait_for(Option::is_some).await.is_err()
        {
            // The candidate is gone, so it never will.
            std::future::pending::<()>().await;
        }
    }

    /// Returns once it is over or hasn't begun. What renews it is waited for as well.
    async fn over(self) {
        let Some(mut receiver) = self.until else {
            return std::future::pending().await;
        };
        loop {
            let until = *receiver.borrow_and_update();
            let Some(until) = until.filter(|until| Instant::now() < *until) else {
                return;
            };
            tokio::select! {
                () = sleep_until(until) => {}
                changed = receiver.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// A client that writes only within the term.
pub(crate) fn fenced(client: &Client, term: Term) -> Client {
    let fenced = Fenced {
        client: client.clone(),
        term,
    };
    Client::new(fenced, client.default_namespace())
}

struct Fenced {
    client: Client,
    term: Term,
}

impl Service<Request<Body>> for Fenced {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (client, term) = (self.client.clone(), self.term.clone());
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        async move {
            let answer = client.send(request);
            if reads {
                return Ok(answer.await?);
            }
            tokio::select! {
                // The term first: nothing is sent when it is over.
                biased;
                () = term.over() => Err(NotElected.into()),
                answer = answer => Ok(answer?),
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// A server that answers after a second, what it was sent, and a client of it within a term.
    fn server(term: Term) -> (Arc<AtomicUsize>, Client) {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = sent.clone();
        let service = tower::service_fn(move |_: Request<Body>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        (sent, fenced(&Client::new(service, "default"), term))
    }

    async fn send(client: &Client, method: Method) -> bool {
        let request = Request::builder().method(method).uri("/").body(Body::empty());
        match request {
            Ok(request) => client.send(request).await.is_ok(),
            Err(_) => false,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_before_and_after_the_term_and_everything_may_be_read() {
        let (sender, receiver) = watch::channel(None);
        let (sent, client) = server(Term::of(receiver));
        assert!(!send(&client, Method::PATCH).await);
        assert!(send(&client, Method::GET).await);
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        sender.send_replace(Some(Instant::now() + Duration::from_secs(10)));
        assert!(send(&client, Method::PATCH).await);
        // As after a stop of the whole process: nobody had the time to say that the term is over.
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(!send(&client, Method::PATCH).await);
        assert_eq!(sent.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_under_way_outlives_a_renewal_but_not_the_term() {
        let within = |millis| Some(Instant::now() + Duration::from_millis(millis));
        let (sender, receiver) = watch::channel(within(500));
        let (_, client) = server(Term::of(receiver));
        let renew = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            sender.send_replace(within(10_000));
        };
        assert!(tokio::join!(send(&client, Method::PUT), renew).0);
        sender.send_replace(within(500));
        assert!(!send(&client, Method::PUT).await);
    }

    #[tokio::test]
    async fn without_other_processes_there_is_no_end() {
        let (_, client) = server(Term::endless());
        Term::endless().begun().await;
        assert!(send(&client, Method::DELETE).await);
    }
}
