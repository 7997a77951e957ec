//! What can be found out about a credential: a closed set, each with a stable word and what to do about it.

/// What the outcome means for who wants to use the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It works.
    Valid,
    /// It works, and something is to be looked at.
    Degraded,
    /// Nobody knows: the provider, or what keeps the secret, could not be asked.
    Unknown,
    /// The provider takes it, and still the service cannot be used.
    Unusable,
    /// It does not work.
    Invalid,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Unusable => "unusable",
            Self::Invalid => "invalid",
        }
    }

    /// Whether calls can be made with it.
    #[must_use]
    pub const fn works(self) -> bool {
        matches!(self, Self::Valid | Self::Degraded)
    }
}

macro_rules! outcomes {
    ($($(#[$doc:meta])+ $name:ident $code:literal $verdict:ident $advice:expr;)+) => {
        /// What was found out.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Outcome { $($(#[$doc])+ $name,)+ }

        impl Outcome {
            /// Every outcome.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The stable word for it.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it means.
            #[must_use]
            pub const fn verdict(self) -> Verdict {
                match self { $(Self::$name => Verdict::$verdict,)+ }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> Option<&'static str> {
                match self { $(Self::$name => $advice,)+ }
            }
        }
    };
}

outcomes! {
    /// The provider takes it.
    Valid "valid" Valid None;
    /// It was renewed.
    Renewed "renewed" Valid None;
    /// It would be renewed.
    WouldRenew "would_renew" Valid None;
    /// It was renewed a moment ago, by somebody else or by a run that was stopped.
    Fresh "fresh" Valid None;
    /// Shopify answered with another API version than the one that was asked for.
    VersionFellForward "version_fell_forward" Degraded
        Some("use a newer synthex: the API version that this one asks for is retired");
    /// The shop's plan is paused.
    PlanPaused "plan_paused" Degraded Some("the merchant resumes the plan in the Shopify admin");
    /// The shop's plan is inactive.
    PlanInactive "plan_inactive" Degraded Some("the merchant chooses a plan in the Shopify admin");
    /// The secret belongs to another shop.
    WrongShop "wrong_shop" Invalid Some("correct the tenant's shopifyShop, or the secret");
    /// Another account answered than the one that was asked for.
    WrongAccount "wrong_account" Invalid Some("correct the tenant's gmcMerchantId, or the secret");
    /// The shop is frozen for a bill that is not paid.
    ShopFrozen "shop_frozen" Unusable Some("the merchant settles the bill with Shopify");
    /// The shop is locked.
    ShopLocked "shop_locked" Unusable Some("the merchant talks to Shopify's support");
    /// There is no such shop.
    ShopNotFound "shop_not_found" Unusable Some("correct the tenant's shopifyShop");
    /// The tenant has no shop, or no account, to ask about.
    NothingToAsk "nothing_to_ask" Unusable Some("give the tenant its shopifyShop or gmcMerchantId");
    /// Shopify's protection rejected the request.
    SecurityRejection "security_rejection" Unknown Some("look whether this machine's address is blocked, and wait");
    /// The provider does not know the secret.
    Unauthorized "unauthorized" Invalid Some("the merchant authorises the app again; then store the new secret");
    /// The secret is known, and may not do this.
    Forbidden "forbidden" Invalid Some("grant the app, or the account, what it lacks");
    /// The provider asks us to slow down.
    Throttled "throttled" Unknown Some("wait a minute, then try again");
    /// The provider failed.
    ProviderError "provider_error" Unknown Some("wait, then try again; look at the provider's status page");
    /// The provider could not be reached.
    Unreachable "unreachable" Unknown Some("check the network, the proxy, and the provider's status page");
    /// The answer made no sense.
    BadAnswer "bad_answer" Unknown Some("check what stands between this machine and the provider");
    /// The Google Cloud project is not registered with the merchant account.
    GcpNotRegistered "gcp_not_registered" Unusable
        Some("register it once with accounts.developerRegistration.registerGcp; the secret is fine");
    /// The Merchant API is not enabled in the Google Cloud project.
    ApiDisabled "api_disabled" Unusable Some("enable the Merchant API in the Google Cloud project");
    /// The credential sees no merchant account.
    NotLinked "not_linked" Unusable Some("add the credential's user to the merchant account");
    /// There is no such merchant account, or it may not be seen.
    AccountNotFound "account_not_found" Unusable Some("correct the tenant's gmcMerchantId, or give the user access");
    /// The day's, or the minute's, quota is used up.
    QuotaExceeded "quota_exceeded" Unknown Some("wait for the quota's reset (12:00 UTC for the day's)");
    /// The grant is dead: revoked, expired or used up.
    InvalidGrant "invalid_grant" Invalid
        Some("the grant was revoked or has expired: authorise the app again, and store the new secret");
    /// The provider does not know the app.
    InvalidClient "invalid_client" Invalid Some("correct client_id and client_secret in the secret");
    /// The secret is not where it should be.
    SecretMissing "secret_missing" Unknown Some("put the secret where secretRef says, or correct secretRef");
    /// The secret cannot be read.
    SecretUnreadable "secret_unreadable" Unknown Some("make it readable for the user that runs synthex, and no other");
    /// Other users can read the secret.
    SecretOpen "secret_open_to_others" Unknown Some("keep other users out: chmod 600 on the file");
    /// The secret is not of a form that the service has.
    SecretMalformed "secret_malformed" Invalid
        Some("store the token alone, or a JSON object; see docs/credentials.md");
    /// What arrived is not what Secret Manager sent.
    CorruptSecret "corrupt_secret" Unknown Some("try again; if it stays, look at what stands in between");
    /// The version of the secret is disabled.
    SecretDisabled "secret_disabled" Invalid Some("enable the version, or name another one in secretRef");
    /// The version of the secret is destroyed.
    SecretDestroyed "secret_destroyed" Invalid Some("add a new version, and name it in secretRef");
    /// Secret Manager refuses us.
    SecretForbidden "secret_forbidden" Unknown
        Some("grant roles/secretmanager.secretAccessor to the service account of GOOGLE_APPLICATION_CREDENTIALS");
    /// Our own key for Secret Manager cannot be used: no word on the credential.
    OwnKey "own_key_unusable" Unknown
        Some("set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account's key that Google takes");
    /// The database does not let us take the turn of a renewal.
    DatabaseRefused "database_refused" Unknown
        Some("connect as a role that may write to the schema synthex, and to the primary server");
    /// A renewed pair could not be saved where the secret comes from, so none was asked for.
    CannotSave "cannot_save" Unusable
        Some("keep the secret in a file that synthex may write to, or renew it by hand");
    /// The renewed pair was received and could not be saved.
    NotSaved "not_saved" Invalid
        Some("mend what is in the way, then renew again: the refresh token that is stored stays good until the new one is used");
    /// The secret lacks what a renewal takes.
    NoRefreshToken "no_refresh_token" Invalid
        Some("store a JSON object with client_id, client_secret and refresh_token");
    /// It is declared to be renewed by hand.
    NotRenewable "not_renewable" Unusable Some("set spec.renewal, or renew it by hand");
    /// It is declared not to be used any more.
    Revoked "revoked" Unusable Some("set spec.status to active to use it again");
    /// The run was interrupted before its turn came.
    Interrupted "interrupted" Unknown None;
}

impl Outcome {
    /// Whether the secret, or what gives access to it, could not be read: the provider was not asked.
    #[must_use]
    pub const fn is_unread(self) -> bool {
        matches!(
            self,
            Self::SecretMissing
                | Self::SecretUnreadable
                | Self::SecretOpen
                | Self::SecretMalformed
                | Self::CorruptSecret
                | Self::SecretDisabled
                | Self::SecretDestroyed
                | Self::SecretForbidden
                | Self::OwnKey
        )
    }

    /// Whether the provider was asked, and refused.
    #[must_use]
    pub const fn is_refused(self) -> bool {
        matches!(
            self,
            Self::WrongShop
                | Self::WrongAccount
                | Self::Unauthorized
                | Self::Forbidden
                | Self::InvalidGrant
                | Self::InvalidClient
        )
    }

    /// The outcome with this word.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|outcome| outcome.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_and_whatever_does_not_work_comes_with_advice() {
        let mut codes: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.code()).collect();
        codes.sort_unstable();
        let count = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), count);
        for outcome in Outcome::ALL.iter().filter(|outcome| !outcome.verdict().works()) {
            assert!(outcome.advice().is_some() || *outcome == Outcome::Interrupted, "{outcome:?}");
        }
    }
}
