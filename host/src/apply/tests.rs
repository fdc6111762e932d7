//! All or nothing, shown: every action of a real plan on the real kernel fails once, and the process dies once around each.

use super::journal::{Journal, Section};
use super::state_dir::StateDir;
use super::undo::{Reason, undos};
use super::{ApplyError, Header, execute, revert};
use crate::action::{Action, Answer, Facts, Query};
use crate::cni::{Command, Request, config};
use crate::machine::errno::chain;
use crate::machine::host::HostKernel;
use crate::machine::netns::NetnsFile;
use crate::machine::testing::{private, sh, texts};
use crate::machine::{Before, Difference, Kernel, MachineError, Outcome, Undo, Undone};
use crate::plan::DraftPlan;
use crate::policy::{self, CheckedPlan};
use crate::reference;
use crate::value::{Attachment, ContainerId, IfName, PluginName};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A plan, the configuration that allows it, and the machine on which it is applied.
struct Scene {
    plan: &'static str,
    config: &'static str,
    start: &'static str,
}

/// What most networks ask for, on a machine that has nothing yet.
const WALKTHROUGH: Scene = Scene {
    plan: include_str!("../../../tests/plans/walkthrough.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
        "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks"}}"#,
    start: "true",
};

/// Every kind of action, on a bridge of the operator's whose addresses are in the way.
const EVERYTHING: Scene = Scene {
    plan: include_str!("../../../tests/plans/everything.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "forceAddress": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00:15::/64"}]],
                 "dataDir": "/run/networks"}}"#,
    start: "ip link add cni_bridge0 type bridge; ip link set cni_bridge0 up
        ip link add own type veth peer name far; ip link set own master cni_bridge0 up; ip link set far up
        ip addr add 10.9.9.1/24 dev cni_bridge0 label cni_bridge0:o; ip addr add 10.9.9.2/24 dev cni_bridge0
        ip addr add fd00:15::9/64 dev cni_bridge0 nodad; ip addr add fd00:77::1/64 dev cni_bridge0 nodad",
};

/// What goes wrong at an action, counted from 0 over all steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    Fails,
    DiesBefore,
    DiesAfter,
}

/// A kernel, but for one action, and for all undos if so wanted.
pub(super) struct Faulty<'a, K> {
    pub kernel: &'a mut K,
    pub fault: Fault,
    pub at: usize,
    pub seen: usize,
    pub undo_fails: bool,
}

impl<K: Kernel> Facts for Faulty<'_, K> {
    fn ask(&mut self, query: &Query) -> Answer {
        self.kernel.ask(query)
    }
}

impl<K: Kernel> Kernel for Faulty<'_, K> {
    fn observe(&mut self, step: &[Action]) -> Vec<Before> {
        self.kernel.observe(step)
    }

    fn execute(&mut self, step: &[Action]) -> Vec<Outcome> {
        let at = self.at.checked_sub(self.seen).filter(|at| *at < step.len());
        self.seen += step.len();
        let Some(at) = at else { return self.kernel.execute(step) };
        let last = if self.fault == Fault::DiesAfter { at + 1 } else { at };
        let mut outcomes = self.kernel.execute(&step[..last]);
        assert!(self.fault == Fault::Fails, "dies here");
        outcomes.push(Outcome::Failed(MachineError::Conflict("made to fail".to_owned())));
        outcomes.resize_with(step.len(), || Outcome::NotTried);
        outcomes
    }

    fn undo(&mut self, undos: &[Undo]) -> Vec<Undone> {
        if self.undo_fails {
            let failed = |_| Undone::Failed(MachineError::Conflict("made to fail".to_owned()));
            return undos.iter().map(failed).collect();
        }
        self.kernel.undo(undos)
    }

    fn verify(&mut self, actions: &[Action]) -> Vec<Vec<Difference>> {
        self.kernel.verify(actions)
    }

    fn unlock_leases(&mut self) {
        self.kernel.unlock_leases();
    }
}

fn request(scene: &Scene) -> Request {
    Request {
        command: Command::Add,
        plugin: PluginName::parse("bridge").unwrap(),
        attachment: Attachment {
            network: crate::value::NetworkName::parse("mybridge").unwrap(),
            container: ContainerId::parse("c").unwrap(),
            interface: IfName::parse("eth0").unwrap(),
        },
        netns: "/run/netns/c".to_owned(),
        path: Vec::new(),
        args: String::new(),
        config: scene.config.to_owned(),
        cni_version: "1.0.0".to_owned(),
    }
}

fn checked_plan(scene: &Scene) -> CheckedPlan {
    let draft: DraftPlan = serde_json::from_str(scene.plan).unwrap();
    let config = config::decode(scene.config.as_bytes()).unwrap();
    policy::check(draft, &[], &reference::grants(&request(scene), &config, None, &Default::default()))
        .unwrap()
}

fn kernel() -> HostKernel {
    HostKernel::open(Some(NetnsFile::open("/run/netns/c").unwrap()), false)
}

fn state() -> StateDir {
    StateDir::new("/run/wasm-cni".into())
}

