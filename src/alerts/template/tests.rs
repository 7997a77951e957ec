//! What templates may do, and what is said of those that may not.

use super::*;

fn title(source: &str) -> Template {
    Template { title: Some(source.to_owned()), body: None }
}

fn body(source: &str) -> Template {
    Template { title: None, body: Some(source.to_owned()) }
}

#[track_caller]
fn refused(template: &Template, what: &str) -> TemplateProblem {
    let problems = check(template).expect_err("it was taken");
    assert!(problems[0].what.contains(what), "{problems:?}");
    problems[0].clone()
}

#[test]
fn a_template_sees_every_part_of_the_message() {
    let source = "{{ severity | upper }} {{ title }} in {{ workspace }} ({{ rule or 'no rule' }})";
    assert_eq!(check(&title(source)), Ok(()));
    let list = "{% for item in items %}{{ loop.index }}. {{ item.what }} ({{ item.tenantName or item.tenant }})\n{% endfor %}{% if itemsCut %}and {{ itemsCut }} more{% endif %}";
    assert_eq!(check(&body(list)), Ok(()));
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    let message = sample(Event::Firing, now);
    let both = Template { title: Some(source.to_owned()), body: Some(list.to_owned()) };
    let rendered = render(&both, &notice(&message, false)).unwrap();
    assert_eq!(rendered.title.unwrap(), "CRITICAL 2 credentials expire soon in sample (expiry)");
    let text = rendered.body.unwrap();
    assert!(
        text.starts_with(
            "1. The Shopify credential acme-shopify of SMB_CLIENT_001 expires in 24 hours (Acme Corp)\n2. "
        ),
        "{text}"
    );
}

#[test]
fn unknown_variables_are_errors_also_where_no_sample_goes() {
    let problem = refused(&title("{{ tittle }}"), "`tittle`");
    assert_eq!((problem.field, problem.line), ("title", Some(1)));
    assert!(problem.help.contains("`title`"), "{problem:?}");
    let problem = refused(&body("ok\n{% if severity == 'nonsense' %}{{ secret }}{% endif %}"), "`secret`");
    assert_eq!(problem.line, Some(2));
    refused(&body("{% for item in items %}{{ item.nonsense }}{% endfor %}"), "does not exist");
    // Only some messages have items.
    refused(&body("{{ items[0].what }}"), "does not exist");
    refused(&title("{{ env }}"), "`env`");
    refused(&title("{{ debug() }}"), "`debug`");
}

#[test]
fn what_is_no_template_is_said_with_its_line() {
    let problem = refused(&body("fine\n{% for x in items %}\n"), "syntax error");
    assert!(problem.line.is_some(), "{problem:?}");
    refused(&body("{{ title | nonsense }}"), "unknown filter");
    refused(&body("{{ title.open() }}"), "method");
}

#[test]
fn nothing_else_can_be_read_from_a_template() {
    for source in ["{% include '/etc/passwd' %}", "{% extends 'x' %}", "{% import 'x' as y %}{{ y }}"] {
        refused(&body(source), "no other template");
    }
}

#[test]
fn a_template_has_limits() {
    refused(
        &body("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"),
        "too long",
    );
    refused(&body("{{ 'x' * 1000000000 }}"), "too long");
    refused(&body("{{ 'x' * 20001 }}"), "20001 characters");
    refused(&title("{{ 'x' * 301 }}"), "301 characters");
    refused(&title("{% if severity == 'nonsense' %}x{% endif %}"), "nothing");
    refused(&body("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"), "");
}

#[test]
fn both_are_checked_and_a_title_stays_on_one_line() {
    let both = Template { title: Some("{{ a }}".to_owned()), body: Some("{{ b }}".to_owned()) };
    let fields: Vec<&str> = check(&both).unwrap_err().iter().map(|problem| problem.field).collect();
    assert_eq!(fields, ["title", "body"]);
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut message = sample(Event::Firing, now);
    message.title = "one\r\nBcc: everybody@example.com".to_owned();
    let rendered = render(&title("{{ title }}"), &notice(&message, false)).unwrap();
    assert_eq!(rendered.title.unwrap(), "one Bcc: everybody@example.com");
}

#[test]
fn values_are_never_read_as_templates() {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    let mut message = sample(Event::Firing, now);
    message.title = "{{ workspace }}{% include 'x' %}".to_owned();
    let rendered = render(&title("{{ title }}"), &notice(&message, false)).unwrap();
    assert_eq!(rendered.title.unwrap(), "{{ workspace }}{% include 'x' %}");
}
