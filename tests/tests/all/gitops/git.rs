//! What the owner has in Git, and how it changes in the course of the two minutes.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// How long everybody works side by side.
pub const LENGTH: Duration = Duration::from_secs(120);
/// The owner's own change.
pub const IMAGE: Duration = Duration::from_secs(25);
/// A change of the LogShipping that restarts nothing.
pub const CONFIGURATION: Duration = Duration::from_secs(45);
/// A change of the LogShipping that is a rollout.
pub const SHAPE: Duration = Duration::from_secs(65);
/// Somebody changes the Deployment past Git.
pub const BY_HAND: Duration = Duration::from_secs(85);

/// One commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Git {
    pub image: &'static str,
    pub host: &'static str,
    pub size: &'static str,
}

/// Where everything ends.
pub const LAST: Git = Git {
    image: "2",
    host: "second",
    size: "128Mi",
};

impl Git {
    /// The newest commit at a time.
    pub fn at(elapsed: Duration) -> Self {
        let since = |time, before, after| if elapsed < time { before } else { after };
        Self {
            image: since(IMAGE, "1", LAST.image),
            host: since(CONFIGURATION, "first", LAST.host),
            size: since(SHAPE, "64Mi", LAST.size),
        }
    }

    pub fn deployment(self) -> Value {
        self.render(include_str!("chart/templates/deployment.yaml"))
    }

    pub fn shipping(self) -> Value {
        self.render(include_str!("chart/templates/logshipping.yaml"))
    }

    pub fn objects(self) -> [Value; 2] {
        [self.deployment(), self.shipping()]
    }

    /// For `helm --set-string`.
    pub fn values(self) -> [String; 3] {
        let Self { image, host, size } = self;
        [format!("image={image}"), format!("host={host}"), format!("size={size}")]
    }

    /// The chart's templates have nothing in them but these three values.
    fn render(self, template: &str) -> Value {
        let text = template
            .replace("{{ .Values.image }}", self.image)
            .replace("{{ .Values.host }}", self.host)
            .replace("{{ .Values.size }}", self.size);
        serde_saphyr::from_str(&text).unwrap()
    }
}

/// The same as a chart.
pub fn chart() -> PathBuf {
    tests::road::file("tests/tests/all/gitops/chart")
}
