//! The records of a journal: each action with what is known about it.

use super::journal::Step;
use crate::action::record::{Done, Effect, Record};

/// The actions of a step, each with what is known about it.
pub fn records(step: &Step) -> impl Iterator<Item = Record<'_>> {
    step.intent.iter().enumerate().map(|(index, (entry, before))| {
        let done = match &step.effects {
            None => Done::Unknown(before),
            Some(effects) => match effects.get(index) {
                Some(Some(Effect::Unclear)) => Done::Unknown(before),
                Some(Some(effect)) => Done::Effect(effect),
                Some(None) | None => Done::Not,
            },
        };
        Record { action: &entry.action, done }
    })
}
