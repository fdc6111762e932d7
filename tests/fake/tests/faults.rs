//! Faults and refusals of the fake machine.

use nix::errno::Errno;
use std::panic::{AssertUnwindSafe, catch_unwind};
use wasm_cni::machine::port::{Look, Machine, NewKind, NewLink, Request};
use wasm_cni::machine::rules::iptables::{self, Family, Rule, Table};
use wasm_cni::machine::rules::nftables::{self, NewRule, Statement};
use wasm_cni::machine::rules::{Edit, TableError, TableId};
use wasm_cni::value::{ContainerId, IfName, Mac, Netns, NetworkName, Owner, StoreRef};
use wasm_cni_fake::FakeMachine;
use wasm_cni_fake::faulty::{Died, Fault, Strike};

const NAT: TableId = TableId::Iptables(Table::Nat, Family::V4);
const NFT: TableId = TableId::Nftables("inet", "cni");

fn bridge(name: &str) -> Request {
    let name = IfName::parse(name).unwrap();
    let kind = NewKind::Bridge { vlan_filtering: false };
    Request::CreateLink(NewLink { name, mac: Some(Mac([2, 0, 0, 0, 0, 1])), mtu: None, kind })
}

fn chain(name: &str) -> Edit {
    iptables::Edit::NewChain(name.to_owned()).into()
}

fn store() -> StoreRef {
    StoreRef { data_dir: "/leases".into(), network: NetworkName::parse("net").unwrap() }
}

/// Changes a link, a table and a lease store: two requests, an edit, and the files of a lease.
fn change(machine: &mut dyn Machine) -> Vec<bool> {
    let mut done: Vec<bool> =
        machine.send(Netns::Host, vec![bridge("a"), bridge("b")]).iter().map(Result::is_ok).collect();
    done.push(machine.tables().commit(NAT, &[chain("X")]).is_ok());
    let owner =
        Owner { container: ContainerId::parse("c").unwrap(), interface: IfName::parse("eth0").unwrap() };
    let store = machine.stores().locked_store(&store()).unwrap();
    done.push(store.reserve("10.1.2.3".parse().unwrap(), 0, &owner).is_ok());
    machine.stores().unlock_all();
    done
}

#[test]
fn a_fault_affects_one_call() {
    let mut whole = FakeMachine::new();
    let strike = Strike::never();
    assert_eq!(change(whole.struck(strike.clone())), [true; 4]);
    // A lease is written to a temporary file first, and so is the last reserved address of its set.
    assert!(strike.seen() > 6, "{}", strike.seen());
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for at in 0..3 {
            let mut machine = FakeMachine::new();
            let done = change(machine.struck(Strike::at(at, fault)));
            // A lost answer of the kernel also loses the answers to later messages of the batch.
            let is_lost = |call| call == at || fault == Fault::AnswerLost && (at, call) == (0, 1);
            let expected: Vec<bool> = (0..4).map(|call| !is_lost(call)).collect();
            assert_eq!(done, expected, "{fault:?}");
            assert_eq!(
                machine.snapshot() == whole.snapshot(),
                fault == Fault::AnswerLost,
                "{fault:?} at {at}"
            );
        }
    }
    let mut machine = FakeMachine::new();
    assert_eq!(change(machine.struck(Strike::from(1, Fault::Refused))), [true, false, false, false]);
    machine.next_verb();
    assert_eq!(change(&mut machine), [false, true, true, true], "the strike ends with the verb");
}

#[test]
fn the_locks_of_a_dead_process_are_free() {
    let calls = {
        let strike = Strike::never();
        change(FakeMachine::new().struck(strike.clone()));
        strike.seen()
    };
    let mut states = Vec::new();
    // The first two requests are one message, so a process dies before both or after both.
    for at in (0..calls).filter(|at| *at != 1) {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let mut machine = FakeMachine::new();
            machine.struck(Strike::at(at, fault));
            let died = catch_unwind(AssertUnwindSafe(|| change(&mut machine))).unwrap_err();
            assert!(died.is::<Died>());
            // An empty store counts as nothing, and its creation is no call.
            states.push(machine.snapshot().replace("leases /leases/net\n", ""));
            machine.next_verb();
            machine.stores().locked_store(&store()).unwrap();
        }
    }
    // The state after one call is the state before the next.
    for pair in states[1..states.len() - 1].chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
    assert_eq!(states[0], FakeMachine::new().snapshot());
}

