//! The certificates of one cluster: made fresh for it, ECDSA P-256, signed by authorities that nobody else trusts.
//!
//! Which subject is what to Kubernetes: <https://kubernetes.io/docs/setup/best-practices/certificates/>.
//!
//! Invariant: private keys are readable by their owner only.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The cryptography refused.
    #[error("cannot make the certificate {name}")]
    Make {
        /// The certificate's file name without extension.
        name: String,
        /// What the library said.
        source: rcgen::Error,
    },
    /// The file could not be written or read.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The folder of certificates.
#[derive(Debug, Clone)]
pub(crate) struct Pki {
    folder: PathBuf,
}

/// A certificate to be signed.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    /// File name without extension.
    pub(crate) name: &'a str,
    /// The common name: a user's name to Kubernetes.
    pub(crate) common_name: &'a str,
    /// The organisation: a group's name to Kubernetes.
    pub(crate) organisation: Option<&'a str>,
    /// What it may be used for.
    pub(crate) usage: Usage<'a>,
}

/// What a certificate is for, and the names it is valid for when it identifies a server.
#[derive(Debug)]
pub(crate) enum Usage<'a> {
    /// Identifies a client.
    Client,
    /// Identifies a server by these DNS names and addresses.
    Server(&'a [&'a str]),
    /// Both; the kubelet has one certificate for its two roles.
    Both(&'a [&'a str]),
}

/// The authority behind servers and clients.
pub(crate) const CA: &str = "ca";
/// The authority behind the API server's requests to extension API servers. Must be another one: whoever it signs for
/// may claim to speak for any user.
pub(crate) const FRONT_PROXY_CA: &str = "front-proxy-ca";
/// The key pair that signs service-account tokens.
pub(crate) const SERVICE_ACCOUNTS: &str = "sa";

impl Pki {
    /// A folder that exists already.
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The path of a certificate.
    pub(crate) fn certificate(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.crt"))
    }

    /// The path of a private key.
    pub(crate) fn key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.key"))
    }

    /// The path of a bare public key.
    pub(crate) fn public_key(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pub"))
    }

    /// Makes a self-signed authority.
    pub(crate) fn make_authority(&self, name: &str) -> Result<(), PkiError> {
        let failed = |source| PkiError::Make {
            name: name.to_owned(),
            source,
        };
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = authority(name)
            .and_then(|params| params.self_signed(&key))
            .map_err(failed)?;
        Self::write(&self.certificate(name), &certificate.pem())?;
        Self::write(&self.key(name), &key.serialize_pem())
    }

    /// Makes a key pair without certificate.
    pub(crate) fn make_key_pair(&self, name: &str) -> Result<(), PkiError> {
        let key = KeyPair::generate().map_err(|source| PkiError::Make {
            name: name.to_owned(),
            source,
        })?;
        Self::write(&self.key(name), &key.serialize_pem())?;
        Self::write(&self.public_key(name), &key.public_key_pem())
    }

    /// Makes a certificate and has `issuer` (made before) sign it.
    pub(crate) fn make_leaf(&self, issuer: &str, leaf: &Leaf<'_>) -> Result<(), PkiError> {
        let failed = |source| PkiError::Make {
            name: leaf.name.to_owned(),
            source,
        };
        let issuer_key_path = self.key(issuer);
        let issuer_key = fs::read_to_string(&issuer_key_path).map_err(|source| PkiError::File {
            path: issuer_key_path,
            source,
        })?;
        let issuer_key = KeyPair::from_pem(&issuer_key).map_err(failed)?;
        let issuer = Issuer::new(authority(issuer).map_err(failed)?, issuer_key);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf
            .params()
            .and_then(|params| params.signed_by(&key, &issuer))
            .map_err(failed)?;
        Self::write(&self.certificate(leaf.name), &certificate.pem())?;
        Self::write(&self.key(leaf.name), &key.serialize_pem())
    }

    fn write(path: &Path, content: &str) -> Result<(), PkiError> {
        crate::files::write_private(path, content.as_bytes()).map_err(|source| PkiError::File {
            path: path.to_owned(),
            source,
        })
    }
}

impl Leaf<'_> {
    fn params(&self) -> Result<CertificateParams, rcgen::Error> {
        let (names, usages): (&[&str], &[ExtendedKeyUsagePurpose]) = match self.usage {
            Usage::Client => (&[], &[ExtendedKeyUsagePurpose::ClientAuth]),
            Usage::Server(names) => (names, &[ExtendedKeyUsagePurpose::ServerAuth]),
            Usage::Both(names) => (
                names,
                &[ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
            ),
        };
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = subject(self.common_name, self.organisation);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }
}

fn authority(name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = subject(name, None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    Ok(params)
}

fn subject(common_name: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, organisation);
    }
    subject.push(DnType::CommonName, common_name);
    subject
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn private_keys_are_for_their_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::at(folder.path().to_owned());
        pki.make_authority(CA).unwrap();
        let leaf = Leaf {
            name: "admin",
            common_name: "admin",
            organisation: None,
            usage: Usage::Client,
        };
        pki.make_leaf(CA, &leaf).unwrap();
        for name in [CA, "admin"] {
            let mode = fs::metadata(pki.key(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            assert!(
                fs::read_to_string(pki.certificate(name))
                    .unwrap()
                    .starts_with("-----BEGIN CERTIFICATE-----")
            );
        }
    }

    #[test]
    fn a_leaf_needs_its_authority() {
        let folder = tempfile::tempdir().unwrap();
        let leaf = Leaf {
            name: "admin",
            common_name: "admin",
            organisation: None,
            usage: Usage::Client,
        };
        let error = Pki::at(folder.path().to_owned()).make_leaf(CA, &leaf).unwrap_err();
        assert!(matches!(error, PkiError::File { .. }), "{error}");
    }
}
