use super::*;
use wasm_cni::value::LinkIdentity;

fn link_undo(identity: LinkIdentity) -> Undo {
    DeleteLink { identity }.into()
}

#[test]
fn a_bridge_is_deleted_only_if_nobody_uses_it() {
    Case::new("bridge with port", vec![vec![bridge(None), veth("eth0", "vethx")]])
        .undos(vec![delete_bridge(1, &[]), delete_bridge(2, &[])])
        .agree();
    Case::new("bridge with a foreign address", vec![vec![bridge(None), add(host("cni0"), "10.1.2.1/24")]])
        .undos(vec![delete_bridge(1, &["10.9.9.9/24"]), delete_bridge(1, &["10.1.2.1/24"])])
        .agree();
}

#[test]
fn names_that_are_taken() {
    Case::new("link of that name in the container", attach("eth0", "vethx", "10.1.2.2"))
        .real("", "ip link add eth0 address 02:00:00:00:00:05 type bridge")
        .fake(|fake| fake.with_link(fact(inside("eth0"), "bridge", 5)).unwrap())
        .agree();

    let (cni0, cni1) = (fact(host("cni0"), "veth", 5), fact(host("cni1"), "veth", 6));
    let add_pair =
        "ip link add cni0 address 02:00:00:00:00:05 type veth peer name cni1 address 02:00:00:00:00:06";
    Case::new("bridge name that is a veth", attach("eth0", "vethx", "10.1.2.2"))
        .real(add_pair, "")
        .fake(|fake| fake.with_pair(cni0.clone(), cni1.clone()).unwrap())
        .undos(vec![delete_bridge(5, &[])])
        .agree();
    Case::new("master that is a veth", vec![vec![veth("eth0", "vethx")], vec![veth("eth1", "vethx")]])
        .real(add_pair, "")
        .fake(|fake| fake.with_pair(cni0, cni1).unwrap())
        .agree();

    Case::new("host name taken", vec![vec![bridge(None), veth("eth0", "vethx"), veth("eth1", "vethx")]])
        .agree();
    Case::new("same name inside", vec![vec![bridge(None), veth("eth0", "vethx"), veth("eth0", "vethy")]])
        .agree();
}

#[test]
fn links_that_the_kernel_refuses() {
    let wrong = |change: &dyn Fn(&mut wasm_cni::action::CreateVeth)| {
        let mut veth = pair("eth0", "vethx");
        change(&mut veth);
        vec![bridge(None), Action::CreateVeth(veth)]
    };
    let steps = vec![
        wrong(&|veth| veth.mtu = Some(60)),
        wrong(&|veth| veth.mtu = Some(70_000)),
        wrong(&|veth| veth.mac.0[0] = 1),
        wrong(&|veth| veth.peer.mac.0 = [0; 6]),
        wrong(&|veth| veth.peer.alias = "a".repeat(255)),
        wrong(&|veth| veth.peer.master = Some(name("nowhere"))),
        vec![up(host("nowhere"))],
        vec![add(host("nowhere"), "10.1.2.1/24")],
    ];
    Case::new("refused pairs", steps).agree();

    let wrong = |mtu, mac| {
        let name = name("cni1");
        vec![Action::EnsureBridge(wasm_cni::action::EnsureBridge { name, mtu, mac, vlan_filtering: false })]
    };
    let group = wasm_cni::value::Mac([1, 0, 0, 0, 0, 1]);
    Case::new(
        "refused bridges",
        vec![wrong(Some(60), mac(1)), wrong(None, group), wrong(Some(70_000), mac(1))],
    )
    .agree();
}

