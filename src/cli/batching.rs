//! What came of a batch, item by item: the part of its JSON that is like that of no other command.

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::engine::{self, Applied, LeftOut};
use crate::model::{Diagnostic, ResourceKey, Severity};
use crate::plan::Plan;
use crate::report::{clean, diagnostics};

use super::args::Format;
use super::context::Context;
use super::editing::Way;
use super::error::{CliError, ExitStatus};
use super::outcome::interrupted;
use super::planning::Planned;
use super::signals::Signals;
use super::writing::{self, Job, WriteArgs};

/// What failed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The resource, or where none is known the row: `clients.csv:500`.
    pub item: String,
    /// Why, with the place.
    pub error: String,
}

impl Failed {
    /// What and why, once.
    fn line(&self) -> String {
        let Self { item, error } = self;
        if error.contains(item.as_str()) { error.clone() } else { format!("{item}: {error}") }
    }
}

/// How many of what was left out are printed.
const MOST_LINES: usize = 20;

/// A batch that is under way.
pub struct Batch {
    /// The command, as it is recorded.
    pub command: &'static str,
    /// What is to be as the command says, or gone.
    pub asked: Vec<ResourceKey>,
    /// What was left out before there was a plan.
    pub failed: Vec<Failed>,
    /// Why, where that was found in a file.
    pub diagnostics: Vec<Diagnostic>,
    /// What is recorded with it.
    pub note: Option<String>,
    begun: Instant,
}

impl Batch {
    /// One that begins now.
    #[must_use]
    pub fn new(command: &'static str) -> Self {
        let (asked, failed, diagnostics) = (Vec::new(), Vec::new(), Vec::new());
        Self { command, asked, failed, diagnostics, note: None, begun: Instant::now() }
    }

    /// Notes rows that cannot be used, one item for each row.
    pub fn leave_out(&mut self, diagnostics: Vec<Diagnostic>) {
        self.failed.extend(by_item(&diagnostics));
        self.diagnostics.extend(diagnostics);
    }

    /// Plans, unless the user stops it, and does what is planned. What is asked of manifests is done by then.
    ///
    /// # Errors
    /// Whatever planning finds, or that guards refuse, the user declines, or the database does not take it. Nothing was changed.
    pub async fn run(
        mut self,
        context: &Context,
        write: &WriteArgs,
        plan: impl AsyncFnOnce(&mut Self, &Signals) -> Result<Way, CliError>,
    ) -> Result<ExitStatus, CliError> {
        let signals = Signals::listen()?;
        let planned = tokio::select! {
            biased;
            () = engine::Interrupt::requested(&signals) => Err(interrupted(&signals)),
            planned = plan(&mut self, &signals) => planned,
        };
        match planned {
            Ok(Way::Planned(planned)) => self.perform(context, write, &planned, &signals).await,
            Ok(Way::Written(done)) => Ok(done.status),
            Err(error) => Err(self.dressed(error)),
        }
    }

    /// Shows the plan, asks, executes it, and says what came of each item.
    ///
    /// # Errors
    /// Guards refuse, the user declines, or the database does not take it. Nothing was changed.
    async fn perform(
        self,
        context: &Context,
        write: &WriteArgs,
        planned: &Planned,
        signals: &Signals,
    ) -> Result<ExitStatus, CliError> {
        if !self.diagnostics.is_empty() {
            context.printer.diagnostics(&self.diagnostics);
        }
        let job = Job { note: self.recorded_note(), ..Job::new(self.command, write, planned) };
        let is_partly = !self.failed.is_empty() && !write.dry_run;
        let dress = |value: &mut Value, applied: Option<(&Applied, Uuid)>| {
            self.dress(value, &planned.plan, applied);
            if is_partly {
                value["partly"] = json!(true);
            }
        };
        let done = match writing::perform_with(context, &job, signals, &dress).await {
            Ok(done) => done,
            Err(error) => return Err(self.dressed(error)),
        };
        let json = context.global.format == Format::Json;
        if !self.failed.is_empty() {
            context.printer.note(&format!("{}:", self.left_out_words()));
            for failed in self.failed.iter().take(MOST_LINES) {
                context.printer.note(&format!("  {}", clean::clean(&failed.line())));
            }
            if self.failed.len() > MOST_LINES {
                context.printer.note(&format!("  and {} more", self.failed.len() - MOST_LINES));
            }
        }
        if let (Some(applied), false) = (&done.applied, json) {
            let revision = applied.revision;
            context.printer.note(&format!(
                "synthex batch show {revision} shows it, synthex batch rollback {revision} takes it back."
            ));
        }
        let partly = is_partly && done.status == ExitStatus::Success;
        Ok(if partly { ExitStatus::Partly } else { done.status })
    }

    /// `2 items were left out`
    fn left_out_words(&self) -> String {
        match self.failed.len() {
            1 => "1 item was left out".to_owned(),
            many => format!("{many} items were left out"),
        }
    }

    /// What goes on record: also how many were left out before there was a plan, and the first of them.
    fn recorded_note(&self) -> Option<String> {
        const MOST: usize = 5;
        if self.failed.is_empty() {
            return self.note.clone();
        }
        let named: Vec<&str> = self.failed.iter().take(MOST).map(|failed| failed.item.as_str()).collect();
        let more = if self.failed.len() > MOST { ", and others" } else { "" };
        let words = format!("{}: {}{more}", self.left_out_words(), named.join(", "));
        Some(self.note.as_ref().map_or(words.clone(), |note| format!("{note}; {words}")))
    }

