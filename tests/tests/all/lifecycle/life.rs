//! What most of these tests begin with: a Deployment that carries the sidecar, and a record of its templates.

use serde_json::Value;
use tests::chronicle::{Chronicle, Step};
use tests::in_process::Operator;
use tests::wait;

use crate::operator::shop::{DEPLOYMENT, LOG_SHIPPING, PATIENCE, Shop};

/// A Deployment `server` that the LogShipping `logs` has put a sidecar into.
#[derive(Debug)]
pub struct Life {
    pub shop: Shop,
    pub chronicle: Chronicle,
    /// The template before.
    pub original: Value,
    pub operator: Operator,
}

impl Life {
    pub fn begin(prefix: &str) -> Self {
        Self::begin_with(prefix, DEPLOYMENT)
    }

    /// With another manifest of the Deployment.
    pub fn begin_with(prefix: &str, deployment: &str) -> Self {
        let shop = Shop::open(prefix);
        let chronicle = Chronicle::follow(&shop.namespace, "server");
        shop.namespace.apply(deployment);
        let original = shop.template();
        let operator = Operator::start(&shop.namespace);
        shop.namespace.apply(LOG_SHIPPING);
        shop.await_condition("Injected", "True AllInjected: 1 of 1");
        shop.await_condition("Ready", "True Healthy");
        let life = Self {
            shop,
            chronicle,
            original,
            operator,
        };
        life.await_steps(&[Step::Ours]);
        life
    }

    /// Waits until that has happened to the template since the Deployment was created, and no more.
    pub fn await_steps(&self, expected: &[Step]) {
        let steps = || self.chronicle.steps();
        wait::until_is("the template has changed so", PATIENCE, steps, |steps| {
            steps == expected
        });
    }

    /// The configuration of all shapes.
    pub fn files(&self) -> String {
        let config_map = self.shop.config_map().unwrap_or_default();
        config_map["data"].to_string()
    }
}

/// [`LOG_SHIPPING`] with a shape of its own.
pub fn reshaped() -> String {
    LOG_SHIPPING.replace("\n  destinations:", "\n  volume: {sizeLimit: 64Mi}\n  destinations:")
}

/// [`LOG_SHIPPING`] with another configuration.
pub fn reconfigured() -> String {
    LOG_SHIPPING.replace("loki.logging:3100", "other.logging:3100")
}
