//! The lines of a section after the first.

use crate::action::record::{Before, Effect};
use crate::plan::Entry;
use crate::value::Report;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Written before a step: the actions, with the state before them.
    Intent(Vec<(Entry, Before)>),
    /// Written after a step: one effect for each action. None for an action that failed or was not tried.
    Effect(Vec<Option<Effect>>),
    /// The last line of an ADD: the result.
    Complete(Report),
    /// Written by the DEL of another attachment, at any time.
    Inherit(Inherited),
}

/// An earlier record of another attachment was undone, whose value this action replaced or relies on. The value before
/// that record is now the one before this action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// The step of the section, counted from 0.
    pub step: usize,
    /// The action of the step, counted from 0.
    pub action: usize,
    /// What the effect of the action counts as.
    pub effect: Effect,
}

/// A line that was read. Values that cannot be parsed are none.
#[derive(Debug)]
pub enum Read {
    /// See [`Record::Intent`].
    Intent(Vec<Option<(Entry, Before)>>),
    /// See [`Record::Effect`].
    Effect(Vec<Option<Effect>>),
    /// See [`Record::Complete`].
    Complete(Report),
    /// See [`Record::Inherit`]. None if it cannot be parsed.
    Inherit(Option<Inherited>),
}

/// The same line, with values that are parsed later, one by one.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rough {
    Intent(Vec<(Value, Value)>),
    Effect(Vec<Option<Value>>),
    Complete(Report),
    Inherit(Value),
}

/// Reads a line. A value that cannot be parsed does not make the whole section unusable. If it is a state or an effect,
/// it counts as unknown. If it is an action, only this action is not undone.
pub fn read(line: &[u8]) -> Result<Read, serde_json::Error> {
    match serde_json::from_slice(line) {
        Ok(Record::Intent(intent)) => Ok(Read::Intent(intent.into_iter().map(Some).collect())),
        Ok(Record::Effect(effects)) => Ok(Read::Effect(effects)),
        Ok(Record::Complete(report)) => Ok(Read::Complete(report)),
        Ok(Record::Inherit(inherited)) => Ok(Read::Inherit(Some(inherited))),
        Err(_) => read_each(line, value, value, |_, read| value(read)),
    }
}

/// Reads a line value by value, with one reader for each type. The entry is read before its state. The reader of
/// effects gets the effect's position.
pub fn read_each(
    line: &[u8],
    entry: impl Fn(Value) -> Option<Entry>,
    before: impl Fn(Value) -> Option<Before>,
    effect: impl Fn(usize, Value) -> Option<Effect>,
) -> Result<Read, serde_json::Error> {
    Ok(match serde_json::from_slice(line)? {
        Rough::Intent(intent) => Read::Intent(
            intent
                .into_iter()
                .map(|(read, found)| {
                    let (entry, before) = (noted(entry(read)), before(found));
                    Some((entry?, before.unwrap_or(Before::Unknown)))
                })
                .collect(),
        ),
        Rough::Effect(effects) => Read::Effect(
            effects
                .into_iter()
                .enumerate()
                .map(|(place, read)| Some(effect(place, read?).unwrap_or(Effect::Unclear)))
                .collect(),
        ),
        Rough::Complete(report) => Read::Complete(report),
        Rough::Inherit(inherited) => Read::Inherit(value(inherited)),
    })
}

/// The effects of the actions that could be parsed.
pub fn of_readable(intent: &[Option<(Entry, Before)>], effects: Vec<Option<Effect>>) -> Vec<Option<Effect>> {
    let effects = effects.into_iter().chain(std::iter::repeat(None));
    intent.iter().zip(effects).filter(|(entry, _)| entry.is_some()).map(|(_, effect)| effect).collect()
}

/// Parses a value from its text, so that every type needs only one parser.
pub(super) fn value<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::to_vec(&value).ok().and_then(|text| serde_json::from_slice(&text).ok())
}

fn noted(entry: Option<Entry>) -> Option<Entry> {
    if entry.is_none() {
        tracing::warn!("an action in a journal makes no sense: it is not undone");
    }
    entry
}
