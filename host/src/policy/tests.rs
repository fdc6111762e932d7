//! Policy files without a plan, and their errors.

use super::{Capability, Ceilings, Policy, PolicyError};
use crate::value::PluginName;
use std::path::Path;

fn parse(text: &str) -> Result<Policy, PolicyError> {
    let ceilings = Ceilings { memory_mib: 64, time_ms: 1000, actions: 4096, log_kib: 64 };
    Policy::parse(Path::new("policy.toml"), text.to_owned(), &ceilings)
}

#[test]
fn a_component_that_imports_a_capability_denied_everywhere_is_not_started() {
    let bridge = PluginName::parse("bridge").unwrap();
    let imports = ["links.[static]link.bridge".to_owned(), "nat.[constructor]masquerade".to_owned()];
    let started = |policy: &str| {
        parse(policy).unwrap().rules(&bridge, None).check_imports(&bridge, &imports).map_err(|e| e.details)
    };
    let denied = "[[rule]]\ndeny = [\"filter\", \"nat\"]";
    let details = started(denied).unwrap_err();
    assert!(details.contains("nat.[constructor]masquerade: line 2 of policy.toml"), "{details}");
    assert!(!details.contains("links."), "{details}");
    for fine in [
        "[[rule]]\ndeny = [\"filter\"]",
        "[[rule]]\nplugin = \"ptp\"\ndeny = [\"nat\"]",
        "[[rule]]\nnetwork = \"prod\"\ndeny = [\"nat\"]",
        &format!("mode = \"audit\"\n{denied}"),
    ] {
        assert_eq!(started(fine), Ok(()), "{fine}");
    }
    assert_eq!(Capability::of_import("results.add-link"), None);
}

#[test]
fn the_components_digest_must_be_in_every_list() {
    let bridge = PluginName::parse("bridge").unwrap();
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let checked = |policy: &str, digest: &str| {
        let policy = parse(policy).unwrap();
        policy.rules(&bridge, None).check_digest(&bridge, digest).map_err(|e| e.details)
    };
    let list = |digests: &[&str]| format!("[[rule]]\nsha256 = {digests:?}\n");
    assert_eq!(checked("", &a), Ok(()));
    assert_eq!(checked(&list(&[&a, &b]), &b), Ok(()));
    assert_eq!(checked(&list(&[&format!("sha256:{}", b.to_uppercase())]), &b), Ok(()));
    assert!(checked(&list(&[&a]), &b).unwrap_err().contains("line 2 of policy.toml"));
    let both = list(&[&a]) + &list(&[&b]);
    assert!(checked(&both, &a).is_err() && checked(&both, &b).is_err());
    assert!(checked(&list(&[]), &a).unwrap_err().ends_with("has: nothing"));
}

#[test]
fn the_lowest_limit_applies_and_none_exceeds_the_hosts() {
    let policy = "[[rule]]\nlimits = { time-ms = 500, actions = 9 }\n[[rule]]\nlimits.time-ms = 700\nlimits.log-kib = 0";
    let policy = parse(policy).unwrap();
    let limits = policy.rules(&PluginName::parse("bridge").unwrap(), None).limits();
    assert_eq!(
        (limits.time_ms, limits.actions, limits.log_kib, limits.memory_mib),
        (Some(500), Some(9), Some(0), None)
    );
    let error = parse("[[rule]]\nlimits.memory-mib = 65").unwrap_err().to_string();
    assert_eq!(error, "policy.toml:2:21: `memory-mib` is 64 already: policy can only lower it");
}

#[test]
fn an_invalid_policy_file_is_refused_with_the_place() {
    for (text, at, reason) in [
        ("mod = \"audit\"", "1:1", "did you mean `mode`?"),
        ("[[rules]]\nplugin = \"x\"", "1:3", "did you mean `rule`?"),
        ("[[rule]]\nallow.link = [\"x\"]", "2:7", "did you mean `links`?"),
        ("[[rule]]\ndeny = [\"nta\"]", "2:9", "did you mean `nat`?"),
        ("[[rule]]\ndemand = [\"portisolation\"]", "2:11", "did you mean `portIsolation`?"),
        ("[[rule]]\ndemand = [\"bridge\"]", "2:11", "unknown variant `bridge`"),
        ("[[rule]]\nmode = \"warn\"", "2:8", "expected `enforce` or `audit`"),
        ("[[rule]]\nallow.addresses = [\"10.0.0.0/33\"]", "2:19", "is no network such as 10.1.0.0/16"),
        ("[[rule]]\nallow.vlans = [0]", "2:16", "no VLAN can have the ID 0"),
        ("[[rule]]\nallow.vlans = [\"9-5\"]", "2:16", "is no range of VLANs"),
        ("[[rule]]\nallow.files = [\"run\"]", "2:15", "is no absolute path"),
        ("[[rule]]\nallow.files = [\"/run/../etc\"]", "2:15", "is no absolute path"),
        ("[[rule]]\nsha256 = [\"abc\"]", "2:10", "64 hexadecimal digits"),
        ("[[rule]]\nplugin = \"\"\ndeny = [\"nat\"]", "2:10", "an empty pattern"),
        ("[[rule]]\nplugin = \"bridge\"", "1:1", "this rule says nothing"),
        ("[[rule]]\nallow.capabilities = [\"nats\"]", "2:23", "did you mean `nat`"),
        ("[audit]\nfile = \"log\"", "1:1", "absolute path"),
        ("[audit]\nrequired = true", "1:1", "missing field `file`"),
        ("mode = \"audit\"\nmode = \"enforce\"", "2:1", "duplicate key"),
        ("[[rule]\n", "1:8", ""),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("policy.toml:{at}: ")) && error.contains(reason),
            "{text}: {error}"
        );
    }
}
