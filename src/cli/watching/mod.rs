//! The controller's tasks put together with the edges: database, files, providers, channels. What a task decides is in
//! `watch`, `engine` and `alerts`; here it gets its connections and its services.

mod alerts;
mod delivery;
pub mod desk;
pub mod endpoints;
mod health;
pub mod heartbeat;
pub mod leading;
mod line;
pub mod listening;
pub mod reconcile;
mod renewal;
pub mod source;
mod source_args;
pub mod upkeep;

use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use crate::engine::StateError;
use crate::engine::watching::Realm;
use crate::store::ConnectOptions;
use crate::watch::http::Vitals;

use super::context::Context;

pub use alerts::AlertsTask;
pub use delivery::DeliveryTask;
pub use health::HealthTask;
pub use line::Line;
pub use renewal::RenewalTask;
pub use source_args::GitArgs;
pub use upkeep::UpkeepTask;

/// What every task of a controller gets.
pub struct Station<'c> {
    /// Options, environment, clock.
    pub context: &'c Context,
    /// How to connect to the database.
    pub options: ConnectOptions,
    /// The folder that paths of secrets start from: that of the project file.
    pub folder: PathBuf,
    /// This run of the controller: it claims work under this id.
    pub replica: Uuid,
    /// The project.
    pub project: String,
    /// The environment of the project; empty where it has none.
    pub environment: String,
    /// Whether nothing is corrected, and only said.
    pub only_observes: bool,
    /// Where its endpoints are.
    pub listen: Option<String>,
    /// What the endpoints are told.
    pub vitals: Arc<Vitals>,
    /// Why this program is too old for the database, once it is: then it ends, and changes nothing any more (S20).
    pub outdated: std::sync::OnceLock<StateError>,
    /// Whether everything is to be read anew, whatever it looks like.
    pub reload: std::sync::atomic::AtomicBool,
}

impl Station<'_> {
    /// Whose books it keeps.
    #[must_use]
    pub fn realm(&self) -> Realm {
        Realm { project: self.project.clone(), environment: self.environment.clone() }
    }
}
