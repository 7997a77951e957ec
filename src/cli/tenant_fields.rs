//! The fields of a tenant as options, and which option gives which field: what is wrong with a value is said of the option.

use clap::Args;
use serde_json::{Map, Value, json};

use crate::model::business_id::Country;

use super::error::CliError;

/// What a tenant runs.
pub const TYPES: [&str; 3] = ["shopify", "google-merchant", "mixed"];
/// The markets.
pub const MARKETS: [&str; 4] = ["ANZ_SMB", "ANZ_ENTERPRISE", "US_SMB", "UK_SMB"];
/// The regions.
pub const REGIONS: [&str; 4] = ["AU-SE1", "NZ-NR1", "US-EA1", "EU-WE1"];
/// What may be with a tenant.
pub const STATUSES: [&str; 3] = ["active", "inactive", "suspended"];

/// Each field of a tenant, and the option that gives it, with what stands behind it.
const OPTIONS: [(&str, &str); 15] = [
    ("displayName", "--name TEXT"),
    ("type", "--type TYPE"),
    ("market", "--market MARKET"),
    ("region", "--region REGION"),
    ("shopifyShop", "--shopify-shop NAME.myshopify.com"),
    ("gmcMerchantId", "--gmc-merchant-id NUMBER"),
    ("industry", "--industry TEXT"),
    ("employeeCount", "--employee-count NUMBER"),
    ("website", "--website URL"),
    ("contact.email", "--email ADDRESS"),
    ("contact.phone", "--phone NUMBER"),
    ("status", "--status STATUS"),
    ("template", "--template TEMPLATE"),
    ("businessId", "--business-id COUNTRY:NUMBER"),
    ("tenantId", "--tenant-id TENANT"),
];

/// The option that gives a field, named as in a manifest: `contact.email`, `metadata.brand`.
#[must_use]
pub fn option_for(field: &str) -> Option<String> {
    for (map, option) in [("metadata", "--metadata"), ("labels", "--label")] {
        if let Some(key) = field.strip_prefix(map).and_then(|rest| rest.strip_prefix('.')) {
            return Some(format!("{option} {key}=VALUE"));
        }
        if field == map {
            return Some(format!("{option} KEY=VALUE"));
        }
    }
    let belongs =
        |known: &str| field == known || field.strip_prefix(known).is_some_and(|rest| rest.starts_with('.'));
    OPTIONS.iter().find(|(known, _)| belongs(known)).map(|(_, option)| (*option).to_owned())
}

/// The fields of a tenant.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "The tenant's fields")]
pub struct TenantFields {
    /// The name people know the tenant by
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// What it runs
    #[arg(long = "type", value_name = "TYPE", value_parser = TYPES)]
    pub tenant_type: Option<String>,
    /// The market it sells in
    #[arg(long, value_name = "MARKET", value_parser = MARKETS)]
    pub market: Option<String>,
    /// The region its data is kept in
    #[arg(long, value_name = "REGION", value_parser = REGIONS)]
    pub region: Option<String>,
    /// Whether the agency works for it at present
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub status: Option<String>,
    /// The permanent domain of its shop: NAME.myshopify.com
    #[arg(long, value_name = "DOMAIN")]
    pub shopify_shop: Option<String>,
    /// The number of its Google Merchant Center account
    #[arg(long, value_name = "NUMBER")]
    pub gmc_merchant_id: Option<String>,
    /// The number its business is registered under: AU:51824753556; countries are AU, NZ, UK and US
    #[arg(long, value_name = "COUNTRY:NUMBER", value_parser = business_id)]
    pub business_id: Option<BusinessNumber>,
    /// Its line of business
    #[arg(long, value_name = "TEXT")]
    pub industry: Option<String>,
    /// How many people work there
    #[arg(long, value_name = "NUMBER")]
    pub employee_count: Option<u32>,
    /// Its public web site
    #[arg(long, value_name = "URL")]
    pub website: Option<String>,
    /// Where it is written to
    #[arg(long, value_name = "ADDRESS")]
    pub email: Option<String>,
    /// Where it is called
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub phone: Option<String>,
    /// A label to select by; repeatable
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// A free-form fact, kept as text; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub metadata: Vec<(String, String)>,
}

/// A business number and its country; nothing of both where the field is to be taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusinessNumber(Option<(Country, String)>);

/// Reads a country's code, also where it is written as people write it.
///
/// # Errors
/// There is no such country here.
pub fn country(text: &str) -> Result<Country, String> {
    let code = match text.trim().to_ascii_uppercase() {
        code if code == "GB" => "UK".to_owned(),
        code => code,
    };
    let codes = Country::ALL.map(Country::code).join(", ");
    Country::from_code(&code).ok_or_else(|| format!("the countries are {codes}"))
}

fn business_id(text: &str) -> Result<BusinessNumber, String> {
    if text.is_empty() {
        return Ok(BusinessNumber(None));
    }
    let (code, number) = text
        .split_once(':')
        .ok_or_else(|| "write the country before the number, such as AU:51824753556".to_owned())?;
    Ok(BusinessNumber(Some((country(code)?, number.trim().to_owned()))))
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// There is no `=`, or nothing before it.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// Refuses a key that is given twice: which of its values is meant cannot be known.
///
/// # Errors
/// One is.
pub fn no_key_twice(option: &str, pairs: &[(String, String)]) -> Result<(), CliError> {
    let mut keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|two| two[0] == two[1]) {
        Some(two) => Err(CliError::usage(format!("{option} {} is given twice", two[0])).help("give it once")),
        None => Ok(()),
    }
}

