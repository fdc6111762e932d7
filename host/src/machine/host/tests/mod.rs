use super::super::testing::{new_netns, private, sh, texts};
use super::super::{Effect, Undo};
use super::remains::Inside;
use super::*;
use crate::action::*;
use crate::action::{Answer, Facts, Query};
use crate::value::{Attachment, ContainerId, Fact, Mac, NetworkName, Route, SysctlKey, derive};
use std::path::Path;

mod bridge;
mod undo;

fn name(text: &str) -> IfName {
    IfName::parse(text).unwrap()
}

fn host(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Host, name: name(text) }
}

fn inside(text: &str) -> LinkRef {
    LinkRef { netns: Netns::Container, name: name(text) }
}

fn attachment() -> Attachment {
    Attachment {
        network: NetworkName::parse("mynet").unwrap(),
        container: ContainerId::parse("abc").unwrap(),
        interface: name("eth0"),
    }
}

fn store(dir: &Path) -> StoreRef {
    StoreRef { data_dir: dir.to_owned(), network: attachment().network }
}

fn veth(host_name: &str) -> Action {
    Action::CreateVeth(CreateVeth {
        name: name("eth0"),
        mtu: Some(1400),
        mac: Mac([0x0a, 0x58, 10, 1, 2, 2]),
        peer: VethPeer {
            name: name(host_name),
            mac: Mac([2, 0, 0, 0, 0, 7]),
            alias: derive::alias(&attachment()),
            master: Some(name("cni0")),
            hairpin: true,
            isolated: false,
            vlans: Default::default(),
        },
    })
}

fn bridge() -> Action {
    let mac = Mac([0x0a, 0x58, 10, 1, 2, 1]);
    Action::EnsureBridge(EnsureBridge { name: name("cni0"), mtu: None, mac, vlan_filtering: false })
}

fn up(link: LinkRef) -> Action {
    Action::SetUp(SetUp { link })
}

fn add(link: LinkRef, address: &str) -> Action {
    Action::AddAddress(AddAddress { link, address: address.parse().unwrap(), nodad: false })
}

fn route(dst: &str, gw: Option<&str>) -> Action {
    let gw = gw.map(|gw| gw.parse().unwrap());
    Action::AddRoute(AddRoute {
        link: inside("eth0"),
        route: Route { gw, ..Route::to(dst.parse().unwrap()) },
    })
}

fn sysctl(netns: Netns, key: &str, value: &str) -> Action {
    let key = SysctlKey::parse(key).unwrap();
    Action::SetSysctl(SetSysctl { netns, key, value: value.to_owned(), optional: false })
}

fn masquerade(address: &str) -> Action {
    let (chain, comment) = (derive::chain(&attachment()), derive::comment(&attachment()));
    Action::Masquerade(Masquerade { address: address.parse().unwrap(), chain, comment })
}

fn lease(dir: &Path) -> ReserveLease {
    let address = "10.1.2.2".parse().unwrap();
    ReserveLease { store: store(dir), address, set: 0, owner: attachment().owner() }
}

fn host_veth() -> String {
    derive::host_veth(&attachment(), 0).unwrap().to_string()
}

fn in_container<T>(kernel: &HostKernel, run: impl FnOnce() -> T) -> T {
    let _guard = kernel.container.as_ref().unwrap().enter().unwrap();
    run()
}

/// All effects; anything else fails the test.
fn done(kernel: &mut HostKernel, step: &[Action]) -> Vec<Effect> {
    let outcomes = kernel.execute(step);
    let effect = |(outcome, action)| match outcome {
        Outcome::Done(effect) => effect,
        other => panic!("{action:?}: {other:?}"),
    };
    outcomes.into_iter().zip(step).map(effect).collect()
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(error) | Outcome::Halfway(error) => super::super::errno::chain(error),
        other => panic!("not failed: {other:?}"),
    }
}

fn kernel() -> HostKernel {
    HostKernel::open(Some(new_netns()), false)
}

