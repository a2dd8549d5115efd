//! Which part of a volume is mounted: `subPath` and `subPathExpr`.
//!
//! The kubelet expands `subPathExpr` with the environment of the container that has the mount. Ours has another
//! environment, so the expression is worked out here as far as the template tells: constants are put in, and fields of
//! the pod are asked for under names of our own. So nothing of the owner's environment gets into our container, and two
//! containers whose variables have the same name can't get into each other's way. What only the owner's container knows
//! (ConfigMaps, Secrets, limits, services) is refused.
//!
//! Syntax and rules: `k8s.io/kubernetes/third_party/forked/golang/expansion`, and `makeEnvironmentVariables` and
//! `ExpandContainerVolumeMounts` of the kubelet.

use std::collections::{BTreeMap, BTreeSet};

use crds::names::environment;
use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, VolumeMount};

/// Fields of a pod that no other pod has.
const OF_ONE_POD: [&str; 4] = ["metadata.name", "metadata.uid", "status.podIP", "status.podIPs"];

/// The part of a volume that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plan) enum SubPath {
    /// All of it.
    Whole,
    Fixed(String),
    /// Another one in each pod, node or release.
    Expression {
        /// In terms of our container's environment.
        text: String,
        /// The fields of the pod that it needs, by their paths.
        fields: BTreeSet<String>,
    },
}

/// The expression can't be worked out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::plan) enum ExpressionError {
    #[error("variable {0} is not in `env` of the container")]
    Undeclared(String),
    #[error("variable {0} is empty, with which the container can't start")]
    Empty(String),
    #[error("variable {variable} comes from a {kind}, which only that container knows")]
    Elsewhere { variable: String, kind: &'static str },
    #[error("it leads out of the volume")]
    Escapes,
}

/// A part of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A field of the pod by its path.
    Field(String),
}

type Value = Result<Vec<Piece>, ExpressionError>;

impl SubPath {
    /// Of a mount of `container`.
    pub(super) fn of(container: &Container, mount: &VolumeMount) -> Result<Self, ExpressionError> {
        let given = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
        if let Some(expression) = given(&mount.sub_path_expr) {
            return Self::worked_out(container, &expression);
        }
        Ok(given(&mount.sub_path).map_or(Self::Whole, Self::Fixed))
    }

    fn worked_out(container: &Container, expression: &str) -> Result<Self, ExpressionError> {
        let variables = variables(container);
        let mut pieces = Vec::new();
        for token in tokens(expression) {
            match token {
                Token::Text(text) => pieces.push(Piece::Text(text)),
                Token::Variable(name) => pieces.extend(value_of(name, &variables)?),
            }
        }
        let sub_path = Self::from_pieces(&pieces);
        if sub_path.escapes() {
            Err(ExpressionError::Escapes)
        } else {
            Ok(sub_path)
        }
    }

    fn from_pieces(pieces: &[Piece]) -> Self {
        let fields: BTreeSet<_> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Field(path) => Some(path.clone()),
                Piece::Text(_) => None,
            })
            .collect();
        if fields.is_empty() {
            let text = pieces.iter().map(|piece| match piece {
                Piece::Text(text) | Piece::Field(text) => text.as_str(),
            });
            return Self::Fixed(text.collect());
        }
        let text = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.replace('$', "$$"),
            Piece::Field(path) => format!("$({})", environment::of_field(path)),
        });
        Self::Expression {
            text: text.collect(),
            fields,
        }
    }

    /// The API server takes neither an absolute path nor `..`, of us no more than of the owner.
    fn escapes(&self) -> bool {
        let text = match self {
            Self::Whole => return false,
            Self::Fixed(text) | Self::Expression { text, .. } => text,
        };
        text.starts_with('/') || text.split('/').any(|name| name == "..")
    }

    /// Whether each pod has a part of its own.
    pub(super) fn is_of_one_pod(&self) -> bool {
        match self {
            Self::Whole | Self::Fixed(_) => false,
            Self::Expression { fields, .. } => OF_ONE_POD.iter().any(|field| fields.contains(*field)),
        }
    }

    /// The fields of the pod that our container needs for it.
    pub(in crate::plan) fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = match self {
            Self::Whole | Self::Fixed(_) => None,
            Self::Expression { fields, .. } => Some(fields),
        };
        fields.into_iter().flatten().map(String::as_str)
    }
}

/// The environment that a container declares, as far as the template tells. Later variables replace earlier ones of the
/// same name, and can speak of them.
fn variables(container: &Container) -> BTreeMap<&str, Value> {
    let mut variables = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let value = evaluated(variable, &variables);
        variables.insert(variable.name.as_str(), value);
    }
    variables
}

fn evaluated(variable: &EnvVar, earlier: &BTreeMap<&str, Value>) -> Value {
    let elsewhere = |kind| ExpressionError::Elsewhere {
        variable: variable.name.clone(),
        kind,
    };
    let text = variable.value.as_deref().unwrap_or_default();
    match &variable.value_from {
        Some(EnvVarSource {
            field_ref: Some(field), ..
        }) if text.is_empty() => Ok(vec![Piece::Field(field.field_path.clone())]),
        Some(EnvVarSource {
            config_map_key_ref: Some(_),
            ..
        }) if text.is_empty() => Err(elsewhere("ConfigMap")),
        Some(EnvVarSource {
            secret_key_ref: Some(_),
            ..
        }) if text.is_empty() => Err(elsewhere("Secret")),
        Some(_) if text.is_empty() => Err(elsewhere("source of its own")),
        _ => {
            let mut pieces = Vec::new();
            for token in tokens(text) {
                match token {
                    Token::Text(text) => pieces.push(Piece::Text(text)),
                    Token::Variable(name) => pieces.extend(declared(name, earlier)?),
                }
            }
            Ok(pieces)
        }
    }
}

fn declared(name: &str, variables: &BTreeMap<&str, Value>) -> Value {
    let undeclared = || Err(ExpressionError::Undeclared(name.to_owned()));
    variables.get(name).cloned().unwrap_or_else(undeclared)
}

fn value_of(name: &str, variables: &BTreeMap<&str, Value>) -> Value {
    let pieces = declared(name, variables)?;
    let is_empty = |piece: &Piece| matches!(piece, Piece::Text(text) if text.is_empty());
    if pieces.iter().all(is_empty) {
        return Err(ExpressionError::Empty(name.to_owned()));
    }
    Ok(pieces)
}

enum Token<'a> {
    Text(String),
    Variable(&'a str),
}

/// `$(NAME)` is a variable, `$$` a dollar sign; any other dollar sign stands for itself.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = if let Some((name, behind)) = name {
            tokens.push(Token::Text(std::mem::take(&mut plain)));
            tokens.push(Token::Variable(name));
            behind
        } else {
            plain.push('$');
            after.strip_prefix('$').unwrap_or(after)
        };
    }
    plain.push_str(rest);
    tokens.push(Token::Text(plain));
    tokens
}

#[cfg(test)]
mod tests;
