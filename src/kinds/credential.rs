//! `Credential`: that a tenant has access to a service, where the secret is kept, when it expires, how it is renewed.
//!
//! The secret itself is never in a manifest, in a plan or in the database.

use chrono::{DateTime, Datelike, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Reference, SpecProblem, Table, admit};
use crate::model::secret::SecretRef;
use crate::model::text::is_false;
use crate::model::{Column, Kind, Resource, Scope, SqlType};

/// The kind.
pub static KIND: Kind = Kind {
    name: "Credential",
    slug: "credential",
    rank: 5,
    scope: Scope::Workspace,
    about: "A tenant's access to a service: where the secret is kept, when it expires, how it is renewed.",
    table: Some(Table {
        name: "credentials",
        columns: &[
            Column::new("tenant", "tenant", SqlType::Text).naming("Tenant"),
            Column::new("service", "service", SqlType::Text),
            Column::new("description", "description", SqlType::Text),
            Column::new("secret_ref", "secretRef", SqlType::Json),
            Column::new("declared_expires_at", "expiresAt", SqlType::Timestamp),
            Column::new("renewal", "renewal", SqlType::Text),
            Column::new("declared_issued_at", "issuedAt", SqlType::Timestamp),
            Column { absent: Some("active"), ..Column::new("status", "status", SqlType::Text) },
        ],
    }),
    texts: &["/spec/tenant"],
    hides_values: true,
    mentions: &["Tenant"],
    part_of: Some("Tenant"),
    external_ids: &[],
    schema: |generator| CredentialSpec::json_schema(generator),
    admit: admit::<CredentialSpec>,
};

/// What a credential declares.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialSpec {
    /// The tenant, of the same workspace, that the credential belongs to.
    #[schemars(regex(pattern = crate::model::key::NAME_PATTERN))]
    pub tenant: crate::model::text::Text,
    /// The service it gives access to.
    pub service: Service,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub description: Option<String>,
    /// Where the secret is kept. Never the secret itself.
    pub secret_ref: SecretRef,
    /// When the secret stops working, as far as is known: an instant such as `2026-12-31T00:00:00Z`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was issued, as far as is known: what its whole life is counted from, for thresholds such as `20%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_at: Option<DateTime<Utc>>,
    /// How it is renewed before it expires.
    #[serde(default)]
    pub renewal: Renewal,
    /// Whether it is used. A revoked credential is kept, and neither verified, nor renewed, nor counted as expiring.
    #[serde(default, skip_serializing_if = "CredentialStatus::is_active")]
    pub status: CredentialStatus,
    /// Kept in the database; while it is set there, no plan deletes the credential.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protect: bool,
}

/// A service that credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// The Shopify Admin API.
    Shopify,
    /// The Google Merchant API.
    GoogleMerchant,
}

/// How a credential is renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Renewal {
    /// By hand.
    #[default]
    None,
    /// By Shopify's rotating refresh token.
    ShopifyRefreshToken,
    /// By Google's OAuth refresh token or service account.
    GoogleOauth,
}

/// Whether a credential is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialStatus {
    /// It is used.
    #[default]
    Active,
    /// It is not to be used any more.
    Revoked,
}

impl CredentialStatus {
    fn is_active(&self) -> bool {
        *self == Self::Active
    }
}

impl Resource for CredentialSpec {
    fn normalise(&mut self) {
        // PostgreSQL keeps microseconds.
        let micros = |at: DateTime<Utc>| DateTime::from_timestamp_micros(at.timestamp_micros());
        self.expires_at = self.expires_at.and_then(micros);
        self.issued_at = self.issued_at.and_then(micros);
    }

    fn check(&self, problems: &mut Vec<SpecProblem>) {
        if let Some(at) = self.expires_at
            && !(2000..=9999).contains(&at.year())
        {
            problems.push(
                SpecProblem::new(
                    "SX0315",
                    "/expiresAt",
                    format!("no credential expires in the year {}", at.year()),
                )
                .help("write the year with four digits, such as 2026-12-31T00:00:00Z"),
            );
        }
        if let (Some(issued), Some(expires)) = (self.issued_at, self.expires_at)
            && expires <= issued
        {
            problems.push(
                SpecProblem::new("SX0315", "/issuedAt", "the credential expires before it was issued")
                    .help("give an `issuedAt` that is before `expiresAt`"),
            );
        }
        let (wrong, right) = match (self.service, self.renewal) {
            (Service::Shopify, Renewal::GoogleOauth) => ("google-oauth", "shopify-refresh-token"),
            (Service::GoogleMerchant, Renewal::ShopifyRefreshToken) => {
                ("shopify-refresh-token", "google-oauth")
            }
            _ => return,
        };
        problems.push(
            SpecProblem::new("SX0308", "/renewal", format!("renewal `{wrong}` does not fit the service"))
                .help(format!("use `{right}` or `none`")),
        );
    }

    fn references(&self) -> Vec<Reference> {
        vec![Reference { pointer: "/tenant".to_owned(), kind: "Tenant", name: self.tenant.0.clone() }]
    }

    fn protect(&self) -> bool {
        self.protect
    }
}
