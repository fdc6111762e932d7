//! Routes: the kernel has every field of a configured route, or the ADD fails and leaves nothing.

use serde_json::{Value, json};
use wasm_cni_tests::{Call, Machine, NOTHING};

/// Two addresses without gateways, and routes.
fn network(version: &str, routes: &Value) -> String {
    json!({
        "cniVersion": version, "name": "net", "type": "bridge", "bridge": "br0",
        "ipam": {
            "type": "static", "routes": routes,
            "addresses": [{"address": "10.1.2.2/24"}, {"address": "fd00:1::2/64"}],
        },
    })
    .to_string()
}

fn machine() -> Machine {
    let machine = Machine::new();
    machine.netns("a");
    machine
}

fn call(command: &str, config: &str) -> Call {
    Call::bridge(command, config).container("a").env("CNI_IFNAME", "eth0")
}

fn add(machine: &Machine, config: &str) -> Value {
    serde_json::from_str(&call("ADD", config).ok(machine)).unwrap()
}

fn with_result(config: &str, result: &Value) -> String {
    let mut config: Value = serde_json::from_str(config).unwrap();
    config["prevResult"] = result.clone();
    config.to_string()
}

/// The routes to a destination, in all tables, as `ip` prints them; without those that the kernel adds.
fn to(machine: &Machine, destination: &str) -> Vec<Value> {
    let family = if destination.contains(':') { "-6" } else { "-4" };
    let text = machine.sh(&format!("ip -n a -d -j {family} route show table all exact {destination}"));
    let routes: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
    routes.into_iter().filter(|route| route["protocol"] != "kernel").collect()
}

/// Destination and gateway of both families.
const BOTH: [(&str, &str); 2] = [("10.5.0.0/16", "10.1.2.9"), ("fd05::/64", "fd00:1::9")];

#[test]
fn every_field_of_a_route_is_set_in_both_families() {
    let machine = machine();
    let routes: Vec<Value> = BOTH
        .iter()
        .map(|(dst, gw)| {
            json!({"dst": dst, "gw": gw, "mtu": 1400, "advmss": 1300, "priority": 7, "table": 100, "scope": 0})
        })
        .collect();
    let config = network("1.1.0", &json!(routes));
    let result = add(&machine, &config);
    for (dst, gw) in BOTH {
        let found = to(&machine, dst);
        assert_eq!(found.len(), 1, "{found:?}");
        let route = &found[0];
        assert_eq!(
            (&route["gateway"], &route["metric"], &route["table"], &route["scope"], &route["protocol"]),
            (&json!(gw), &json!(7), &json!("100"), &json!("global"), &json!("boot")),
            "{route}"
        );
        assert_eq!(route["metrics"], json!([{"mtu": 1400, "advmss": 1300}]), "{route}");
    }
    let packet = machine.sh("ip -n a rule add to 10.5.0.0/16 table 100; ip -n a route get 10.5.1.1");
    assert!(packet.contains("via 10.1.2.9 dev eth0 table 100") && packet.contains("mtu 1400"), "{packet}");
    let check = with_result(&config, &result);
    call("CHECK", &check).ok(&machine);

    // CHECK compares each of them.
    let now = |fields: &str| {
        let route = "10.5.0.0/16 via 10.1.2.9 dev eth0 table 100";
        machine.sh(&format!("ip -n a route del {route}; ip -n a route add {route} {fields}"));
    };
    for other in
        ["metric 8 mtu 1400 advmss 1300", "metric 7 mtu 1300 advmss 1300", "metric 7 mtu 1400 advmss 1200"]
    {
        now(other);
        let (code, _, details) = call("CHECK", &check).error(&machine);
        assert!(code == 106 && details.contains("route 10.5.0.0/16 via 10.1.2.9"), "{other}: {details}");
    }
    now("metric 7 mtu 1400 advmss 1300");
    call("CHECK", &check).ok(&machine);
}

