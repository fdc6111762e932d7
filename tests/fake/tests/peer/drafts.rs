//! Plans of a planner, with values that the recorder refuses to record: the contract has no such action.

use super::{BOUND, EVERYTHING, Scene, WALKTHROUGH, load, plan_of, send};
use serde_json::{Value, json};
use wasm_cni::cni::{CniError, code};

/// The error for the plan of a scene after a change.
fn error_after(scene: &Scene, what: &str, change: impl Fn(&mut Value)) -> CniError {
    let mut message = plan_of(scene);
    let honest = message.clone();
    change(&mut message["plan"]);
    assert!(message != honest, "{what} changes nothing");
    send(scene, &[load(), message]).refused(what)
}

/// The places of a plan that end with this path: `create-veth/peer/name` in each entry with such an action.
fn places(plan: &Value, path: &str) -> Vec<String> {
    let entries = plan["entries"].as_array().map_or(0, Vec::len);
    let all = (0..entries).map(|at| format!("/entries/{at}/action/{path}"));
    all.chain([format!("/report/{path}")]).filter(|pointer| plan.pointer(pointer).is_some()).collect()
}

/// Puts each value into each place of the plan, one at a time. None must pass.
fn refuse_each(scene: &Scene, path: &str, values: &[Value]) {
    let pointers = places(&plan_of(scene)["plan"], path);
    assert!(!pointers.is_empty(), "the plan has no {path}");
    for pointer in &pointers {
        for value in values {
            let what = format!("{pointer} = {value:.80}");
            let error = error_after(scene, &what, |plan| *plan.pointer_mut(pointer).unwrap() = value.clone());
            let is_of_check = [code::TRAPPED, code::DENIED].contains(&error.code);
            assert!(is_of_check, "{what}: neither the protocol nor policy refused it: {error:?}");
        }
    }
}

fn texts(texts: &[&str]) -> Vec<Value> {
    texts.iter().map(|text| json!(text)).collect()
}

/// No names of links.
fn names() -> Vec<Value> {
    let mut names = texts(&[
        "",
        ".",
        "..",
        "../eth0",
        "a/b",
        "eth0\0",
        "\0",
        "0123456789abcdef",
        "eth 0",
        "eth0\n",
        "eth:0",
        "eth%d",
        "all",
        "default",
        "\u{1b}[2J",
        "\u{fffd}",
    ]);
    names.extend([json!(7), json!(null), json!(["eth0"]), json!({"name": "eth0"})]);
    names
}

#[test]
fn a_name_that_no_link_can_have_ends_the_add() {
    let paths = [
        "ensure-bridge/name",
        "create-veth/name",
        "create-veth/peer/name",
        "create-veth/peer/master",
        "set-up/link/name",
        "add-address/link/name",
        "delete-address/link/name",
        "add-route/link/name",
        "announce/link/name",
        "settle/link/name",
        "set-promiscuous/link/name",
        "set-link/link/name",
        "save-link/link/name",
        "delete-stale-link/name",
        "check-source-mac/port",
        "links/0/name",
    ];
    let names = names();
    for path in paths {
        // Without a bridge, the pair is of another plugin than `bridge`: a missing master is a demand.
        let values: Vec<Value> =
            names.iter().filter(|value| !(path.ends_with("master") && value.is_null())).cloned().collect();
        refuse_each(&EVERYTHING, path, &values);
    }
}

#[test]
fn a_parameter_outside_of_net_ends_the_add() {
    let keys = texts(&[
        "",
        "net",
        "net/",
        "kernel/core_pattern",
        "kernel.core_pattern",
        "/net/ipv4/ip_forward",
        "net/../kernel/core_pattern",
        "net/ipv4/../../kernel/core_pattern",
        "net/ipv4/./ip_forward",
        "net/ipv4//ip_forward",
        "net/ipv4/ip_forward\0",
        "../../etc/passwd",
        "net.ipv4.ip_forward",
        "net/ipv4/conf/eth0",
        "net/ipv4/conf/all/route_localnet",
        "net/ipv4/conf/eth9/proxy_arp",
    ]);
    refuse_each(&WALKTHROUGH, "set-sysctl/key", &keys);
}