    /// Adds what came of each item.
    fn dress(&self, value: &mut Value, plan: &Plan, applied: Option<(&Applied, Uuid)>) {
        let mut failed = self.failed.clone();
        let mut missed = HashSet::new();
        if let Some((applied, _)) = applied {
            let mut places: Vec<(&usize, &LeftOut)> = applied.left_out.iter().collect();
            places.sort_unstable_by_key(|(index, _)| **index);
            for (index, left) in places {
                let Some(action) = plan.actions.get(*index) else { continue };
                let (LeftOut::Failed(why) | LeftOut::Skipped(why)) = left;
                missed.insert(&action.key);
                let place =
                    action.position.as_ref().map_or(String::new(), |position| format!("{position}: "));
                failed.push(Failed { item: action.key.to_string(), error: format!("{place}{why}") });
            }
        }
        let successful: Vec<String> =
            self.asked.iter().filter(|key| !missed.contains(key)).map(ToString::to_string).collect();
        let total = successful.len() + failed.len();
        self.fill(value, successful, &failed, total);
        value["operationId"] = json!(applied.map(|(_, id)| id.to_string()));
        if !self.diagnostics.is_empty() {
            value["diagnostics"] = json!(diagnostics::json(&self.diagnostics));
        }
    }

    fn fill(&self, value: &mut Value, successful: Vec<String>, failed: &[Failed], total: usize) {
        let item = |failed: &Failed| json!({"item": failed.item, "error": failed.error});
        let count = successful.len();
        value["successful"] = successful.into();
        value["failed"] = failed.iter().map(item).collect();
        value["total"] = json!(total);
        value["successCount"] = json!(count);
        value["failureCount"] = json!(failed.len());
        value["duration"] = json!(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        value["operationId"] = Value::Null;
    }

    /// An error in the shape of a batch of which nothing came. What is neither successful nor failed was not tried.
    #[must_use]
    fn dressed(&self, mut error: CliError) -> CliError {
        let mut failed = self.failed.clone();
        failed.extend(by_item(&error.diagnostics));
        let mut outcome =
            error.outcome.take().map_or_else(|| json!({"format_version": "1.0"}), |outcome| *outcome);
        if failed.is_empty() {
            let changes = outcome["changes"].as_array().into_iter().flatten();
            failed.extend(changes.filter(|change| change["outcome"] != "applied").filter_map(|change| {
                let text = |field: &str| change[field].as_str().map(str::to_owned);
                let kind = crate::kinds::find(&text("kind")?)?;
                let key = ResourceKey::new(kind, text("workspace")?.into(), &text("name")?);
                Some(Failed { item: key.to_string(), error: text("why")? })
            }));
        }
        if failed.is_empty() {
            let one = Some(&error.what).filter(|_| error.code == "declared" && error.also.is_empty());
            failed.extend(error.also.iter().chain(one).filter_map(|line| {
                let first = line.split(' ').next().filter(|word| word.contains('/'));
                let item = first.or_else(|| line.split('`').nth(1))?;
                Some(Failed { item: item.trim_end_matches(':').to_owned(), error: line.clone() })
            }));
        }
        if failed.is_empty() {
            let why = error.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
            let words = format!("{}{why}", error.what);
            let asked: Vec<String> = self.asked.iter().map(ToString::to_string).collect();
            let said: HashSet<&str> =
                words.split(' ').map(|word| word.trim_end_matches([':', ',', ';', ')', '.'])).collect();
            // What names some of them is about these alone; the others were not tried.
            let names_some = asked.iter().any(|key| said.contains(key.as_str()));
            let meant = asked.into_iter().filter(|key| !names_some || said.contains(key.as_str()));
            failed.extend(meant.map(|item| Failed { item, error: words.clone() }));
            if self.asked.is_empty() {
                failed.push(Failed { item: "(all)".to_owned(), error: words });
            }
        }
        let named: HashSet<&str> = failed.iter().map(|failed| failed.item.as_str()).collect();
        let others = self.asked.iter().filter(|key| !named.contains(key.to_string().as_str())).count();
        let total = failed.len() + others;
        self.fill(&mut outcome, Vec::new(), &failed, total);
        error.outcome = Some(Box::new(outcome));
        error
    }
}

/// Errors as items: one for each resource, or row where none is known.
#[must_use]
pub fn by_item(diagnostics: &[Diagnostic]) -> Vec<Failed> {
    let mut order = Vec::new();
    let mut items: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for diagnostic in diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error) {
        let row = diagnostic.position.as_ref().map(|position| format!("{}:{}", position.file, position.line));
        let item = diagnostic.resource.clone().or(row).unwrap_or_else(|| "(all)".to_owned());
        let place = diagnostic.position.as_ref().map_or(String::new(), |position| format!("{position}: "));
        if !items.contains_key(&item) {
            order.push(item.clone());
        }
        items.entry(item).or_default().push(format!("{place}{}", diagnostic.message));
    }
    let failed = |item: String| {
        let error = items.get(&item).map(|errors| errors.join("; ")).unwrap_or_default();
        Failed { item, error }
    };
    order.into_iter().map(failed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Position;

    #[test]
    fn problems_of_one_row_are_one_item() {
        let at = |line, message: &str| {
            Diagnostic::error("SX0156", message).at(Position { file: "a.csv".into(), line, column: 3 })
        };
        let found = [at(2, "one").about("tenant/w/A"), at(2, "two").about("tenant/w/A"), at(9, "three")];
        let failed = by_item(&found);
        assert_eq!(failed.len(), 2);
        assert_eq!((&*failed[0].item, &*failed[0].error), ("tenant/w/A", "a.csv:2:3: one; a.csv:2:3: two"));
        assert_eq!(failed[1].item, "a.csv:9");
    }
}
