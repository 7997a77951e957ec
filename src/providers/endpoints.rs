//! Where the services are. Each address can be set in the environment, for a proxy of one's own and for tests; only https is
//! taken, and http on this machine.

use thiserror::Error;
use url::Url;

use crate::http;

/// The variables, each with the address that counts without it.
pub const VARIABLES: [(&str, &str); 4] = [
    ("SYNTHEX_SHOPIFY_BASE_URL", "https://{shop}"),
    ("SYNTHEX_GOOGLE_MERCHANT_URL", "https://merchantapi.googleapis.com"),
    ("SYNTHEX_GOOGLE_OAUTH_URL", "https://oauth2.googleapis.com/token"),
    ("SYNTHEX_SECRET_MANAGER_URL", "https://secretmanager.googleapis.com"),
];

/// An address in the environment cannot be used.
#[derive(Debug, Error)]
#[error("{variable} is not an address that can be used")]
pub struct EndpointError {
    /// The variable.
    pub variable: &'static str,
    /// Why, in one line.
    pub why: String,
}

/// Where the services are.
#[derive(Clone, Debug)]
pub struct Endpoints {
    bases: [String; 4],
}

impl Endpoints {
    /// Reads the variables.
    ///
    /// # Errors
    /// One of them is no address, or one that secrets may not be sent to.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, EndpointError> {
        let mut bases = VARIABLES.map(|(_, usual)| usual.to_owned());
        for (base, (variable, _)) in bases.iter_mut().zip(VARIABLES) {
            let Some(value) = get(variable) else { continue };
            let wrong = |why: String| EndpointError { variable, why };
            let sample = value.replace("{shop}", "shop.myshopify.com");
            let url = Url::parse(&sample).map_err(|error| wrong(error.to_string()))?;
            http::may_call(&url).map_err(|error| wrong(error.to_string()))?;
            if url.query().is_some() || url.fragment().is_some() {
                return Err(wrong("it has a `?` or a `#` in it".to_owned()));
            }
            value.trim_end_matches('/').clone_into(base);
        }
        Ok(Self { bases })
    }

    /// An address of a shop.
    #[must_use]
    pub fn shopify(&self, shop: &str, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.bases[0].replace("{shop}", shop))).ok()
    }

    /// An address of the Merchant API.
    #[must_use]
    pub fn merchant(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.bases[1])).ok()
    }

    /// Where Google gives tokens.
    #[must_use]
    pub fn google_oauth(&self) -> Option<Url> {
        Url::parse(&self.bases[2]).ok()
    }

    /// An address of Secret Manager.
    #[must_use]
    pub fn secret_manager(&self, path: &str) -> Option<Url> {
        Url::parse(&format!("{}{path}", self.bases[3])).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn with(variable: &str, value: &str) -> Result<Endpoints, EndpointError> {
        Endpoints::read(|name| (name == variable).then(|| value.to_owned()))
    }

    #[test]
    fn a_shop_has_an_address_of_its_own() {
        let usual = Endpoints::read(|_| None).unwrap();
        let url = usual.shopify("acme.myshopify.com", "/admin/x.json").unwrap();
        assert_eq!(url.as_str(), "https://acme.myshopify.com/admin/x.json");
        let local = with("SYNTHEX_SHOPIFY_BASE_URL", "http://127.0.0.1:9/{shop}/").unwrap();
        let url = local.shopify("acme.myshopify.com", "/admin/x.json").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:9/acme.myshopify.com/admin/x.json");
    }

    #[test]
    fn secrets_go_nowhere_without_encryption() {
        for bad in ["http://proxy.example/", "nothing", "https://a.example/?x=1", "https://u:p@a.example"] {
            let error = with("SYNTHEX_GOOGLE_OAUTH_URL", bad).unwrap_err();
            assert_eq!(error.variable, "SYNTHEX_GOOGLE_OAUTH_URL", "{bad}");
        }
    }
}
