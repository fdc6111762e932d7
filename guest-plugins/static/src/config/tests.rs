//! The precedence of addresses, and the texts of errors. The texts were compared with version 1.1.1 in Debian.

use super::*;

fn config(json: &str, cni_args: &str) -> Config {
    Config::parse(json, cni_args).unwrap_or_else(|e| panic!("{json}: {}", e.msg))
}

fn ips(json: &str, cni_args: &str) -> Vec<String> {
    let text = |ip: &Ip| match ip.gateway {
        Some(gateway) => format!("{} via {gateway}", ip.address),
        None => ip.address.to_string(),
    };
    config(json, cni_args).ips.iter().map(text).collect()
}

fn refusal(json: &str, cni_args: &str) -> String {
    let error = Config::parse(json, cni_args).expect_err(json);
    assert_eq!((error.code, error.details.as_str()), (999, ""), "{json}");
    error.msg
}

const ONE: &str = r#"{"cniVersion": "1.0.0", "ipam": {"addresses": [{"address": "10.1.1.1/24"}]}}"#;

#[test]
fn addresses_keep_order_host_bits_and_duplicates() {
    let json = r#"{"cniVersion": "1.0.0", "ipam": {"addresses": [
        {"address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff::1"}, {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
        {"ADDRESS": "10.10.0.1/24", "gateway": ""}, {"address": "::ffff:10.0.0.1/120"}]}}"#;
    assert_eq!(
        ips(json, ""),
        [
            "3ffe:ffff:0:1ff::1/64 via 3ffe:ffff::1",
            "10.10.0.1/24 via 10.10.0.254",
            "10.10.0.1/24",
            "10.0.0.1/24"
        ]
    );
}

#[test]
fn routes_and_dns_are_reported_unchanged() {
    let config = config(
        r#"{"ipam": {"routes": [{"dst": "0.0.0.0/0", "gw": "10.0.0.1"}, {"dst": "0.0.0.0/0", "gw": "10.0.0.2"},
            {"dst": "10.9.1.1/16", "mtu": 1400, "advmss": 1300, "priority": 5, "table": 0, "scope": 253}],
            "dns": {"nameservers": ["not an address"], "domain": "example.com", "search": ["a", "b"], "options": ["ndots:1"]}}}"#,
        "",
    );
    let net = |text| address::parse_cidr(text).expect(text);
    let via = |last| Route::new(net("0.0.0.0/0"), Some(IpAddr::from([10, 0, 0, last])));
    let full = Route {
        mtu: 1400,
        advmss: 1300,
        priority: 5,
        table: Some(0),
        scope: Some(253),
        ..Route::new(net("10.9.1.1/16"), None)
    };
    assert_eq!(config.routes, [via(1), via(2), full]);
    let list = |items: &[&str]| Some(items.iter().map(|item| (*item).to_owned()).collect());
    let dns = Dns {
        nameservers: list(&["not an address"]),
        domain: "example.com".to_owned(),
        search: list(&["a", "b"]),
        options: list(&["ndots:1"]),
    };
    assert_eq!((config.ips, config.dns), (Vec::new(), dns));
}

#[test]
fn cni_args_add_addresses_and_gateways_only_for_those_addresses() {
    assert_eq!(
        ips(ONE, "IP=10.2.2.2/24;GATEWAY=10.2.2.1,10.1.1.9"),
        ["10.1.1.1/24", "10.2.2.2/24 via 10.2.2.1"]
    );
    assert_eq!(
        ips(
            r#"{"cniVersion": "0.2.0", "ipam": {}}"#,
            "GATEWAY= 10.2.2.1 ,10.2.2.3,fd00::9;IP= 10.2.2.2/24 , fd00::2/64"
        ),
        ["10.2.2.2/24 via 10.2.2.3", "fd00::2/64 via fd00::9"]
    );
    assert_eq!(ips(ONE, "IP=;GATEWAY="), ["10.1.1.1/24"]);
    assert_eq!(ips(ONE, "IgnoreUnknown=1;K8S_POD_NAME=x"), ["10.1.1.1/24"]);
}