#[test]
fn scopes_are_set_where_the_kernel_has_them() {
    let machine = machine();
    let routes = json!([
        {"dst": "10.6.0.0/16", "scope": 253}, {"dst": "10.7.0.0/16", "scope": 254}, {"dst": "10.8.0.0/16"},
        {"dst": "fd06::/64", "scope": 253},
    ]);
    let config = network("1.0.0", &routes);
    let result = add(&machine, &config);
    let scope = |dst: &str| to(&machine, dst)[0]["scope"].clone();
    let scopes = ["10.6.0.0/16", "10.7.0.0/16", "10.8.0.0/16", "fd06::/64"].map(scope);
    assert_eq!(scopes, ["link", "host", "global", "global"].map(|scope| json!(scope)), "IPv6 has none");
    let check = with_result(&config, &result);
    call("CHECK", &check).ok(&machine);
    machine.sh("ip -n a route del 10.6.0.0/16; ip -n a route add 10.6.0.0/16 dev eth0 scope global");
    let (_, _, details) = call("CHECK", &check).error(&machine);
    assert!(details.contains("route 10.6.0.0/16"), "{details}");
}

#[test]
fn a_gateway_that_cannot_be_reached_fails_the_add_by_name_and_leaves_nothing() {
    for (dst, gateway, why) in [
        ("10.5.0.0/16", "10.99.0.1", "network is unreachable"),
        ("fd05::/64", "fd99::1", "no route to host"),
        ("0.0.0.0/0", "192.0.2.1", "network is unreachable"),
        ("::/0", "2001:db8::1", "no route to host"),
        // An address of the container itself.
        ("fd05::/64", "fd00:1::2", "invalid argument"),
    ] {
        let machine = machine();
        let before = machine.snapshot();
        let config = network("1.0.0", &json!([{"dst": "10.8.0.0/16"}, {"dst": dst, "gw": gateway}]));
        let (code, msg, details) = call("ADD", &config).error(&machine);
        assert_eq!(code, 999);
        assert!(msg.contains(&format!("via {gateway} dev eth0")) && msg.ends_with(why), "{msg}");
        assert!(msg.contains(dst.split('/').next().unwrap()), "{msg}");
        assert!(details.contains("undone"), "{details}");
        assert_eq!(machine.changes(&before), NOTHING);
    }
}

#[test]
fn the_same_route_twice_is_one_and_another_gateway_another() {
    let machine = machine();
    let route = |(dst, gw): (&str, &str)| json!({"dst": dst, "gw": gw});
    let [v4, v6] = BOTH.map(route);
    let (other_v4, other_v6) = (route(("10.5.0.0/16", "10.1.2.8")), route(("fd05::/64", "fd00:1::8")));
    let config = network("1.0.0", &json!([v4, v4, v6, v6, other_v4, other_v6]));
    let result = add(&machine, &config);
    let gateways: Vec<Value> =
        to(&machine, "10.5.0.0/16").iter().map(|route| route["gateway"].clone()).collect();
    assert_eq!(gateways, ["10.1.2.8", "10.1.2.9"], "the later one is used, as with the reference");
    let found = to(&machine, "fd05::/64");
    assert_eq!(found.len(), 1, "{found:?}");
    let mut hops: Vec<&str> =
        found[0]["nexthops"].as_array().unwrap().iter().filter_map(|hop| hop["gateway"].as_str()).collect();
    hops.sort_unstable();
    assert_eq!(hops, ["fd00:1::8", "fd00:1::9"], "IPv6 uses both, as with the reference");
    call("CHECK", &with_result(&config, &result)).ok(&machine);
}

