//! Facts with the plan applied to them.

use super::super::limits::Limits;
use super::super::overlay;
use super::super::recorder::{Level, Loaded, Recorder, Upstream};
use super::{Machine, plugin, request};
use crate::action::{Action, Answer, Facts, Query};
use crate::action::{AddAddress, CreateVeth, DeleteStaleLink, EnsureBridge, ReserveLease, VethPeer};
use crate::cni::{CniError, ErrorKind};
use crate::plan::DraftPlan;
use crate::value::{
    AddressRange, Fact, IfName, LinkFact, LinkRef, Mac, Netns, NetworkName, PluginName, Report, StoreRef,
    derive,
};
use std::path::Path;

impl Upstream for Machine {
    fn ask(&mut self, _: &PluginName, query: &Query) -> Answer {
        Facts::ask(self, query)
    }

    fn load(&mut self, _: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError> {
        Err(CniError::new(ErrorKind::Refused, plugin.to_string()))
    }

    fn delegate(&mut self, plugin: &PluginName, _: DraftPlan) -> Result<Report, CniError> {
        Err(CniError::new(ErrorKind::Refused, plugin.to_string()))
    }

    fn log(&mut self, _: &PluginName, _: Level, _: &str) {}
}

fn recorder(links: Vec<LinkFact>) -> Recorder {
    Recorder::new(request(), Limits::default(), Vec::new(), Box::new(Machine { links, ..Machine::default() }))
}

fn name(name: &str) -> IfName {
    IfName::parse(name).unwrap()
}

fn host(link: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(link) }
}

fn existing(link: &str) -> LinkFact {
    LinkFact {
        netns: Netns::Host,
        name: name(link),
        index: 7,
        kind: "bridge".to_owned(),
        mac: Mac([2, 0, 0, 0, 0, 1]),
        mtu: 1400,
        up: true,
        alias: None,
        master: None,
        addresses: vec!["10.1.0.1/16".parse().unwrap()],
    }
}

fn bridge(link: &str) -> Action {
    Action::EnsureBridge(EnsureBridge {
        name: name(link),
        mtu: Some(1500),
        mac: Mac([0; 6]),
        vlan_filtering: false,
    })
}

fn address(link: LinkRef, address: &str) -> Action {
    Action::AddAddress(AddAddress { link, address: address.parse().unwrap(), nodad: false })
}

fn record(recorder: &mut Recorder, action: Action) {
    recorder.record(&plugin("bridge"), action).unwrap();
}

#[test]
fn an_existing_link_keeps_its_attributes_and_gets_the_plans_addresses() {
    let mut recorder = recorder(vec![existing("cni0")]);
    record(&mut recorder, bridge("cni0"));
    record(&mut recorder, address(host("cni0"), "10.15.20.1/24"));
    record(&mut recorder, address(host("cni0"), "10.1.0.1/16"));
    let fact = overlay::link(&mut recorder, &host("cni0")).unwrap().unwrap();
    let addresses: Vec<String> = fact.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(
        (fact.mtu, fact.index, addresses),
        (1400, 7, vec!["10.1.0.1/16".into(), "10.15.20.1/24".into()])
    );
}

#[test]
fn a_planned_link_is_found_and_a_stale_one_is_not() {
    let mut recorder = recorder(vec![existing("veth0")]);
    record(&mut recorder, bridge("cni0"));
    assert_eq!(overlay::link(&mut recorder, &host("cni0")).unwrap().unwrap().mtu, 1500);
    assert_eq!(overlay::link(&mut recorder, &host("other")).unwrap(), None);
    let stale = DeleteStaleLink { name: name("veth0"), alias: String::new() };
    record(&mut recorder, Action::DeleteStaleLink(stale));
    assert_eq!(overlay::link(&mut recorder, &host("veth0")).unwrap(), None);
}

#[test]
fn an_address_of_the_plan_is_no_longer_free() {
    let mut recorder = recorder(Vec::new());
    let store = StoreRef { data_dir: "/x".into(), network: NetworkName::parse("mybridge").unwrap() };
    let range = AddressRange { first: "10.0.0.1".parse().unwrap(), last: "10.0.0.4".parse().unwrap() };
    let reserve = |recorder: &mut Recorder, address: &str| {
        let owner = recorder.attachment().owner();
        let lease = ReserveLease {
            store: store.clone(),
            address: address.parse().unwrap(),
            set: 1,
            owner,
            again: false,
        };
        record(recorder, Action::ReserveLease(lease));
    };
    let free = |recorder: &mut Recorder| -> Vec<String> {
        let gaps = overlay::free(recorder, &store, range).unwrap();
        gaps.iter().map(|gap| format!("{}-{}", gap.first, gap.last)).collect()
    };
    assert_eq!(free(&mut recorder), ["10.0.0.1-10.0.0.4"]);
    reserve(&mut recorder, "10.0.0.3");
    assert_eq!(free(&mut recorder), ["10.0.0.1-10.0.0.2", "10.0.0.4-10.0.0.4"]);
    for address in ["10.0.0.1", "10.0.0.4", "fd00::1"] {
        reserve(&mut recorder, address);
    }
    assert_eq!(free(&mut recorder), ["10.0.0.2-10.0.0.2"]);
    reserve(&mut recorder, "10.0.0.2");
    assert!(free(&mut recorder).is_empty());
    assert_eq!(overlay::held(&mut recorder, &store).unwrap().len(), 5);
    let last = overlay::last_reserved(&mut recorder, &store, 1).unwrap();
    assert_eq!(last, Some("10.0.0.2".parse().unwrap()));
    assert_eq!(overlay::last_reserved(&mut recorder, &store, 2).unwrap(), None, "of another set");
}

