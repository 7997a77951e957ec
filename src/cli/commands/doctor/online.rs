//! With `--online`: whether the hosts of providers and of channels can be looked up and connected to from here. Nothing is
//! sent to any of them. Hosts that a manifest names are connected to under the rules that messages go by, and no other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::cli::context::Context;
use crate::cli::project::Found;
use crate::cli::providing::{self, SecretSources};
use crate::engine::credentials::Secrets as _;
use crate::http::guarded::{Guard, SystemResolver};
use crate::kinds::credential::Service;
use crate::kinds::notification_channel::{EmailChannel, EmailTransport, Network, NotificationChannelSpec};
use crate::kinds::tenant;
use crate::manifest::Catalog;
use crate::model::ResourceKey;
use crate::model::address::{Rules, check_mail_host, check_url};

use super::check::{Check, counted, soon};
use super::project::Looked;
use super::secrets::{channels, credentials};

const SERVICE: &str = "online.service";
const RECEIVER: &str = "online.receiver";

/// How long one host may take.
const LIMIT: Duration = Duration::from_secs(5);

/// At most so many hosts are connected to.
const MOST: usize = 50;

/// Where something is to be connected to.
struct Target {
    id: &'static str,
    /// Who is there, for people.
    who: String,
    host: Host,
    port: u16,
    /// What is open to it; `None` for services that no manifest names.
    rules: Option<Rules>,
}

