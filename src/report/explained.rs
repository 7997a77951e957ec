//! Where a resource and its fields come from, and why they change: the answer to one question about a plan.

use serde_json::{Map, Value, json};

use crate::model::{Origin, Position, ResourceKey};
use crate::plan::Action;

use super::Style;
use super::clean::{clean, value};
use super::paint::{Paint, paint, push};

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Dotted.
    pub name: String,
    /// The declared value, or of something that is deleted the one in the database.
    pub value: Option<Value>,
    /// The value in the database, where it is another one.
    pub before: Option<Option<Value>>,
    /// The layer that gives the declared value; `None` where nothing is declared.
    pub origin: Option<Origin>,
    /// Where the layer says so, if it is declared in a manifest.
    pub layer: Option<Position>,
}

/// One resource.
#[derive(Debug)]
pub struct Explained<'a> {
    /// The resource.
    pub key: &'a ResourceKey,
    /// Where it is declared.
    pub declared: Option<Position>,
    /// What the plan does to it.
    pub action: Option<&'a Action>,
    /// Whether it is in the database, no longer declared, and stays.
    pub undeclared: bool,
    /// Those that were asked for.
    pub fields: Vec<Field>,
}

impl Explained<'_> {
    /// What happens to it and why, in one line.
    fn plan_words(&self) -> String {
        match self.action {
            Some(action) => format!("{}: {}", action.kind.code(), action.reason),
            None if self.undeclared => {
                "none: it is in the database and no longer declared; it stays".to_owned()
            }
            None if self.declared.is_some() => "none: the database is as declared".to_owned(),
            None => "none".to_owned(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, style: &Style) -> String {
        let mut text = String::new();
        push(&mut text, &clean(&self.key.to_string()), Paint::Strong, style);
        let declared = match &self.declared {
            Some(position) => position.to_string(),
            None => "nowhere".to_owned(),
        };
        text.push_str(&format!(
            "\n  declared  {}\n  plan      {}\n",
            clean(&declared),
            clean(&self.plan_words())
        ));
        for field in &self.fields {
            text.push_str(&format!("\n  {}  ", paint(&clean(&field.name), Paint::Strong, style)));
            let shown = |value_of: &Option<Value>| match value_of {
                Some(inner) => value(inner),
                None => "(none)".to_owned(),
            };
            if let Some(before) = &field.before {
                push(&mut text, &shown(before), Paint::Removed, style);
                text.push_str(&format!(" {} ", style.arrow()));
            }
            text.push_str(&format!("{}\n", shown(&field.value)));
            for line in self.because(field) {
                text.push_str(&format!("    {}\n", clean(&line)));
            }
        }
        text
    }

    /// The layer, and what the database has instead.
    fn because(&self, field: &Field) -> Vec<String> {
        let at = |position: &Option<Position>| {
            position.as_ref().map_or(String::new(), |position| format!(", at {position}"))
        };
        let mut lines = Vec::new();
        match &field.origin {
            Some(Origin::Manifest(position)) => lines.push(format!("declared at {position}")),
            Some(Origin::Overlay(position)) => lines.push(format!("set by an overlay at {position}")),
            Some(Origin::Template(name)) if field.layer.is_none() => {
                lines.push(format!("given by the built-in template {name}"));
            }
            Some(Origin::Template(name)) => {
                lines.push(format!("given by the template {name}{}", at(&field.layer)));
            }
            Some(Origin::Workspace(name)) => {
                lines.push(format!("given by the workspace {name}{}", at(&field.layer)));
            }
            Some(Origin::Default) => lines.push("declared nowhere: the default".to_owned()),
            None => {}
        }
        let actor = self.action.and_then(|action| action.reason.actor());
        match (&field.before, actor) {
            (Some(_), Some((actor, at))) => lines.push(format!(
                "the database differs; role {actor} changed the row at {}",
                at.format("%Y-%m-%d %H:%M:%S UTC")
            )),
            (None, _)
                if field.origin.is_some() && self.action.is_none_or(|action| action.before.is_some()) =>
            {
                lines.push("the database has the same".to_owned());
            }
            _ => {}
        }
        lines
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let place = |position: &Position| json!({"file": &*position.file, "line": position.line, "column": position.column});
        let field = |field: &Field| {
            let mut one = Map::new();
            one.insert("path".into(), json!(field.name));
            one.insert("value".into(), json!(field.value));
            if let Some(before) = &field.before {
                one.insert("before".into(), json!(before));
            }
            let (layer, name, position) = match &field.origin {
                Some(Origin::Manifest(position)) => ("manifest", None, Some(position)),
                Some(Origin::Overlay(position)) => ("overlay", None, Some(position)),
                Some(Origin::Template(name)) => ("template", Some(name), field.layer.as_ref()),
                Some(Origin::Workspace(name)) => ("workspace", Some(name), field.layer.as_ref()),
                Some(Origin::Default) => ("default", None, None),
                None => ("none", None, None),
            };
            let mut origin = json!({"layer": layer});
            if let Some(name) = name {
                origin["name"] = json!(name);
            }
            if let Some(position) = position {
                origin["source"] = place(position);
            }
            one.insert("origin".into(), origin);
            Value::Object(one)
        };
        json!({
            "format_version": "1.0",
            "key": self.key.to_string(),
            "source": self.declared.as_ref().map(place),
            "action": self.action.map(|action| action.kind.code()),
            "reason": self.action.map(|action| json!({"code": action.reason.code(), "text": action.reason.to_string()})),
            "plan": self.plan_words(),
            "fields": self.fields.iter().map(field).collect::<Vec<_>>(),
        })
    }
}
