use super::*;

#[test]
fn addresses() {
    let more = vec![
        add(inside("eth0"), "10.1.3.2/24"),
        add(inside("eth0"), "10.1.2.3/24"),
        add(inside("eth0"), "10.1.2.2/24"),
        add(inside("eth0"), "10.1.2.2/25"),
        add(inside("eth0"), "10.4.2.3/32"),
        add(inside("eth0"), "10.4.2.4/31"),
        add(inside("eth0"), "10.5.2.4/0"),
        add(inside("eth0"), "224.0.0.1/24"),
        add(inside("eth0"), "0.0.0.0/24"),
        add(inside("eth0"), "fd00:1::3/64"),
        add(inside("eth0"), "fd00:1::3/65"),
        add(inside("eth0"), "fd00:2::3/128"),
        add(inside("eth0"), "fe80::7/64"),
        add(inside("eth0"), "::/64"),
        add(inside("eth0"), "::1/128"),
        add(inside("eth0"), "ff02::7/64"),
    ];
    Case::new("two addresses and many more", then(connected(), more)).agree();
    let twice = vec![add(host("cni0"), "10.1.2.1/24"), add(host("cni0"), "10.1.2.1/24")];
    let gone = Undo::from(RemoveAddress { link: host("cni0"), address: "10.1.2.9/24".parse().unwrap() });
    Case::new("an address of the host twice", then(connected(), twice)).undos(vec![gone]).agree();
    let on_loopback = vec![
        vec![up(inside("lo"))],
        vec![add(inside("lo"), "10.1.9.2/24"), add(inside("lo"), "fd00:9::2/128")],
        vec![up(host("lo")), add(host("lo"), "::1/128"), add(host("lo"), "127.0.0.2/8")],
    ];
    Case::new("loopback", on_loopback).agree();
}

#[test]
fn addresses_that_are_announced() {
    let links = [inside("eth0"), host("vethx"), host("cni0"), inside("lo"), host("nowhere")];
    let cases = singly(connected(), links.map(announce).to_vec());
    Case::new("announced", cases.clone()).agree();
    Case { gone: true, ..Case::new("announced in a container that is gone", cases) }.agree();
    let at_once = vec![
        vec![bridge(None), veth("eth0", "vethx")],
        vec![add(inside("eth0"), "10.1.2.2/24"), announce(inside("eth0")), announce(inside("eth1"))],
    ];
    Case::new("announced while it is down", at_once).agree();
    let Action::AddAddress(address) = add(inside("eth0"), "fd00:1::3/64") else { unreachable!() };
    let address = Action::AddAddress(wasm_cni::action::AddAddress { nodad: true, ..address });
    Case::new("nobody is asked", then(connected(), vec![address])).agree();
}

#[test]
fn a_primary_address_is_deleted_with_its_secondaries_and_the_last_address_with_all_routes() {
    let steps = then(
        connected(),
        vec![
            add(inside("eth0"), "10.1.2.3/24"),
            add(inside("eth0"), "10.1.3.3/24"),
            route("0.0.0.0/0", Some("10.1.2.1")),
            route("10.7.0.0/16", None),
            route("::/0", Some("fd00:1::1")),
        ],
    );
    let gone =
        |address: &str| Undo::from(RemoveAddress { link: inside("eth0"), address: address.parse().unwrap() });
    for count in 1..=3 {
        let undos = ["10.1.2.2/24", "10.1.3.3/24", "fd00:1::2/64"];
        Case::new(&format!("{count} addresses deleted"), steps.clone())
            .undos(undos[..count].iter().map(|address| gone(address)).collect())
            .agree();
    }
}

#[test]
fn replaced_addresses_are_restored() {
    let there = ["10.1.2.1/24", "10.1.2.2/24", "10.1.3.1/24", "fd00:1::1/64", "fd00:2::1/64"];
    let start = || {
        let commands = there.map(|address| format!("ip addr add {address} dev cni0")).join(";");
        let addresses = there.iter().map(|address| address.parse().unwrap()).collect();
        let cni0 = LinkFact { addresses, up: true, ..fact(host("cni0"), "bridge", 1) };
        Case::new("", Vec::new())
            .real(&format!("{EXISTING}; ip link set cni0 up; {commands}"), "")
            .fake(|fake| fake.with_link(cni0).unwrap())
    };
    let away = |addresses: &[&str]| -> Vec<Action> {
        addresses.iter().map(|address| remove(host("cni0"), address)).collect()
    };
    let cases = [
        ("the later first", vec![away(&["10.1.2.2/24", "10.1.2.1/24", "10.1.3.1/24"])]),
        ("the first takes the later with it", vec![away(&["10.1.2.1/24", "10.1.2.2/24"])]),
        ("and is gone in the next step", vec![away(&["10.1.2.1/24"]), away(&["10.1.2.2/24"])]),
        ("IPv6", vec![away(&["fd00:2::1/64", "fd00:1::1/64"])]),
        ("not there", vec![away(&["10.1.2.1/25", "10.9.9.9/24", "fd00:1::1/65", "fd00:9::1/64"])]),
        ("replaced", vec![[away(&["10.1.3.1/24"]), vec![add(host("cni0"), "10.1.3.2/24")]].concat()]),
        ("no such link", vec![vec![remove(host("nowhere"), "10.1.2.1/24")]]),
    ];
    for (name, steps) in cases {
        Case { name: name.to_owned(), steps, ..start() }
            .undos(vec![restore(host("cni0"), "10.1.2.1/24"), restore(host("nowhere"), "10.1.2.1/24")])
            .agree();
    }
    let inside =
        then(connected(), vec![remove(inside("eth0"), "10.1.2.2/24"), remove(inside("lo"), "::1/128")]);
    Case::new("of the container", inside.clone()).agree();
    Case { gone: true, ..Case::new("of a container that is gone", inside) }
        .undos(vec![restore(crate::actions::inside("eth0"), "10.1.2.2/24")])
        .agree();
}