#[test]
fn unset_macs_derive_from_the_first_ipv4_address() {
    let mut recorder = recorder(Vec::new());
    let peer = VethPeer {
        name: name("veth1"),
        mac: Mac([0; 6]),
        alias: "x".into(),
        master: None,
        hairpin: false,
        isolated: false,
        vlans: Default::default(),
    };
    record(&mut recorder, bridge("cni0"));
    let veth = CreateVeth { name: name("eth0"), mtu: None, mac: Mac([0; 6]), peer };
    record(&mut recorder, Action::CreateVeth(veth));
    record(&mut recorder, address(host("cni0"), "fd00::1/64"));
    record(&mut recorder, address(host("cni0"), "10.15.20.1/24"));
    let attachment = recorder.attachment().clone();
    let plan = recorder.finish(Report::default()).unwrap();
    let [bridge, veth, ..] = plan.entries.as_slice() else { panic!("{plan:?}") };
    assert!(matches!(&bridge.action, Action::EnsureBridge(b) if b.mac.to_string() == "0a:58:0a:0f:14:01"));
    let Action::CreateVeth(veth) = &veth.action else { panic!("{veth:?}") };
    assert_eq!(veth.mac, derive::mac(&attachment, "container"));
    assert_eq!(veth.peer.mac, derive::mac(&attachment, "peer"));
}

#[test]
fn an_unreadable_file_counts_as_empty_and_is_listed_in_the_plan() {
    struct Hidden;
    impl Upstream for Hidden {
        fn ask(&mut self, _: &PluginName, _: &Query) -> Answer {
            Answer::File(Fact::Unreadable)
        }

        fn load(&mut self, _: &PluginName, plugin: &PluginName) -> Result<Loaded, CniError> {
            Err(CniError::new(ErrorKind::Refused, plugin.to_string()))
        }

        fn delegate(&mut self, plugin: &PluginName, _: DraftPlan) -> Result<Report, CniError> {
            Err(CniError::new(ErrorKind::Refused, plugin.to_string()))
        }

        fn log(&mut self, _: &PluginName, _: Level, _: &str) {}
    }
    let path = Path::new("/etc/resolv.conf");
    let mut readable = recorder(Vec::new());
    assert_eq!(overlay::file(&mut readable, path).unwrap().unwrap(), b"nameserver 10.0.0.53");
    assert!(readable.finish(Report::default()).unwrap().unreadable.is_empty());
    let mut hidden = Recorder::new(request(), Limits::default(), Vec::new(), Box::new(Hidden));
    assert!(overlay::file(&mut hidden, path).unwrap().unwrap().is_empty());
    assert_eq!(hidden.finish(Report::default()).unwrap().unreadable, [Query::File(path.into())]);
}

#[test]
fn each_plugin_asks_for_itself() {
    struct Named;
    impl Upstream for Named {
        fn ask(&mut self, asks: &PluginName, _: &Query) -> Answer {
            Answer::File(Fact::Known(asks.as_str().as_bytes().to_vec()))
        }

        fn load(&mut self, caller: &PluginName, _: &PluginName) -> Result<Loaded, CniError> {
            Err(CniError::new(ErrorKind::Refused, caller.to_string()))
        }

        fn delegate(&mut self, plugin: &PluginName, _: DraftPlan) -> Result<Report, CniError> {
            Err(CniError::new(ErrorKind::Refused, plugin.to_string()))
        }

        fn log(&mut self, _: &PluginName, _: Level, _: &str) {}
    }
    let mut recorder = Recorder::new(request(), Limits::default(), Vec::new(), Box::new(Named));
    let path = Path::new("/etc/resolv.conf");
    assert_eq!(overlay::file(&mut recorder, path).unwrap().unwrap(), b"bridge");
    recorder.enter(&plugin("host-local"));
    assert_eq!(
        overlay::file(&mut recorder, path).unwrap().unwrap(),
        b"host-local",
        "not what bridge was told"
    );
    assert_eq!(recorder.load(&plugin("other")).unwrap_err().msg, "host-local");
    recorder.leave();
    assert_eq!(recorder.load(&plugin("other")).unwrap_err().msg, "bridge");
}
