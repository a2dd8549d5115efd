//! A way through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6), then the connection belongs to both ends.

use http::header::{HOST, HeaderValue, USER_AGENT};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::endpoint::AGENT;

/// The proxy doesn't let us through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    #[error("it answered {0}")]
    Refused(StatusCode),
    #[error("it doesn't answer as a proxy does")]
    Broken(#[from] hyper::Error),
    #[error("it said something before it was asked")]
    Unasked,
    #[error("{0:?} can't be asked for")]
    Name(String),
}

/// `stream` is connected to the proxy; `address` is the `host:port` to reach.
pub(super) async fn open(stream: TcpStream, address: &str) -> Result<TcpStream, TunnelError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection.with_upgrades());
    let answer = sender.send_request(ask(address)?).await;
    let result = match answer {
        Err(error) => Err(error.into()),
        Ok(answer) if !answer.status().is_success() => Err(TunnelError::Refused(answer.status())),
        Ok(answer) => {
            let parts = hyper::upgrade::on(answer).await?.downcast::<TokioIo<TcpStream>>();
            match parts {
                Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
                _ => Err(TunnelError::Unasked),
            }
        }
    };
    driver.abort();
    result
}

fn ask(address: &str) -> Result<Request<Empty<Bytes>>, TunnelError> {
    let unusable = || TunnelError::Name(address.to_owned());
    let authority: Authority = address.parse().map_err(|_| unusable())?;
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::CONNECT;
    let host = HeaderValue::from_str(address).map_err(|_| unusable())?;
    let mut parts = http::uri::Parts::default();
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| unusable())?;
    request.headers_mut().insert(HOST, host);
    request
        .headers_mut()
        .insert(USER_AGENT, HeaderValue::from_static(AGENT));
    Ok(request)
}

#[cfg(test)]
mod tests;