/// A whole attachment, with one step for each namespace and kind, as a planner makes it.
fn steps(dir: &Path) -> Vec<Vec<Action>> {
    vec![
        vec![Action::ReserveLease(lease(dir))],
        vec![bridge(), add(host("cni0"), "10.1.2.1/24"), up(host("cni0")), veth(&host_veth())],
        vec![sysctl(Netns::Host, &format!("net/ipv6/conf/{}/accept_ra", host_veth()), "0")],
        vec![up(host(&host_veth()))],
        vec![sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify", "1")],
        vec![
            add(inside("eth0"), "10.1.2.2/24"),
            add(inside("eth0"), "fd00:1::2/64"),
            up(inside("eth0")),
            route("0.0.0.0/0", Some("10.1.2.1")),
            route("10.5.0.0/16", None),
        ],
        vec![masquerade("10.1.2.2/24"), masquerade("fd00:1::2/64")],
    ]
}

fn apply(kernel: &mut HostKernel, dir: &Path) -> Vec<Effect> {
    steps(dir).iter().flat_map(|step| done(kernel, step)).collect()
}

fn links(effects: Vec<Effect>) -> Vec<Undo> {
    let identities = effects.into_iter().filter_map(|effect| match effect {
        Effect::CreatedLinks(links) => Some(links),
        _ => None,
    });
    identities.flatten().map(Undo::DeleteLink).collect()
}

#[test]
fn an_attachment_is_made_as_the_reference_makes_it() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut kernel = kernel();
        apply(&mut kernel, dir.path());
        let port = sh(&format!("ip -d link show {}", host_veth()));
        for part in ["master cni0", "mtu 1400", "hairpin on", "02:00:00:00:00:07", "alias wasm-cni ", ",UP"] {
            assert!(port.contains(part), "{part}: {port}");
        }
        assert!(!port.contains("qlen"), "the reference gives the host end no queue: {port}");
        let address = sh("ip addr show cni0");
        assert!(address.contains("inet 10.1.2.1/24 brd 10.1.2.255 scope global cni0"), "{address}");
        let (link, routes) =
            in_container(&kernel, || (sh("ip -d addr show eth0"), sh("ip -d route; ip -6 route")));
        for part in
            ["mtu 1400", "0a:58:0a:01:02:02", "inet 10.1.2.2/24 brd 10.1.2.255", "fd00:1::2/64", "qlen 1000"]
        {
            assert!(link.contains(part), "{part}: {link}");
        }
        for part in
            ["default via 10.1.2.1 dev eth0 proto boot scope global", "10.5.0.0/16 dev eth0 proto boot"]
        {
            assert!(routes.contains(part), "{part}: {routes}");
        }
    });
}

#[test]
fn what_was_made_verifies_and_each_loss_is_named() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut kernel = kernel();
        apply(&mut kernel, dir.path());
        let actions: Vec<Action> = steps(dir.path()).concat();
        assert_eq!(texts(kernel.verify(&actions)), [""; 0]);

        let cases = [
            (format!("ip link set {} nomaster", host_veth()), "is not a port of cni0"),
            (format!("ip link set {} down", host_veth()), "is down"),
            ("ip addr del 10.1.2.1/24 dev cni0".to_owned(), "address 10.1.2.1/24 is missing on cni0"),
            ("iptables -t nat -F".to_owned(), "the rule `-A POSTROUTING -s 10.1.2.2/32"),
            (
                format!("rm {}/mynet/10.1.2.2", dir.path().display()),
                "lease 10.1.2.2 of network mynet is missing",
            ),
        ];
        for (line, difference) in cases {
            sh(&line);
            let found = texts(kernel.verify(&actions));
            assert!(found.iter().any(|text| text.contains(difference)), "{line}: {found:?}");
        }
        let cases = [
            ("ip route del default", "route 0.0.0.0/0 via 10.1.2.1 dev eth0 is missing"),
            ("sysctl -qw net.ipv4.conf.eth0.arp_notify=0", "arp_notify is \"0\", not \"1\""),
            ("ip link set eth0 mtu 1300", "MTU of eth0 (container) is 1300, not 1400"),
            ("ip link set eth0 address 02:00:00:00:00:99", "MAC of eth0 (container) is 02:00:00:00:00:99"),
            ("ip link del eth0", "link eth0 (container) is missing"),
        ];
        for (line, difference) in cases {
            in_container(&kernel, || sh(line));
            let found = texts(kernel.verify(&actions));
            assert!(found.iter().any(|text| text.contains(difference)), "{line}: {found:?}");
        }
    });
}

#[test]
fn of_a_batch_each_action_has_its_own_outcome() {
    private(|| {
        let mut kernel = kernel();
        done(
            &mut kernel,
            &[bridge(), veth("vethx"), up(host("cni0")), up(host("vethx")), up(inside("eth0"))],
        );
        let outcomes = kernel.execute(&[
            add(inside("eth0"), "10.1.2.2/24"),
            add(inside("eth0"), "10.1.2.2/24"),
            route("10.6.1.1/16", None),
            route("0.0.0.0/0", Some("10.99.0.1")),
            add(inside("eth0"), "10.1.3.2/24"),
        ]);
        assert!(matches!(outcomes[0], Outcome::Done(Effect::Created)));
        assert_eq!(text(&outcomes[1]), "failed to add IP addr 10.1.2.2/24 to \"eth0\": file exists");
        assert!(
            text(&outcomes[2]).ends_with("dev eth0 metric 0 (Scope: universe, Table: 0)': invalid argument")
        );
        assert!(text(&outcomes[3]).ends_with(": network is unreachable"), "{outcomes:?}");
        assert!(matches!(outcomes[4], Outcome::Done(Effect::Created)), "the batch goes on: {outcomes:?}");
        // What follows in another way is not begun.
        let outcomes = kernel.execute(&[add(inside("eth0"), "10.1.2.2/24"), masquerade("10.1.2.2/24")]);
        assert!(matches!(outcomes.as_slice(), [Outcome::Halfway(_), Outcome::NotTried]), "{outcomes:?}");
    });
}