#[test]
fn a_gateway_outside_the_subnet_is_reached_by_a_route_of_its_own() {
    let machine = machine();
    let config = network(
        "1.0.0",
        &json!([
            {"dst": "192.0.2.1/32", "scope": 253}, {"dst": "0.0.0.0/0", "gw": "192.0.2.1"},
            {"dst": "2001:db8::1/128"}, {"dst": "::/0", "gw": "2001:db8::1"}, {"dst": "fd09::/64", "gw": "fe80::1"},
        ]),
    );
    let result = add(&machine, &config);
    assert_eq!(to(&machine, "0.0.0.0/0")[0]["gateway"], "192.0.2.1");
    assert_eq!(to(&machine, "::/0")[0]["gateway"], "2001:db8::1");
    assert_eq!(to(&machine, "fd09::/64")[0]["gateway"], "fe80::1");
    call("CHECK", &with_result(&config, &result)).ok(&machine);
    machine.sh("ip addr add 192.0.2.1/32 dev br0; ip route add 10.1.2.0/24 dev br0
        ip addr add 2001:db8::1/128 dev br0 nodad; ip -6 route add fd00:1::/64 dev br0");
    machine.sh("ip netns exec a ping -q -c 1 -W 5 192.0.2.1; ip netns exec a ping -q -c 1 -W 5 2001:db8::1");
}

#[test]
fn an_ipv6_destination_loses_its_host_bits_in_the_kernel_and_an_ipv4_one_is_refused() {
    let machine = machine();
    let config = network("1.0.0", &json!([{"dst": "fd05::7/64", "gw": "fd00:1::9"}]));
    let result = add(&machine, &config);
    assert_eq!(result["routes"], json!([{"dst": "fd05::7/64", "gw": "fd00:1::9"}]), "as it was given");
    assert_eq!(to(&machine, "fd05::/64")[0]["gateway"], "fd00:1::9");
    call("CHECK", &with_result(&config, &result)).ok(&machine);
    machine.sh("ip -n a -6 route del fd05::/64");
    let (code, _, details) = call("CHECK", &with_result(&config, &result)).error(&machine);
    assert!(code == 106 && details.contains("fd05::7/64"), "{details}");
    call("DEL", &config).ok(&machine);

    let before = machine.snapshot();
    let config = network("1.0.0", &json!([{"dst": "10.5.1.1/16"}]));
    let (code, msg, _) = call("ADD", &config).error(&machine);
    assert!(code == 103 && msg.contains("10.5.1.1/16"), "{msg}");
    assert_eq!(machine.changes(&before), NOTHING);
}

#[test]
fn default_routes_stand_beside_each_other_by_priority() {
    let machine = machine();
    let config = network(
        "1.1.0",
        &json!([
            {"dst": "0.0.0.0/0", "gw": "10.1.2.9", "priority": 200}, {"dst": "0.0.0.0/0", "gw": "10.1.2.8", "priority": 100},
            {"dst": "::/0", "gw": "fd00:1::9", "priority": 200}, {"dst": "::/0", "gw": "fd00:1::8", "priority": 100},
        ]),
    );
    let result = add(&machine, &config);
    for (default, anybody, first) in
        [("0.0.0.0/0", "192.0.2.1", "10.1.2.8"), ("::/0", "2001:db8::1", "fd00:1::8")]
    {
        assert_eq!(to(&machine, default).len(), 2);
        let used = machine.sh(&format!("ip -n a route get {anybody}"));
        assert!(used.contains(&format!("via {first} ")), "{used}");
    }
    call("CHECK", &with_result(&config, &result)).ok(&machine);
}

#[test]
fn results_have_the_fields_of_routes_in_every_version_that_has_routes() {
    let full = json!({"dst": "10.5.0.0/16", "gw": "10.1.2.9", "mtu": 1400, "advmss": 1300, "priority": 7, "table": 100, "scope": 0});
    let bare = json!({"dst": "fd05::/64"});
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let machine = machine();
        let result = add(&machine, &network(version, &json!([full, bare])));
        assert_eq!(result["routes"], json!([full, bare]), "{version}");
    }
    for version in ["0.1.0", "0.2.0"] {
        let machine = machine();
        let result = add(&machine, &network(version, &json!([full, bare])));
        let first_route = |family: &str| result[family]["routes"][0].clone();
        assert_eq!(
            (first_route("ip4")["dst"].clone(), first_route("ip6")),
            (full["dst"].clone(), bare.clone()),
            "{result}"
        );
        let route = &to(&machine, "10.5.0.0/16")[0];
        let main = (&json!("10.1.2.9"), &json!("main"), &Value::Null);
        assert_eq!(
            (&route["gateway"], &route["table"], &route["metric"]),
            main,
            "what IPAM cannot tell in such a version is not set, as with the reference"
        );
    }
}
