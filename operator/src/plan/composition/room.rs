//! Room for the configuration of one sidecar: a ConfigMap has so much of it, whoever asks. Where all LogShippings of a
//! Deployment together need more, those have it that run already; of the others those that come first, by priority and
//! name. One that finds none keeps what it has.

use std::collections::BTreeMap;

use crds::conditions::Reason;
use pipeline::Pipeline;

use super::{Member, Stance, completed};
use crate::plan::state::Finding;

/// For all pipelines of a sidecar. A ConfigMap takes 1 MiB and may have to hold the configurations of two pod shapes; the
/// rest is for what stands around the pipelines. Larger than what one LogShipping may have by itself, since the operator
/// fills in where volumes are mounted.
const ROOM: usize = 496 * 1024;

/// Wishes stand in an annotation, and annotations have a quarter of the room that data have.
const WEIGHT_OF_WISHES: usize = 4;

pub(super) struct Settled {
    /// In their order.
    pub members: Vec<Member>,
    /// Those that find no room for what they want.
    pub no_room: BTreeMap<String, Finding>,
}

/// `held` is what a LogShipping has now.
pub(super) fn settle(members: Vec<Member>, held: impl Fn(&str) -> Option<Member>) -> Settled {
    let all: usize = members.iter().map(weight).sum();
    let mut settled = Settled {
        members: Vec::new(),
        no_room: BTreeMap::new(),
    };
    if all <= ROOM {
        settled.members = members;
        return settled;
    }
    let has = |member: &Member| match member.stance {
        Stance::Acts => held(&member.name),
        Stance::Holds => Some(member.clone()),
    };
    let mut taken: usize = members.iter().filter_map(has).map(|member| weight(&member)).sum();
    for member in members {
        let before = has(&member);
        let others = taken - before.as_ref().map_or(0, weight);
        let needs = weight(&member);
        if member.stance == Stance::Holds || others + needs <= ROOM {
            taken = others + needs;
            settled.members.push(member);
            continue;
        }
        settled.no_room.insert(member.name, no_room(others + needs));
        settled.members.extend(before);
    }
    settled
}

fn weight(member: &Member) -> usize {
    let pipeline = Pipeline {
        sources: completed(&member.targets, &member.pipeline.sources),
        ..member.pipeline.clone()
    };
    let wishes = serde_json::to_string(&member.wishes).map_or(0, |text| text.len());
    pipeline.rendered_bytes() + (member.name.len() + wishes) * WEIGHT_OF_WISHES
}

fn no_room(bytes: usize) -> Finding {
    Finding {
        reason: Reason::TargetRefused,
        message: format!(
            "all LogShippings of the Deployment together would make {} KiB of configuration, at most {} KiB are possible: select it by fewer of them, or shorten one",
            bytes.div_ceil(1024),
            ROOM / 1024
        ),
    }
}