fn journal() -> Journal {
    state().lock(&request(&WALKTHROUGH).attachment).unwrap()
}

/// An ADD of the plan on a kernel with a fault.
fn add(scene: &Scene, fault: Fault, at: usize, undo_fails: bool) -> Result<(), ApplyError> {
    let request = request(scene);
    let header = Header {
        version: super::journal::VERSION,
        attachment: request.attachment,
        plugin: request.plugin,
        ordinal: 0,
        netns: request.netns,
        netns_id: Some(NetnsFile::open("/run/netns/c").unwrap().id()),
        plugins: Vec::new(),
        created: 1,
    };
    let journal = journal();
    let mut writer = journal.begin(&header).unwrap();
    let mut kernel = Faulty { kernel: &mut kernel(), fault, at, seen: 0, undo_fails };
    let result = execute(&checked_plan(scene), &mut writer, &state(), &mut kernel);
    if result.is_ok() {
        writer.complete(checked_plan(scene).report()).unwrap();
    }
    if result.as_ref().is_err_and(|error| error.stuck.is_empty()) {
        journal.forget(writer.section()).unwrap();
    }
    result
}

/// What the next DEL does: with the container's namespace, or when that is gone.
fn undo_section(section: &Section, with_netns: bool) {
    let mut kernel = if with_netns { kernel() } else { HostKernel::open(None, false) };
    let stuck = revert(section, section.reason(), &state(), &mut kernel);
    assert!(stuck.is_empty(), "{stuck:?}");
    journal().forget(section).unwrap();
}

