//! Every metric of the operator. Label values come from closed lists; names of objects appear in one metric only.

use std::time::Duration;

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

/// All metrics, registered once.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    reconciles: IntCounterVec,
    reconcile_duration: HistogramVec,
    patches: IntCounterVec,
    polls: IntCounterVec,
    conditions: IntGaugeVec,
    targets: IntGaugeVec,
    leader: IntGauge,
}

impl Metrics {
    /// # Errors
    /// Only when two metrics have one name, which a test rules out.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("logshipping".to_owned()), None)?;
        let counter =
            |name, help, labels: &[&str]| registered(&registry, IntCounterVec::new(Opts::new(name, help), labels)?);
        let gauge =
            |name, help, labels: &[&str]| registered(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?);
        Ok(Self {
            reconciles: counter(
                "operator_reconcile_total",
                "Reconciles by outcome",
                &["controller", "result"],
            )?,
            reconcile_duration: registered(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new("operator_reconcile_duration_seconds", "Duration of reconciles"),
                    &["controller"],
                )?,
            )?,
            patches: counter(
                "operator_patches_total",
                "Writes to the API server by outcome",
                &["result"],
            )?,
            polls: counter(
                "operator_sidecar_polls_total",
                "Questions to sidecars by outcome",
                &["result"],
            )?,
            conditions: gauge(
                "status_condition",
                "1 for the present status of each condition of a LogShipping",
                &["namespace", "name", "type", "status", "reason"],
            )?,
            targets: gauge("targets", "Deployments by state", &["state"])?,
            leader: registered(
                &registry,
                IntGauge::new("leader", "1 while this process is the one that acts")?,
            )?,
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

    /// Replaces what was said about one condition by its present status.
    pub(crate) fn set_condition(&self, was: Option<[&str; 5]>, is: Option<[&str; 5]>) {
        if let Some(labels) = was.filter(|_| was != is) {
            // It may not be there any more, which is what is wanted.
            let _ = self.conditions.remove_label_values(&labels);
        }
        if let Some(labels) = is {
            self.conditions.with_label_values(&labels).set(1);
        }
    }

    /// The text format that Prometheus scrapes.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() -> Result<(), Box<dyn std::error::Error>> {
        let metrics = Metrics::new()?;
        metrics.reconciled(Controller::Target, "ok", Duration::from_millis(3));
        metrics.wrote("ok");
        metrics.polled("ok");
        metrics.leads();
        metrics.set_targets("injected", 2);
        let (ready, not) = (
            ["shop", "logs", "Ready", "True", "Healthy"],
            ["shop", "logs", "Ready", "False", "Loading"],
        );
        metrics.set_condition(None, Some(not));
        metrics.set_condition(Some(not), Some(ready));
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
        assert!(!text.contains("Loading"), "{text}");
        Ok(())
    }
}
