//! How operators are told of the facts in memory: in the text of `/metrics` and in what `/ready` says.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::domain::fact::{MemoryReport, MemoryState};

/// The lines for Prometheus. They are what is at this moment and are counted elsewhere.
pub fn metrics(report: &MemoryReport) -> String {
    let mut text = String::new();
    let mut metric = |name: &str, kind: &str, help: &str, values: &[(&str, f64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let states = MemoryState::ALL.map(|state| format!("{{state=\"{}\"}}", state.as_str()));
    let is_now = |state| if report.state == state { 1.0 } else { 0.0 };
    let values: Vec<_> = states.iter().map(String::as_str).zip(MemoryState::ALL.map(is_now)).collect();
    metric("rolekeeper_facts_state", "gauge", "1 for the state that the facts in memory are in.", &values);
    if let Some(lag) = report.lag {
        let help = "Time since the moment up to which the changes of others are known.";
        metric("rolekeeper_facts_lag_seconds", "gauge", help, &[("", lag.as_secs_f64())]);
    }
    #[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
    for (name, help, count) in [
        ("loads", "How often roles, permissions and settings were read from the store.", report.loads),
        ("session_hits", "How often an account and its token were in memory.", report.hits),
        ("session_misses", "How often they were not.", report.misses),
    ] {
        metric(&format!("rolekeeper_facts_{name}_total"), "counter", help, &[("", count as f64)]);
    }
    text
}

/// What `/ready` says of it.
pub fn readiness(report: &MemoryReport) -> Map<String, Value> {
    let mut fields = Map::from_iter([("facts".to_owned(), report.state.as_str().into())]);
    if let Some(lag) = report.lag {
        fields.insert("lagMillis".to_owned(), u64::try_from(lag.as_millis()).unwrap_or(u64::MAX).into());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_state_the_lag_and_the_counts_are_told() {
        let lag = Some(Duration::from_millis(1_500));
        let report = MemoryReport { state: MemoryState::Fallback, lag, loads: 3, hits: 2, misses: 1 };
        let text = metrics(&report);
        for line in [
            "rolekeeper_facts_state{state=\"warming\"} 0",
            "rolekeeper_facts_state{state=\"live\"} 0",
            "rolekeeper_facts_state{state=\"fallback\"} 1",
            "rolekeeper_facts_lag_seconds 1.5",
            "# TYPE rolekeeper_facts_loads_total counter",
            "rolekeeper_facts_loads_total 3",
            "rolekeeper_facts_session_hits_total 2",
            "rolekeeper_facts_session_misses_total 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        assert_eq!(Value::Object(readiness(&report)), serde_json::json!({"facts": "fallback", "lagMillis": 1_500}));
        let warming = MemoryReport { state: MemoryState::Warming, lag: None, ..report };
        assert!(!metrics(&warming).contains("lag"));
    }
}
