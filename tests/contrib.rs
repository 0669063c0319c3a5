//! The files in `contrib/` only name metrics that exist. `contrib/check.sh` lets promtool check the rest.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;
use signl4_rocketchat::telemetry::METRICS;

const RULES: &str = include_str!("../contrib/prometheus-rules.yml");
const RULE_TESTS: &str = include_str!("../contrib/prometheus-rules.test.yml");
const DASHBOARD: &str = include_str!("../contrib/grafana-dashboard.json");
const UNIT: &str = include_str!("../contrib/signl4-rocketchat.service");

fn named(text: &str) -> BTreeSet<&str> {
    let names = Regex::new("signl4_bot_[a-z0-9_]+").unwrap();
    names.find_iter(text).map(|name| name.as_str().trim_end_matches("_bucket")).collect()
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_the_bot_has() {
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    for text in [RULES, RULE_TESTS, DASHBOARD] {
        let unknown: BTreeSet<&str> = &named(text) - &known;
        assert_eq!(unknown, BTreeSet::new());
    }
}

#[test]
fn the_dashboard_shows_every_metric_that_is_not_only_for_rules() {
    let shown = named(DASHBOARD);
    let hidden: Vec<&str> =
        METRICS.iter().map(|metric| metric.name).filter(|name| !shown.contains(name)).collect();
    assert_eq!(hidden, ["signl4_bot_standby", "signl4_bot_store_up"]);
}

#[test]
fn no_two_panels_of_the_dashboard_overlap() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let grid = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().unwrap();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        let (x, y, w, h) = (grid(panel, "x"), grid(panel, "y"), grid(panel, "w"), grid(panel, "h"));
        assert!(x + w <= 24, "{}", panel["title"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} overlaps another panel", panel["title"]);
        }
    }
}

/// /bin/kill, for one, is missing if Debian's procps is not installed.
#[test]
fn the_unit_starts_nothing_but_the_bot_and_the_shell() {
    let commands = UNIT.lines().filter_map(|line| line.strip_prefix("Exec")?.split_once('='));
    let programs: BTreeSet<&str> =
        commands.filter_map(|(_, command)| command.split_whitespace().next()).collect();
    assert_eq!(programs, BTreeSet::from(["/bin/sh", "/usr/bin/signl4-rocketchat"]));
}
