//! The life of the process: signals, threads, the end.
//!
//! It runs as PID 1 of a container, so signals are handled before anything else is done. It ends by itself only after
//! SIGTERM or SIGINT; a second one ends it at once.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;

use pipeline::config::LogLevel;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::command_line::Run;
use crate::destination::stdout;
use crate::engine::{self, Engine, Mailbox, Options, Published, Sending, Wake};
use crate::logging;
use crate::references::References;
use crate::serve;
use crate::transport::Surroundings;

/// How the process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// After a request to end, within the time for it.
    Drained,
    /// By a second request.
    AtOnce,
}

/// Ships until a signal ends it.
///
/// # Errors
/// Only at the start, when the system denies what no sidecar can do without: threads, signals, an eventfd.
pub fn run(arguments: Run) -> io::Result<End> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    runtime.block_on(async move {
        let signals = Signals::new()?;
        let logging = logging::start(LogLevel::Info);
        let descriptors = raise_descriptor_limit();
        let wake = Wake::new()?;
        let around = Surroundings::of_process(References::new(arguments.refs_dir.clone()));
        let published = Arc::new(Published::new());
        let ends = engine::connect(wake.clone(), handle, stdout::writer()?, around);
        let for_status = Arc::clone(&published);
        let status = serve::run(arguments.listen, Arc::new(move || for_status.snapshot()));
        let _status = tokio::spawn(status);
        let ended = start_reader(options(arguments, descriptors), ends, published, logging)?;
        Ok(signals.until_end(wake, ended).await)
    })
}

fn options(arguments: Run, descriptors: usize) -> Options {
    let attributes = [
        ("k8s.pod.name", arguments.pod_name),
        ("k8s.pod.uid", arguments.pod_uid.clone()),
        ("k8s.node.name", arguments.node_name),
    ];
    let present = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Options {
        config: arguments.config,
        state: arguments.state,
        resource: present
            .filter(|(_, value)| !value.is_empty())
            .collect::<BTreeMap<_, _>>(),
        pod_uid: arguments.pod_uid.unwrap_or_default(),
        termination_message: arguments.termination_message,
        descriptors,
    }
}

fn start_reader(
    options: Options,
    ends: (Mailbox, Sending),
    published: Arc<Published>,
    logging: logging::Logging,
) -> io::Result<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    thread::Builder::new().name("reader".to_owned()).spawn(move || {
        Engine::new(options, ends, published, logging).run();
        let _ = done.send(());
    })?;
    Ok(ended)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn until_end(mut self, wake: Wake, mut ended: oneshot::Receiver<()>) -> End {
        tokio::select! {
            () = self.next() => wake.drain(),
            _ = &mut ended => return End::Drained,
        }
        tokio::select! {
            () = self.next() => End::AtOnce,
            _ = ended => End::Drained,
        }
    }
}

/// Each unsettled file is held open, so the soft limit of 1,024 could be too few. Returns how many there may be.
fn raise_descriptor_limit() -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

/// The error and what is behind it, in one line.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
