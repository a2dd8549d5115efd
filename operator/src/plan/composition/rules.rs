//! Who decides what, where several LogShippings disagree about the one sidecar of a Deployment. This table is what the
//! code does, and `docs/composition.md` says the same; a test compares them.
//!
//! A field that is unset is no opinion. The API server writes defaults into the object, so a field that has its default
//! value can't be told from one that is unset, and is no opinion either.

use std::collections::BTreeMap;

use crds::quantity::{Quantity, Resources};
use crds::spec::Sidecar;
use serde::Serialize;

use super::{Note, Wishes};
use crate::amount::Amount;
use crate::plan::injection::requests;

/// What happens to a field.
pub(super) struct Rule {
    /// Below `spec`.
    pub field: &'static str,
    pub how: How,
}

pub(super) enum How {
    /// The first one with an opinion decides, by priority and name.
    First {
        opinion: fn(&Sidecar) -> Option<String>,
        take: fn(&mut Sidecar, &Sidecar),
    },
    /// The largest amount counts, so that nobody gets less than was asked for.
    Largest {
        amount: fn(&Resources) -> &Option<Quantity>,
        put: fn(&mut Resources, Quantity),
    },
    /// Everything that anybody asks for.
    Together { join: fn(&mut Sidecar, &Sidecar) },
    /// Like `First`, for each directory that gets a volume of ours; see [`super::sizes`].
    FirstOfDirectory,
    /// All of them must say so.
    Everyone,
    /// No disagreement: it concerns the LogShipping's own pipeline only.
    Own,
}

impl How {
    #[cfg(test)]
    pub(super) const fn words(&self) -> &'static str {
        match self {
            Self::First { .. } => "higher priority, then the smaller name",
            Self::Largest { .. } => "the largest amount",
            Self::Together { .. } => "all together",
            Self::FirstOfDirectory => "higher priority, then the smaller name, among those that share the directory",
            Self::Everyone => "only when all say so",
            Self::Own => "each for itself",
        }
    }
}

macro_rules! first {
    ($name:literal, $field:ident) => {
        Rule {
            field: $name,
            how: How::First {
                opinion: |sidecar| opinion(&sidecar.$field, &Sidecar::default().$field),
                take: |into, from| into.$field.clone_from(&from.$field),
            },
        }
    };
}

macro_rules! largest {
    ($name:literal, $list:ident, $resource:ident) => {
        Rule {
            field: $name,
            how: How::Largest {
                amount: |resources| &resources.$list.$resource,
                put: |resources, quantity| resources.$list.$resource = Some(quantity),
            },
        }
    };
}

/// Every field that could be disagreed about. Limits stand after requests: a limit is never below its request.
pub(super) const RULES: &[Rule] = &[
    first!("sidecar.image", image),
    first!("sidecar.imageUpdate", image_update),
    first!("sidecar.imagePullPolicy", image_pull_policy),
    Rule {
        field: "sidecar.imagePullSecrets",
        how: How::Together {
            join: join_pull_secrets,
        },
    },
    first!("sidecar.placement", placement),
    largest!("sidecar.resources.requests.cpu", requests, cpu),
    largest!("sidecar.resources.requests.memory", requests, memory),
    largest!("sidecar.resources.limits.cpu", limits, cpu),
    largest!("sidecar.resources.limits.memory", limits, memory),
    first!("sidecar.runAsUser", run_as_user),
    first!("sidecar.runAsGroup", run_as_group),
    first!("sidecar.drainTimeout", drain_timeout),
    first!("sidecar.port", port),
    first!("sidecar.logLevel", log_level),
    first!("sidecar.stateVolume", state_volume),
    Rule {
        field: "volume.sizeLimit",
        how: How::FirstOfDirectory,
    },
    Rule {
        field: "volume.policy",
        how: How::Own,
    },
    Rule {
        field: "volume.reclaim",
        how: How::Own,
    },
    Rule {
        field: "volume.maxHeldBytes",
        how: How::Own,
    },
    Rule {
        field: "rollout.allowRecreate",
        how: How::Everyone,
    },
];

