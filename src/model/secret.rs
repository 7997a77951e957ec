//! Secrets: references to them in manifests, and a wrapper that keeps a value out of every output.
//!
//! A manifest never holds a secret value. It says where the value is to be found; the value is read when it is
//! needed, by the provider for that source, and travels only inside [`Redacted`].

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a secret is kept. Exactly one source is given. The value itself is never written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SecretRef {
    /// The name of an environment variable, read when the secret is needed.
    Env(#[schemars(regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]{0,254}$"))] String),
    /// The path of a file that holds nothing but the secret. Its mode must keep other users out.
    File(#[schemars(length(min = 1, max = 4096))] String),
    /// A Google Secret Manager version: `projects/PROJECT/secrets/NAME/versions/VERSION`, VERSION being a number or `latest`.
    GcpSecretManager(
        #[schemars(regex(
            pattern = r"^projects/[a-z0-9:.-]{1,64}/secrets/[A-Za-z0-9_-]{1,255}/versions/([1-9][0-9]{0,9}|latest)$"
        ))]
        String,
    ),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::GcpSecretManager(name) => write!(f, "Secret Manager {name}"),
        }
    }
}

/// A value that cannot be printed, logged or serialised. Getting at it is a visible act: [`Redacted::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct Redacted<T>(T);

impl<T> Redacted<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for the one call that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

impl<T> From<T> for Redacted<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redacted_value_shows_only_dots() {
        let secret = Redacted::new("shpat_canary".to_owned());
        assert_eq!(format!("{secret:?}"), "•••");
        assert_eq!(secret.expose(), "shpat_canary");
    }
}
