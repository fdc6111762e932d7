use super::super::Case;
use super::super::actions::*;
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
    let gone = Undo::DeleteAddress { link: host("cni0"), address: "10.1.2.9/24".parse().unwrap() };
    Case::new("an address of the host twice", then(connected(), twice)).undos(vec![gone]).agree();
    let on_loopback = vec![
        vec![up(inside("lo"))],
        vec![add(inside("lo"), "10.1.9.2/24"), add(inside("lo"), "fd00:9::2/128")],
        vec![up(host("lo")), add(host("lo"), "::1/128"), add(host("lo"), "127.0.0.2/8")],
    ];
    Case::new("loopback", on_loopback).agree();
}

#[test]
fn a_first_address_takes_those_of_its_subnet_and_the_last_one_all_routes_with_it() {
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
        |address: &str| Undo::DeleteAddress { link: inside("eth0"), address: address.parse().unwrap() };
    for count in 1..=3 {
        let undos = ["10.1.2.2/24", "10.1.3.3/24", "fd00:1::2/64"];
        Case::new(&format!("{count} addresses deleted"), steps.clone())
            .undos(undos[..count].iter().map(|address| gone(address)).collect())
            .agree();
    }
}
