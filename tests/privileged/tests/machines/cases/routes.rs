use super::*;

#[test]
fn routes() {
    let refused = vec![
        route("0.0.0.0/0", Some("10.99.0.1")),
        route("10.6.1.1/16", None),
        route("10.6.0.0/16", Some("fd00:1::1")),
        route("10.6.0.0/16", Some("10.1.2.255")),
        route("10.6.0.0/16", Some("224.0.0.1")),
        route("10.6.0.0/16", Some("127.0.0.1")),
        with(Route { scope: Some(253), ..to("10.6.0.0/16", Some("10.1.2.1")) }),
        with(Route { scope: Some(254), ..to("10.6.0.0/16", Some("10.1.2.1")) }),
        with(Route { scope: Some(255), ..to("10.6.0.0/16", None) }),
        route("fd05::/64", Some("fd09::1")),
        route("fd05::/64", Some("fd00:1::2")),
        route("fd05::/64", Some("ff02::1")),
        route("fd05::/64", Some("::")),
    ];
    Case::new("gateway unreachable", singly(connected(), refused.clone())).agree();
    Case::new("a batch goes on", then(connected(), refused)).agree();

    let twice = vec![
        route("0.0.0.0/0", Some("10.1.2.1")),
        route("0.0.0.0/0", Some("10.1.2.1")),
        route("0.0.0.0/0", Some("10.1.2.3")),
        with(Route { mtu: Some(1400), ..to("0.0.0.0/0", Some("10.1.2.1")) }),
        with(Route { priority: Some(7), ..to("0.0.0.0/0", Some("10.1.2.1")) }),
        with(Route { table: Some(100), ..to("0.0.0.0/0", Some("10.1.2.1")) }),
        with(Route { table: Some(100), ..to("0.0.0.0/0", Some("10.1.2.1")) }),
        with(Route { table: Some(254), ..to("0.0.0.0/0", Some("10.1.2.1")) }),
        route("10.1.2.0/24", None),
        route("10.1.2.0/24", None),
        route("::/0", Some("fd00:1::1")),
        route("::/0", Some("fd00:1::1")),
        route("::/0", Some("fd00:1::3")),
        with(Route { mtu: Some(1400), ..to("::/0", Some("fd00:1::1")) }),
        with(Route { priority: Some(7), ..to("::/0", Some("fd00:1::1")) }),
        with(Route { priority: Some(256), ..to("fd00:1::/64", None) }),
        with(Route { table: Some(100), ..to("::/0", Some("fd00:1::1")) }),
    ];
    Case::new("duplicate route", singly(connected(), twice)).agree();
}

#[test]
fn unusual_routes_that_the_kernel_accepts() {
    let odd = vec![
        route("10.6.0.0/16", Some("10.1.2.2")),
        route("10.7.0.0/16", Some("10.1.2.0")),
        route("10.8.0.0/16", Some("0.0.0.0")),
        with(Route { scope: Some(253), ..to("10.9.0.0/16", None) }),
        route("10.10.0.0/16", Some("10.9.0.1")),
        route("10.11.0.0/16", Some("10.8.0.1")),
        with(Route { scope: Some(254), ..to("10.12.0.0/16", None) }),
        with(Route { scope: Some(100), ..to("10.13.0.0/16", None) }),
        with(Route { mtu: Some(100_000), advmss: Some(70_000), ..to("10.14.0.0/16", None) }),
        with(Route { mtu: Some(0), ..to("10.15.0.0/16", None) }),
        with(Route { table: Some(100), scope: Some(253), ..to("10.20.0.0/16", None) }),
        with(Route { table: Some(100), ..to("10.21.0.0/16", Some("10.20.0.1")) }),
        route("10.22.0.0/16", Some("10.20.0.1")),
        route("fd05::7/64", None),
        route("fd06::/64", Some("fe80::9")),
        route("fd07::/64", Some("fd05::9")),
        route("fd08::/64", Some("fd07::9")),
        with(Route { mtu: Some(100_000), advmss: Some(70_000), ..to("fd0a::/64", None) }),
        with(Route { scope: Some(253), ..to("fd0b::/64", Some("fd00:1::1")) }),
    ];
    Case::new("odd routes", singly(connected(), odd)).agree();

    let down = vec![
        vec![bridge(None), veth("eth0", "vethx")],
        vec![add(inside("eth0"), "10.1.2.2/24"), add(inside("eth0"), "fd00:1::2/64")],
        vec![route("10.6.0.0/16", None)],
        vec![route("0.0.0.0/0", Some("10.1.2.1"))],
        vec![route("0.0.0.0/0", Some("10.1.2.2"))],
        vec![with(Route { scope: Some(254), ..to("10.12.0.0/16", None) })],
        vec![route("fd05::/64", None)],
        vec![route("fd05::/64", Some("fd00:1::1"))],
        vec![route("fd05::/64", Some("fe80::1"))],
        vec![up(inside("eth0")), up(inside("eth0"))],
        vec![route("fd05::/64", Some("fd00:1::1"))],
    ];
    Case::new("routes of a link that is down", down).agree();
}