#[test]
fn changes_appear_in_the_snapshot() {
    let mut machine = FakeMachine::new().with_file("/etc/resolv.conf", b"nameserver 10.0.0.1");
    let before = machine.clone();
    assert!(machine.send(Netns::Host, vec![bridge("cni0")])[0].is_ok());
    assert!(machine.snapshot().contains("host: link cni0 02:00:00:00:00:01 mtu 1500 down type bridge\n"));
    assert_ne!(machine.snapshot(), before.snapshot());
}

#[test]
fn a_clone_is_independent_and_a_dry_machine_refuses_changes() {
    let mut machine = FakeMachine::new();
    let before = machine.clone();
    change(&mut machine);
    assert_eq!(before.snapshot(), FakeMachine::new().snapshot());
    let mut dry = machine.clone().dry();
    assert_eq!(dry.snapshot(), machine.snapshot());
    assert!(dry.send(Netns::Host, vec![bridge("c")])[0].is_err());
    assert!(matches!(dry.tables().commit(NAT, &[chain("Y")]), Err(TableError::Failed(_))));
    assert!(dry.stores().locked_store(&store()).is_err());
    let gone = machine.without_container().send(Netns::Container, vec![Request::SetUp(1, true)]);
    assert_eq!(gone[0].as_ref().unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let absent =
        dry.sysctl(Netns::Host, &wasm_cni::value::SysctlKey::parse("net/none").unwrap()).unwrap_err();
    assert_eq!(absent.raw_os_error(), Some(Errno::ENOENT as i32));
}

#[test]
fn the_edits_of_a_transaction_are_done_together_or_not_at_all() {
    let machine = FakeMachine::new();
    let tables = machine.tables();
    let jump = Rule::new("POSTROUTING", &["-j", "X"]);
    let add: Edit = iptables::Edit::Append(jump.clone()).into();
    let is_refused =
        |table, edits: &[Edit]| matches!(tables.commit(table, edits), Err(TableError::Refused(_)));
    assert!(is_refused(NAT, &[add.clone(), chain("X")]), "the chain comes later");
    assert!(is_refused(NAT, &[chain("X"), chain("X")]));
    assert!(machine.tables().list(NAT).unwrap().iptables().unwrap().chains.is_empty(), "nothing was done");
    tables.commit(NAT, &[chain("X"), add]).unwrap();
    let plain = TableId::Iptables(Table::PlainNat, Family::V4);
    assert!(tables.list(plain).unwrap().iptables().unwrap().has(&jump), "it is the same table");
    let delete_chain: Edit = iptables::Edit::DeleteChain("X".to_owned()).into();
    let delete: Edit = iptables::Edit::Delete(jump).into();
    assert!(is_refused(NAT, std::slice::from_ref(&delete_chain)), "a rule jumps to it");
    tables.commit(plain, &[delete.clone(), delete_chain]).unwrap();
    assert!(is_refused(NAT, &[delete]), "it is gone");

    let of = |edits: Vec<nftables::Edit>| edits.into_iter().map(Edit::Nftables).collect::<Vec<_>>();
    let rule = |target: &str| {
        let statements = vec![Statement::Jump(target.to_owned())];
        nftables::Edit::AddRule(NewRule { chain: "base".to_owned(), statements, comment: None })
    };
    let named = |name: &str| nftables::Edit::AddChain { name: name.to_owned(), hook: None, comment: None };
    let table = || nftables::Edit::AddTable { comment: None };
    assert!(is_refused(NFT, &of(vec![named("base")])), "without a table");
    assert!(is_refused(NFT, &of(vec![table(), named("base"), rule("other")])), "without the other chain");
    tables
        .commit(NFT, &of(vec![table(), named("base"), named("other"), rule("other"), rule("other")]))
        .unwrap();
    let listed = tables.list(NFT).unwrap();
    let handles: Vec<_> = listed.nftables().unwrap().rules.iter().map(|rule| rule.handle).collect();
    assert_eq!(handles, [Some(1), Some(2)]);
    assert!(is_refused(NFT, &of(vec![nftables::Edit::DeleteChain("other".to_owned())])), "rules jump to it");
    let gone = nftables::Edit::DeleteRule { chain: "base".to_owned(), handle: 3 };
    assert!(is_refused(NFT, &of(vec![gone])));
    tables.commit(NFT, &of(vec![nftables::Edit::DeleteTable])).unwrap();
    assert!(is_refused(NFT, &of(vec![nftables::Edit::DeleteTable])));
    assert!(!machine.snapshot().contains("nft"));
}
