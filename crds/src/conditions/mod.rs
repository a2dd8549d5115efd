//! Conditions and their reasons: the one table that says which reason is True, False or Unknown in which condition. Code,
//! tests and docs read it; what a reason means to people stands in [`meaning`].

pub mod meaning;

use std::fmt;

/// Condition types of a LogShipping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    Accepted,
    Injected,
    ConfigLoaded,
    Delivering,
    Ready,
    Reconciling,
    Stalled,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($variant),* }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name as it stands in the status.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// Every reason that a condition, an entry of `worst`, or an event may carry.
    Reason {
        // Accepted
        Valid, InvalidSpec,
        // Injected
        AllInjected, NoTargets, InProgress, Paused, Preview, PatchFailed, TargetRefused, Conflict,
        // ConfigLoaded
        AllLoaded, Loading, ReloadFailed, NoSidecars, NotObserved,
        // Delivering
        FlowHealthy, NoTraffic, Lagging, Undelivered, RecordsDropped, SourceUnreadable, SecretMissing, VolumeFilling,
        SidecarFailing,
        // Ready
        Healthy,
        // Reconciling
        RollingOut, Reloading, Soaking, WaitingForTurn, Pinned,
        // Stalled
        RolloutHalted, DeadlineExceeded, CleanupBlocked,
        // single targets
        OptedOut, DeploymentPaused, BeingDeleted, OwnedByController, Windows, HostNetwork, SystemNamespace,
        RecreateStrategy, ContainerNotFound, VolumeRefused, RestartPolicyStripped,
    }
}

impl ConditionType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::Injected => "Injected",
            Self::ConfigLoaded => "ConfigLoaded",
            Self::Delivering => "Delivering",
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
        }
    }
}

/// What each reason says about each condition. Unless it is `Healthy`, `Ready` takes over reason and status of the condition
/// that holds it back; the worst targets take over reasons, too, and have some of their own that stand in no condition.
pub const TABLE: &[(ConditionType, Reason, Truth)] = &[
    (ConditionType::Accepted, Reason::Valid, Truth::True),
    (ConditionType::Accepted, Reason::InvalidSpec, Truth::False),
    (ConditionType::Injected, Reason::AllInjected, Truth::True),
    (ConditionType::Injected, Reason::NoTargets, Truth::False),
    (ConditionType::Injected, Reason::InProgress, Truth::False),
    (ConditionType::Injected, Reason::Paused, Truth::False),
    (ConditionType::Injected, Reason::Preview, Truth::False),
    (ConditionType::Injected, Reason::PatchFailed, Truth::False),
    (ConditionType::Injected, Reason::TargetRefused, Truth::False),
    (ConditionType::Injected, Reason::Conflict, Truth::False),
    (ConditionType::ConfigLoaded, Reason::AllLoaded, Truth::True),
    (ConditionType::ConfigLoaded, Reason::Loading, Truth::False),
    (ConditionType::ConfigLoaded, Reason::ReloadFailed, Truth::False),
    (ConditionType::ConfigLoaded, Reason::NoSidecars, Truth::False),
    (ConditionType::ConfigLoaded, Reason::NotObserved, Truth::Unknown),
    (ConditionType::Delivering, Reason::FlowHealthy, Truth::True),
    (ConditionType::Delivering, Reason::NoTraffic, Truth::True),
    (ConditionType::Delivering, Reason::Lagging, Truth::False),
    (ConditionType::Delivering, Reason::Undelivered, Truth::False),
    (ConditionType::Delivering, Reason::RecordsDropped, Truth::False),
    (ConditionType::Delivering, Reason::SourceUnreadable, Truth::False),
    (ConditionType::Delivering, Reason::SecretMissing, Truth::False),
    (ConditionType::Delivering, Reason::VolumeFilling, Truth::False),
    (ConditionType::Delivering, Reason::SidecarFailing, Truth::False),
    (ConditionType::Delivering, Reason::NotObserved, Truth::Unknown),
    (ConditionType::Delivering, Reason::NoSidecars, Truth::Unknown),
    (ConditionType::Ready, Reason::Healthy, Truth::True),
    (ConditionType::Reconciling, Reason::RollingOut, Truth::True),
    (ConditionType::Reconciling, Reason::Reloading, Truth::True),
    (ConditionType::Reconciling, Reason::Soaking, Truth::True),
    (ConditionType::Reconciling, Reason::WaitingForTurn, Truth::True),
    (ConditionType::Reconciling, Reason::Pinned, Truth::True),
    (ConditionType::Stalled, Reason::InvalidSpec, Truth::True),
    (ConditionType::Stalled, Reason::RolloutHalted, Truth::True),
    (ConditionType::Stalled, Reason::DeadlineExceeded, Truth::True),
    (ConditionType::Stalled, Reason::Conflict, Truth::True),
    (ConditionType::Stalled, Reason::CleanupBlocked, Truth::True),
];

/// What `reason` says about `condition`; none where the two don't belong together.
pub fn truth(condition: ConditionType, reason: Reason) -> Option<Truth> {
    TABLE
        .iter()
        .find(|(c, r, _)| *c == condition && *r == reason)
        .map(|(_, _, truth)| *truth)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_pair_stands_twice_in_the_table() {
        let pairs: BTreeSet<_> = TABLE.iter().map(|(condition, reason, _)| (condition, reason)).collect();
        assert_eq!(pairs.len(), TABLE.len());
    }

    #[test]
    fn a_reason_is_written_as_it_is_named() {
        assert_eq!(Reason::FlowHealthy.to_string(), "FlowHealthy");
        assert_eq!(truth(ConditionType::Delivering, Reason::NoTraffic), Some(Truth::True));
        assert_eq!(truth(ConditionType::Accepted, Reason::NoTraffic), None);
    }
}
