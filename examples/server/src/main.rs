//! The demo application: a web server that knows nothing of log shipping. It writes `access.log` and `error.log`,
//! rotates them by size, answers on an HTTP port, and makes traffic of its own so that there is something to ship.
//!
//! It stands for somebody else's application, so it depends on next to nothing of this project.

mod clock;
mod http;
mod logs;
mod rotation;
mod settings;
mod shop;
mod traffic;

use std::io::{self, Read};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use signal_hook::consts::{SIGINT, SIGTERM};

use clock::Moment;
use logs::Logs;
use rotation::Limits;
use settings::{Invocation, Settings};
use traffic::Traffic;

/// Connections that are served at the same time.
const WORKERS: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match Settings::parse(&arguments, |name| std::env::var(name).ok()) {
        Ok(Invocation::Serve(settings)) => serve(&settings),
        Ok(Invocation::Help(text)) => {
            eprint!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("server: {sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until SIGTERM or SIGINT. The last line of the error log is written after all traffic of the server's own.
fn serve(settings: &Settings) -> Result<(), String> {
    let mut signals = signals().map_err(|error| format!("cannot watch for signals: {error}"))?;
    let limits = Limits {
        bytes: settings.rotate_bytes,
        keep: settings.rotate_keep,
    };
    let folder = &settings.log_dir;
    let logs = Logs::open(folder, limits).map_err(|error| {
        format!(
            "cannot write logs in {}: {error}; make it writable for this user",
            folder.display()
        )
    })?;
    let listener = TcpListener::bind(&settings.listen)
        .map_err(|error| format!("cannot listen on {}: {error}; choose another --listen", settings.listen))?;
    let (logs, listener, traffic) = (
        Arc::new(logs),
        Arc::new(listener),
        Arc::new(Traffic::new(settings.rate)),
    );

    logs.notice(
        Moment::of(SystemTime::now()),
        &format!("listening on {}", settings.listen),
    );
    for _ in 0..WORKERS {
        let (logs, listener, traffic) = (Arc::clone(&logs), Arc::clone(&listener), Arc::clone(&traffic));
        thread::spawn(move || http::serve(&listener, &logs, &traffic));
    }
    let made = thread::scope(|threads| {
        let maker = threads.spawn(|| traffic.run(&logs, settings.lines));
        // One byte comes with the first signal; an error can't be told from it and ends the server as well.
        let _ = signals.read(&mut [0]);
        traffic.stop();
        maker.join().unwrap_or(0)
    });
    logs.notice(
        Moment::of(SystemTime::now()),
        &format!("stopped after {made} requests of its own"),
    );
    Ok(())
}

/// A stream on which every SIGTERM and SIGINT puts a byte.
fn signals() -> io::Result<UnixStream> {
    let (reader, writer) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGINT, writer.try_clone()?)?;
    signal_hook::low_level::pipe::register(SIGTERM, writer)?;
    Ok(reader)
}
