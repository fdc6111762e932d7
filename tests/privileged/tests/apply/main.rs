//! All or nothing, shown: every change of a real plan on the real kernel fails once, and the process dies once around each.

mod faulty;

use faulty::{Fault, Faulty, MADE, Strike};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_cni::action::context::{Notes, ReadContext};
use wasm_cni::action::record::{Difference, Reason, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni::apply::journal::VERSION;
use wasm_cni::apply::undo::{undo, undos};
use wasm_cni::apply::{ApplyError, Header, Journal, Section, StateDir, execute, revert, verify};
use wasm_cni::cni::{CniError, Command, Request, code, config};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni::plan::{self, CheckedPlan, DraftPlan};
use wasm_cni::policy::Grants;
use wasm_cni::reference;
use wasm_cni::value::{Attachment, ContainerId, Dns, IfName, NetworkName, PluginName, Report};
use wasm_cni_privileged::{private, sh};

/// A plan, the configuration that allows it, and the machine on which it is applied.
struct Scene {
    plan: &'static str,
    config: &'static str,
    start: &'static str,
}

/// What most networks ask for, on a machine that has nothing yet.
const WALKTHROUGH: Scene = Scene {
    plan: include_str!("../../../plans/walkthrough.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0",
        "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks"}}"#,
    start: "true",
};

/// Every kind of action, on a bridge of the operator's whose addresses are in the way.
const EVERYTHING: Scene = Scene {
    plan: include_str!("../../../plans/everything.json"),
    config: r#"{"cniVersion": "1.0.0", "name": "mybridge", "type": "bridge", "bridge": "cni_bridge0", "forceAddress": true,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.15.20.0/24"}], [{"subnet": "fd00:15::/64"}]],
                 "dataDir": "/run/networks"}}"#,
    start: "ip link add cni_bridge0 type bridge; ip link set cni_bridge0 up
        ip link add own type veth peer name far; ip link set own master cni_bridge0 up; ip link set far up
        ip addr add 10.9.9.1/24 dev cni_bridge0 label cni_bridge0:o; ip addr add 10.9.9.2/24 dev cni_bridge0
        ip addr add fd00:15::9/64 dev cni_bridge0 nodad; ip addr add fd00:77::1/64 dev cni_bridge0 nodad",
};

