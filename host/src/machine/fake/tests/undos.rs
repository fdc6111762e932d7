//! What undoes an action, in the order of doing.

use crate::action::Action;
use crate::machine::{Effect, Undo};

pub fn of(action: &Action, effect: &Effect) -> Vec<Undo> {
    match (action, effect) {
        (Action::EnsureBridge(bridge), Effect::CreatedLinks(_)) => {
            vec![Undo::DeleteEmptyBridge {
                name: bridge.name.clone(),
                mac: bridge.mac,
                addresses: Vec::new(),
            }]
        }
        (_, Effect::CreatedLinks(links)) => links.iter().cloned().map(Undo::DeleteLink).collect(),
        (Action::AddAddress(add), Effect::Created) => {
            vec![Undo::DeleteAddress { link: add.link.clone(), address: add.address }]
        }
        (Action::DeleteAddress(delete), Effect::Replaced(saved)) => vec![Undo::RestoreAddress {
            link: delete.link.clone(),
            address: delete.address,
            saved: saved.clone(),
        }],
        (Action::SetPromiscuous(set), Effect::Created) => {
            vec![Undo::ClearPromiscuous { link: set.link.clone() }]
        }
        (Action::SetLink(set), Effect::Replaced(old)) => vec![Undo::RestoreLink {
            link: set.link.clone(),
            set: Some(set.attribute.clone()),
            old: set.attribute.with_text(old).unwrap(),
        }],
        (Action::SaveLink(save), Effect::Created) => vec![Undo::ForgetLink { path: save.path.clone() }],
        (Action::SetSysctl(set), Effect::Replaced(old)) => vec![Undo::RestoreSysctl {
            netns: set.netns,
            key: set.key.clone(),
            written: set.value.clone(),
            old: old.clone(),
        }],
        (Action::Masquerade(rules), Effect::Created) => vec![Undo::DeleteMasquerade(rules.clone())],
        (Action::ReserveLease(lease), Effect::Created) => vec![
            Undo::ReleaseLease(lease.clone()),
            Undo::RestoreLastReserved { lease: lease.clone(), old: None },
        ],
        (Action::ReserveLease(lease), Effect::Replaced(old)) => vec![
            Undo::ReleaseLease(lease.clone()),
            Undo::RestoreLastReserved { lease: lease.clone(), old: old.parse().ok() },
        ],
        _ => Vec::new(),
    }
}
