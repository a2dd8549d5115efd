//! Kubeconfig files: where the API server is and who asks.
//!
//! Written as JSON, which is YAML too. Certificates are referred to by path: the file lives and dies with its cluster.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::pki::{self, Pki};

/// Who asks.
#[derive(Debug)]
pub(crate) enum Identity<'a> {
    /// The holder of this certificate of the cluster's.
    Certificate(&'a str),
    /// The bearer of a token, for example a service account's.
    Token(&'a str),
}

/// Why a kubeconfig could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the kubeconfig {}", path.display())]
pub struct KubeconfigError {
    path: PathBuf,
    source: std::io::Error,
}

/// Renders a kubeconfig.
pub(crate) fn render(cluster: &str, server: &str, pki: &Pki, identity: &Identity<'_>) -> Value {
    let user = match identity {
        Identity::Certificate(name) => {
            json!({ "client-certificate": pki.certificate(name), "client-key": pki.key(name) })
        }
        Identity::Token(token) => json!({ "token": token }),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{
            "name": cluster,
            "cluster": { "server": server, "certificate-authority": pki.certificate(pki::CA) },
        }],
        "users": [{ "name": cluster, "user": user }],
        "contexts": [{ "name": cluster, "context": { "cluster": cluster, "user": cluster } }],
    })
}

/// Writes a kubeconfig, readable by its owner only.
pub(crate) fn write(path: &Path, kubeconfig: &Value) -> Result<(), KubeconfigError> {
    let text = format!("{kubeconfig:#}\n");
    crate::files::write_private(path, text.as_bytes()).map_err(|source| KubeconfigError {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_names_the_server_its_authority_and_one_identity() {
        let pki = Pki::at(PathBuf::from("/c/pki"));
        let by_certificate = render("demo", "https://127.0.0.1:6443", &pki, &Identity::Certificate("admin"));
        assert_eq!(
            by_certificate["clusters"][0]["cluster"]["server"],
            "https://127.0.0.1:6443"
        );
        assert_eq!(
            by_certificate["clusters"][0]["cluster"]["certificate-authority"],
            "/c/pki/ca.crt"
        );
        assert_eq!(
            by_certificate["users"][0]["user"],
            json!({ "client-certificate": "/c/pki/admin.crt", "client-key": "/c/pki/admin.key" })
        );
        let by_token = render("demo", "https://127.0.0.1:6443", &pki, &Identity::Token("t"));
        assert_eq!(by_token["users"][0]["user"], json!({ "token": "t" }));
        assert_eq!(by_token["contexts"][0]["name"], by_token["current-context"]);
    }
}
