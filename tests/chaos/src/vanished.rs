//! Which lines may be missing: those whose bytes were destroyed before they could be delivered.
//!
//! A line that still stands somewhere must arrive. One whose file was deleted while the sidecar had it open must arrive
//! too, unless that process had to end before. Of all others those must have arrived that stood in their file for long
//! enough while nothing was in the sidecar's way.

use std::time::{Duration, Instant};

use crate::journal::{Absence, Destruction, Generation, Journal, Span, Why, Written};
use crate::scenario::{ProcessLimits, Scenario};

/// So long after a disturbance everything works again: pauses between attempts are over, and so is a Retry-After.
const RECOVERY: Duration = Duration::from_millis(1_500);
/// Whoever has so much time catches up with what was written meanwhile.
const CATCH_UP: Duration = Duration::from_secs(2);
/// A file that exists for so long is found and opened.
const FOUND_WITHIN: Duration = Duration::from_millis(250);
/// The same where files are polled four times a second.
const FOUND_BY_POLLING: Duration = Duration::from_millis(800);

/// What was in one destination's way, and when.
#[derive(Debug)]
pub(crate) struct Circumstances {
    absences: Vec<Absence>,
    /// While nothing could be delivered, or at least not at once.
    impaired: Vec<Span>,
    /// While no file could be found, or none opened.
    blind: Vec<Span>,
    found_within: Duration,
}

impl Circumstances {
    pub(crate) fn of(destination: usize, scenario: &Scenario, journal: &Journal) -> Self {
        let absences = journal.absences();
        let away: Vec<_> = absences.iter().map(|absence| absence.span).collect();
        let recovering = |span: &Span| Span {
            from: span.from,
            to: span.to + RECOVERY,
        };
        let impaired = |destination: usize| {
            let faults = journal.faults_of(destination);
            faults.iter().chain(&away).map(recovering).collect::<Vec<_>>()
        };
        let blind = if scenario.limits == ProcessLimits::FewDescriptors {
            // Undelivered files take the descriptors.
            (0..scenario.destinations.len()).flat_map(impaired).collect()
        } else {
            away.clone()
        };
        Self {
            impaired: impaired(destination),
            blind,
            absences,
            found_within: if scenario.limits.forbid_events() {
                FOUND_BY_POLLING
            } else {
                FOUND_WITHIN
            },
        }
    }

    pub(crate) fn must_have_arrived(&self, generation: &Generation, line: &Written) -> bool {
        let Some((destroyed, how)) = generation.destroyed else {
            return true;
        };
        let Some(stands) = line.stands else {
            return false;
        };
        let in_time = |from, to| has_calm(&self.impaired, Span { from, to }, CATCH_UP);
        let (started, ended) = self.process_at(destroyed);
        let findable = generation.findable.max(started.unwrap_or(generation.findable));
        let stood = Span {
            from: findable,
            to: destroyed,
        };
        let held = how == Destruction::Deleted && has_calm(&self.blind, stood, self.found_within);
        match ended {
            None if held => true,
            Some(ended) if held => in_time(stands.max(findable), ended) || in_time(stands, destroyed),
            _ => in_time(stands, destroyed),
        }
    }

    /// When the process that ran at a moment was started, and when it ended, if not at the beginning and the end of all.
    fn process_at(&self, moment: Instant) -> (Option<Instant>, Option<Instant>) {
        let ends = self.absences.iter().filter(|absence| absence.why != Why::Stopped);
        let spans: Vec<_> = ends.map(|absence| absence.span).collect();
        let started = spans.iter().map(|span| span.to).filter(|to| *to <= moment).max();
        // One that was being replaced then doesn't count, nor its successor, which had no time.
        let ended = spans.iter().filter(|span| span.to > moment).map(|span| span.from).min();
        (started, ended)
    }
}

/// Whether a span holds so long a stretch that none of the `spans` touches.
fn has_calm(spans: &[Span], within: Span, length: Duration) -> bool {
    let mut spans: Vec<_> = spans.to_vec();
    spans.sort_by_key(|span| span.from);
    let mut calm_since = within.from;
    for span in spans {
        if span.from >= calm_since + length {
            break;
        }
        calm_since = calm_since.max(span.to);
    }
    calm_since + length <= within.to
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn span(zero: Instant, (from, to): (u32, u32)) -> Span {
        Span {
            from: zero + from * SECOND,
            to: zero + to * SECOND,
        }
    }

    #[test]
    fn calm_is_between_disturbances() {
        let zero = Instant::now();
        let spans = [(5, 6), (1, 3), (2, 4)].map(|times| span(zero, times));
        let calm = |within, seconds: u32| has_calm(&spans, span(zero, within), seconds * SECOND);
        assert!(calm((0, 1), 1) && !calm((0, 5), 2) && calm((0, 5), 1));
        assert!(!calm((1, 5), 2) && calm((5, 8), 2) && !calm((5, 8), 3) && !calm((2, 4), 1));
    }

    #[test]
    fn deleted_lines_must_arrive_where_they_were_held_open() {
        let zero = Instant::now();
        let at = |seconds: u32| zero + seconds * SECOND;
        let generation = |destroyed| Generation {
            findable: at(0),
            lines: Vec::new(),
            destroyed,
        };
        let line = Written {
            bytes: 1,
            stands: Some(at(9)),
        };
        let killed = |times| Absence {
            why: Why::Killed,
            span: span(zero, times),
        };
        let circumstances = |absences: Vec<Absence>| Circumstances {
            impaired: vec![span(zero, (0, 90))],
            blind: absences.iter().map(|absence| absence.span).collect(),
            absences,
            found_within: SECOND,
        };
        let deleted = generation(Some((at(10), Destruction::Deleted)));
        assert!(
            circumstances(vec![]).must_have_arrived(&deleted, &line),
            "held for ever"
        );
        assert!(
            circumstances(vec![killed((3, 4))]).must_have_arrived(&deleted, &line),
            "found again"
        );
        for absence in [(8, 11), (12, 13), (9, 10)] {
            let circumstances = circumstances(vec![killed(absence)]);
            assert!(!circumstances.must_have_arrived(&deleted, &line), "{absence:?}");
            assert!(circumstances.must_have_arrived(&generation(None), &line));
        }
        let truncated = generation(Some((at(10), Destruction::Truncated)));
        assert!(!circumstances(vec![]).must_have_arrived(&truncated, &line));
    }
}
