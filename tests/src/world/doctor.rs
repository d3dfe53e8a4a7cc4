//! What `portal doctor` finds in a world: its verdicts by the names of the findings, as `--json` tells them.

use std::collections::BTreeMap;

use super::{World, program};

/// What was found: the verdict on each thing, by its name.
pub type Verdicts = BTreeMap<String, String>;

impl World {
    /// Lets the portal look at this world. Returns whether it found no problem, and each verdict.
    ///
    /// # Panics
    /// If it says nothing that can be read.
    pub async fn doctor(&self) -> (bool, Verdicts) {
        let (is_well, said) = program::outcome("portal", &self.config(), &["doctor", "--json"]).await;
        let first = said.lines().next().unwrap_or_default();
        let told: serde_json::Value = serde_json::from_str(first).unwrap_or_else(|error| panic!("{error}: {said}"));
        let findings = told["findings"].as_array().unwrap_or_else(|| panic!("no findings: {said}"));
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned).unwrap_or_default();
        let verdicts = findings.iter().map(|finding| (text(&finding["name"]), text(&finding["verdict"])));
        (is_well, verdicts.collect())
    }
}
