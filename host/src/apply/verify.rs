//! CHECK: the differences between a machine and what actions made.

use super::rules::list_in_parallel;
use crate::action::Action;
use crate::action::context::{Notes, ReadContext};
use crate::action::profile::Lane;
use crate::action::record::Difference;
use crate::machine::errno::chain;
use crate::machine::port::Look;
use crate::machine::rules::TableId;

/// The differences between the machine and what the actions made: one list for each action, empty if there is none.
pub fn verify(actions: &[&Action], look: &mut dyn Look, notes: &mut Notes) -> Vec<Vec<Difference>> {
    let table = |action: &&Action| match action.kind().profile().lane {
        Lane::Rules(set) => Some(set.table()),
        Lane::Requests(..) | Lane::Own(..) | Lane::Wait(..) | Lane::Stage => None,
    };
    let of_rules: Vec<Option<TableId>> = actions.iter().map(table).collect();
    let wanted: Vec<TableId> = of_rules.iter().flatten().copied().collect();
    let tables = look.tables();
    notes.listings.clear();
    let mut found: Vec<Vec<Difference>> = Vec::new();
    list_in_parallel(&wanted, &*tables, notes, |notes| {
        let mut cx = ReadContext::new(look, notes);
        found = actions
            .iter()
            .zip(&of_rules)
            .map(|(action, table)| match table {
                None => differences(action, &mut cx),
                Some(_) => Vec::new(),
            })
            .collect();
    });
    let mut cx = ReadContext::again(look, notes);
    for ((action, table), found) in actions.iter().zip(&of_rules).zip(&mut found) {
        if table.is_some() {
            *found = differences(action, &mut cx);
        }
    }
    notes.listings.clear();
    found
}

fn differences(action: &Action, cx: &mut ReadContext<'_>) -> Vec<Difference> {
    action.kind().verify(cx).unwrap_or_else(|error| vec![Difference::beyond(chain(&error))])
}
