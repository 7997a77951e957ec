//! Where the services are. Each address can be set in the environment, for a proxy of one's own and for tests; only https is
//! taken, and http on this machine.

use thiserror::Error;
use url::Url;

use crate::http;

/// The addresses that count where the environment names no other: of shops, of the Merchant API, of Google's tokens, of
/// Secret Manager.
const USUAL: [&str; 4] = [
    "https://{shop}",
    "https://merchantapi.googleapis.com",
    "https://oauth2.googleapis.com/token",
    "https://secretmanager.googleapis.com",
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
    /// The addresses that variables name, in the order of shops, Merchant API, tokens, Secret Manager.
    ///
    /// # Errors
    /// One of them is no address, or one that secrets may not be sent to.
    pub fn read(named: [(&'static str, Option<&str>); 4]) -> Result<Self, EndpointError> {
        let mut bases = USUAL.map(str::to_owned);
        for (base, (variable, value)) in bases.iter_mut().zip(named) {
            let Some(value) = value else { continue };
            let wrong = |why: String| EndpointError { variable, why };
            let sample = value.replace("{shop}", "shop.myshopify.com");
            let url = Url::parse(&sample).map_err(|error| wrong(error.to_string()))?;
            http::may_call(&url).map_err(|error| wrong(error.to_string()))?;
            if let Some(why) = retired(&url) {
                return Err(wrong(why.to_owned()));
            }
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

/// What Google has switched off, with what takes its place (M-H6).
fn retired(url: &Url) -> Option<&'static str> {
    let host = url.host_str().unwrap_or_default();
    let is_content = host == "shoppingcontent.googleapis.com"
        || host == "www.googleapis.com" && url.path().starts_with("/content/");
    if is_content {
        return Some(
            "the Content API for Shopping was switched off on 2026-08-18; the Merchant API took its place, at \
             https://merchantapi.googleapis.com, with the same scope",
        );
    }
    let is_beta =
        host.ends_with("merchantapi.googleapis.com") && url.path().split('/').any(|step| step == "v1beta");
    is_beta.then_some(
        "v1beta of the Merchant API was switched off on 2026-02-28; v1 took its place: name \
         https://merchantapi.googleapis.com alone, paths are added",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(shop: Option<&str>, oauth: Option<&str>) -> Result<Endpoints, EndpointError> {
        Endpoints::read([("SHOP", shop), ("MERCHANT", None), ("OAUTH", oauth), ("MANAGER", None)])
    }

    #[test]
    fn a_shop_has_an_address_of_its_own() {
        let usual = with(None, None).unwrap();
        let url = usual.shopify("acme.myshopify.com", "/admin/x.json").unwrap();
        assert_eq!(url.as_str(), "https://acme.myshopify.com/admin/x.json");
        let local = with(Some("http://127.0.0.1:9/{shop}/"), None).unwrap();
        let url = local.shopify("acme.myshopify.com", "/admin/x.json").unwrap();
        assert_eq!(url.as_str(), "http://127.0.0.1:9/acme.myshopify.com/admin/x.json");
    }

    #[test]
    fn what_google_has_switched_off_is_refused_with_what_takes_its_place() {
        let merchant =
            |url| Endpoints::read([("S", None), ("MERCHANT", Some(url)), ("O", None), ("M", None)]);
        for (url, word) in [
            ("https://shoppingcontent.googleapis.com", "merchantapi.googleapis.com"),
            ("https://www.googleapis.com/content/v2.1", "Content API"),
            ("https://merchantapi.googleapis.com/accounts/v1beta", "v1 took its place"),
        ] {
            let error = merchant(url).unwrap_err();
            assert!(error.why.contains(word), "{error:?}");
        }
        assert!(merchant("https://merchantapi.googleapis.com").is_ok());
    }

    #[test]
    fn secrets_go_nowhere_without_encryption() {
        for bad in ["http://proxy.example/", "nothing", "https://a.example/?x=1", "https://u:p@a.example"] {
            let error = with(None, Some(bad)).unwrap_err();
            assert_eq!(error.variable, "OAUTH", "{bad}");
        }
    }
}