impl TenantFields {
    /// Whether nothing is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts().iter().all(|(_, value)| value.is_none())
            && self.business_id.is_none()
            && self.employee_count.is_none()
            && self.labels.is_empty()
            && self.metadata.is_empty()
    }

    fn texts(&self) -> [(&'static str, Option<&str>); 11] {
        [
            ("displayName", self.name.as_deref()),
            ("type", self.tenant_type.as_deref()),
            ("market", self.market.as_deref()),
            ("region", self.region.as_deref()),
            ("status", self.status.as_deref()),
            ("shopifyShop", self.shopify_shop.as_deref()),
            ("gmcMerchantId", self.gmc_merchant_id.as_deref()),
            ("industry", self.industry.as_deref()),
            ("website", self.website.as_deref()),
            ("contact.email", self.email.as_deref()),
            ("contact.phone", self.phone.as_deref()),
        ]
    }

    /// Puts what is given into a tenant's spec and labels. An empty value takes a field away; which were is returned.
    ///
    /// # Errors
    /// A label or a fact is given twice.
    pub fn put_into(
        &self,
        spec: &mut Map<String, Value>,
        labels: &mut Map<String, Value>,
    ) -> Result<Vec<String>, CliError> {
        no_key_twice("--label", &self.labels)?;
        no_key_twice("--metadata", &self.metadata)?;
        let mut cleared = Vec::new();
        for (field, value) in self.texts() {
            match value {
                None => {}
                Some("") => {
                    take(spec, field);
                    cleared.push(field.to_owned());
                }
                Some(value) => put(spec, field, json!(value)),
            }
        }
        match &self.business_id {
            None => {}
            Some(BusinessNumber(None)) => {
                take(spec, "businessId");
                cleared.push("businessId".to_owned());
            }
            Some(BusinessNumber(Some((country, number)))) => {
                put(spec, "businessId", json!({"country": country.code(), "number": number}));
            }
        }
        if let Some(count) = self.employee_count {
            put(spec, "employeeCount", json!(count));
        }
        for (key, value) in &self.labels {
            set_or_remove(labels, key, value);
        }
        for (key, value) in &self.metadata {
            let metadata = spec.entry("metadata").or_insert_with(|| json!({}));
            if let Value::Object(metadata) = metadata {
                set_or_remove(metadata, key, value);
            }
            if value.is_empty() {
                cleared.push(format!("metadata.{key}"));
            }
        }
        Ok(cleared)
    }
}

fn set_or_remove(map: &mut Map<String, Value>, key: &str, value: &str) {
    if value.is_empty() {
        map.shift_remove(key);
    } else {
        map.insert(key.to_owned(), json!(value));
    }
}

fn put(spec: &mut Map<String, Value>, field: &str, value: Value) {
    match field.split_once('.') {
        Some((outer, inner)) => {
            let outer = spec.entry(outer).or_insert_with(|| json!({}));
            if let Value::Object(map) = outer {
                map.insert(inner.to_owned(), value);
            }
        }
        None => {
            spec.insert(field.to_owned(), value);
        }
    }
}

fn take(spec: &mut Map<String, Value>, field: &str) {
    match field.split_once('.') {
        Some((outer, inner)) => {
            let is_empty = match spec.get_mut(outer) {
                Some(Value::Object(map)) => {
                    map.shift_remove(inner);
                    map.is_empty()
                }
                _ => false,
            };
            if is_empty {
                spec.shift_remove(outer);
            }
        }
        None => {
            spec.shift_remove(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_that_a_template_can_require_has_an_option() {
        for field in crate::kinds::tenant_template::REQUIRABLE {
            assert!(option_for(field).is_some(), "{field}");
        }
        assert_eq!(option_for("metadata.brand").as_deref(), Some("--metadata brand=VALUE"));
        assert_eq!(option_for("businessId.number").as_deref(), Some("--business-id COUNTRY:NUMBER"));
        assert_eq!(option_for("typewriter"), None);
    }

    #[test]
    fn what_is_given_is_put_and_what_is_empty_is_taken_away() {
        let mut spec = json!({"displayName": "A", "contact": {"email": "a@b.example"}, "metadata": {"x": 1}});
        let fields = TenantFields {
            name: Some("B".to_owned()),
            email: Some(String::new()),
            phone: None,
            metadata: vec![("x".to_owned(), String::new()), ("y".to_owned(), "2".to_owned())],
            labels: vec![("tier".to_owned(), "gold".to_owned())],
            business_id: Some(business_id("gb: GB980780684").unwrap()),
            ..TenantFields::default()
        };
        let mut labels = Map::new();
        let cleared = fields.put_into(spec.as_object_mut().unwrap(), &mut labels).unwrap();
        assert_eq!(cleared, ["contact.email", "metadata.x"]);
        let business = json!({"country": "UK", "number": "GB980780684"});
        assert_eq!(spec, json!({"displayName": "B", "metadata": {"y": "2"}, "businessId": business}));
        assert_eq!(labels["tier"], "gold");
    }

    #[test]
    fn what_is_no_pair_and_no_number_is_said_how_to_write() {
        assert!(pair("tier").is_err() && pair("=x").is_err());
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(business_id("51824753556").unwrap_err().contains("AU:51824753556"));
        assert!(business_id("FR:1").unwrap_err().contains("AU, NZ, UK, US"));
        assert!(no_key_twice("--label", &[pair("a=1").unwrap(), pair("a=2").unwrap()]).is_err());
    }
}
