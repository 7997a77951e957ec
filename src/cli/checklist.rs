//! The setup steps of a tenant's template as a checklist: which are done, when and by whom.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::kinds::tenant_template;
use crate::report::{clean, time};
use crate::store::{DoneStep, Listed};

/// The steps of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checklist {
    /// The template that gives the steps.
    pub template: Option<String>,
    /// What the template says now, and what is done of it.
    pub steps: Vec<(String, Option<DoneStep>)>,
    /// Whether that template is there no more.
    pub is_orphan: bool,
    /// What was done and is a step no more.
    pub former: Vec<DoneStep>,
}

impl Checklist {
    /// Puts it together from a tenant, all templates that are stored, and what is done.
    #[must_use]
    pub fn new(tenant: &Listed, templates: &[Listed], usual: Option<&str>, done: Vec<DoneStep>) -> Self {
        let name = tenant.canonical.pointer("/spec/template").and_then(Value::as_str);
        let spec = name.and_then(|name| spec_of(name, &tenant.key.workspace, templates, usual));
        let texts = spec.as_ref().and_then(|spec| spec.get("setupSteps")).and_then(Value::as_array);
        let texts: Vec<String> =
            texts.into_iter().flatten().filter_map(|step| step.as_str().map(str::to_owned)).collect();
        let former = done.iter().filter(|done| !texts.contains(&done.step)).cloned().collect();
        let find = |text: &str| done.iter().find(|done| done.step == text).cloned();
        let steps = texts.into_iter().map(|text| (text.clone(), find(&text))).collect();
        let is_orphan = name.is_some() && spec.is_none();
        Self { template: name.map(str::to_owned), steps, is_orphan, former }
    }

    /// How many are done.
    #[must_use]
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|(_, done)| done.is_some()).count()
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let of = |done: &DoneStep| json!({"step": done.step, "doneAt": done.at, "doneBy": done.by});
        let steps = self.steps.iter().enumerate().map(|(index, (step, done))| {
            json!({
                "number": index + 1,
                "step": step,
                "done": done.is_some(),
                "doneAt": done.as_ref().map(|done| done.at),
                "doneBy": done.as_ref().map(|done| &done.by),
            })
        });
        json!({
            "template": self.template,
            "templateDeleted": self.is_orphan,
            "total": self.steps.len(),
            "done": self.done(),
            "steps": steps.collect::<Vec<_>>(),
            "formerSteps": self.former.iter().map(of).collect::<Vec<_>>(),
        })
    }

    /// As text, a line for each step; empty where there are none.
    #[must_use]
    pub fn text(&self, now: DateTime<Utc>) -> String {
        let by = |done: &DoneStep| format!("{}, by {}", time::instant(done.at, now), clean::clean(&done.by));
        let mut text = String::new();
        if let (Some(template), true) = (&self.template, self.is_orphan) {
            let template = clean::clean(template);
            text.push_str(&format!(
                "Setup steps: not known, since template `{template}` is deleted; `synthex restore` brings it back\n"
            ));
        }
        if !self.steps.is_empty() {
            text.push_str(&format!("Setup steps: {} of {} done\n", self.done(), self.steps.len()));
        }
        for (index, (step, done)) in self.steps.iter().enumerate() {
            let mark = if done.is_some() { 'x' } else { ' ' };
            text.push_str(&format!("  [{mark}] {}. {}\n", index + 1, clean::clean(step)));
            if let Some(done) = done {
                text.push_str(&format!("         done {}\n", by(done)));
            }
        }
        for done in &self.former {
            let step = clean::clean(&done.step);
            text.push_str(&format!(
                "  [x] {step}\n         done {}; no step of the template any more\n",
                by(done)
            ));
        }
        text
    }
}

/// The template that a tenant of a workspace means by a name: its own workspace's, then the default workspace's, then the
/// built-in one.
#[must_use]
pub fn spec_of(name: &str, workspace: &str, templates: &[Listed], usual: Option<&str>) -> Option<Value> {
    let stored = [Some(workspace), usual].into_iter().flatten().find_map(|place| {
        let row = templates.iter().find(|row| *row.key.name == *name && *row.key.workspace == *place)?;
        row.canonical.get("spec").cloned()
    });
    stored.or_else(|| {
        tenant_template::builtin().into_iter().find(|(known, _)| *known == name).map(|(_, spec)| spec)
    })
}
