//! The children of a cluster: each has a log, and none outlives whoever started it.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};

use rustix::process::{WaitOptions, wait};

use crate::child::{Parent, dies_with_parent};
use crate::component::Launch;
use crate::files;

/// The end of a dead component's log says why it died.
const LINES_SHOWN: usize = 20;

/// A component can't be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {component} ({})", program.display())]
pub struct SpawnError {
    component: &'static str,
    program: PathBuf,
    source: io::Error,
}

/// A component ended, which none does by itself.
#[derive(Debug, thiserror::Error)]
#[error(
    "{component} ended ({status}); the end of its log:\n{}",
    files::tail(log, LINES_SHOWN)
)]
pub struct Death {
    component: &'static str,
    status: ExitStatus,
    log: PathBuf,
}

#[derive(Debug)]
struct Supervised {
    component: &'static str,
    log: PathBuf,
    child: Child,
    /// How it was started; none where that is somebody else's.
    launch: Option<Launch>,
}

/// A component can't be started again.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// It isn't there, or was started by somebody else.
    #[error("{0} was not started here")]
    NotOurs(&'static str),
    /// It doesn't start.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// Starts components, notices deaths, and ends what is left when dropped.
///
/// Use it from one thread that stays until the end: the kernel kills the children with the thread that started them.
#[derive(Debug)]
pub(crate) struct Supervisor {
    children: Vec<Supervised>,
    orphans: Orphans,
}

/// Who gets the processes whose parent has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orphans {
    /// The system's init.
    OfOthers,
    /// This process, being process 1 of its namespace. It must wait for them, or they stay as zombies for ever; and it
    /// must not run a command in another thread, whose end it would take away.
    OfOurs,
}

impl Supervisor {
    pub(crate) fn new(orphans: Orphans) -> Self {
        Self {
            children: Vec::new(),
            orphans,
        }
    }

    /// Starts a component whose output goes to `log`.
    pub(crate) fn start(&mut self, launch: &Launch, log: &Path) -> Result<(), SpawnError> {
        let child = spawn(launch, log)?;
        self.children.push(Supervised {
            component: launch.name,
            log: log.to_owned(),
            child,
            launch: Some(launch.clone()),
        });
        Ok(())
    }

    /// Kills a component and starts it as it was started before. Its log goes on.
    pub(crate) fn restart(&mut self, component: &'static str) -> Result<(), RestartError> {
        let mut children = self.children.iter_mut();
        let supervised = children.find(|supervised| supervised.component == component);
        let supervised = supervised.ok_or(RestartError::NotOurs(component))?;
        let launch = supervised.launch.clone().ok_or(RestartError::NotOurs(component))?;
        // Fails when it is dead already.
        let _ = supervised.child.kill();
        let _ = supervised.child.wait();
        supervised.child = spawn(&launch, &supervised.log)?;
        Ok(())
    }

    /// Takes charge of a child that was started in a way of its own.
    pub(crate) fn adopt(&mut self, component: &'static str, child: Child, log: &Path) {
        self.children.push(Supervised {
            component,
            log: log.to_owned(),
            child,
            launch: None,
        });
    }

    /// The first component found dead, if any.
    pub(crate) fn death(&mut self) -> Option<Death> {
        match self.orphans {
            Orphans::OfOthers => self.death_of_child(),
            Orphans::OfOurs => self.death_of_any(),
        }
    }

    fn death_of_child(&mut self) -> Option<Death> {
        self.children.iter_mut().find_map(|supervised| {
            let status = supervised.child.try_wait().ok().flatten()?;
            Some(Death {
                component: supervised.component,
                status,
                log: supervised.log.clone(),
            })
        })
    }

    /// Waits for whatever has ended: a component, or an orphan that nobody else waits for.
    fn death_of_any(&mut self) -> Option<Death> {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            let is_it = |supervised: &Supervised| supervised.child.id().cast_signed() == pid.as_raw_pid();
            if let Some(position) = self.children.iter().position(is_it) {
                // Its process id is free again, so it must not be killed by it.
                let Supervised { component, log, .. } = self.children.remove(position);
                return Some(Death {
                    component,
                    status: ExitStatus::from_raw(status.as_raw()),
                    log,
                });
            }
        }
        None
    }

    /// Kills all components, the latest first. They get no time to tidy up: all they have is thrown away.
    pub(crate) fn stop(&mut self) {
        for supervised in self.children.iter_mut().rev() {
            // Fails when it is dead already.
            let _ = supervised.child.kill();
        }
        for mut supervised in self.children.drain(..) {
            let _ = supervised.child.wait();
        }
    }
}

fn spawn(launch: &Launch, log: &Path) -> Result<Child, SpawnError> {
    let failed = |source| SpawnError {
        component: launch.name,
        program: launch.program.clone(),
        source,
    };
    let output = File::options().create(true).append(true).open(log).map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let mut command = launch.command();
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    dies_with_parent(&mut command, Parent::Visible).spawn().map_err(failed)
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(script: &str) -> Launch {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        Launch {
            name: "shell",
            program: PathBuf::from("/bin/sh"),
            arguments,
        }
    }

    #[test]
    fn a_death_is_noticed_and_told_with_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut supervisor = Supervisor::new(Orphans::OfOthers);
        supervisor
            .start(&shell("echo out of luck >&2; exit 3"), &folder.path().join("shell.log"))
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let death = loop {
            if let Some(death) = supervisor.death() {
                break death;
            }
            assert!(Instant::now() < deadline, "nobody noticed");
            std::thread::yield_now();
        };
        assert_eq!(
            death.to_string(),
            "shell ended (exit status: 3); the end of its log:\nout of luck"
        );
    }

    #[test]
    fn a_component_that_is_restarted_is_another_process_and_its_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("shell.log");
        let mut supervisor = Supervisor::new(Orphans::OfOthers);
        supervisor.start(&shell("echo started; exec sleep 600"), &log).unwrap();
        let started = |times| {
            let deadline = Instant::now() + Duration::from_secs(10);
            while std::fs::read_to_string(&log).unwrap().lines().count() != times {
                assert!(Instant::now() < deadline, "not started for the {times}. time");
                std::thread::yield_now();
            }
        };
        started(1);
        let before = supervisor.children[0].child.id();
        supervisor.restart("shell").unwrap();
        started(2);
        assert_ne!(supervisor.children[0].child.id(), before);
        assert!(supervisor.death().is_none());
        assert!(matches!(
            supervisor.restart("another"),
            Err(RestartError::NotOurs("another"))
        ));
    }

    #[test]
    fn no_child_outlives_its_supervisor() {
        let folder = tempfile::tempdir().unwrap();
        let mut supervisor = Supervisor::new(Orphans::OfOthers);
        supervisor
            .start(&shell("sleep 600"), &folder.path().join("shell.log"))
            .unwrap();
        let process = PathBuf::from(format!("/proc/{}", supervisor.children[0].child.id()));
        assert!(process.exists());
        drop(supervisor);
        assert!(!process.exists());
    }
}