/// What the one sidecar is to be, and who didn't get what it asked for.
#[derive(Debug)]
pub(super) struct Settled {
    pub sidecar: Sidecar,
    pub notes: BTreeMap<String, Vec<Note>>,
}

/// Settles what `members` disagree about; they stand in their order, by priority and name.
pub(super) fn settle(members: &[(&str, &Wishes)]) -> Settled {
    let mut settled = Settled {
        sidecar: Sidecar {
            resources: Resources {
                requests: crds::quantity::Amounts::default(),
                limits: crds::quantity::Amounts::default(),
            },
            ..Sidecar::default()
        },
        notes: BTreeMap::new(),
    };
    for Rule { field, how } in RULES {
        match how {
            How::First { opinion, take } => first(&mut settled, members, field, *opinion, *take),
            How::Largest { amount, put } => largest(&mut settled.sidecar.resources, members, *amount, *put),
            How::Together { join } => members
                .iter()
                .for_each(|(_, wishes)| join(&mut settled.sidecar, &wishes.sidecar)),
            How::FirstOfDirectory | How::Everyone | How::Own => {}
        }
    }
    raise_limits(&mut settled.sidecar.resources);
    settled
}

fn first(
    settled: &mut Settled,
    members: &[(&str, &Wishes)],
    field: &'static str,
    opinion: fn(&Sidecar) -> Option<String>,
    take: fn(&mut Sidecar, &Sidecar),
) {
    let mut opinions = members
        .iter()
        .filter_map(|(name, wishes)| Some((name, &wishes.sidecar, opinion(&wishes.sidecar)?)));
    let Some((winner, from, value)) = opinions.next() else {
        return;
    };
    take(&mut settled.sidecar, from);
    for (loser, _, wanted) in opinions.filter(|(_, _, wanted)| *wanted != value) {
        settled
            .notes
            .entry((*loser).to_owned())
            .or_default()
            .push(Note::Overruled {
                field: field.to_owned(),
                wanted,
                winner: (*winner).to_owned(),
                value: value.clone(),
            });
    }
}

fn largest(
    into: &mut Resources,
    members: &[(&str, &Wishes)],
    amount: fn(&Resources) -> &Option<Quantity>,
    put: fn(&mut Resources, Quantity),
) {
    let asked = members.iter().filter_map(|(_, wishes)| {
        let written = &wishes.sidecar.resources;
        let complete = Resources {
            requests: requests(written),
            limits: written.limits.clone(),
        };
        amount(&complete).clone()
    });
    // The first of equal ones, so that the text of it doesn't depend on who else is there.
    let found = asked.reduce(|largest, next| {
        if parsed(&next) > parsed(&largest) {
            next
        } else {
            largest
        }
    });
    if let Some(found) = found {
        put(into, found);
    }
}

/// One may ask for much and set no limit, another one for little and set a low one.
fn raise_limits(resources: &mut Resources) {
    let Resources { requests, limits } = resources;
    for (request, limit) in [(&requests.cpu, &mut limits.cpu), (&requests.memory, &mut limits.memory)] {
        if let (Some(request), Some(limit)) = (request, limit)
            && parsed(request) > parsed(limit)
        {
            limit.clone_from(request);
        }
    }
}

fn parsed(quantity: &Quantity) -> Option<Amount> {
    Amount::parse(&quantity.0)
}

fn join_pull_secrets(into: &mut Sidecar, from: &Sidecar) {
    for name in &from.image_pull_secrets {
        if !into.image_pull_secrets.contains(name) {
            into.image_pull_secrets.push(name.clone());
        }
    }
}

