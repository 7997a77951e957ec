//! What to write where a value has the wrong form.

/// What to do about a field whose value does not match a pattern.
pub(super) fn on_form(field: &str, pattern: &str) -> String {
    match (field, pattern) {
        ("shopifyShop", _) => {
            "write the permanent domain in lower case, such as acme.myshopify.com".to_owned()
        }
        ("gmcMerchantId", _) => "write the account number, digits only".to_owned(),
        ("website", _) => "write the whole address, such as https://acme.example".to_owned(),
        ("url", _) => "write an http or https address without a user in it".to_owned(),
        ("phone", _) => "write digits and spaces, such as +61 2 5550 0000".to_owned(),
        ("thresholds", _) => {
            "write a number and one of h, d, w, such as 30d, or 20%, or `expired`, or -3d for after it"
                .to_owned()
        }
        ("reminder", _) => "write a number and one of s, m, h, d, w, such as 24h, or `never`".to_owned(),
        ("until", _) => {
            "write a day such as 2026-12-31, or an instant such as 2026-12-31T09:00:00Z".to_owned()
        }
        ("at", _) => "write hours and minutes, such as \"22:30\"".to_owned(),
        ("maxFileSize", _) => "write a number and one of B, KiB, MiB, GiB, such as 10MiB".to_owned(),
        ("path", _) if pattern.starts_with("^(/") => {
            "name a field, such as /metadata/notes or /labels/tier; not everything can be ignored".to_owned()
        }
        ("env", _) => "write the name of an environment variable, such as SHOPIFY_TOKEN".to_owned(),
        ("gcpSecretManager", _) => "write projects/PROJECT/secrets/NAME/versions/VERSION".to_owned(),
        (_, crate::model::key::NAME_PATTERN) => {
            "start with a letter or digit; then letters, digits, `.`, `_` and `-`, at most 128 in all"
                .to_owned()
        }
        (_, crate::model::text::DURATION_PATTERN) => {
            "write a number and one of s, m, h, d, w, such as 24h".to_owned()
        }
        _ => format!("it must match {pattern}"),
    }
}