#[test]
fn what_is_there_is_used_and_not_ours_to_undo() {
    private(|| {
        let mut kernel = kernel();
        sh(
            "ip link add cni0 type bridge && ip link set cni0 mtu 1450 up && ip addr add 10.1.2.1/24 dev cni0",
        );
        let step = [bridge(), add(host("cni0"), "10.1.2.1/24"), up(host("cni0"))];
        let before = kernel.observe(&step);
        assert_eq!(before, [Before::Present, Before::Present, Before::Present]);
        assert_eq!(
            done(&mut kernel, &step),
            [Effect::AlreadyThere, Effect::AlreadyThere, Effect::AlreadyThere]
        );
        assert!(sh("ip link show cni0").contains("mtu 1450"));
    });
}

#[test]
fn names_that_are_taken_are_told_and_left_alone() {
    private(|| {
        let mut kernel = kernel();
        sh("ip link add vethx type veth peer name other");
        done(&mut kernel, &[bridge()]);
        let outcomes = kernel.execute(&[veth("vethx")]);
        assert_eq!(text(&outcomes[0]), "host veth name (\"vethx\") already exists");
        assert!(!sh("ip link show vethx").contains("alias"));

        in_container(&kernel, || sh("ip link add eth0 type bridge"));
        let outcomes = kernel.execute(&[veth("vethy")]);
        assert_eq!(text(&outcomes[0]), "container veth name (\"eth0\") already exists");
        assert!(!sh("ip link").contains("vethy"));

        sh("ip link del cni0 && ip link add cni0 type veth peer name cni1");
        let outcomes = kernel.execute(&[bridge()]);
        assert_eq!(
            text(&outcomes[0]),
            "failed to create bridge \"cni0\": \"cni0\" already exists but is not a bridge"
        );
        let outcomes = kernel.execute(&[up(host("nowhere"))]);
        assert_eq!(text(&outcomes[0]), "failed to lookup \"nowhere\": Link not found");
    });
}

#[test]
fn facts_are_told_and_a_dry_run_leaves_no_trace() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut dry = HostKernel::open(Some(new_netns()), true);
        let owner = attachment().owner();
        let within = crate::value::AddressRange {
            first: "10.1.2.2".parse().unwrap(),
            last: "10.1.2.9".parse().unwrap(),
        };
        assert_eq!(
            dry.ask(&Query::Held(store(dir.path()), owner.clone())),
            Answer::Held(Fact::Known(Vec::new()))
        );
        assert_eq!(dry.ask(&Query::LastReserved(store(dir.path()), 0)), Answer::LastReserved(Fact::Absent));
        assert_eq!(dry.ask(&Query::Free(store(dir.path()), within)), Answer::Free(Fact::Known(vec![within])));
        assert_eq!(dry.ask(&Query::Link(inside("eth0"))), Answer::Link(Fact::Absent));
        assert!(!dir.path().join("mynet").exists());
        assert!(matches!(dry.execute(&[bridge()]).as_slice(), [Outcome::Failed(_)]));

        sh(
            "ip link add cni0 type bridge && ip link set cni0 address 02:00:00:00:00:01 && ip addr add 10.1.2.1/24 dev cni0",
        );
        let Answer::Link(Fact::Known(found)) = dry.ask(&Query::Link(host("cni0"))) else { panic!("no cni0") };
        assert_eq!((found.kind.as_str(), found.mtu, found.up), ("bridge", 1500, false));
        assert_eq!(found.addresses, ["10.1.2.1/24".parse().unwrap()]);
        assert_eq!(found.mac, Mac([2, 0, 0, 0, 0, 1]));

        let mut real = HostKernel::open(None, false);
        real.ask(&Query::Held(store(dir.path()), owner));
        let lock = dir.path().join("mynet/lock");
        let taken = |flag: &str| sh(&format!("flock -n {} echo free || echo {flag}", lock.display()));
        assert_eq!(taken("held").trim(), "held");
        real.unlock_leases();
        assert_eq!(taken("held").trim(), "free");
    });
}