/// Everything that the plans touch. Left out: what changes by itself (carrier, link-local addresses).
fn snapshot() -> String {
    sh(r"for netns in '' '-n c'; do
           ip $netns -o link | sed -E 's/^[0-9]+: //; s/ state [A-Z]+//; s/NO-CARRIER,|,LOWER_UP|,M-DOWN//g; s/@[^:]+//'
           ip $netns -o address | sed -E 's/^[0-9]+: //; s/ valid_lft.*//; /inet6 fe80/d' | sort
           { ip $netns route; ip $netns -6 route; } | sed 's/ linkdown//; /fe80/d'
         done
         iptables -t nat -S; ip6tables -t nat -S; nft --stateless list ruleset inet; nft --stateless list ruleset bridge
         sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding; sysctl -a 2>/dev/null | grep cni_bridge0.accept_ra || true
         for file in $(find /run/networks /run/cni /run/wasm-cni/attachments -type f ! -name lock 2>/dev/null); do
           echo $file; cat $file; done")
}

fn on_fresh_machine(scene: &Scene, test: impl FnOnce(&str) + Send) {
    private(|| {
        // Duplicate address detection ends at once, not after a second.
        sh("set -e; mkdir -p /run/netns; ip link set lo up; ip netns add c; ip netns exec c sysctl -qw \
            net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.router_solicitation_delay=0
            iptables -t nat -S > /dev/null; ip6tables -t nat -S > /dev/null");
        sh(scene.start);
        test(&snapshot());
    });
}

fn every_action_fails_once(scene: &Scene) {
    for at in 0..checked_plan(scene).entries().len() {
        on_fresh_machine(scene, |before| {
            let error = add(scene, Fault::Fails, at, false).unwrap_err();
            assert_eq!(chain(&error.source), "made to fail", "action {at}: {}", error.action);
            assert!(error.stuck.is_empty(), "action {at}: {:?}", error.stuck);
            assert_eq!(snapshot(), before, "action {at}: {}", error.action);
        });
    }
}

fn killed_once_around_every_action(scene: &Scene) {
    for at in 0..checked_plan(scene).entries().len() {
        for (fault, with_netns) in
            [(Fault::DiesBefore, true), (Fault::DiesAfter, true), (Fault::DiesAfter, false)]
        {
            on_fresh_machine(scene, |before| {
                let died = catch_unwind(AssertUnwindSafe(|| add(scene, fault, at, false)));
                assert!(died.is_err(), "action {at} was to kill it");
                let sections = journal().sections().unwrap();
                undo_section(&sections[0], with_netns);
                assert_eq!(snapshot(), before, "action {at}, namespace: {with_netns}");
            });
        }
    }
}

fn every_undo_fails_once(scene: &Scene) {
    for at in 1..checked_plan(scene).entries().len() {
        on_fresh_machine(scene, |before| {
            let error = add(scene, Fault::Fails, at, true).unwrap_err();
            assert!(!error.stuck.is_empty(), "action {at}");
            let told = crate::cni::CniError::from(error);
            assert_eq!(told.code, crate::cni::code::STUCK);
            assert!(told.details.contains("removes it; it failed: made to fail"), "{}", told.details);
            let sections = journal().sections().unwrap();
            undo_section(&sections[0], true);
            assert_eq!(snapshot(), before, "action {at}");
        });
    }
}

fn every_remedy_works(scene: &Scene) {
    for at in 1..checked_plan(scene).entries().len() {
        on_fresh_machine(scene, |before| {
            let told = crate::cni::CniError::from(add(scene, Fault::Fails, at, true).unwrap_err());
            let commands = told.details.lines().filter_map(|line| {
                Some(line.strip_prefix("left: `")?.rsplit_once("` removes it; it failed: ")?.0)
            });
            commands.for_each(|command| drop(sh(&format!("{command} 2>&1 || true"))));
            let section = &journal().sections().unwrap()[0];
            let left: Vec<_> = kernel().undo(&undos(section, Reason::Rollback, &[]));
            let done = left.iter().any(|undone| !matches!(undone, Undone::Gone | Undone::Left(_)));
            assert!(!done, "action {at}: {left:?}\n{}", told.details);
            journal().forget(section).unwrap();
            assert_eq!(snapshot(), before, "action {at}: {}", told.details);
        });
    }
}

#[test]
fn the_commands_that_are_told_remove_what_an_undo_left() {
    every_remedy_works(&WALKTHROUGH);
}

#[test]
fn the_commands_that_are_told_remove_whatever_an_undo_left() {
    every_remedy_works(&EVERYTHING);
}

#[test]
fn every_action_that_fails_leaves_the_machine_as_before() {
    every_action_fails_once(&WALKTHROUGH);
}

#[test]
fn every_kind_of_action_that_fails_leaves_the_machine_as_before() {
    every_action_fails_once(&EVERYTHING);
}

#[test]
fn killed_around_any_action_it_is_cleaned_up_by_the_next_verb() {
    killed_once_around_every_action(&WALKTHROUGH);
}

#[test]
fn killed_around_any_kind_of_action_it_is_cleaned_up_by_the_next_verb() {
    killed_once_around_every_action(&EVERYTHING);
}

#[test]
fn an_undo_that_fails_is_told_and_the_next_verb_finishes_it() {
    every_undo_fails_once(&WALKTHROUGH);
}

#[test]
fn an_undo_of_any_kind_that_fails_is_told_and_the_next_verb_finishes_it() {
    every_undo_fails_once(&EVERYTHING);
}

#[test]
fn a_journal_that_a_crash_cut_off_anywhere_is_what_was_whole_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let state = StateDir::new(directory.path().to_owned());
    let request = request(&WALKTHROUGH);
    let journal = state.lock(&request.attachment).unwrap();
    let header = Header {
        version: super::journal::VERSION,
        attachment: request.attachment.clone(),
        plugin: request.plugin.clone(),
        ordinal: 0,
        netns: "/run/netns/ä".to_owned(),
        netns_id: None,
        plugins: Vec::new(),
        created: 1,
    };
    let mut writer = journal.begin(&header).unwrap();
    writer.intent(&[]).unwrap();
    let dns = crate::value::Dns { domain: Some("ü".to_owned()), ..Default::default() };
    writer.complete(&crate::value::Report { dns, ..Default::default() }).unwrap();
    let file = std::fs::read_dir(directory.path().join("attachments")).unwrap().next().unwrap().unwrap();
    let file = file.path().join("bridge.0");
    let bytes = std::fs::read(&file).unwrap();
    for cut in (0..=bytes.len()).rev() {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let sections = journal.sections().unwrap();
        let told = sections.first().map_or(0, |section| {
            assert_eq!(section.header, header);
            1 + section.steps.len() + usize::from(section.report.is_some())
        });
        assert_eq!(told, lines, "cut at {cut}");
    }
}

#[test]
fn the_plan_of_everything_has_every_kind_of_action() {
    let kind = |action: &Action| {
        let value = serde_json::to_value(action).unwrap();
        value.as_object().unwrap().keys().next().unwrap().clone()
    };
    let plan = checked_plan(&EVERYTHING);
    let kinds: BTreeSet<String> = plan.entries().iter().map(|entry| kind(&entry.action)).collect();
    assert_eq!(kinds.len(), 17, "{kinds:?}");
}

#[test]
fn an_add_of_everything_verifies_and_its_del_leaves_the_operators_bridge() {
    let scene = &EVERYTHING;
    on_fresh_machine(scene, |_| {
        let bridge =
            || sh("ip -o link show cni_bridge0 | sed -E 's/.*mtu ([0-9]+).*ether ([^ ]+).*/\\1 \\2/'");
        let before = bridge();
        add(scene, Fault::Fails, usize::MAX, false).unwrap();
        let plan = checked_plan(scene);
        let actions: Vec<Action> = plan.entries().iter().map(|entry| entry.action.clone()).collect();
        assert_eq!(texts(kernel().verify(&actions)), [""; 0]);
        assert_eq!(bridge(), before);
        assert!(sh("ip addr show cni_bridge0").contains("fd00:77::1/64"), "it is in nobody's way");
        let sections = journal().sections().unwrap();
        undo_section(&sections[0], true);
        assert_eq!(bridge(), before);
        let after = snapshot();
        assert!(!after.contains("vethf20174a5") && !after.contains("CNI-"), "{after}");
        assert!(after.contains("PROMISC") && after.contains("10.15.20.1/24"), "a DEL leaves what is shared");
    });
}