#[test]
fn runtime_config_replaces_args_and_args_replace_everything_else() {
    let json =
        |rest: &str| ONE.replace("10.1.1.1/24", "not parsed then").replacen('{', &format!("{{{rest},"), 1);
    let args = r#""args": {"cni": {"ips": ["10.3.3.3/24"]}}"#;
    let runtime = r#""RuntimeConfig": {"ips": ["10.4.4.4/24", "fd00::4/64"]}"#;
    assert_eq!(ips(&json(args), "IP=10.2.2.2/24;GATEWAY=10.2.2.1"), ["10.3.3.3/24"]);
    assert_eq!(ips(&json(&format!("{args}, {runtime}")), ""), ["10.4.4.4/24", "fd00::4/64"]);
    let empty = r#""args": {"cni": {"ips": []}}, "runtimeConfig": {"ips": null}"#;
    assert_eq!(ips(&ONE.replacen('{', &format!("{{{empty},"), 1), ""), ["10.1.1.1/24"]);
}

#[test]
fn refusals_have_the_texts_of_the_reference() {
    let ips = |of_args: &str, of_runtime: &str| {
        format!(
            r#"{{"ipam": {{"addresses": [{{"address": "y"}}]}}, "args": {{"cni": {{"ips": {of_args}}}}},
                "runtimeConfig": {{"ips": {of_runtime}}}}}"#
        )
    };
    for (json, cni_args, text) in [
        (r#"{"args": {"cni": {"ips": ["10.0.0.1/24"]}}}"#, "no pair", "IPAM config missing 'ipam' key"),
        (ONE, "MAC=x", r#"ARGS: unknown args ["MAC=x"]"#),
        (ONE, "ip=10.0.0.1/24", r#"ARGS: unknown args ["ip=10.0.0.1/24"]"#),
        (ONE, "IP=10.0.0.1", "the 'ip' field is expected to be in CIDR notation, got: '10.0.0.1'"),
        (ONE, "IP=10.0.0.1/24, x ;GATEWAY=y", "the 'ip' field is expected to be in CIDR notation, got: 'x'"),
        (ONE, "IP=10.0.0.1/24,", "the 'ip' field is expected to be in CIDR notation, got: ''"),
        (ONE, "GATEWAY= x ,y", "invalid gateway address:  x "),
        (ONE, "GATEWAY=10.0.0.1,", "invalid gateway address: "),
        (&ips(r#"["w"]"#, r#"["z"]"#), "", "an entry in the 'ips' field is NOT in CIDR notation, got: 'w'"),
        (
            &ips(r#"["10.0.0.1/24"]"#, r#"["10.0.0.1"]"#),
            "",
            "an entry in the 'ips' field is NOT in CIDR notation, got: '10.0.0.1'",
        ),
        (&ips("[]", "[]"), "", "the 'address' field is expected to be in CIDR notation, got: 'y'"),
        (
            r#"{"ipam": {"addresses": [{}]}}"#,
            "",
            "the 'address' field is expected to be in CIDR notation, got: ''",
        ),
    ] {
        assert_eq!(refusal(json, cni_args), text, "{json} {cni_args}");
    }
    let gateway = r#"{"ipam": {"addresses": [{"address": "10.0.0.1/24", "gateway": "x"}]}}"#;
    assert!(refusal(gateway, "").ends_with("invalid IP address: x"));
}

#[test]
fn old_versions_allow_one_address_of_each_family() {
    let json = |version: &str, second: &str| {
        format!(
            r#"{{{version} "ipam": {{"addresses": [{{"address": "10.1.1.1/24"}}, {{"address": "{second}"}}]}}}}"#
        )
    };
    let old = r#""cniVersion": "0.2.0","#;
    assert_eq!(
        refusal(&json(old, "10.2.2.2/24"), ""),
        "CNI version 0.2.0 does not support more than 1 address per family"
    );
    assert_eq!(
        refusal(&json("", "10.2.2.2/24"), ""),
        "CNI version  does not support more than 1 address per family"
    );
    assert_eq!(ips(&json(old, "fd00::1/64"), "").len(), 2);
    assert_eq!(ips(&json(r#""cniVersion": "0.3.0","#, "10.2.2.2/24"), "").len(), 2);
}