fn request(scene: &Scene) -> Request {
    Request {
        command: Command::Add,
        plugin: PluginName::parse("bridge").unwrap(),
        attachment: Attachment {
            network: NetworkName::parse("mybridge").unwrap(),
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
    let (request, policy) = (request(scene), Default::default());
    let types = reference::grants(&request.plugin, &config);
    plan::check(draft, &[], &Grants::for_request(&request, &config, None, &policy, types)).unwrap()
}

fn container() -> NetnsFile {
    NetnsFile::open("/run/netns/c").unwrap()
}

fn machine() -> Linux {
    Linux::open(Some(container()), false)
}

fn state() -> StateDir {
    StateDir::new("/run/wasm-cni".into())
}

fn journal() -> Journal {
    state().lock(&request(&WALKTHROUGH).attachment).unwrap()
}

/// An ADD of the plan on a machine with a fault.
fn add(scene: &Scene, strike: &Strike) -> Result<(), ApplyError> {
    let request = request(scene);
    let header = Header {
        version: VERSION,
        attachment: request.attachment,
        plugin: request.plugin,
        ordinal: 0,
        netns: request.netns,
        netns_id: Some(container().id()),
        plugins: Vec::new(),
        created: 1,
    };
    let journal = journal();
    let mut writer = journal.begin(&header).unwrap();
    let mut machine = Faulty::open(container(), strike.clone());
    let result = execute(&checked_plan(scene), &mut writer, &state(), &mut machine);
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
    let mut machine = Linux::open(with_netns.then(container), false);
    let stuck = revert(section, section.reason(), &state(), &mut machine);
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

/// Each change of the plan goes wrong once, each on a machine of its own; gives how many there are.
fn each_change(
    scene: &Scene,
    fault: Fault,
    stays: bool,
    test: impl Fn(&Strike, usize, &str) + Sync,
) -> usize {
    for at in 0.. {
        let strike = Strike::new(fault, at, stays);
        on_fresh_machine(scene, |before| test(&strike, at, before));
        if !strike.has_struck() {
            return at;
        }
    }
    unreachable!("no plan has so many changes")
}

fn every_change_fails_once(scene: &Scene) {
    let failed = AtomicUsize::new(0);
    let changes = each_change(scene, Fault::Fails, false, |strike, at, before| {
        // Some are not needed: a file that is in nobody's way stays.
        let Err(error) = add(scene, strike) else { return };
        failed.fetch_add(1, Relaxed);
        let text = chain(&error.source);
        assert!(text.ends_with(MADE), "change {at}: {}: {text}", error.action);
        assert!(error.stuck.is_empty(), "change {at}: {:?}", error.stuck);
        assert_eq!(snapshot(), before, "change {at}: {}", error.action);
    });
    assert_each(scene, failed.into_inner(), changes);
}

/// All that was tried was tried: all but a few changes of a plan went wrong, which are not fewer than its actions that change something.
fn assert_each(scene: &Scene, wrong: usize, changes: usize) {
    let entries = checked_plan(scene).entries().len();
    assert!(wrong <= changes && wrong + 8 >= changes && 2 * changes > entries, "{wrong} of {changes}");
}

fn killed_once_around_every_change(scene: &Scene) {
    for (fault, with_netns) in
        [(Fault::DiesBefore, true), (Fault::DiesAfter, true), (Fault::DiesAfter, false)]
    {
        let killed = AtomicUsize::new(0);
        let changes = each_change(scene, fault, false, |strike, at, before| {
            let died = catch_unwind(AssertUnwindSafe(|| add(scene, strike)));
            assert_eq!(died.is_err(), strike.has_struck(), "change {at} was to kill it");
            if died.is_err() {
                killed.fetch_add(1, Relaxed);
                let sections = journal().sections().unwrap();
                undo_section(&sections[0], with_netns);
                assert_eq!(snapshot(), before, "change {at}, {fault:?}, namespace: {with_netns}");
            }
        });
        assert_eq!(killed.into_inner(), changes);
        assert_each(scene, changes, changes);
    }
}

/// An ADD that fails at a change, and can undo nothing: what is told of it. None: there was nothing to undo, or nothing that had to be done failed.
fn stuck(scene: &Scene, strike: &Strike, at: usize, before: &str) -> Option<CniError> {
    let error = add(scene, strike).err()?;
    if error.stuck.is_empty() {
        assert_eq!(snapshot(), before, "change {at}: {}", error.action);
        return None;
    }
    let error = CniError::from(error);
    assert_eq!(error.code, code::STUCK);
    let lines = error.details.lines().filter(|line| line.starts_with("left: "));
    for line in lines {
        assert!(line.contains("` removes it; it failed: ") && line.ends_with(MADE), "{line}");
    }
    Some(error)
}

fn every_undo_fails_once(scene: &Scene) {
    let failed = AtomicUsize::new(0);
    let changes = each_change(scene, Fault::Fails, true, |strike, at, before| {
        if stuck(scene, strike, at, before).is_some() {
            failed.fetch_add(1, Relaxed);
            let sections = journal().sections().unwrap();
            undo_section(&sections[0], true);
            assert_eq!(snapshot(), before, "change {at}");
        }
    });
    assert_each(scene, failed.into_inner(), changes);
}

fn every_remedy_works(scene: &Scene) {
    each_change(scene, Fault::Fails, true, |strike, at, before| {
        let Some(error) = stuck(scene, strike, at, before) else { return };
        let commands = error.details.lines().filter_map(|line| {
            Some(line.strip_prefix("left: `")?.rsplit_once("` removes it; it failed: ")?.0)
        });
        commands.for_each(|command| drop(sh(&format!("{command} 2>&1 || true"))));
        let section = &journal().sections().unwrap()[0];
        let undos = undos(section, Reason::Rollback, &[]);
        for undo in &undos {
            let (mut machine, mut notes) = (machine(), Notes::default());
            let is_left = undo.inverse().is_left(&mut ReadContext::new(&mut machine, &mut notes)).unwrap();
            assert!(!is_left || !matches!(undo, Undo::RemoveMasqueradeNft(_)), "change {at}: {undo:?}");
        }
        let undone = undo(section, &undos, &mut machine());
        for (undo, undone) in undos.iter().zip(undone) {
            let is_done = !matches!(undone, Undone::Gone | Undone::Left(_));
            // What is shared goes when it is empty: of a bridge that has its port nothing is told, and rules of nftables leave their table.
            let is_shared = matches!(undo, Undo::DeleteEmptyBridge(_) | Undo::RemoveMasqueradeNft(_));
            assert!(!is_done || is_shared, "change {at}: {undo:?}: {undone:?}\n{}", error.details);
        }
        journal().forget(section).unwrap();
        assert_eq!(snapshot(), before, "change {at}: {}", error.details);
    });
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
    every_change_fails_once(&WALKTHROUGH);
}

#[test]
fn every_kind_of_action_that_fails_leaves_the_machine_as_before() {
    every_change_fails_once(&EVERYTHING);
}

#[test]
fn killed_around_any_action_it_is_cleaned_up_by_the_next_verb() {
    killed_once_around_every_change(&WALKTHROUGH);
}

#[test]
fn killed_around_any_kind_of_action_it_is_cleaned_up_by_the_next_verb() {
    killed_once_around_every_change(&EVERYTHING);
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
        version: VERSION,
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
    let dns = Dns { domain: Some("ü".to_owned()), ..Default::default() };
    writer.complete(&Report { dns, ..Default::default() }).unwrap();
    let file = std::fs::read_dir(directory.path().join("attachments")).unwrap().next().unwrap().unwrap();
    let file = file.path().join("bridge.0");
    let bytes = std::fs::read(&file).unwrap();
    for cut in (0..=bytes.len()).rev() {
        std::fs::write(&file, &bytes[..cut]).unwrap();
        let lines = bytes[..cut].iter().filter(|byte| **byte == b'\n').count();
        let sections = journal.sections().unwrap();
        let read = sections.first().map_or(0, |section| {
            assert_eq!(section.header, header);
            1 + section.steps.len() + usize::from(section.report.is_some())
        });
        assert_eq!(read, lines, "cut at {cut}");
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
        add(scene, &Strike::new(Fault::Fails, usize::MAX, false)).unwrap();
        let plan = checked_plan(scene);
        let actions: Vec<&Action> = plan.entries().iter().map(|entry| &entry.action).collect();
        let found = verify(&actions, &mut machine(), &mut Notes::default()).concat();
        assert_eq!(found, Vec::<Difference>::new());
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
