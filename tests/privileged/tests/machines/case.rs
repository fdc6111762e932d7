//! A case, and its execution on both machines.

use crate::{actions, real};
use std::collections::BTreeSet;
use std::net::IpAddr;
use wasm_cni::action::context::{Notes, WriteContext};
use wasm_cni::action::query::MachineFacts;
use wasm_cni::action::record::{Before, Done, Effect, Old, Outcome, Reason, Undoing};
use wasm_cni::action::{Action, Answer, Delegate, Facts, Query, Undo};
use wasm_cni::apply;
use wasm_cni::delegate;
use wasm_cni::machine::MachineError;
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni::machine::port::{Machine, in_container, on_host};
use wasm_cni::plan::{CheckedPlan, Entry};
use wasm_cni::value::{AddressRange, Fact, LinkRef, Mac, Netns, PluginName, SysctlKey};
use wasm_cni_fake::FakeMachine;
use wasm_cni_plans::again;
use wasm_cni_privileged::{new_netns, private, sh};

/// A start state, built on both machines, and the steps that follow.
pub struct Case {
    pub name: String,
    /// The shell commands that build the start state, in the host's namespace and in the container's.
    pub real: (String, String),
    /// The same start state of the fake machine.
    pub fake: FakeMachine,
    /// The steps.
    pub steps: Vec<Vec<Action>>,
    /// Whether the container's namespace is gone.
    pub gone: bool,
    /// Whether the machine is read-only.
    pub dry: bool,
    /// Undos to perform first, before those of the steps. The indexes of links are not known here.
    pub undos: Vec<Undo>,
}

/// A checked plan with these actions. It is checked as a repair, because no policy would allow all actions of a case.
fn checked(actions: &[Action]) -> CheckedPlan {
    let plugin = PluginName::parse("test").unwrap();
    let entry = |action: &Action| {
        let lifetime = action.kind().profile().lifetime(actions.iter());
        Entry { plugin: plugin.clone(), lifetime, action: action.clone() }
    };
    let entries: Vec<Entry> = actions.iter().map(entry).collect();
    again::checked(&entries)
}

impl Case {
    pub fn new(name: &str, steps: Vec<Vec<Action>>) -> Self {
        let (name, fake) = (name.to_owned(), FakeMachine::new());
        let real = (String::new(), String::new());
        Case { name, real, fake, steps, gone: false, dry: false, undos: Vec::new() }
    }

    pub fn real(mut self, outside: &str, inside: &str) -> Self {
        self.real = (outside.to_owned(), inside.to_owned());
        self
    }

    pub fn fake(mut self, make: impl FnOnce(FakeMachine) -> FakeMachine) -> Self {
        self.fake = make(self.fake);
        self
    }

    pub fn undos(mut self, undos: Vec<Undo>) -> Self {
        self.undos = undos;
        self
    }

    /// Runs the case on both machines, and compares the output line by line.
    pub fn agree(self) {
        let difference = self.difference();
        assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    }

    /// The difference between the outputs.
    pub fn difference(mut self) -> Option<String> {
        private(|| {
            let container = new_netns();
            real::reset_sysctls();
            sh(&format!("set -e\n{}", self.real.0));
            {
                let _guard = container.enter().unwrap();
                real::reset_sysctls();
                sh(&format!("set -e\n{}", self.real.1));
            }
            let again = (!self.gone).then(|| container_again(&container));
            let mut linux = Linux::open((!self.gone).then_some(container), self.dry);
            let expected = self.play(&mut linux, |_| real::snapshot(again.as_ref()));
            let mut fake = std::mem::take(&mut self.fake);
            if self.gone {
                fake = fake.without_container();
            }
            if self.dry {
                fake = fake.dry();
            }
            let said = self.play(&mut fake, FakeMachine::snapshot);
            compare(&self.name, &expected, &said)
        })
    }

