//! Waiting for something to become true: a poll with a deadline, and a sentence when it passes.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const PAUSE: Duration = Duration::from_millis(500);

/// Polls until `is_true`. An error of a single look counts as "not yet", and is told when the deadline passes.
pub fn until(what: &str, deadline: Duration, mut is_true: impl FnMut() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    loop {
        let outcome = is_true();
        if matches!(outcome, Ok(true)) {
            return Ok(());
        }
        if began.elapsed() > deadline {
            let why = outcome.err().map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("waited {} s in vain until {what}{why}", deadline.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_failed_look_is_tried_again() {
        let mut looks = 0;
        until("it is there", Duration::from_secs(60), || {
            looks += 1;
            if looks == 1 { Err(anyhow!("refused")) } else { Ok(true) }
        })
        .unwrap();
        assert_eq!(looks, 2);
    }

    #[test]
    fn when_time_is_up_the_last_fault_is_told() {
        let error = until("it is there", Duration::ZERO, || Err(anyhow!("refused")))
            .unwrap_err()
            .to_string();
        assert!(error.contains("until it is there: refused"), "{error}");
    }
}
