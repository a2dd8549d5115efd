//! Transforms, in the order of the configuration: each keeps a record, changes it, or leaves it out for a counted
//! reason.

mod condition;
mod rate_limit;
mod redact;

use pipeline::Transform;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use self::condition::{Condition, Target};
pub(super) use self::rate_limit::Bucket;
use self::rate_limit::Rate;
use self::redact::Redaction;
use super::draft::{Body, Draft, DraftField, Place, Text, text};
use super::format::{Format, severity_of_text};
use super::{ProcessingError, Site};
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
    Set(Vec<SetField>),
    Remove(Vec<String>),
}

#[derive(Debug)]
struct SetField {
    target: Target,
    name: Text,
    value: Text,
}

/// Compiles a transform. `known` collects texts of the configuration, `buckets` counts the rate limits.
pub(super) fn step(
    transform: &Transform,
    known: &mut Vec<u8>,
    buckets: &mut usize,
) -> Result<Option<Step>, ProcessingError> {
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
        *buckets += 1;
        Some(Verb::RateLimit {
            rate: Rate::new(limit),
            bucket: *buckets - 1,
        })
    } else if let Some(set) = set {
        let fields = set.fields.iter().map(|(name, value)| SetField {
            target: Target::new(name),
            name: remember(known, name),
            value: remember(known, value),
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
    pub(super) fn apply(
        &self,
        draft: &mut Draft<'_>,
        format: &Format,
        site: &Site<'_>,
        buckets: &mut [Bucket],
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
                let passes = buckets.get_mut(*bucket).is_none_or(|bucket| rate.take(bucket, time));
                leaves_out(!passes, Filter::RateLimited)
            }
            Verb::Redact(redaction) => {
                redaction.apply(draft);
                Fate::Stays
            }
            Verb::Set(fields) => {
                for field in fields {
                    field.set(draft);
                }
                Fate::Stays
            }
            Verb::Remove(names) => {
                for name in names {
                    remove(draft, name.as_bytes());
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
    fn set(&self, draft: &mut Draft<'_>) {
        match self.target {
            Target::Body => draft.body = Body::Own(self.value),
            Target::Severity => draft.severity = severity_of_text(draft.get(self.value)),
            Target::Field(ref name) => {
                let fields = draft.fields().iter();
                let same = |field: &DraftField| draft.get(field.name) == name.as_bytes();
                let index = fields.clone().rposition(same);
                match index {
                    Some(index) => {
                        let field = &mut draft.fields_mut()[index];
                        (field.value, field.kind) = (self.value, FieldKind::Text);
                    }
                    None => draft.push(self.name, self.value, FieldKind::Text),
                }
                draft.touch();
            }
        }
    }
}

/// Takes a field out, and out of the body, too: where the body is the line and the field a part of it, that part goes.
fn remove(draft: &mut Draft<'_>, name: &[u8]) {
    while let Some(index) = draft.fields().iter().rposition(|field| draft.get(field.name) == name) {
        let field = draft.fields_mut().remove(index);
        draft.touch();
        if draft.body == Body::Line && field.value.place == Place::Line {
            draft.body = Body::Own(without(draft, field.value));
        }
    }
}

/// The line without a part of it. Fields of a line are found before anything is changed, so it is still as it was read.
fn without(draft: &mut Draft<'_>, part: Text) -> Text {
    draft.write(|out, draft| {
        out.extend_from_slice(&draft.line[..part.start as usize]);
        out.extend_from_slice(&draft.line[part.end as usize..]);
    })
}
