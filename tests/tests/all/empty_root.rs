//! The sidecar's static program in a root that holds nothing but itself, `resolv.conf` and what a pod mounts: names
//! resolve, also by the search list, and TLS works.
//!
//! The name server and the log store listen on the loopback of a network namespace of their own, so that port 53 is
//! free: the test starts itself again inside it.

use std::convert::Infallible;
use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tests::road;

/// Set for the run inside the namespace.
const INSIDE: &str = "LOGSHIPPING_TEST_INSIDE_NAMESPACE";
const NAME: &str = "empty_root::names_resolve_and_tls_works_in_an_empty_root";
const DEADLINE: Duration = Duration::from_secs(60);

/// What the sidecar is told, and what that becomes by the search list.
const HOST: &str = "logs.shop";
const SEARCH: &str = "svc.test";
const PORT: u16 = 8443;

#[test]
fn names_resolve_and_tls_works_in_an_empty_root() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let program = program();
    let mut unshare = Command::new("unshare");
    unshare.arg("--net");
    if !rustix::process::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let status = unshare
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, program)
        .status()
        .unwrap();
    assert!(status.success(), "see the output of the run inside the namespace");
}

/// Built as for the image, if it isn't there already.
fn program() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(road::file("."))
        .args(["run", "--quiet", "--package", "xtask", "--", "images", "sidecar"])
        .status()
        .unwrap();
    assert!(built.success());
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = format!("target/{triple}/release/logshipping-sidecar");
    road::file(&path).canonicalize().unwrap()
}

fn inside() {
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
    std::thread::spawn(serve_names);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec![HOST.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let bodies = store(certificate.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()));
    let root = root(&certificate.pem());

    let checked = sidecar(root.path(), "check").arg("--connect").output().unwrap();
    let words = String::from_utf8(checked.stderr).unwrap();
    assert!(checked.status.success(), "{words}");
    assert!(words.contains("logs.shop:8443 can be reached"), "{words}");

    let mut run = sidecar(root.path(), "run");
    run.args(["--state", "/state", "--listen", "127.0.0.1:19600"]);
    let _running = Running(run.stdin(Stdio::null()).spawn().unwrap());
    let body = bodies.recv_timeout(DEADLINE).unwrap();
    assert!(body.contains("\"body\":\"from nowhere\""), "{body}");
}

/// Killed when the test is over.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn sidecar(root: &Path, command: &str) -> Command {
    let mut chroot = Command::new("chroot");
    chroot.arg(root).args(["/logshipping-sidecar", command]);
    chroot.args(["--config", "/config.json", "--refs-dir", "/refs"]);
    // Nothing of this machine's environment is known there.
    let path = std::env::var_os("PATH").unwrap_or_default();
    chroot.env_clear().env("PATH", path);
    chroot
}

fn root(authority: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let resolver = format!("nameserver 127.0.0.1\nsearch {SEARCH}\noptions ndots:5\n");
    put("etc/resolv.conf", &resolver);
    put("refs/configmaps/trust/ca.crt", authority);
    put("logs/a.log", "from nowhere\n");
    let config = serde_json::json!({"pipelines": [{
        "name": "p",
        "sources": [{"name": "s", "paths": ["/logs/a.log"]}],
        "destinations": [{
            "name": "d",
            "http": {"url": format!("https://{HOST}:{PORT}/in")},
            "tls": {"ca": {"configMapKeyRef": {"name": "trust", "key": "ca.crt"}}},
        }],
    }]});
    put("config.json", &config.to_string());
    fs::create_dir(root.path().join("state")).unwrap();
    let program = std::env::var_os(INSIDE).unwrap();
    fs::copy(program, root.path().join("logshipping-sidecar")).unwrap();
    root
}

/// An HTTPS server; gives the bodies that it got.
fn store(
    certificate: rustls::pki_types::CertificateDer<'static>,
    key: PrivatePkcs8KeyDer<'static>,
) -> Receiver<String> {
    let (sender, bodies) = channel();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let listener = std::net::TcpListener::bind(("127.0.0.1", PORT)).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve(listener, Arc::new(config), sender));
    });
    bodies
}

async fn serve(listener: std::net::TcpListener, config: Arc<rustls::ServerConfig>, bodies: Sender<String>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, bodies) = (acceptor.clone(), bodies.clone());
        tokio::spawn(async move {
            // A client that only looks whether it is let in leaves without a request.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| keep(request, bodies.clone()));
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn keep(request: Request<Incoming>, bodies: Sender<String>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let _ = bodies.send(String::from_utf8_lossy(&body).into_owned());
    Ok(Response::new(Empty::new()))
}

/// A name server that knows one name.
fn serve_names() {
    let socket = UdpSocket::bind("127.0.0.1:53").unwrap();
    let mut query = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut query) {
        let _ = socket.send_to(&answer(&query[..length]), client);
    }
}

/// RFC 1035 section 4: the header, the question again, and for the one name an address record.
fn answer(query: &[u8]) -> Vec<u8> {
    const A: [u8; 2] = [0, 1];
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let label = &query[at + 1..=at + usize::from(query[at])];
        name = format!("{name}{}.", String::from_utf8_lossy(label));
        at += label.len() + 1;
    }
    let kind = &query[at + 1..at + 3];
    let is_known = name == format!("{HOST}.{SEARCH}.");
    let has_address = is_known && kind == A;
    let mut out = query[..2].to_vec();
    out.extend_from_slice(&[0x81, if is_known { 0x80 } else { 0x83 }]);
    out.extend_from_slice(&[0, 1, 0, u8::from(has_address), 0, 0, 0, 0]);
    out.extend_from_slice(&query[12..at + 5]);
    if has_address {
        // The name stands at byte 12; class IN; five seconds; four bytes.
        out.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 127, 0, 0, 1]);
    }
    out
}
