//! Steps without a mistake: a false alarm on these would be one on everybody's.

use std::collections::BTreeSet;

use msa_tests::generate::Recipe;
use msa_tests::{hazards, recorded};

use super::{report, requests};
use crate::inspect::warnings::Level;
use crate::inspect::{page, terminal};

#[test]
fn golden_traces_raise_no_alarm() {
    for (name, trace) in recorded::golden() {
        let report = report(trace);
        let alarms = report.warnings.iter().filter(|warning| warning.level > Level::Note);
        let alarms: Vec<&str> = alarms.map(|warning| warning.lint).collect();
        // These lists are hostile on purpose.
        if !name.contains("given_ids") {
            assert_eq!(alarms, [""; 0], "{name}");
        }
    }
}

#[test]
fn generated_steps_raise_no_alarm() {
    for batch in [&[(1, 4096); 8][..], &[(4, 1000), (8, 127)], &[(300, 0), (1, 5000), (200, 900)]] {
        let recipe = Recipe {
            requests: requests(batch),
            heads: 4,
            kv_heads: 4,
            layers: 2,
            layer_idx: 1,
            shared_blocks: 3,
            ..Recipe::default()
        };
        let found = report(recipe.trace()).warnings;
        assert!(found.is_empty(), "{found:?}");
    }
}

/// Hazards are legal steps, most of which would be a mistake of an engine's.
#[test]
fn every_hazard_can_be_shown() {
    let mut found = BTreeSet::new();
    for hazard in hazards::all() {
        for trace in (hazard.steps)() {
            let report = report(trace);
            assert!(terminal::text(&report).lines().count() > 10, "{}", hazard.name);
            assert!(page::html(&report).expect("numbers are JSON").contains("</html>"));
            found.extend(report.warnings.into_iter().map(|warning| warning.lint));
        }
    }
    for lint in ["id-repeated", "id-past-blocks", "nonfinite-keys", "empty-request"] {
        assert!(found.contains(lint), "{found:?}");
    }
}
