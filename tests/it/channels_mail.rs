//! Mail by SMTP, with the real binary and a real server: what is sent, encrypted and under which name, and what every bad day of
//! a mail server comes to (M-D8, M-D9, S21).

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::certificates::Authority;
use crate::support::cli::Outcome;
use crate::support::estate::Estate;
use crate::support::eventually;
use crate::support::mail::{MailServer, Manners};

const PASSWORD: &str = "canary-mail-password";

struct Office {
    estate: Estate,
    authority: Authority,
}

impl Office {
    fn new(hint: &str) -> Office {
        let estate = Estate::new(hint);
        for name in ["chat", "expiry"] {
            estate.project.remove(&format!("manifests/{name}.yaml"));
        }
        Office { estate, authority: Authority::new() }
    }

    fn good(&self) -> Manners {
        Manners { tls: Some(self.authority.server("DNS:localhost,IP:127.0.0.1")), ..Manners::default() }
    }

    /// Declares and applies the channel `mail` to a server, with these fields of `email:` and of `network:` besides.
    fn declare(&self, server: &MailServer, email: &str, network: &str) {
        let port = server.port;
        let host = if email.contains("host:") { "" } else { "host: localhost, " };
        let ca = self.authority.file();
        // A manifest with a password and without encryption is refused.
        let login = if email.contains("none") { "" } else { ", username: ops, password: {env: PASSWORD}" };
        self.estate.declare("NotificationChannel", "mail", &format!(
            "{{type: email, delivery: {{timeout: 2s}}, email: {{transport: smtp, from: ops@agency.example, to: [ana@agency.example], {host}port: {port}{login}{email}}}, \
             network: {{allowCidrs: [127.0.0.0/8, '::1/128'], allowPorts: [{port}], caFile: '{}'{network}}}}}",
            ca.display()
        ));
        self.estate.apply().ok();
    }

    fn test(&self, args: &[&str]) -> Outcome {
        let all: Vec<&str> = ["channels", "test", "mail"].into_iter().chain(args.iter().copied()).collect();
        let outcome = self.estate.synthex(&all).env("PASSWORD", PASSWORD).env("COLUMNS", "200").run();
        outcome.nowhere(PASSWORD)
    }

    #[track_caller]
    fn fails(&self, manners: Manners, code: &str, is_permanent: bool) -> (MailServer, Value) {
        let server = MailServer::new(manners);
        self.declare(&server, "", "");
        let tried = self.test(&["--format", "json"]).code(8).json()["attempts"][0].clone();
        assert_eq!((&tried["code"], &tried["permanent"]), (&json!(code), &json!(is_permanent)), "{tried:#}");
        (server, tried)
    }
}