/// The value as users write it; none where it says nothing.
pub(super) fn opinion<T: Serialize + PartialEq>(value: &T, default: &T) -> Option<String> {
    (value != default).then(|| match serde_json::json!(value) {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(sidecar: &str) -> Wishes {
        let value: serde_json::Value = serde_saphyr::from_str(&format!("{{sidecar: {{{sidecar}}}}}")).unwrap();
        serde_json::from_value(value).unwrap()
    }

    fn settled(members: &[&str]) -> Settled {
        let wishes: Vec<_> = members.iter().map(|sidecar| wishes(sidecar)).collect();
        let names = ["a", "b", "c"];
        let members: Vec<_> = names.into_iter().zip(&wishes).collect();
        settle(&members)
    }

    #[test]
    fn every_field_of_the_sidecar_has_a_rule() {
        let everything = "image: x, imagePullSecrets: [r], runAsUser: 1, runAsGroup: 1, \
                          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 2Gi}}";
        let mut fields = Vec::new();
        let sidecar = serde_json::to_value(wishes(everything).sidecar).unwrap();
        for (field, value) in sidecar.as_object().unwrap() {
            match value.as_object() {
                None => fields.push(format!("sidecar.{field}")),
                Some(lists) => {
                    let amounts = lists.iter().flat_map(|(list, amounts)| {
                        let amounts = amounts.as_object().unwrap().keys();
                        amounts.map(move |amount| format!("sidecar.{field}.{list}.{amount}"))
                    });
                    fields.extend(amounts);
                }
            }
        }
        fields.sort();
        let mut ruled: Vec<_> = RULES.iter().map(|rule| rule.field.to_owned()).collect();
        ruled.retain(|field| field.starts_with("sidecar."));
        ruled.sort();
        assert_eq!(ruled, fields);
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let rows = RULES
            .iter()
            .map(|rule| format!("| `{}` | {} |\n", rule.field, rule.how.words()));
        let table: String = rows.collect();
        let documentation = include_str!("../../../../docs/composition.md");
        assert!(
            documentation.contains(&table),
            "docs/composition.md should hold\n{table}"
        );
    }

    #[test]
    fn the_first_one_with_an_opinion_decides_and_the_others_are_told() {
        let Settled { sidecar, notes } = settled(&["", "port: 20000, logLevel: Debug", "port: 20001, image: x"]);
        assert_eq!((sidecar.port, sidecar.image.as_deref()), (20000, Some("x")));
        let told: Vec<_> = notes
            .iter()
            .map(|(name, notes)| (name.as_str(), notes[0].to_string()))
            .collect();
        assert_eq!(
            told,
            [(
                "c",
                "sidecar.port is 20000, as LogShipping b has it, not 20001".to_owned()
            )]
        );
        assert_eq!(notes["c"].len(), 1);
        assert!(settled(&["port: 20000", "port: 20000"]).notes.is_empty());
    }

    #[test]
    fn resources_are_the_largest_amounts_and_never_contradict_each_other() {
        let amounts = |members: &[&str]| {
            let Settled { sidecar, notes } = settled(members);
            assert!(notes.is_empty(), "nobody gets less than it asked for");
            let Resources { requests, limits } = sidecar.resources;
            let all = [requests.cpu, requests.memory, limits.cpu, limits.memory];
            all.map(|quantity| quantity.map_or_else(|| "-".to_owned(), |quantity| quantity.0))
                .join(" ")
        };
        for (members, expected) in [
            (&[""][..], "10m 16Mi - 64Mi"),
            (&["resources: {limits: {memory: 8Mi}}"], "10m 8Mi - 8Mi"),
            (&["resources: {limits: {memory: 32Mi}}", ""], "10m 16Mi - 64Mi"),
            (
                &[
                    "resources: {requests: {cpu: 1, memory: 1Mi}}",
                    "resources: {requests: {cpu: 900m}}",
                ],
                "1 16Mi - 64Mi",
            ),
            (&["resources: {limits: {cpu: 500m}}", ""], "10m 16Mi 500m 64Mi"),
            (
                &["resources: {requests: {memory: 100Mi}, limits: {}}", ""],
                "10m 100Mi - 100Mi",
            ),
            (
                &[
                    "resources: {limits: {memory: 1Gi}}",
                    "resources: {limits: {memory: 1024Mi}}",
                ],
                "10m 16Mi - 1Gi",
            ),
        ] {
            assert_eq!(amounts(members), expected, "{members:?}");
        }
    }

    #[test]
    fn pull_secrets_are_put_together() {
        let sidecar = settled(&["imagePullSecrets: [b, a]", "", "imagePullSecrets: [c, a]"]).sidecar;
        assert_eq!(sidecar.image_pull_secrets, ["b", "a", "c"]);
    }
}
