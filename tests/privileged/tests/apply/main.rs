//! A plan is applied completely or not at all. On the real kernel, every change of a plan fails once, and the process
//! dies once before and after each.

mod faulty;

use faulty::{Fault, Faulty, MADE, Strike};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use wasm_cni::action::context::{Notes, ReadContext};
use wasm_cni::action::record::{Difference, Reason, Undone};
use wasm_cni::action::{Action, Undo};
use wasm_cni::apply::journal::VERSION;
use wasm_cni::apply::undo::{undo, undos};
use wasm_cni::apply::{ApplyError, Header, Journal, Section, StateDir, execute, revert, verify};
use wasm_cni::cni::{CniError, code};
use wasm_cni::machine::errno::chain;
use wasm_cni::machine::linux::Linux;
use wasm_cni::machine::netns::NetnsFile;
use wasm_cni_plans::scene::{EVERYTHING, Scene, WALKTHROUGH};
use wasm_cni_privileged::{private, sh};

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
    state().lock(&WALKTHROUGH.request().attachment).unwrap()
}

/// An ADD of the plan on a machine with a fault.
fn add(scene: &Scene, strike: &Strike) -> Result<(), ApplyError> {
    let request = scene.request();
    let header = Header {
        version: VERSION,
        attachment: request.attachment,
        plugin: request.plugin,
        ordinal: 0,
        level: 0,
        netns: request.netns,
        netns_id: Some(container().id()),
        plugins: Vec::new(),
        asker: None,
        created: 1,
    };
    let journal = journal();
    let mut writer = journal.begin(&header).unwrap();
    let mut machine = Faulty::open(container(), strike.clone());
    let result = execute(&scene.checked(), &mut writer, &state(), &mut machine);
    if result.is_ok() {
        writer.complete(scene.checked().report()).unwrap();
    }
    if result.as_ref().is_err_and(|error| error.stuck.is_empty()) {
        journal.forget(writer.section()).unwrap();
    }
    result
}

/// What the next DEL does, with or without the container's namespace.
fn undo_section(section: &Section, with_netns: bool) {
    let mut machine = Linux::open(with_netns.then(container), false);
    let stuck = revert(section, section.reason(), &state(), &mut machine);
    assert!(stuck.is_empty(), "{stuck:?}");
    journal().forget(section).unwrap();
}

/// Everything that the plans change. State that changes by itself is left out: carrier, link-local addresses.
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
        // Duplicate address detection is disabled, because it takes a second.
        sh("set -e; mkdir -p /run/netns; ip link set lo up; ip netns add c; ip netns exec c sysctl -qw \
            net.ipv6.conf.default.dad_transmits=0 net.ipv6.conf.default.router_solicitation_delay=0
            iptables -t nat -S > /dev/null; ip6tables -t nat -S > /dev/null");
        sh(scene.start);
        test(&snapshot());
    });
}

/// Runs the test once for each change of the plan, each on a machine of its own. Returns the number of changes.
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
        // Some changes may fail: a temporary file that was not removed stays, and harms nobody.
        let Err(error) = add(scene, strike) else { return };
        failed.fetch_add(1, Relaxed);
        let text = chain(&error.source);
        assert!(text.ends_with(MADE), "change {at}: {}: {text}", error.action);
        assert!(error.stuck.is_empty(), "change {at}: {:?}", error.stuck);
        assert_eq!(snapshot(), before, "change {at}: {}", error.action);
    });
    assert_each(scene, failed.into_inner(), changes);
}

/// Checks that the loop covered the plan: all but a few of its changes failed, and there are enough changes for its
/// actions.
fn assert_each(scene: &Scene, wrong: usize, changes: usize) {
    let entries = scene.checked().entries().len();
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

/// An ADD with a failed change whose undo fails too: the error that it reports. None if there was nothing to undo, or
/// if no necessary change failed.
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
            // Shared objects are removed only if they are empty. For a bridge with a port there is no command, and
            // rules of nftables leave their table.
            let is_shared = matches!(undo, Undo::DeleteEmptyBridge(_) | Undo::RemoveMasqueradeNft(_));
            assert!(!is_done || is_shared, "change {at}: {undo:?}: {undone:?}\n{}", error.details);
        }
        journal().forget(section).unwrap();
        assert_eq!(snapshot(), before, "change {at}: {}", error.details);
    });
}

#[test]
fn the_reported_commands_remove_what_an_undo_left() {
    every_remedy_works(&WALKTHROUGH);
}

#[test]
fn the_reported_commands_remove_what_an_undo_of_any_kind_left() {
    every_remedy_works(&EVERYTHING);
}

#[test]
fn a_failed_action_leaves_the_machine_unchanged() {
    every_change_fails_once(&WALKTHROUGH);
}

#[test]
fn a_failed_action_of_any_kind_leaves_the_machine_unchanged() {
    every_change_fails_once(&EVERYTHING);
}

#[test]
fn the_next_verb_cleans_up_after_a_process_killed_at_any_action() {
    killed_once_around_every_change(&WALKTHROUGH);
}

#[test]
fn the_next_verb_cleans_up_after_a_process_killed_at_any_kind_of_action() {
    killed_once_around_every_change(&EVERYTHING);
}

#[test]
fn a_failed_undo_is_reported_and_the_next_verb_completes_it() {
    every_undo_fails_once(&WALKTHROUGH);
}

#[test]
fn a_failed_undo_of_any_kind_is_reported_and_the_next_verb_completes_it() {
    every_undo_fails_once(&EVERYTHING);
}

#[test]
fn an_add_of_the_everything_plan_passes_check_and_its_del_leaves_the_operator_s_bridge() {
    let scene = &EVERYTHING;
    on_fresh_machine(scene, |_| {
        let bridge =
            || sh("ip -o link show cni_bridge0 | sed -E 's/.*mtu ([0-9]+).*ether ([^ ]+).*/\\1 \\2/'");
        let before = bridge();
        add(scene, &Strike::new(Fault::Fails, usize::MAX, false)).unwrap();
        let plan = scene.checked();
        let actions: Vec<&Action> = plan.entries().iter().map(|entry| &entry.action).collect();
        let found = verify(&actions, &mut machine(), &mut Notes::default()).concat();
        assert_eq!(found, Vec::<Difference>::new());
        assert_eq!(bridge(), before);
        assert!(sh("ip addr show cni_bridge0").contains("fd00:77::1/64"), "no new address replaces it");
        let sections = journal().sections().unwrap();
        undo_section(&sections[0], true);
        assert_eq!(bridge(), before);
        let after = snapshot();
        assert!(!after.contains("vethf20174a5") && !after.contains("CNI-"), "{after}");
        assert!(after.contains("PROMISC") && after.contains("10.15.20.1/24"), "a DEL leaves what is shared");
    });
}