#[test]
fn a_text_that_is_no_address_ends_the_add() {
    let addresses = texts(&[
        "",
        "10.15.20",
        "10.15.20.256/24",
        "10.15.20.2/33",
        "10.15.20.2/-1",
        "10.15.20.2/24/24",
        "0x0a.15.20.2/24",
        "fd00:15::2/129",
        "fd00:::2/64",
        "fe80::1%eth0/64",
        "localhost/8",
        " 10.15.20.2/24",
        "10.15.20.2/24; reboot",
        "-s/24",
    ]);
    for path in
        ["add-address/address", "masquerade/address", "masquerade-nft/address", "delete-address/address"]
    {
        refuse_each(&EVERYTHING, path, &addresses);
        refuse_each(&EVERYTHING, path, &[json!(1), json!(null), json!([10, 15, 20, 2])]);
    }
    refuse_each(&EVERYTHING, "add-route/route/dst", &addresses);
    refuse_each(&EVERYTHING, "ips/0/address", &addresses);
    let ips = texts(&["10.15.20.2/24", "10.15.20.256", "", "gateway", "10.15.20.2:80"]);
    refuse_each(&EVERYTHING, "add-route/route/gw", &ips);
    refuse_each(&EVERYTHING, "reserve-lease/address", &ips);
    refuse_each(&EVERYTHING, "ips/0/gateway", &ips);
    let macs = texts(&[
        "",
        "0a:58",
        "0a:58:0a:0f:14:02:01",
        "0g:58:0a:0f:14:02",
        "0a-58-0a-0f-14-02",
        "+a:58:0a:0f:14:02",
    ]);
    for path in ["create-veth/mac", "create-veth/peer/mac", "ensure-bridge/mac", "check-source-mac/mac"] {
        refuse_each(&EVERYTHING, path, &macs);
    }
}

#[test]
fn a_lease_in_a_file_of_others_ends_the_add() {
    let directories = texts(&[
        "",
        ".",
        "/",
        "/etc",
        "run/networks",
        "/run/networks/..",
        "/run/networks/../../etc",
        "/run/networks/other",
        "/run/networks\0",
        "/var/lib/cni/networks",
    ]);
    refuse_each(&EVERYTHING, "reserve-lease/store/data_dir", &directories);
    let identifiers =
        texts(&["", "..", "../mybridge", "a/b", "other", "c\0", "c\nd", "-c", &"x".repeat(256)]);
    refuse_each(&EVERYTHING, "reserve-lease/store/network", &identifiers);
    refuse_each(&EVERYTHING, "reserve-lease/owner/container", &identifiers);
    refuse_each(&EVERYTHING, "reserve-lease/owner/interface", &names());
    let sets = [json!(-1), json!(2), json!(u32::MAX), json!(1_u64 << 32), json!(0.5), json!("0")];
    refuse_each(&EVERYTHING, "reserve-lease/set", &sets);
    let files = texts(&[
        "/etc/cron.d/x",
        "/run/cni/tuning/../../x",
        "run/cni/tuning/c_eth0.json",
        "/run/cni/tuning/other",
        "",
        "/run/cni/tuning/c_eth0.json\0",
    ]);
    refuse_each(&EVERYTHING, "save-link/path", &files);
}

#[test]
fn a_rule_in_a_chain_or_with_a_comment_of_others_ends_the_add() {
    let chains = texts(&[
        "",
        "POSTROUTING",
        "FORWARD",
        "CNI-0",
        "CNI-bde43e1f13b3f882cf8c0404 -j ACCEPT",
        "-F",
        "x\n-A INPUT -j DROP",
        "x\0",
    ]);
    refuse_each(&EVERYTHING, "masquerade/chain", &chains);
    let comments = texts(&[
        "",
        "x",
        "name: \"mybridge\" id: \"c\"\n-A INPUT -j DROP",
        "\" -j DROP",
        "x\0",
        &"x".repeat(1 << 16),
    ]);
    refuse_each(&EVERYTHING, "masquerade/comment", &comments);
    refuse_each(&EVERYTHING, "masquerade-nft/comment", &comments);
    refuse_each(&EVERYTHING, "check-source-mac/identity", &comments);
    refuse_each(&EVERYTHING, "create-veth/peer/alias", &comments);
    refuse_each(&EVERYTHING, "delete-stale-link/alias", &comments);
}

#[test]
fn a_number_that_is_too_large_ends_the_add() {
    let numbers = [json!(-1), json!(u64::MAX), json!(1e300), json!(1_u64 << 32), json!("1400"), json!(true)];
    refuse_each(&EVERYTHING, "create-veth/mtu", &numbers);
    refuse_each(&EVERYTHING, "ensure-bridge/mtu", &numbers);
    refuse_each(
        &EVERYTHING,
        "ips/0/interface",
        &[json!(-1), json!(3), json!(u64::MAX), json!("0"), json!(0.0)],
    );
    let vlans = |first: u64, last: u64| json!({"drop_default": true, "added": [{"first": first, "last": last, "native": false}]});
    for vlans in [vlans(5, 5), vlans(0, 65535), vlans(0, 65536), vlans(9, 1), vlans(1, u64::MAX)] {
        let error = error_after(&EVERYTHING, &vlans.to_string(), |plan| {
            plan["entries"][4]["action"]["create-veth"]["peer"]["vlans"] = vlans.clone();
        });
        assert!([code::TRAPPED, code::DENIED].contains(&error.code), "{error:?}");
    }
}

