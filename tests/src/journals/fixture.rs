//! A journal of version 1, as it was written.

use crate::Machine;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines of JSON; the first is the header.
#[derive(Debug, Clone)]
pub struct Fixture {
    /// For messages: `bridge/killed`.
    pub name: String,
    lines: Vec<(String, Value)>,
}

impl Fixture {
    /// Reads the lines.
    ///
    /// # Panics
    ///
    /// If a line is no JSON.
    pub fn parse(name: &str, text: &str) -> Self {
        let value = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{name}: {line}: {e}"));
        let lines = text.lines().map(|line| (line.to_owned(), value(line))).collect();
        Fixture { name: name.to_owned(), lines }
    }

    /// How many lines there are, with the header.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The first lines: the journal of a process that died at the next one.
    pub fn first(&self, count: usize) -> Fixture {
        Fixture { name: format!("{} to line {count}", self.name), lines: self.lines[..count].to_vec() }
    }

    /// The kind of a line: `intent`, `effect`, `complete`; empty for the header.
    pub fn record(&self, line: usize) -> &str {
        let record = self.lines[line - 1].1.as_object().and_then(|record| record.keys().next());
        record.map(String::as_str).filter(|_| line > 1).unwrap_or_default()
    }

    /// The lines of that kind, counted from 1.
    pub fn lines_of(&self, record: &str) -> Vec<usize> {
        (2..=self.len()).filter(|line| self.record(*line) == record).collect()
    }

    /// The members of an intent (an entry and the state before it) or of an effect.
    pub fn members(&self, line: usize) -> &[Value] {
        let value = &self.lines[line - 1].1[self.record(line)];
        value.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The same with a line replaced.
    pub fn with(&self, line: usize, value: Value) -> Fixture {
        let mut changed = self.clone();
        changed.lines[line - 1] = (value.to_string(), value);
        changed
    }

    /// The kinds of an intent's actions, each with the state before it, such as `add-address absent`.
    pub fn actions(&self, line: usize) -> Vec<(String, String)> {
        let action = |pair: &Value| (tag(&pair[0]["action"]), tag(&pair[1]));
        self.members(line).iter().map(action).collect()
    }

    /// Every action with its effect; none if the process ended before it wrote the effect.
    pub fn effects(&self) -> Vec<(String, String, Option<String>)> {
        let mut all = Vec::new();
        for line in self.lines_of("intent") {
            let has_effect = line < self.len() && self.record(line + 1) == "effect";
            let effects = if has_effect { self.members(line + 1) } else { &[] };
            for (index, (action, before)) in self.actions(line).into_iter().enumerate() {
                all.push((action, before, effects.get(index).map(tag)));
            }
        }
        all
    }

    /// Every old value, before an action or replaced by it, with the action's kind.
    pub fn old_values(&self) -> Vec<(String, String)> {
        let mut values = Vec::new();
        for line in self.lines_of("intent") {
            let has_effect = line < self.len() && self.record(line + 1) == "effect";
            let effects = if has_effect { self.members(line + 1) } else { &[] };
            for (index, pair) in self.members(line).iter().enumerate() {
                let old =
                    [pair[1].get("value"), effects.get(index).and_then(|effect| effect.get("replaced"))];
                let old = old.into_iter().flatten().filter_map(Value::as_str);
                values.extend(old.map(|old| (tag(&pair[0]["action"]), old.to_owned())));
            }
        }
        values
    }

    /// As text, with current identities in place of the recorded ones: the container's namespace, and the links by
    /// their names. Everything else follows from the attachment, and is unchanged.
    pub fn patched(&self, machine: &Machine, netns_id: &Value) -> String {
        let mut indexes = Indexes::default();
        let mut text = String::new();
        for (number, (line, value)) in self.lines.iter().enumerate() {
            let mut value = value.clone();
            let is_patched = if number == 0 {
                value["netns_id"] = netns_id.clone();
                let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
                value["created"] = u64::try_from(now.as_nanos()).expect("it is before 2500").into();
                true
            } else {
                let netns = self.lines[0].1["netns"].as_str().unwrap_or_default();
                links(&mut value).fold(false, |_, link| {
                    link["index"] = indexes.of(machine, netns, &link["link"]).into();
                    true
                })
            };
            text += &if is_patched { value.to_string() } else { line.clone() };
            text.push('\n');
        }
        text
    }

    /// The same for any machine and time, to compare two journals.
    pub fn anonymous(&self) -> Vec<Value> {
        let mut values: Vec<Value> = self.lines.iter().map(|(_, value)| value.clone()).collect();
        for value in &mut values {
            for key in ["netns_id", "created", "plugins"] {
                value.as_object_mut().expect("a line is an object").remove(key);
            }
            links(value).for_each(|link| link["index"] = Value::Null);
            without_stamps(value);
        }
        values
    }
}

/// The name of a variant, as serde writes it.
pub fn tag(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(object) => object.keys().next().cloned().unwrap_or_default(),
        _ => "null".to_owned(),
    }
}

/// The link identities in a line.
fn links(line: &mut Value) -> impl Iterator<Item = &mut Value> {
    let effects = line.get_mut("effect").and_then(Value::as_array_mut).into_iter().flatten();
    let created = effects.filter_map(|effect| effect.get_mut("created-links").and_then(Value::as_array_mut));
    created.flatten()
}

/// The kernel's message of an address ends with its creation and change time (`struct ifa_cacheinfo`): eight bytes, in
/// hexadecimal.
fn without_stamps(value: &mut Value) {
    match value {
        Value::String(text) => {
            let message = text.split_once("/").and_then(|(_, rest)| rest.split_once(' '));
            if message
                .is_some_and(|(_, digits)| digits.len() > 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                text.truncate(text.len() - 16);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_stamps),
        Value::Object(object) => object.values_mut().for_each(without_stamps),
        _ => {}
    }
}

/// The indexes of links, by namespace and name.
#[derive(Default)]
struct Indexes(BTreeMap<String, String>);

impl Indexes {
    fn of(&mut self, machine: &Machine, netns: &str, link: &Value) -> u32 {
        let enter = match link["netns"].as_str() {
            Some("host") => String::new(),
            _ => format!("nsenter --net={netns} "),
        };
        let listed =
            self.0.entry(enter).or_insert_with_key(|enter| machine.sh(&format!("{enter}ip -o link")));
        let name = link["name"].as_str().expect("a link has a name");
        let found = listed.lines().find_map(|line| {
            let (index, rest) = line.split_once(": ")?;
            let found = rest.split([':', '@']).next()?;
            (found == name).then(|| index.parse().ok())?
        });
        found.unwrap_or_else(|| panic!("there is no link {name}: {listed}"))
    }
}