#[test]
fn a_mail_goes_out_encrypted_under_a_name_that_is_known_again() {
    let office = Office::new("mail_good");
    let server = MailServer::new(office.good());
    office.declare(&server, "", "");
    office.test(&["-vvv"]).ok().stderr_has("to ana@agency.example (250)");
    let talk = server.talks().pop().unwrap();
    let (plain, encrypted): (Vec<_>, Vec<_>) =
        talk.commands.iter().partition(|(_, is_encrypted)| !is_encrypted);
    let verbs = |commands: &[&(String, bool)]| {
        commands
            .iter()
            .map(|(command, _)| command.split([' ', ':']).next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(verbs(&plain), ["EHLO", "STARTTLS"]);
    assert_eq!(verbs(&encrypted), ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]);
    let mail = talk.mails[0].clone();
    for part in [
        "Subject: [TEST] This is a test of the channel\r\n",
        "To: ana@agency.example\r\n",
        "@agency.example>\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "multipart/alternative",
        "text/plain",
        "text/html",
    ] {
        assert!(mail.contains(part), "{part:?} is not in\n{mail}");
    }
    let dry = office.test(&["--dry-run"]).ok();
    dry.stdout_has("AUTH ops \u{2022}\u{2022}\u{2022}\n").stdout_has("RCPT TO:<ana@agency.example>\n");
    assert_eq!(server.talks().len(), 1);
}

#[test]
fn from_the_start_or_not_at_all_as_the_manifest_says() {
    let office = Office::new("mail_encryption");
    let server = MailServer::new(Manners { is_wrapped: true, ..office.good() });
    office.declare(&server, ", encryption: tls", "");
    office.test(&[]).ok();
    assert!(server.talks()[0].commands.iter().all(|(_, is_encrypted)| *is_encrypted));
    // Not at all, where the manifest says so twice: nobody logs in.
    let server = MailServer::new(Manners::default());
    office.declare(&server, ", encryption: none", ", allowInsecure: true");
    office.test(&[]).ok();
    let talk = server.talks().pop().unwrap();
    assert!(
        talk.mails.len() == 1 && !talk.commands.iter().any(|(command, _)| command.starts_with("AUTH")),
        "{talk:?}"
    );
}

#[test]
fn a_password_may_have_spaces_and_letters_of_every_language() {
    let office = Office::new("mail_password");
    let server = MailServer::new(office.good());
    office.declare(&server, "", "");
    for password in ["abcd efgh ijkl mnop", "pässwörd"] {
        let run = office.estate.synthex(&["channels", "test", "mail"]).env("PASSWORD", password).run();
        run.ok().nowhere(password);
        let talk = server.talks().pop().unwrap();
        let plain = base64::engine::general_purpose::STANDARD.encode(format!("\0ops\0{password}"));
        assert!(
            talk.commands.iter().any(|(command, _)| command.contains(&plain)),
            "{password} is not what was logged in with: {talk:?}"
        );
    }
    // More than one line is no password.
    let run = office.estate.synthex(&["channels", "test", "mail"]).env("PASSWORD", "canary\ncanary").run();
    run.code(8).stderr_has("more than one line").nowhere("canary");
    // Nothing was tried, so nothing failed to get through.
    let dry = office.estate.synthex(&["channels", "test", "mail", "--dry-run"]).env("PASSWORD", "a\nb").run();
    dry.code(8).stderr_has("no test can be made for channel `mail`").nowhere("did not get through");
}

#[test]
fn nothing_goes_out_where_the_encryption_is_not_what_it_must_be() {
    let office = Office::new("mail_tls");
    // It offers none: somebody may have taken the offer out.
    let (server, _) = office.fails(Manners::default(), "no_starttls", true);
    assert!(server.talks().iter().all(|talk| {
        !talk.commands.iter().any(|(command, _)| command.starts_with("AUTH") || command.starts_with("MAIL"))
    }));
    // It refuses what it offers.
    let refusing = Manners { replies: vec![("STARTTLS", "454 not now")], ..office.good() };
    office.fails(refusing, "smtp_transient", false);
    // A certificate of another name, and one that nobody here trusts.
    let other = Manners { tls: Some(office.authority.server("DNS:other.example")), ..Manners::default() };
    let (server, tried) = office.fails(other, "bad_certificate", false);
    assert!(server.mails().is_empty(), "{tried}");
    assert_eq!(
        tried["why"],
        "no secure connection to localhost: its certificate is of another name: other.example"
    );
    let stranger = Authority::new();
    let strange = Manners { tls: Some(stranger.server("DNS:localhost")), ..Manners::default() };
    let (server, tried) = office.fails(strange, "bad_certificate", false);
    assert!(tried["help"].as_str().unwrap().contains("network.caFile"), "{tried}");
    assert!(
        server.talks().iter().all(|talk| talk.mails.is_empty() && !format!("{talk:?}").contains("AUTH "))
    );
}

#[test]
fn every_refusal_of_a_mail_server_has_its_meaning() {
    let office = Office::new("mail_refusals");
    let with = |command: &'static str, reply: &'static str| Manners {
        replies: vec![(command, reply)],
        ..office.good()
    };
    for (command, reply, code, is_permanent) in [
        ("GREETING", "421 closing", "service_closing", false),
        ("GREETING", "554 no", "rejected", true),
        ("AUTH", "535 5.7.8 no", "auth_failed", true),
        ("AUTH", "454 not now", "smtp_transient", false),
        ("MAIL", "451 4.3.0 later", "local_error", false),
        ("RCPT", "450 greylisted", "mailbox_busy", false),
        ("RCPT", "550 5.1.1 no such user", "mailbox_unavailable", true),
        ("DATA", "452 full", "storage_full", false),
        (".", "552 too large", "mailbox_full", true),
        (".", "421 closing", "service_closing", false),
    ] {
        let (_, tried) = office.fails(with(command, reply), code, is_permanent);
        assert_eq!(tried["status"], json!(reply[..3].parse::<u16>().unwrap()), "{command} {reply}: {tried}");
    }
}

#[test]
fn when_the_answer_to_a_mail_is_lost_nobody_knows_and_the_name_stays() {
    let office = Office::new("mail_lost");
    let (server, _) =
        office.fails(Manners { hangs_up_after: Some("DATA"), ..office.good() }, "unknown_outcome", false);
    assert_eq!(server.mails().len(), 1);
    let (server, _) =
        office.fails(Manners { falls_silent_after: Some("DATA"), ..office.good() }, "unknown_outcome", false);
    assert_eq!(server.mails().len(), 1);
    // Before that, it is known that nothing was sent.
    office.fails(Manners { falls_silent_after: Some("EHLO"), ..office.good() }, "timeout", false);
    office.fails(Manners { hangs_up_after: Some("RCPT"), ..office.good() }, "broken", false);
    let server = MailServer::new(office.good());
    office.declare(&server, "", "");
    // No such manifest is applied, and no such row is believed.
    office.estate.edit("mail.yaml", "allowCidrs: [127.0.0.0/8, '::1/128'], ", "");
    office.estate.apply().code(3);
    office
        .estate
        .database
        .sql("update synthex.notification_channels set network = network - 'allowCidrs' where name = 'mail'");
    let tried = office.test(&["--format", "json"]).code(8).json();
    assert_eq!(tried["attempts"][0]["code"], "refused_address");
    assert!(server.talks().is_empty());
}

#[test]
fn what_is_sent_again_has_the_name_it_had_and_a_message_that_is_new_has_another() {
    let office = Office::new("mail_again");
    let server = MailServer::new(Manners { hangs_up_after: Some("DATA"), ..office.good() });
    office.declare(&server, "", "");
    office.estate.edit("mail.yaml", "timeout: 2s", "timeout: 2s, retry: [1s, 1s]");
    office.estate.apply().ok();
    let run = |args: &[&str]| office.estate.synthex(args).env("PASSWORD", PASSWORD).run();
    let send = || run(&["notify", "send", "--title", "t", "--message", "m", "--channel", "mail", "-w", "w"]);
    let ids = || {
        let mails = server.mails();
        let id =
            |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned();
        mails.iter().map(id).collect::<Vec<String>>()
    };
    send().code(8);
    let came_thrice = eventually(Duration::from_secs(30), || {
        run(&["notify", "deliver", "--once"]);
        ids().len() == 3
    });
    assert!(came_thrice, "{:?}", ids());
    send().code(8);
    let ids = ids();
    assert!(ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3], "{ids:#?}");
    let delivery = office
        .estate
        .value("select id::text from synthex.notification_deliveries order by seq limit 1")
        .unwrap();
    assert_eq!(ids[0], format!("Message-ID: <{delivery}@agency.example>"));
}