/// Connects to the hosts.
pub async fn look(context: &Context, project: &Looked) -> Vec<Check> {
    let (Some(found), Some(catalog)) = (&project.found, &project.catalog) else {
        return vec![Check::skipped(SERVICE, "who is called is not known without valid manifests")];
    };
    let mut checks = Vec::new();
    let mut targets: BTreeMap<(String, u16, &'static str), Target> = BTreeMap::new();
    let mut add = |target: Target| {
        targets.entry((target.host.to_string(), target.port, target.id)).or_insert(target);
    };
    match services(context, catalog) {
        Ok(services) => services.into_iter().for_each(&mut add),
        Err(check) => checks.push(check),
    }
    for (name, receiver) in receivers(context, found, catalog).await {
        match receiver {
            Ok(target) => add(target),
            Err((what, help)) => checks.push(Check::warn(RECEIVER, format!("channel {name}: {what}"), help)),
        }
    }
    let left_out = targets.len().saturating_sub(MOST);
    let guard = Guard::new(Arc::new(SystemResolver), context.recorder.calls());
    checks.extend(join_all(targets.values().take(MOST).map(|target| connect(&guard, target))).await);
    if left_out > 0 {
        checks.push(Check::skipped(RECEIVER, format!("{} more were left out", counted(left_out, "host"))));
    }
    if checks.is_empty() {
        checks.push(Check::ok(SERVICE, "nothing that is declared is called"));
    }
    checks
}

fn target(id: &'static str, who: &str, url: &Url, rules: Option<Rules>) -> Option<Target> {
    let host = url.host()?.to_owned();
    Some(Target { id, who: who.to_owned(), host, port: url.port_or_known_default()?, rules })
}

/// The services that the declared credentials are for. All shops are served from one place: one of them stands for all.
fn services(context: &Context, catalog: &Catalog) -> Result<Vec<Target>, Check> {
    let endpoints = providing::endpoints(context).map_err(|error| {
        let help = error.help.unwrap_or_else(|| "correct the variable".to_owned());
        Check::fail(SERVICE, error.what, help)
    })?;
    let proxy = ["HTTPS_PROXY", "https_proxy"]
        .into_iter()
        .find_map(|name| Some((name, context.environment.get(name)?)));
    let shop = a_shop(catalog);
    let google = credentials(catalog).any(|(_, spec)| spec.service == Service::GoogleMerchant);
    if let Some((name, address)) = proxy.filter(|_| shop.is_some() || google) {
        let url = Url::parse(address).ok();
        let target = url.and_then(|url| target(SERVICE, &format!("the proxy of {name}"), &url, None));
        return Ok(target.into_iter().collect());
    }
    let shop = shop.and_then(|shop| endpoints.shopify(&shop, "/"));
    let google = google.then(|| [endpoints.merchant("/"), endpoints.google_oauth()]);
    let [merchant, tokens] = google.unwrap_or_default();
    let all = [("Shopify", shop), ("the Merchant API", merchant), ("Google's tokens", tokens)];
    Ok(all.into_iter().filter_map(|(who, url)| target(SERVICE, who, &url?, None)).collect())
}

/// The shop of the first credential that is for one.
fn a_shop(catalog: &Catalog) -> Option<String> {
    credentials(catalog).filter(|(_, spec)| spec.service == Service::Shopify).find_map(|(entry, spec)| {
        let tenant = ResourceKey::new(&tenant::KIND, entry.key.workspace.clone(), spec.tenant.as_str());
        let canonical: Value = serde_json::from_str(&catalog.find(&tenant)?.canonical).ok()?;
        canonical.pointer("/spec/shopifyShop")?.as_str().map(str::to_owned)
    })
}

/// What a channel calls; or what is wrong with it, and what to do.
type Receiver = Result<Target, (String, String)>;

async fn receivers(context: &Context, found: &Found, catalog: &Catalog) -> Vec<(String, Receiver)> {
    let Ok(providers) = providing::providers(context) else { return Vec::new() };
    let sources = SecretSources::new(context, Some(&found.folder), &providers);
    let mut all = Vec::new();
    for (entry, spec) in channels(catalog) {
        let name = format!("{}/{}", entry.key.workspace, entry.key.name);
        let receiver = match rules(spec.network.as_ref()) {
            Ok(rules) => receiver(context, &sources, &name, &spec, rules).await,
            Err(wrong) => Some(Err(wrong)),
        };
        all.extend(receiver.map(|receiver| (name, receiver)));
    }
    all
}

fn rules(network: Option<&Network>) -> Result<Rules, (String, String)> {
    let Some(network) = network else { return Ok(Rules::default()) };
    let rules = Rules::read(&network.allow_cidrs, &network.allow_ports, network.allow_insecure);
    rules.map_err(|refused| (refused.what, refused.help))
}

/// Where a channel leads; `None` where it calls nobody, or its secret cannot be read, which is said among the secrets.
async fn receiver(
    context: &Context,
    sources: &SecretSources<'_>,
    name: &str,
    spec: &NotificationChannelSpec,
    rules: Rules,
) -> Option<Receiver> {
    let who = format!("channel {name}");
    if let Some(email) = &spec.email {
        return mail(context, email, &who, rules);
    }
    let url = match (&spec.webhook, &spec.slack) {
        (Some(webhook), _) => webhook.url.clone(),
        // Secret Manager is a provider, and not asked.
        (None, Some(slack))
            if !matches!(slack.webhook_url, crate::model::secret::SecretRef::GcpSecretManager(_)) =>
        {
            soon(LIMIT, sources.read(&slack.webhook_url)).await?.ok()?.token()?.to_owned()
        }
        _ => return None,
    };
    let url = match check_url(&url, &rules) {
        Ok(url) => url,
        // What stands in the address may be the secret itself, and is not repeated.
        Err(refused) if spec.slack.is_some() => {
            let what = "its address is not called";
            return Some(Err((what.to_owned(), refused.help)));
        }
        Err(refused) => return Some(Err((refused.what, refused.help))),
    };
    target(RECEIVER, &who, &url, Some(rules)).map(Ok)
}

fn mail(context: &Context, email: &EmailChannel, who: &str, rules: Rules) -> Option<Receiver> {
    let (variable, usual) = match email.transport {
        EmailTransport::Sendgrid => ("SYNTHEX_SENDGRID_URL", "https://api.sendgrid.com"),
        EmailTransport::Resend => ("SYNTHEX_RESEND_URL", "https://api.resend.com"),
        EmailTransport::Smtp => {
            let port = email.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(587);
            return Some(match check_mail_host(email.host.as_deref()?, port, &rules) {
                Ok(host) => Ok(Target { id: RECEIVER, who: who.to_owned(), host, port, rules: Some(rules) }),
                Err(refused) => Err((refused.what, refused.help)),
            });
        }
    };
    let url = Url::parse(context.environment.get(variable).unwrap_or(usual)).ok()?;
    target(RECEIVER, who, &url, None).map(Ok)
}

async fn connect(guard: &Guard, target: &Target) -> Check {
    let Target { id, who, host, port, rules } = target;
    let place = format!("{who} ({host}:{port})");
    let began = std::time::Instant::now();
    let addresses = async {
        match rules {
            Some(rules) => guard.resolve(host, rules).await.map_err(|error| error.to_string()),
            None => look_up(host, *port).await,
        }
    };
    let connecting = async {
        let mut last = "it has no address".to_owned();
        for address in addresses.await? {
            match TcpStream::connect(SocketAddr::new(address, *port)).await {
                Ok(_) => return Ok(()),
                Err(error) => last = crate::files::io_words(&error),
            }
        }
        Err(last)
    };
    let help = "look at the name, the firewall and the proxy of this machine";
    match soon(LIMIT, connecting).await {
        Some(Ok(())) => {
            Check::ok(id, format!("{place} can be connected to, in {} ms", began.elapsed().as_millis()))
        }
        Some(Err(why)) => Check::warn(id, format!("{place} cannot be connected to"), help).why(why),
        None => Check::warn(id, format!("{place} does not answer within {} s", LIMIT.as_secs()), help),
    }
}

async fn look_up(host: &Host, port: u16) -> Result<Vec<IpAddr>, String> {
    let name = match host {
        Host::Ipv4(address) => return Ok(vec![IpAddr::V4(*address)]),
        Host::Ipv6(address) => return Ok(vec![IpAddr::V6(*address)]),
        Host::Domain(name) => name.clone(),
    };
    let found = tokio::net::lookup_host((name.as_str(), port)).await;
    found.map(|all| all.map(|address| address.ip()).collect()).map_err(|error| crate::files::io_words(&error))
}