#[test]
fn unusual_links_that_the_kernel_accepts() {
    let mut unmarked = pair("eth0", "vethx");
    unmarked.peer.alias = String::new();
    let mut longest = pair("eth1", "vethy");
    longest.peer.alias = "a".repeat(254);
    let mut alone = pair("eth2", "vethz");
    alone.peer.master = None;
    let all = [unmarked, longest, alone].map(Action::CreateVeth).to_vec();
    Case::new("aliases", vec![vec![bridge(None)], all]).agree();

    let mut small = pair("eth0", "vethx");
    small.mtu = Some(1000);
    let steps = vec![
        vec![bridge(Some(9000)), add(host("cni0"), "fd00::1/64"), Action::CreateVeth(small)],
        vec![sysctl(Netns::Host, "net/ipv6/conf/cni0/accept_ra", "0", true)],
        vec![sysctl(Netns::Container, "net/ipv6/conf/eth0/accept_dad", "0", true)],
        vec![up(inside("eth0")), add(inside("eth0"), "10.1.2.2/24"), add(inside("eth0"), "fd00::2/64")],
        vec![route("fd01::/64", None)],
    ];
    Case::new("MTU below IPv6", steps).agree();
}

#[test]
fn stale_links() {
    let alias = derive::alias(&attachment("eth0"));
    let (vethx, dead) = (fact(host("vethx"), "veth", 5), fact(host("dead"), "veth", 6));
    let vethx = LinkFact { alias: Some(alias.clone()), ..vethx };
    let by_alias =
        |alias: &str| Undo::from(DeleteMarkedLink { name: name("vethx"), alias: alias.to_owned() });
    let start = |name: &str, steps: Vec<Vec<Action>>| {
        let real = format!(
            "ip link add vethx address 02:00:00:00:00:05 type veth peer name dead address 02:00:00:00:00:06
            ip link set vethx alias '{alias}'"
        );
        Case::new(name, steps)
            .real(&real, "")
            .fake(|fake| fake.with_pair(vethx.clone(), dead.clone()).unwrap())
    };
    start("stale link", vec![vec![stale("vethx", &alias), bridge(None), veth("eth0", "vethx")]]).agree();
    start("foreign link", vec![vec![bridge(None), stale("vethx", "theirs"), veth("eth0", "vethx")]])
        .undos(vec![by_alias("theirs"), by_alias(&alias)])
        .agree();
    start(
        "no such link",
        vec![vec![stale("nowhere", &alias), stale("vethx", &alias), stale("vethx", &alias)]],
    )
    .undos(vec![by_alias(&alias)])
    .agree();
}

#[test]
fn links_that_are_not_the_recorded_ones() {
    let identity = |link: wasm_cni::value::LinkRef, index, kind: &str, alias: Option<&str>| {
        let alias = alias.map(str::to_owned);
        link_undo(LinkIdentity { link, index, kind: kind.to_owned(), mac: mac(5), alias })
    };
    let undos = vec![
        identity(host("lo"), 1, "bridge", None),
        identity(host("cni0"), 2, "bridge", None),
        identity(host("cni0"), 2, "veth", None),
        identity(host("cni0"), 2, "bridge", Some("x")),
        identity(host("cni0"), 99, "bridge", None),
        link_undo(LinkIdentity {
            link: host("lo"),
            index: 1,
            kind: String::new(),
            mac: wasm_cni::value::Mac([0; 6]),
            alias: None,
        }),
        Undo::from(RemoveAddress { link: host("nowhere"), address: "10.1.2.1/24".parse().unwrap() }),
        Undo::from(RemoveAddress { link: host("cni0"), address: "10.1.2.1/24".parse().unwrap() }),
    ];
    Case::new("identities", vec![vec![bridge(None)]]).undos(undos).agree();
}