#[test]
fn a_plan_of_any_length_ends_the_add() {
    let repeated = |list: &str, count: usize| {
        let mut message = plan_of(&WALKTHROUGH);
        let all = message["plan"].pointer_mut(list).unwrap().as_array_mut().unwrap();
        let one = all.last().unwrap().clone();
        all.extend(std::iter::repeat_n(one, count));
        send(&WALKTHROUGH, &[load(), message])
    };
    for (list, told) in [
        ("/entries", "actions"),
        ("/report/ips", "a result of"),
        ("/report/links", "a result of"),
        ("/report/routes", "a result of"),
    ] {
        let error = repeated(list, 4096).refused(list);
        assert!(error.code == code::TRAPPED && error.details.contains(told), "{list}: {error:?}");
    }
    // As many as a guest may record: the same rule again is no other one.
    let ended = repeated("/entries", 4000);
    assert!(ended.result.is_ok() && ended.took < BOUND, "{:?} in {:?}", ended.result, ended.took);
    let error = error_after(&WALKTHROUGH, "8 MiB", |plan| {
        plan["report"]["dns"] = json!({"domain": "x".repeat(9 << 20)})
    });
    assert!(error.details.starts_with("a message of "), "{error:?}");
    let error = error_after(&WALKTHROUGH, "1 MiB", |plan| {
        plan["report"]["dns"] = json!({"domain": "x".repeat(1 << 20)})
    });
    assert!(error.details.ends_with("bytes of DNS settings"), "{error:?}");
}

/// Actions that no function of the contract records, or that it records only for another plugin.
#[test]
fn an_action_that_no_function_records_ends_the_add() {
    let host = |name: &str| json!({"netns": "host", "name": name});
    for action in [
        json!({"run": "/bin/sh"}),
        json!({"delete-link": {"name": "eth0"}}),
        json!("set-up"),
        json!({}),
        json!(null),
        json!({"delegate": {"plugin": "host-local", "program": "/bin/sh", "owner": {"container": "c", "interface": "eth0"},
            "netns": "", "args": "", "path": "", "config": "{}"}}),
        json!({"set-link": {"link": host("lo"), "attribute": {"mtu": 68}}}),
        json!({"set-link": {"link": host("cni_bridge0"), "attribute": {"alias": "mine"}}}),
        json!({"set-link": {"link": {"netns": "moon", "name": "eth0"}, "attribute": {"mtu": 1400}}}),
        json!({"set-up": {"link": host("eth0")}}),
        json!({"delete-address": {"link": host("eth0"), "address": "192.0.2.10/24"}}),
        json!({"add-route": {"link": host("eth0"), "route": {"dst": "0.0.0.0/0", "gw": "192.0.2.66"}}}),
        json!({"delete-stale-link": {"name": "eth0", "alias": ""}}),
        json!({"save-link": {"link": {"netns": "container", "name": "eth0"}, "path": "/etc/passwd", "attributes": []}}),
    ] {
        let entry = json!({"plugin": "bridge", "lifetime": "attachment", "action": action});
        for at in [0, 15] {
            let error = error_after(&WALKTHROUGH, &entry.to_string(), |plan| {
                plan["entries"].as_array_mut().unwrap().insert(at, entry.clone());
            });
            assert!([code::TRAPPED, code::DENIED].contains(&error.code), "{entry}: {error:?}");
        }
    }
    for (key, values) in [
        ("lifetime", texts(&["node", "for-ever", ""])),
        ("plugin", texts(&["tuning", "kubelet", "", "..", "a/b", "bridge\0", "bridge\n"])),
    ] {
        for value in values {
            let what = format!("{key} = {value}");
            error_after(&WALKTHROUGH, &what, |plan| plan["entries"][2][key] = value.clone());
        }
    }
}

#[test]
fn a_result_that_no_plugin_can_give_ends_the_add() {
    for (pointer, values) in [
        ("/report/passed", vec![json!([{"name": "eth9", "mac": "", "sandbox": ""}]), json!(7)]),
        (
            "/report/links",
            vec![
                json!([{"netns": "host", "name": "docker0"}]),
                json!([{"netns": "x", "name": "eth0"}]),
                json!("eth0"),
            ],
        ),
        ("/report/ips", vec![json!([{"address": "8.8.8.8/32"}]), json!([]), json!([{}]), json!(null)]),
        ("/report", vec![json!(null), json!([]), json!({"ips": 1})]),
        ("/entries", vec![json!(null), json!({}), json!("x"), json!([1]), json!([[]])]),
    ] {
        for value in values {
            let what = format!("{pointer} = {value}");
            error_after(&WALKTHROUGH, &what, |plan| {
                let (above, key) = pointer.rsplit_once('/').unwrap();
                plan.pointer_mut(above).unwrap()[key] = value.clone();
            });
        }
    }
}
