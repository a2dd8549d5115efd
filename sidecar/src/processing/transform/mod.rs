//! Transforms, in the order of the configuration: each keeps a record, changes it, or leaves it out for a counted
//! reason.

mod condition;
mod pace;
mod rate_limit;
mod redact;

use pipeline::Transform;
use pipeline::transform::OnExceed;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::condition::{Condition, Target};
pub(super) use self::pace::{Pace, Tokens};
pub(super) use self::rate_limit::Bucket;
use self::rate_limit::Rate;
pub(super) use self::redact::Redaction;
use super::draft::{Body, Draft, Place, Text, text};
use super::format::{Format, severity_of_text};
use super::{Memory, ProcessingError, Site};
use crate::batch::FieldKind;

/// Why a record is left out: indexes into the counters of `filtered` records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Filtered,
    Sampled,
    RateLimited,
}

/// What a step says about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Stays,
    Goes(Filter),
}

/// One step.
#[derive(Debug)]
pub(super) struct Step(Verb);

#[derive(Debug)]
enum Verb {
    Keep(Condition),
    Drop(Condition),
    Redact(Redaction),
    Sample {
        percent: u8,
        key: Option<Target>,
    },
    RateLimit {
        rate: Rate,
        /// Which of the buckets.
        bucket: usize,
    },
    /// Reading has waited for the record's token already.
    Wait {
        /// Which of the paces.
        pace: usize,
    },
    Set(Vec<SetField>),
    Remove(Vec<String>),
}

#[derive(Debug)]
struct SetField {
    target: Target,
    name: Text,
    value: Text,
}

/// What steps of one program share while they are compiled.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Texts of the configuration.
    pub(super) known: Vec<u8>,
    /// How many rate limits leave records out.
    pub(super) buckets: usize,
    /// Rates that reading keeps to.
    pub(super) paces: Vec<Pace>,
}

/// Compiles a transform.
pub(super) fn step(transform: &Transform, shared: &mut Shared) -> Result<Option<Step>, ProcessingError> {
    let Transform {
        keep,
        drop,
        redact,
        sample,
        rate_limit,
        set,
        remove,
    } = transform;
    // Exactly one is set, which validation has seen to.
    let verb = if let Some(keep) = keep {
        Some(Verb::Keep(Condition::new(&keep.when)?))
    } else if let Some(drop) = drop {
        Some(Verb::Drop(Condition::new(&drop.when)?))
    } else if let Some(redact) = redact {
        Some(Verb::Redact(Redaction::new(redact)?))
    } else if let Some(sample) = sample {
        Some(Verb::Sample {
            percent: sample.percent,
            key: sample.key.as_deref().map(Target::new),
        })
    } else if let Some(limit) = rate_limit {
        Some(match limit.on_exceed {
            OnExceed::Drop => {
                shared.buckets += 1;
                Verb::RateLimit {
                    rate: Rate::new(limit),
                    bucket: shared.buckets - 1,
                }
            }
            OnExceed::Wait => {
                shared.paces.push(Pace::new(limit));
                Verb::Wait {
                    pace: shared.paces.len() - 1,
                }
            }
        })
    } else if let Some(set) = set {
        let fields = set.fields.iter().map(|(name, value)| SetField {
            target: Target::new(name),
            name: remember(&mut shared.known, name),
            value: remember(&mut shared.known, value),
        });
        Some(Verb::Set(fields.collect()))
    } else {
        remove.as_ref().map(|remove| Verb::Remove(remove.fields.clone()))
    };
    Ok(verb.map(Step))
}

fn remember(known: &mut Vec<u8>, bytes: &str) -> Text {
    let start = known.len();
    known.extend_from_slice(bytes.as_bytes());
    text(Place::Known, start, known.len())
}

impl Step {
    pub(super) fn apply<'a>(
        &'a self,
        draft: &mut Draft<'a>,
        format: &Format,
        site: &Site<'_>,
        memory: &mut Memory,
    ) -> Fate {
        let leaves_out = |left_out, filter| if left_out { Fate::Goes(filter) } else { Fate::Stays };
        match &self.0 {
            Verb::Keep(condition) => leaves_out(!condition.holds(draft, format, site), Filter::Filtered),
            Verb::Drop(condition) => leaves_out(condition.holds(draft, format, site), Filter::Filtered),
            Verb::Sample { percent, key } => {
                let number = sample_number(key.as_ref(), draft, format, site);
                leaves_out(number % 100 >= u64::from(*percent), Filter::Sampled)
            }
            Verb::RateLimit { rate, bucket } => {
                let time = draft.time.unwrap_or(site.read_at);
                let passes = memory
                    .buckets
                    .get_mut(*bucket)
                    .is_none_or(|bucket| rate.take(bucket, time));
                leaves_out(!passes, Filter::RateLimited)
            }
            Verb::Wait { pace } => {
                if let Some(tokens) = memory.paces.get_mut(*pace) {
                    tokens.spend();
                }
                Fate::Stays
            }
            Verb::Redact(redaction) => {
                redaction.apply(draft, format);
                Fate::Stays
            }
            Verb::Set(fields) => {
                for field in fields {
                    field.set(draft, format);
                }
                Fate::Stays
            }
            Verb::Remove(names) => {
                for name in names {
                    remove(draft, format, name.as_bytes());
                }
                Fate::Stays
            }
        }
    }
}

/// The same for records with the same value of the key; a record without it, or without a key, is known by where it
/// stands, so that reading it again comes to the same.
fn sample_number(key: Option<&Target>, draft: &mut Draft<'_>, format: &Format, site: &Site<'_>) -> u64 {
    match key.and_then(|key| key.value(draft, format, site)) {
        Some(value) => xxh3_64(&value),
        None => xxh3_64_with_seed(&site.origin.identity.to_le_bytes(), site.offset),
    }
}

impl SetField {
    fn set(&self, draft: &mut Draft<'_>, format: &Format) {
        match self.target {
            Target::Body => draft.body = Body::Own(self.value),
            Target::Severity => draft.severity = severity_of_text(draft.get(self.value)),
            Target::Field(ref name) => self.set_field(draft, format, name.as_bytes()),
        }
    }

    /// All fields of the name become one: a value that was written over must not be found behind the new one.
    fn set_field(&self, draft: &mut Draft<'_>, format: &Format, name: &[u8]) {
        let named = |draft: &Draft<'_>| draft.fields().iter().rposition(|field| draft.get(field.name) == name);
        match named(draft) {
            Some(last) => {
                let field = &mut draft.fields_mut()[last];
                (field.value, field.kind) = (self.value, FieldKind::Text);
                let kept = draft.fields()[last];
                draft.keep_fields(|draft, field| field == kept || draft.get(field.name) != name);
            }
            None => draft.push(self.name, self.value, FieldKind::Text),
        }
        draft.touch();
        if matches!(draft.body, Body::Named(_)) && format.is_body(name) {
            draft.body = Body::Named(self.value);
        }
    }
}

/// Takes a field out, those that are nested in it, and the body where it is the field.
fn remove(draft: &mut Draft<'_>, format: &Format, name: &[u8]) {
    let is_meant = |found: &[u8]| match found.strip_prefix(name) {
        Some(rest) => rest.is_empty() || rest[0] == b'.',
        None => false,
    };
    let before = draft.fields().len();
    draft.keep_fields(|draft, field| !is_meant(draft.get(field.name)));
    if draft.fields().len() < before {
        draft.touch();
    }
    if matches!(draft.body, Body::Named(_)) && format.is_body(name) {
        draft.body = Body::Named(text(Place::Line, 0, 0));
    }
}
