//! Which programs there are, and from which pinned Go module each is built.

/// A program that can be had by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Tool {
    /// The name of the program's file.
    pub name: &'static str,
    /// The folder below `tests/tools` with the `go.mod` that pins it.
    pub module: &'static str,
    /// The package to build.
    pub package: &'static str,
    /// Flags of Go's linker.
    pub linker_flags: &'static str,
}

/// No debug information: the programs are half the size and the linker is quicker.
const STRIPPED: &str = "-s -w";

/// Kubernetes learns its version from the linker. Without it the API server calls itself v0.0.0, and clients that
/// compare versions refuse it. Must agree with `tests/tools/kubernetes/go.mod`, which a test sees to.
const KUBERNETES: &str = concat!(
    "-s -w -X k8s.io/component-base/version.gitVersion=",
    "v1.36.2",
    " -X k8s.io/client-go/pkg/version.gitVersion=",
    "v1.36.2"
);

const TOOLS: &[Tool] = &[
    kubernetes("etcd", "go.etcd.io/etcd/server/v3"),
    kubernetes("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    kubernetes(
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    kubernetes("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    kubernetes("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    kubernetes("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    kubernetes("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    Tool {
        name: "helm",
        module: "helm",
        package: "helm.sh/helm/v4/cmd/helm",
        linker_flags: STRIPPED,
    },
    Tool {
        name: "helm3",
        module: "helm3",
        package: "helm.sh/helm/v3/cmd/helm",
        linker_flags: STRIPPED,
    },
    Tool {
        name: "kwok",
        module: "kwok",
        package: "sigs.k8s.io/kwok/cmd/kwok",
        linker_flags: STRIPPED,
    },
    Tool {
        name: "loki",
        module: "loki",
        package: "github.com/grafana/loki/v3/cmd/loki",
        linker_flags: STRIPPED,
    },
    Tool {
        name: "logcli",
        module: "loki",
        package: "github.com/grafana/loki/v3/cmd/logcli",
        linker_flags: STRIPPED,
    },
    // A program of the module itself: a Collector is composed of what it is to have.
    Tool {
        name: "otelcol",
        module: "otelcol",
        package: "logshipping.dev/tests/tools/otelcol",
        linker_flags: STRIPPED,
    },
];

const fn kubernetes(name: &'static str, package: &'static str) -> Tool {
    Tool {
        name,
        module: "kubernetes",
        package,
        linker_flags: KUBERNETES,
    }
}

/// A name that isn't in the catalogue.
#[derive(Debug, thiserror::Error)]
#[error("there is no tool named {name:?}; there are {}", known())]
pub struct UnknownTool {
    /// The name that was asked for.
    pub name: String,
}

impl Tool {
    /// Looks a program up.
    pub fn named(name: &str) -> Result<&'static Self, UnknownTool> {
        TOOLS
            .iter()
            .find(|tool| tool.name == name)
            .ok_or_else(|| UnknownTool { name: name.to_owned() })
    }
}

fn known() -> String {
    TOOLS.iter().map(|tool| tool.name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::cache;

    #[test]
    fn every_tool_is_declared_in_the_module_that_pins_it() {
        for tool in TOOLS {
            let go_mod = std::fs::read_to_string(cache::module_folder(tool).join("go.mod")).unwrap();
            let declared = go_mod.lines().any(|line| {
                ["tool", "module", ""]
                    .iter()
                    .any(|word| line.trim_start_matches(word).trim() == tool.package)
            });
            assert!(declared, "{} lacks a tool directive for {}", tool.module, tool.package);
        }
    }

    #[test]
    fn kubernetes_calls_itself_by_the_version_that_is_pinned() {
        let api_server = Tool::named("kube-apiserver").unwrap();
        let go_mod = std::fs::read_to_string(cache::module_folder(api_server).join("go.mod")).unwrap();
        let pinned = go_mod
            .lines()
            .find_map(|line| line.trim().strip_prefix("k8s.io/kubernetes "))
            .unwrap();
        let version = pinned.split_whitespace().next().unwrap();
        assert_eq!(
            KUBERNETES.matches(&format!("gitVersion={version}")).count(),
            2,
            "{KUBERNETES} is not {version}"
        );
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let sentence = Tool::named("kubelte").unwrap_err().to_string();
        assert!(
            sentence.contains("\"kubelte\"") && sentence.contains("kubelet"),
            "{sentence}"
        );
    }
}
