//! What the sidecar says in `/status`: asked once, or again and again while all sorts of things happen to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(5);
/// How often its accounts are looked at.
const EVERY: Duration = Duration::from_millis(100);

/// None while nobody answers.
pub(crate) fn get(address: SocketAddr) -> Option<Value> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// The pipeline that ships what the writers write.
pub(crate) fn pipeline(report: &Value) -> Option<&Value> {
    let mut pipelines = report["pipelines"].as_array()?.iter();
    pipelines.find(|pipeline| pipeline["name"] == "chaos/logs")
}

pub(crate) fn revision(report: &Value) -> Option<&str> {
    pipeline(report)?["revision"].as_str()
}

pub(crate) fn destinations(report: &Value) -> impl Iterator<Item = &Value> {
    let list = pipeline(report).and_then(|pipeline| pipeline["destinations"].as_array());
    list.into_iter().flatten()
}

/// Of all destinations; none for a sidecar that has no configuration yet.
pub(crate) fn pending(report: &Value) -> Option<u64> {
    pipeline(report)?;
    Some(
        destinations(report)
            .map(|destination| bytes(destination, "pendingBytes"))
            .sum(),
    )
}

/// Of a destination whose account doesn't balance.
fn unbalanced(report: &Value) -> Option<String> {
    let is_off = |destination: &&Value| {
        let settled = ["acknowledgedBytes", "filteredBytes", "droppedBytes", "pendingBytes"];
        let settled: u64 = settled.into_iter().map(|name| bytes(destination, name)).sum();
        bytes(destination, "discoveredBytes") != settled
    };
    destinations(report).find(is_off).map(Value::to_string)
}

fn bytes(destination: &Value, name: &str) -> u64 {
    destination[name].as_u64().unwrap_or(u64::MAX / 8)
}

/// Looks at the accounts all the time.
#[derive(Debug)]
pub(crate) struct Observer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Observer {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let for_thread = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut found = Vec::new();
            while !for_thread.load(Ordering::Relaxed) {
                found.extend(get(address).and_then(|report| unbalanced(&report)));
                std::thread::sleep(EVERY);
            }
            found
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// What didn't balance.
    pub(crate) fn end(&mut self) -> Vec<String> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
