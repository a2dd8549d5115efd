//! Names of the things that the operator thinks about. Types of their own, so that a queue of one kind can't be given
//! the other.

use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Keys of one namespace stand together in an ordered map.
pub(crate) trait Namespaced: Ord {
    fn of(metadata: &ObjectMeta) -> Self;

    /// Not greater than any key of the namespace.
    fn first_in(namespace: &str) -> Self;

    fn namespace(&self) -> &str;
}

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) struct $name {
            pub(crate) namespace: String,
            pub(crate) name: String,
        }

        impl $name {
            pub(crate) fn new(namespace: &str, name: &str) -> Self {
                Self { namespace: namespace.to_owned(), name: name.to_owned() }
            }
        }

        impl Namespaced for $name {
            fn of(metadata: &ObjectMeta) -> Self {
                Self {
                    namespace: metadata.namespace.clone().unwrap_or_default(),
                    name: metadata.name.clone().unwrap_or_default(),
                }
            }

            fn first_in(namespace: &str) -> Self {
                Self::new(namespace, "")
            }

            fn namespace(&self) -> &str {
                &self.namespace
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.namespace, self.name)
            }
        }
    )*};
}

keys! {
    /// A Deployment.
    TargetKey,
    /// A LogShipping.
    ShippingKey,
    /// A pod that carries a sidecar of ours.
    PodKey,
    /// A ReplicaSet between the two.
    ReplicaSetKey,
    /// A ConfigMap of ours.
    ConfigMapKey,
}
