//! What a channel says that can be, and is hardly meant.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::kinds::notification_channel::{EmailChannel, EmailTransport, Encryption, NotificationChannelSpec};

use super::Reviewing;

impl Reviewing<'_, '_> {
    pub(super) fn settings(&mut self, channel: &NotificationChannelSpec, now: DateTime<Utc>) {
        if let Some(mail) = &channel.email {
            if mail.transport == EmailTransport::Smtp {
                self.login(mail);
                self.encryption(mail);
            }
            self.twice("/email/to", &mail.to);
        }
        if let Some(inbox) = &channel.in_app {
            self.twice("/inApp/recipients", &inbox.recipients);
        }
        let previous = channel.webhook.as_ref().and_then(|webhook| webhook.previous_secret.as_ref());
        if let Some(over) = previous.map(|previous| previous.until).filter(|until| *until <= now) {
            self.say(
                "SX0338",
                "/webhook/previousSecret/until",
                format!(
                    "nothing is signed with the previous secret any more, since {}",
                    over.format("%Y-%m-%d %H:%M UTC")
                ),
                "remove `previousSecret`, or give it a later `until`",
            );
        }
    }

    fn login(&mut self, mail: &EmailChannel) {
        let (half, other) = match (&mail.username, &mail.password) {
            (Some(_), None) => ("username", "password"),
            (None, Some(_)) => ("password", "username"),
            _ => return,
        };
        self.say(
            "SX0336",
            format!("/email/{half}"),
            format!("there is a `{half}` and no `{other}`, so nobody logs in at the mail server"),
            format!("add `{other}`, or remove `{half}` if the server wants no login"),
        );
    }

    fn encryption(&mut self, mail: &EmailChannel) {
        let (what, help) = match (mail.port, mail.encryption) {
            (Some(465), Some(Encryption::Starttls)) => (
                "port 465 is encrypted from the start, and STARTTLS is not offered there",
                "use `encryption: tls`, or port 587",
            ),
            (Some(25 | 587 | 2525), Some(Encryption::Tls)) => (
                "this port is encrypted by STARTTLS, and not from the start",
                "use `encryption: starttls`, or port 465",
            ),
            _ => return,
        };
        self.say("SX0337", "/email/encryption", what.to_owned(), help);
    }

    fn twice(&mut self, pointer: &str, names: &[String]) {
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            if !seen.insert(name.to_lowercase()) {
                self.say(
                    "SX0339",
                    format!("{pointer}/{index}"),
                    format!("`{name}` is a recipient already"),
                    "name each recipient once",
                );
            }
        }
    }
}