    /// Runs the case on a machine. Returns the output.
    fn play<M: Machine>(&self, machine: &mut M, snapshot: impl Fn(&M) -> String) -> Vec<String> {
        let mut said = vec!["# start".to_owned()];
        let actions = self.steps.concat();
        let (plan, mut undos, mut notes) = (checked(&actions), Vec::new(), Notes::default());
        let state =
            |machine: &M| snapshot(machine).lines().map(|line| format!("  {line}")).collect::<Vec<_>>();
        said.extend(state(machine));
        for step in &self.steps {
            said.push(format!("# step {step:?}"));
            let step: Vec<&Action> = step.iter().collect();
            let observed = apply::observe(&step, machine.as_look(), &mut notes);
            said.extend(observed.into_iter().map(before_text));
            let outcomes = match step.as_slice() {
                [Action::Delegate(delegate)] => vec![executed(delegate, machine)],
                _ => apply::perform(&step, &mut WriteContext::new(&plan, machine, &mut notes)),
            };
            assert_eq!(outcomes.len(), step.len());
            for (action, outcome) in step.iter().zip(outcomes) {
                if let Outcome::Done(effect) = &outcome {
                    let done = Done::Effect(effect);
                    // Each action is undone as if it had been recorded alone, so that every undo is derived, even if
                    // the link is deleted anyway.
                    let undoing = Undoing { done, why: Reason::Rollback, own: &[], others: &[] };
                    undos.extend(action.kind().undos(&undoing));
                }
                said.push(outcome_text(outcome));
            }
            said.push("# after the step".to_owned());
            said.extend(state(machine));
        }
        look(machine, &actions, &mut said);
        undos.reverse();
        let undos = [self.undos.clone(), undos].concat();
        for _ in 0..2 {
            said.push("# undo".to_owned());
            let stuck = apply::undo_all(&plan, &undos, "", machine);
            said.extend(stuck.iter().map(|stuck| {
                let undo = format!("{:?}", stuck.undo);
                format!("{}: {}", undo.split('(').next().unwrap(), error_text(&stuck.error))
            }));
            said.extend(state(machine));
        }
        look(machine, &actions, &mut said);
        said
    }
}

/// The outcome of a native plugin, which is executed between two stages.
fn executed(delegate: &Delegate, machine: &mut dyn Machine) -> Outcome {
    match delegate::add(delegate, "1.0.0", machine) {
        Ok(_) => Outcome::Done(Effect::Created),
        Err(error) => Outcome::Failed(MachineError::Conflict(format!("{error:?}"))),
    }
}

/// The differences that CHECK finds, and the answers that a planner gets.
fn look(machine: &mut impl Machine, actions: &[Action], said: &mut Vec<String>) {
    said.push("# verify".to_owned());
    let all: Vec<&Action> = actions.iter().collect();
    let found = apply::verify(&all, machine.as_look(), &mut Notes::default());
    assert_eq!(found.len(), actions.len());
    said.extend(found.into_iter().flatten().map(|d| format!("{} <- {:?}", d.text, d.repair)));
    let links: BTreeSet<LinkRef> = actions.iter().flat_map(links_of).collect();
    let (first, last) = ("10.1.2.1".parse().unwrap(), "10.1.2.9".parse().unwrap());
    let of_leases = [
        Query::Held(actions::store(), actions::attachment("eth0").owner()),
        Query::LastReserved(actions::store(), 0),
        Query::Free(actions::store(), AddressRange { first, last }),
    ];
    let mut facts = MachineFacts::new(machine.as_look());
    said.extend(links.into_iter().map(|link| fact_text(&facts.ask(&Query::Link(link)))));
    said.extend(of_leases.iter().map(|query| format!("{:?}", facts.ask(query))));
    machine.stores().unlock_all();
}

/// The same namespace, opened again.
fn container_again(container: &NetnsFile) -> NetnsFile {
    let _guard = container.enter().unwrap();
    NetnsFile::current().unwrap()
}

