//! What cannot be right of a channel, beyond the types: blocks that do not fit, addresses that are never called, settings of
//! delivery that contradict each other. Whether a name leads to what is public is found out when it is called.

use crate::model::address::{self, Refused, Rules};
use crate::model::kind::SpecProblem;
use crate::model::text::duration_seconds;

use super::{
    ChannelType, Delivery, EmailChannel, EmailTransport, Encryption, Network, NotificationChannelSpec,
    WebhookChannel,
};

pub(super) fn check(spec: &NotificationChannelSpec, problems: &mut Vec<SpecProblem>) {
    blocks(spec, problems);
    let open = spec.network.clone().unwrap_or_default();
    let rules = network(&open, problems);
    if let Some(mail) = &spec.email {
        email(mail, &open, problems);
        mail_server(mail, &rules, problems);
    }
    if let Some(hook) = &spec.webhook {
        webhook(hook, &rules, problems);
    }
    if let Some(patience) = &spec.delivery {
        delivery(patience, problems);
    }
    if spec.template.as_ref().is_some_and(|template| template.title.is_none() && template.body.is_none()) {
        problems.push(
            SpecProblem::new("SX0309", "/template", "the template changes nothing")
                .help("give it a `title` or a `body`, or remove it"),
        );
    }
}

fn blocks(spec: &NotificationChannelSpec, problems: &mut Vec<SpecProblem>) {
    let blocks = [
        ("email", "email", ChannelType::Email, spec.email.is_some()),
        ("slack", "slack", ChannelType::Slack, spec.slack.is_some()),
        ("webhook", "webhook", ChannelType::Webhook, spec.webhook.is_some()),
        ("inApp", "in-app", ChannelType::InApp, spec.in_app.is_some()),
    ];
    for (block, name, channel_type, present) in blocks {
        let wanted = spec.channel_type == channel_type;
        if wanted && !present && channel_type != ChannelType::InApp {
            let message = format!("a channel of type `{name}` needs the block `{block}:`");
            problems.push(
                SpecProblem::new("SX0309", "/type", message).help(format!("add `{block}:` below `spec:`")),
            );
        } else if present && !wanted {
            let message = format!("the block `{block}:` does not fit the channel's type");
            problems.push(
                SpecProblem::new("SX0309", format!("/{block}"), message)
                    .help(format!("remove the block, or set `type: {name}`")),
            );
        }
    }
}

fn email(email: &EmailChannel, open: &Network, problems: &mut Vec<SpecProblem>) {
    let smtp = email.transport == EmailTransport::Smtp;
    if smtp && email.host.is_none() {
        problems.push(
            SpecProblem::new("SX0309", "/email", "mail by SMTP needs a `host`")
                .help("add `host:` with the mail server's name"),
        );
    }
    if !smtp && email.api_key.is_none() {
        problems.push(
            SpecProblem::new("SX0309", "/email", "this way of sending mail needs an `apiKey`")
                .help("add `apiKey: {env: NAME}`"),
        );
    }
    let addresses = email.to.iter().enumerate().map(|(index, to)| (format!("/email/to/{index}"), to));
    for (pointer, text) in std::iter::once(("/email/from".to_owned(), &email.from)).chain(addresses) {
        if let Some(why) = address::mail_problem(text) {
            problems.push(
                SpecProblem::new("SX0309", pointer, format!("no mail can be sent with this address: {why}"))
                    .help("write the address and nothing else: ops@agency.example"),
            );
        }
    }
    let foreign = [
        ("host", !smtp && email.host.is_some()),
        ("port", !smtp && email.port.is_some()),
        ("encryption", !smtp && email.encryption.is_some()),
        ("username", !smtp && email.username.is_some()),
        ("password", !smtp && email.password.is_some()),
        ("apiKey", smtp && email.api_key.is_some()),
    ];
    for (field, _) in foreign.iter().filter(|(_, present)| *present) {
        problems.push(
            SpecProblem::new(
                "SX0309",
                format!("/email/{field}"),
                format!("`{field}` does not fit the transport"),
            )
            .help("remove it, or change `transport`"),
        );
    }
    if email.encryption != Some(Encryption::None) {
        return;
    }
    if !open.allow_insecure {
        problems.push(
            SpecProblem::new("SX0325", "/email/encryption", "mail would be sent without TLS")
                .help("use `starttls` or `tls`, or set `network.allowInsecure: true`"),
        );
    }
    if email.password.is_some() {
        problems.push(
            SpecProblem::new("SX0325", "/email/password", "a password is never sent without TLS")
                .help("use `encryption: starttls` or `tls`, or remove the password"),
        );
    }
}

