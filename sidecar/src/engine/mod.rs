//! The reader thread: it finds and tails the files, fills batches for every lane, takes settlements back, keeps the
//! positions and watches the configuration. One thread, one loop, no lock on the way of a byte.
//!
//! ```text
//!  inotify, timers -> look at files -> cursors with news -> batches -> lanes (runtime thread)
//!       ^                                                                 |
//!       +------- wake <- positions <- windows, accounts <- settled -------+
//! ```
//!
//! Each part of the loop is a file of its own: `changes` (what the kernel says), `discover` (which files there are),
//! `lane` (batches), `saved` (positions), `reload` and `transaction` (configuration), `reclaim` and
//! `punch` (room for the application), `drain` (the end), `publish` (report and metrics).

pub(crate) mod account;
mod beginnings;
mod budget;
mod changes;
mod clock;
mod content;
mod copies;
mod cursor;
mod descriptors;
mod discover;
mod drain;
mod due;
mod files;
mod head;
mod held;
mod lane;
mod lockstep;
mod mailbox;
mod marks;
mod names;
mod open_batch;
mod owed;
mod own;
mod patience;
mod publish;
mod punch;
mod reclaim;
mod reload;
mod running;
mod saved;
mod source;
mod standby;
mod start;
mod stretches;
mod suspects;
mod transaction;
mod turn;
mod unclaimed;
mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pipeline::config::Settings;
use pipeline::report::{Rejected, State};

use crate::configuration::ConfigFile;
use crate::logging::Logging;
use crate::reading::facts::FileKey;
use crate::reading::watcher::{WatchId, Watcher};

use changes::Mover;
use clock::Now;
use due::Due;
use files::{FileId, Files};
use lane::Lane;
use names::Names;
use punch::Reclaimer;
use running::Running;
use saved::Saved;
use standby::Standby;
use suspects::Suspect;

pub(crate) use mailbox::{Mailbox, Sending, Wake, connect};
pub(crate) use publish::Published;

/// Events that follow a first one are gathered for so long.
const GATHER: Duration = Duration::from_millis(20);
/// How often open files are looked at although nothing was heard of them.
const SWEEP: Duration = Duration::from_secs(1);
/// How often everything is walked again although nothing was heard.
const RESCAN: Duration = Duration::from_secs(20);
/// The same where no events come.
const POLL: Duration = Duration::from_millis(250);
/// How often the configuration is looked at where no events come.
const CONFIG_LOOK: Duration = Duration::from_secs(2);
/// How often it is looked for while there is none.
const CONFIG_SEARCH: Duration = Duration::from_millis(500);
/// How often a held lock or unknown positions are looked at again.
const STATE_RETRY: Duration = Duration::from_secs(1);

/// What the process was started with.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) config: PathBuf,
    pub(crate) state: PathBuf,
    /// Attributes of the pod, beside those of the configuration.
    pub(crate) resource: BTreeMap<String, String>,
    pub(crate) pod_uid: String,
    /// Where the kubelet reads what a container says at its end.
    pub(crate) termination_message: PathBuf,
    /// How many descriptors the process may have.
    pub(crate) descriptors: usize,
}

/// Everything the reader thread knows.
pub(crate) struct Engine {
    options: Options,
    mailbox: Mailbox,
    sending: Sending,
    published: Arc<Published>,
    logging: Logging,
    watcher: Watcher,
    config: ConfigFile,
    config_watch: Option<WatchId>,
    config_hash: String,
    settings: Settings,
    rejected: Vec<Rejected>,
    reloads: Reloads,
    /// `None` while the state directory can't be had.
    saved: Option<Saved>,
    /// Why they are kept in memory only.
    positions_error: Option<String>,
    /// The positions, should they stand among the logs.
    own_files: HashSet<FileKey>,
    /// While another process has it.
    standby: Option<Standby>,
    state: State,
    running: Vec<Running>,
    next_source: u32,
    files: Files,
    /// What the watched names mean.
    names: Names,
    /// What is on its way from one name to another, by the rename's cookie.
    moved: HashMap<u32, (Mover, Instant)>,
    /// Names under which a file of ours stands that wasn't opened yet, and the path it matched as.
    owed: HashMap<(WatchId, OsString), String>,
    /// Files to look at.
    dirty: BTreeSet<FileId>,
    /// Files that may be copies under way.
    suspects: Vec<Suspect>,
    reclaimer: Reclaimer,
    draining: Option<Draining>,
    due: Due,
    /// The last time.
    walk_took: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Reloads {
    succeeded: u64,
    refused: u64,
}

/// Since SIGTERM.
#[derive(Debug)]
struct Draining {
    since: Instant,
    /// Files that were being written then, or were since, and weren't closed after it.
    open: BTreeSet<FileId>,
    grew_at: Instant,
    /// Lines without an end leave too.
    ship_rest: bool,
    message_due: Instant,
}

impl Engine {
    pub(crate) fn new(
        options: Options,
        (mailbox, sending): (Mailbox, Sending),
        published: Arc<Published>,
        logging: Logging,
    ) -> Self {
        let now = Instant::now();
        Self {
            config: ConfigFile::new(options.config.clone()),
            options,
            mailbox,
            sending,
            published,
            logging,
            watcher: Watcher::new(),
            config_watch: None,
            config_hash: String::new(),
            settings: Settings::default(),
            rejected: Vec::new(),
            reloads: Reloads::default(),
            saved: None,
            positions_error: None,
            own_files: HashSet::new(),
            standby: None,
            state: State::Starting,
            running: Vec::new(),
            next_source: 0,
            files: Files::default(),
            names: Names::default(),
            moved: HashMap::new(),
            owed: HashMap::new(),
            dirty: BTreeSet::new(),
            suspects: Vec::new(),
            reclaimer: Reclaimer::new(now),
            draining: None,
            due: Due::new(now),
            walk_took: Duration::ZERO,
        }
    }

    /// Runs until everything is drained after a request to end.
    pub(crate) fn run(mut self) {
        loop {
            let now = Now::read();
            self.hear(now);
            self.settle(now);
            self.open_state(now);
            self.look_at_config(now);
            self.look_at_files(now);
            self.pump(now);
            self.save(now);
            self.reclaim(now);
            if self.drained(now) {
                break;
            }
            self.publish(now);
            self.wait();
        }
        // What was stored in the last moment counts; what would be sent now would be sent again.
        let lanes = self.running.iter().flat_map(|running| &running.lanes);
        lanes.for_each(Lane::stop);
        let now = Now::read();
        self.settle(now);
        if let Some(saved) = &mut self.saved {
            saved.flush_all(now);
        }
        self.say_goodbye();
    }
}
