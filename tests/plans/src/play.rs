//! Helpers for tests that perform actions and undos in the way the host does. They panic if the machine refuses.

use wasm_cni::action::context::{Notes, ReadContext, WriteContext};
use wasm_cni::action::record::{Effect, Outcome, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni::apply::{self, Section};
use wasm_cni::machine::MachineError;
use wasm_cni::machine::port::{Look, Machine, Request};
use wasm_cni::plan::{self, CheckedPlan};
use wasm_cni::value::{IfName, LinkFact, LinkRef, Mac, Netns};
use wasm_cni_fake::FakeMachine;

/// An empty plan, which policy allows. It is the permit to change a machine.
fn permit() -> CheckedPlan {
    plan::check_again(Vec::new(), &[] as &[Section]).unwrap()
}

/// Reads a machine.
pub fn read<T>(machine: &mut dyn Machine, look: impl FnOnce(&mut ReadContext<'_>) -> T) -> T {
    look(&mut ReadContext::new(machine.as_look(), &mut Notes::default()))
}

/// The name of a link.
pub fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

/// A MAC address with this last byte.
pub fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

/// A link that is down, with this last byte of its MAC address.
pub fn link(at: LinkRef, kind: &str, last: u8) -> LinkFact {
    LinkFact {
        netns: at.netns,
        name: at.name,
        index: 0,
        kind: kind.to_owned(),
        mac: mac(last),
        mtu: 1500,
        up: false,
        alias: None,
        master: None,
        addresses: Vec::new(),
    }
}

/// A machine with these links.
pub fn with<const N: usize>(links: [LinkFact; N]) -> FakeMachine {
    links.into_iter().fold(FakeMachine::new(), |machine, link| machine.with_link(link).unwrap())
}

/// The index of a link.
pub fn index(machine: &mut FakeMachine, link: &LinkRef) -> u32 {
    machine.link(link).unwrap().unwrap().index
}

/// Changes a link, as another process would.
pub fn send(machine: &mut FakeMachine, netns: Netns, request: Request) {
    machine.send(netns, vec![request]).remove(0).unwrap();
    machine.sent.pop();
}

/// Changes a machine.
pub fn write<T>(
    machine: &mut dyn Machine,
    notes: &mut Notes,
    change: impl FnOnce(&mut WriteContext<'_>) -> T,
) -> T {
    change(&mut WriteContext::new(&permit(), machine, notes))
}

/// Performs a step without observing it before.
pub fn step(machine: &mut dyn Machine, actions: &[Action]) -> Vec<Outcome> {
    let actions: Vec<&Action> = actions.iter().collect();
    write(machine, &mut Notes::default(), |cx| apply::perform(&actions, cx))
}

/// Performs one action.
pub fn perform(machine: &mut dyn Machine, action: impl Into<Action>) -> Result<Effect, MachineError> {
    done(step(machine, &[action.into()]).remove(0))
}

/// The effect, or the error.
pub fn done(outcome: Outcome) -> Result<Effect, MachineError> {
    match outcome {
        Outcome::Done(effect) => Ok(effect),
        Outcome::Failed(error) | Outcome::Halfway(error) => Err(error),
        Outcome::NotTried => panic!("not tried"),
    }
}

/// Performs undos, in order.
pub fn undo_all(machine: &mut dyn Machine, undos: &[Undo]) -> Vec<Undone> {
    apply::undo::undo(&permit(), undos, machine)
}

/// Performs one undo.
pub fn undo(machine: &mut dyn Machine, undo: impl Into<Undo>) -> Undone {
    undo_all(machine, &[undo.into()]).remove(0)
}

/// The differences between the machine and what the actions made. Each text occurs once.
pub fn missing(machine: &mut dyn Machine, actions: &[Action]) -> Vec<String> {
    let actions: Vec<&Action> = actions.iter().collect();
    let found = apply::verify(&actions, machine.as_look(), &mut Notes::default());
    let mut texts: Vec<String> = Vec::new();
    for difference in found.into_iter().flatten() {
        if !texts.contains(&difference.text) {
            texts.push(difference.text);
        }
    }
    texts
}

/// Calls a search, which must be able to read everything.
pub fn all_read<T>(look: impl FnOnce(&mut Vec<MachineError>) -> T) -> T {
    let mut unread = Vec::new();
    let found = look(&mut unread);
    assert!(unread.is_empty(), "{unread:?}");
    found
}