#[test]
fn promiscuous_mode() {
    let clear = |link| Undo::from(ClearPromiscuous { link });
    let steps = vec![
        vec![bridge(None), promiscuous(host("cni0")), promiscuous(host("cni0"))],
        vec![promiscuous(host("cni0"))],
        vec![promiscuous(host("nowhere"))],
    ];
    Case::new("promiscuous new bridge", steps.clone()).undos(vec![clear(host("nowhere"))]).agree();
    Case::new("promiscuous bridge that is there", steps.clone())
        .real(EXISTING, "")
        .fake(|fake| fake.with_link(fact(host("cni0"), "bridge", 1)).unwrap())
        .agree();
    let inside_too = singly(connected(), vec![promiscuous(inside("eth0")), promiscuous(inside("lo"))]);
    Case::new("promiscuous container", inside_too.clone()).undos(vec![clear(host("vethx"))]).agree();
    let off = |link| set(link, wasm_cni::action::LinkAttribute::Promiscuous(false));
    let ends = vec![
        vec![bridge(None), promiscuous(host("cni0"))],
        vec![off(host("cni0"))],
        vec![off(host("cni0"))],
        vec![off(host("nowhere"))],
    ];
    Case::new("promiscuous mode ends", ends.clone()).agree();
    Case::new("promiscuous mode of a bridge that is there ends", ends)
        .real(EXISTING, "")
        .fake(|fake| fake.with_link(fact(host("cni0"), "bridge", 1)).unwrap())
        .agree();
    Case { gone: true, ..Case::new("promiscuous, gone", inside_too) }
        .undos(vec![clear(inside("eth0"))])
        .agree();
}

#[test]
fn isolated_ports() {
    let with = |interface: &str, outside: &str, hairpin, isolated, master: Option<&str>| {
        let mut veth = pair(interface, outside);
        (veth.peer.hairpin, veth.peer.isolated) = (hairpin, isolated);
        veth.peer.master = master.map(name);
        Action::CreateVeth(veth)
    };
    let pairs = vec![
        with("eth0", "vethx", false, true, Some("cni0")),
        with("eth1", "vethy", true, true, Some("cni0")),
        with("eth2", "vethz", true, true, None),
    ];
    Case::new("isolated", vec![vec![bridge(None)], pairs]).agree();
}

#[test]
fn links_that_start_to_forward_and_links_that_do_not() {
    let before = singly(
        vec![vec![bridge(None), veth("eth0", "vethx"), up(host("cni0")), up(host("vethx"))]],
        // The real machine waits five seconds here.
        vec![settle(host("vethx"))],
    );
    let after = [up(inside("eth0")), settle(host("vethx")), settle(inside("eth0")), settle(host("cni0"))];
    let after = singly(before, [&after[..], &[settle(host("nowhere")), settle(inside("nowhere"))]].concat());
    Case::new("settle", after.clone()).agree();
    Case { gone: true, ..Case::new("settle, gone", after) }.agree();
}

#[test]
fn a_foreign_bridge_stays_unchanged() {
    let foreign = |mtu| LinkFact { mtu, ..fact(host("cni0"), "bridge", 9) };
    for (name, mtu, set) in [("default MTU", 1500, ""), ("MTU that was set", 9000, "mtu 9000")] {
        let mut small = pair("eth0", "vethx");
        small.mtu = Some(1400);
        let mut large = pair("eth1", "vethy");
        large.mtu = Some(9000);
        let steps = vec![vec![bridge(None), Action::CreateVeth(small)], vec![Action::CreateVeth(large)]];
        Case::new(name, steps)
            .real(
                &format!("ip link add cni0 type bridge; ip link set cni0 address 02:00:00:00:00:09 {set}"),
                "",
            )
            .fake(|fake| fake.with_link(foreign(mtu)).unwrap())
            .agree();
    }
}

#[test]
fn lo_gets_its_addresses_when_set_up_and_loses_them_when_set_down() {
    let down = |link| Undo::from(SetDown { link });
    let steps = vec![vec![up(inside("lo"))], vec![up(inside("lo")), add(inside("lo"), "fd00::1/128")]];
    Case::new("lo", steps[..1].to_vec()).undos(vec![down(inside("lo"))]).agree();
    Case::new("lo with another address", steps.clone()).undos(vec![down(inside("lo"))]).agree();
    Case { gone: true, ..Case::new("lo, gone", steps) }.undos(vec![down(inside("lo"))]).agree();
}
