//! The policy file.

use std::path::Path;
use std::sync::Arc;
use toml::{Table, Value};
use wasm_cni::cni::{Config, Request, config};
use wasm_cni::plan::{self, DraftPlan};
use wasm_cni::planning::CEILINGS;
use wasm_cni::policy::violation::{Remedy, remedy};
use wasm_cni::policy::{Capability, Policy, PolicyError, Violation};
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::NetworkName;

const PLAN: &str = include_str!("../../plans/everything.json");
/// Names nothing of what the plan needs.
const CONFIG: &str = r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "other", "ipam": {"type": "host-local"}}"#;

/// Reads a policy. One that is understood means the same however it is written, and the lines that a refusal by it tells leave
/// nothing that such lines could allow.
///
/// # Panics
/// If the parser does; if an error has no place in the file; if one of the above does not hold.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let policy = match parse(text) {
        Ok(policy) => policy,
        Err(error) => return check_place(text, &error),
    };
    let table: Table = toml::from_str(text).expect("what is understood is TOML");
    let again = parse(&rendered(&table)).unwrap_or_else(|error| panic!("{error}\n{}", rendered(&table)));
    assert_eq!(again.content, policy.content, "{}", rendered(&table));

    let (config, request) = walkthrough();
    let (is_allowed, refused) = violations(&policy, &request, &config);
    look_at(&policy, &request, text);
    let Some(lines) = remedy(&refused, &request.attachment.network) else { return };
    let more = parse(&rendered(&joined(table, &lines))).unwrap_or_else(|error| panic!("{error}\n{lines}"));
    let (is_allowed_now, left) = violations(&more, &request, &config);
    // What is refused is told without what only audit mode lets through.
    for left in left.iter().filter(|_| is_allowed || !is_allowed_now) {
        assert!(!matches!(left.refusal.remedy, Remedy::Allow(..)), "{left:?} in spite of\n{lines}");
    }
}

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(Path::new("policy.toml"), text.to_owned(), &CEILINGS)
}

fn check_place(text: &str, error: &PolicyError) {
    let PolicyError::Wrong { line, column, reason, .. } = error else { panic!("{error}: no place") };
    let lines: Vec<&str> = text.split('\n').collect();
    let there = line.checked_sub(1).and_then(|line| lines.get(line));
    let there = there.unwrap_or_else(|| panic!("{error}: there is no such line"));
    assert!((1..=there.chars().count() + 1).contains(column), "{error}: there is no such column");
    assert!(!reason.is_empty() && !reason.contains('\n'), "{error:?}");
}

fn walkthrough() -> (Config, Request) {
    let config = config::decode(CONFIG.as_bytes()).expect("a configuration");
    let request = crate::case::request(&config).expect("a request");
    (config, request)
}

/// Whether a policy allows the plan, with what it refuses, or with what it only tells.
fn violations(policy: &Policy, request: &Request, config: &Config) -> (bool, Vec<Violation>) {
    let plan: DraftPlan = serde_json::from_str(PLAN).expect("a plan");
    let grants = reference::grants(
        request,
        config,
        None,
        &Arc::new(policy.clone()),
        &Identity::named(&request.plugin),
    );
    match plan::check(plan, &[], &grants, &[]) {
        Ok(plan) => (true, plan.tolerated().to_vec()),
        Err(violations) => (false, violations),
    }
}

/// What `policy check` and `inspect` show.
fn look_at(policy: &Policy, request: &Request, text: &str) {
    let lines = text.matches('\n').count() + 1;
    let networks: [Option<&NetworkName>; 2] = [None, Some(&request.attachment.network)];
    for rules in networks.map(|network| policy.rules(&request.plugin, network)) {
        for (_, line) in [rules.lists(false), rules.lists(true)].concat() {
            assert!((1..=lines).contains(&line.number), "{line:?}");
        }
        drop((rules.mode(), rules.limits(), rules.pins()));
        for capability in Capability::ALL {
            assert!(rules.denied(capability).is_none_or(|line| (1..=lines).contains(&line.number)));
        }
    }
}

/// A policy with more rules.
fn joined(mut table: Table, lines: &str) -> Table {
    let more: Table = toml::from_str(lines).expect("what is told is TOML");
    let rules = |table: &Table| table.get("rule").and_then(Value::as_array).cloned().unwrap_or_default();
    let all = [rules(&table), rules(&more)].concat();
    table.insert("rule".to_owned(), Value::Array(all));
    table
}

/// TOML in one line for each key.
fn rendered(table: &Table) -> String {
    table.iter().map(|(key, value)| format!("{} = {}\n", quoted(key), inline(value))).collect()
}

fn inline(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::String(text) => quoted(text),
        Value::Array(values) => format!("[{}]", all(values.iter().map(inline).collect())),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| format!("{} = {}", quoted(key), inline(value)));
            format!("{{{}}}", all(entries.collect()))
        }
        Value::Integer(number) => number.to_string(),
        Value::Boolean(on) => on.to_string(),
        // No policy has one.
        Value::Float(_) | Value::Datetime(_) => panic!("{value:?} was understood"),
    }
}

/// A JSON string is a basic string of TOML, but for DEL.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}
