//! Every metric of the operator. Label values come from closed lists; names of objects appear in one metric only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Which of the two controllers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Controller {
    Target,
    Status,
}

impl Controller {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Status => "status",
        }
    }
}

/// Type, status and reason of the conditions of each LogShipping, by namespace and name.
type Said = BTreeMap<(String, String), BTreeSet<[String; 3]>>;

/// All metrics, registered once.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_duration: HistogramVec,
    patches: IntCounterVec,
    polls: IntCounterVec,
    conditions: IntGaugeVec,
    /// Which values of `conditions` are set: a gauge that isn't taken back would lie for ever.
    said: Arc<Mutex<Said>>,
    targets: IntGaugeVec,
    leader: IntGauge,
}

impl Metrics {
    /// # Errors
    /// Only when two metrics have one name, which a test rules out.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("logshipping".to_owned()), None)?;
        let register = Register(&registry);
        Ok(Self {
            reconciles: register.counters(
                "operator_reconcile_total",
                "Reconciles by outcome",
                &["controller", "result"],
            )?,
            reconcile_duration: register.durations(
                "operator_reconcile_duration_seconds",
                "Duration of reconciles",
                &["controller"],
            )?,
            patches: register.counters(
                "operator_patches_total",
                "Writes to the API server by outcome",
                &["result"],
            )?,
            polls: register.counters(
                "operator_sidecar_polls_total",
                "Questions to sidecars by outcome",
                &["result"],
            )?,
            conditions: register.gauges(
                "status_condition",
                "1 for the present status of each condition of a LogShipping",
                &["namespace", "name", "type", "status", "reason"],
            )?,
            targets: register.gauges("targets", "Deployments by state", &["state"])?,
            leader: register.gauge("leader", "1 while this process is the one that acts")?,
            said: Arc::default(),
            registry,
        })
    }

    pub(crate) fn reconciled(&self, controller: Controller, result: &'static str, duration: Duration) {
        self.reconciles.with_label_values(&[controller.as_str(), result]).inc();
        self.reconcile_duration
            .with_label_values(&[controller.as_str()])
            .observe(duration.as_secs_f64());
    }

    pub(crate) fn wrote(&self, result: &'static str) {
        self.patches.with_label_values(&[result]).inc();
    }

    pub(crate) fn polled(&self, result: &'static str) {
        self.polls.with_label_values(&[result]).inc();
    }

    pub(crate) fn leads(&self) {
        self.leader.set(1);
    }

    pub(crate) fn set_targets(&self, state: &'static str, number: i64) {
        self.targets.with_label_values(&[state]).set(number);
    }

    /// Replaces everything that was said about a LogShipping.
    pub(crate) fn set_conditions(&self, namespace: &str, name: &str, conditions: &[Condition]) {
        let of = |condition: &Condition| [&condition.type_, &condition.status, &condition.reason].map(String::clone);
        let now: BTreeSet<_> = conditions.iter().map(of).collect();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let before = said.insert((namespace.to_owned(), name.to_owned()), now.clone());
        for [kind, status, reason] in before.iter().flatten().filter(|old| !now.contains(*old)) {
            // It may not be there any more, which is what is wanted.
            let _ = self
                .conditions
                .remove_label_values(&[namespace, name, kind, status, reason]);
        }
        for [kind, status, reason] in &now {
            self.conditions
                .with_label_values(&[namespace, name, kind, status, reason])
                .set(1);
        }
        if now.is_empty() {
            said.remove(&(namespace.to_owned(), name.to_owned()));
        }
    }

    /// The text format that Prometheus scrapes.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Makes metrics and registers each.
#[derive(Clone, Copy)]
struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn counters(self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.added(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.added(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.added(IntGauge::new(name, help)?)
    }

    fn durations(self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
        self.added(HistogramVec::new(HistogramOpts::new(name, help), labels)?)
    }

    fn added<C: Collector + Clone + 'static>(self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    fn condition(status: &str, reason: &str) -> Condition {
        Condition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: None,
            last_transition_time: Time(jiff::Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn names_are_those_of_the_contract() -> Result<(), Box<dyn std::error::Error>> {
        let metrics = Metrics::new()?;
        metrics.reconciled(Controller::Target, "ok", Duration::from_millis(3));
        metrics.wrote("ok");
        metrics.polled("ok");
        metrics.leads();
        metrics.set_targets("injected", 2);
        metrics.set_conditions("shop", "logs", &[condition("False", "Loading")]);
        metrics.set_conditions("shop", "logs", &[condition("True", "Healthy")]);
        metrics.set_conditions("shop", "gone", &[condition("True", "Healthy")]);
        metrics.set_conditions("shop", "gone", &[]);
        let text = String::from_utf8(metrics.render()?)?;
        for line in [
            "logshipping_operator_reconcile_total{controller=\"target\",result=\"ok\"} 1",
            "logshipping_operator_reconcile_duration_seconds_count{controller=\"target\"} 1",
            "logshipping_operator_patches_total{result=\"ok\"} 1",
            "logshipping_operator_sidecar_polls_total{result=\"ok\"} 1",
            "logshipping_status_condition{name=\"logs\",namespace=\"shop\",reason=\"Healthy\",status=\"True\",type=\"Ready\"} 1",
            "logshipping_targets{state=\"injected\"} 2",
            "logshipping_leader 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("Loading") && !text.contains("gone"), "{text}");
        Ok(())
    }
}
