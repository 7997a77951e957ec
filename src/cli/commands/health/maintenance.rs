//! Which results fall into a maintenance window: those whose alert would be muted by it (M-S5).

use chrono::{DateTime, Utc};

use crate::engine::health::Labels;
use crate::kinds::maintenance_window::MaintenanceWindowSpec;
use crate::model::matcher::{Matcher, all_fit};
use crate::store::Listed;

/// The windows of the workspaces that were read.
#[derive(Default)]
pub struct Windows {
    windows: Vec<Window>,
}

struct Window {
    workspace: String,
    matchers: Vec<Matcher>,
    spec: MaintenanceWindowSpec,
}

impl Windows {
    /// Those that are declared. One that was written by hand and says nothing sensible is passed over.
    #[must_use]
    pub fn new(rows: &[Listed]) -> Self {
        let window = |row: &Listed| {
            let spec = row.canonical.get("spec").cloned().unwrap_or_default();
            let spec: MaintenanceWindowSpec = serde_json::from_value(spec).ok()?;
            let matchers = spec.matchers.iter().map(|text| text.parse().ok()).collect::<Option<_>>()?;
            Some(Window { workspace: row.key.workspace.to_string(), matchers, spec })
        };
        Self { windows: rows.iter().filter_map(window).collect() }
    }

    /// Whether a result with these labels falls into one. What belongs to no workspace is in no window: those are of
    /// workspaces.
    #[must_use]
    pub fn cover(&self, labels: &Labels, at: DateTime<Utc>) -> bool {
        let label = |name: &str| labels.get(name).map(String::as_str);
        let own = label("workspace").unwrap_or_default();
        self.windows.iter().filter(|window| window.workspace == own).any(|window| {
            all_fit(&window.matchers, label) && crate::alerts::window::opening(&window.spec, at).is_some()
        })
    }
}