/// The rules of the block, without what cannot be read of it.
fn network(open: &Network, problems: &mut Vec<SpecProblem>) -> Rules {
    let mut cidrs = open.allow_cidrs.clone();
    for (index, text) in open.allow_cidrs.iter().enumerate().rev() {
        if let Err(refused) = address::subnet(text) {
            problems.push(problem(format!("/network/allowCidrs/{index}"), refused));
            cidrs.remove(index);
        }
    }
    Rules::read(&cidrs, &open.allow_ports, open.allow_insecure).unwrap_or_default()
}

fn mail_server(email: &EmailChannel, rules: &Rules, problems: &mut Vec<SpecProblem>) {
    let Some(host) = email.host.as_deref().filter(|_| email.transport == EmailTransport::Smtp) else {
        return;
    };
    let usual = if email.encryption == Some(Encryption::Tls) { 465 } else { 587 };
    // The schema bounds ports; what does not fit was told there.
    let port = u16::try_from(email.port.unwrap_or(usual)).unwrap_or_default();
    if let Err(refused) = address::check_mail_host(host, port, rules) {
        let field = if refused.what.starts_with("port ") { "port" } else { "host" };
        let field = if field == "port" && email.port.is_none() { "host" } else { field };
        problems.push(problem(format!("/email/{field}"), refused));
    }
}

fn webhook(webhook: &WebhookChannel, rules: &Rules, problems: &mut Vec<SpecProblem>) {
    if let Err(refused) = address::check_url(&webhook.url, rules) {
        problems.push(problem("/webhook/url".to_owned(), refused));
    }
    if webhook.previous_secret.is_some() && webhook.signing_secret.is_none() {
        problems.push(
            SpecProblem::new(
                "SX0309",
                "/webhook/previousSecret",
                "there is a previous signing secret and no present one",
            )
            .help("add `signingSecret`, or remove `previousSecret`"),
        );
    }
}

fn delivery(delivery: &Delivery, problems: &mut Vec<SpecProblem>) {
    let mut before = 0;
    for (index, text) in delivery.retry.iter().flatten().enumerate() {
        let pointer = format!("/delivery/retry/{index}");
        match duration_seconds(text) {
            None => problems.push(length(&pointer, "a week")),
            Some(seconds) if seconds > 7 * 86_400 => problems.push(length(&pointer, "a week")),
            Some(seconds) if seconds < before => {
                problems.push(
                    SpecProblem::new("SX0326", pointer, format!("`{text}` is shorter than the time before it"))
                        .help("list the times in the order in which they are waited, none shorter than the one before"),
                );
            }
            Some(seconds) => before = seconds,
        }
    }
    let bounds = [
        ("maxRetryAfter", &delivery.max_retry_after, 86_400, "a day"),
        ("maxAge", &delivery.max_age, 30 * 86_400, "30 days"),
        ("timeout", &delivery.timeout, 30, "30 seconds"),
    ];
    for (field, text, most, words) in bounds {
        let Some(text) = text else { continue };
        if duration_seconds(text).is_none_or(|seconds| seconds > most) {
            problems.push(length(&format!("/delivery/{field}"), words));
        }
    }
}

fn length(pointer: &str, most: &str) -> SpecProblem {
    SpecProblem::new("SX0326", pointer, format!("not a length of time of at most {most}"))
        .help("write a number and one of s, m, h, d, w, such as 30s")
}

fn problem(pointer: String, refused: Refused) -> SpecProblem {
    SpecProblem::new("SX0325", pointer, refused.what).help(refused.help)
}
