//! What is queued for nobody: messages whose channels are missing, off or gone.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use crate::engine::alerting::Untold;

/// Channels that messages are not told through, and that nothing stands in for: the message, workspace, channel and reason.
#[derive(Default)]
pub(super) struct Shut(pub(super) Vec<(Uuid, String, String, String)>);

impl Shut {
    /// How many messages of those that are new each channel does not tell.
    pub(super) fn count(self, new: &[Uuid]) -> Vec<Untold> {
        let new: HashSet<&Uuid> = new.iter().collect();
        let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
        for (id, workspace, channel, why) in self.0 {
            if new.contains(&id) {
                *counts.entry((workspace, channel, why)).or_default() += 1;
            }
        }
        let untold = |((workspace, channel, why), messages)| Untold { workspace, channel, why, messages };
        counts.into_iter().map(untold).collect()
    }
}