fn compare(case: &str, real: &[String], fake: &[String]) -> Option<String> {
    if real == fake {
        return None;
    }
    let mut text = format!("{case}: the fake differs from the real kernel\n");
    let same = real.iter().zip(fake).take_while(|(a, b)| a == b).count();
    for line in real.iter().take(same).rev().take(40).collect::<Vec<_>>().into_iter().rev() {
        text += &format!("   {line}\n");
    }
    let differing = real.iter().skip(same).take(12).map(|line| format!("-r {line}\n"));
    let lines: Vec<String> =
        differing.chain(fake.iter().skip(same).take(12).map(|l| format!("+f {l}\n"))).collect();
    Some(text + &lines.concat())
}

/// The old state as text. For an address, it contains only the prefix.
/// The parameters of a link that the machine in memory has, too: the kernel has many more.
fn is_modelled(key: &SysctlKey) -> bool {
    let (directory, name) = key.as_str().rsplit_once('/').unwrap_or_default();
    let (family, _) = directory.rsplit_once('/').unwrap_or_default();
    let names = FakeMachine::new().as_look().sysctl_names(Netns::Container, &format!("{family}/default"));
    names.unwrap_or_default().iter().any(|modelled| modelled == name)
}

fn old_text(old: &Old) -> String {
    match old {
        Old::Address(address) => format!("address {}", address.address),
        Old::Mtu(old) => {
            let parameters = old.parameters.iter().filter(|(key, _)| is_modelled(key));
            format!("MTU {} with {:?}", old.mtu, parameters.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

fn before_text(before: Before) -> String {
    match &before {
        Before::Old(old) => format!("before: {}", old_text(old)),
        other => format!("before: {other:?}"),
    }
}

fn outcome_text(outcome: Outcome) -> String {
    match outcome {
        Outcome::Done(Effect::CreatedLinks(links)) => {
            let links = links.iter().map(|l| (&l.link, &l.kind, l.mac, &l.alias));
            format!("done, links {:?}", links.collect::<Vec<_>>())
        }
        Outcome::Done(Effect::Replaced(old)) => format!("done, replaced {}", old_text(&old)),
        Outcome::Done(effect) => format!("done, {effect:?}"),
        Outcome::Failed(error) | Outcome::Halfway(error) => format!("failed, {}", error_text(&error)),
        Outcome::NotTried => "not tried".to_owned(),
    }
}

/// The variant and the texts of an error. For errors of iptables, only the variant is compared, because the texts
/// differ.
fn error_text(error: &MachineError) -> String {
    let debug = format!("{error:?}");
    let kind = debug.split([' ', '(']).next().unwrap();
    let text = chain(error);
    if text.contains("iptables") { format!("{kind} of iptables") } else { format!("{kind} {text}") }
}

/// The answer as text, without indexes and without addresses that the kernel adds by itself.
fn fact_text(answer: &Answer) -> String {
    let Answer::Link(Fact::Known(fact)) = answer else { return format!("{answer:?}") };
    let mut fact = fact.clone();
    fact.index = 0;
    if fact.kind == "ifb" {
        fact.mac = Mac([0; 6]);
    }
    fact.master = fact.master.map(|_| 0);
    fact.addresses.retain(|a| !matches!(a.ip(), IpAddr::V6(v6) if v6.is_unicast_link_local()));
    format!("{fact:?}")
}

fn links_of(action: &Action) -> Vec<LinkRef> {
    match action {
        Action::EnsureBridge(bridge) => vec![on_host(&bridge.name)],
        Action::CreateVeth(veth) => vec![on_host(&veth.peer.name), in_container(&veth.name)],
        Action::SetUp(up) => vec![up.link.clone()],
        Action::SetPromiscuous(set) => vec![set.link.clone()],
        Action::DeleteAddress(delete) => vec![delete.link.clone()],
        Action::AddAddress(add) => vec![add.link.clone()],
        Action::Announce(announce) => vec![announce.link.clone()],
        Action::SetLink(set) => vec![set.link.clone()],
        Action::AddRoute(add) => vec![add.link.clone()],
        Action::SetTokenBucket(set) => {
            let through = set.through.iter().map(|ifb| on_host(&ifb.name));
            through.chain([on_host(&set.link)]).collect()
        }
        Action::EnsureVlanGateway(gateway) => vec![on_host(&gateway.name), on_host(&gateway.port)],
        _ => Vec::new(),
    }
}
