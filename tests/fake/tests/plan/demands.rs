//! What the configuration demands of a plugin whose type is not shipped: a warning, or a refusal where a rule says so.

use super::{parse, plan, request};
use serde_json::{Value, json};
use std::sync::Arc;
use wasm_cni::action::Action;
use wasm_cni::cni::{Config, Request, config};
use wasm_cni::plan::{CheckedPlan, Demand, DraftPlan, check};
use wasm_cni::policy::{Grants, Violation};
use wasm_cni::reference::{self, Identity};
use wasm_cni::value::{Kind, Netns, PluginName, Report, derive};

/// A configuration for each key, and the key of the demand.
const KEYS: [(&str, &str); 12] = [
    ("macspoofchk", r#"{"macspoofchk": true}"#),
    ("portIsolation", r#"{"portIsolation": true}"#),
    ("vlan", r#"{"vlan": 5}"#),
    ("vlanTrunk", r#"{"vlanTrunk": [{"minID": 5, "maxID": 9}]}"#),
    ("ipMasq", r#"{"ipMasq": true}"#),
    ("ingressPolicy", r#"{"ingressPolicy": "same-bridge"}"#),
    (
        "portMappings",
        r#"{"runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}}"#,
    ),
    ("ingressRate", r#"{"ingressRate": 8000, "ingressBurst": 8000}"#),
    ("egressRate", r#"{"egressRate": 8000, "egressBurst": 8000}"#),
    ("ingressRate", r#"{"runtimeConfig": {"bandwidth": {"ingressRate": 8000, "ingressBurst": 8000}}}"#),
    ("sysctl", r#"{"sysctl": {"net.core.somaxconn": "500"}}"#),
    ("sysctl", r#"{"args": {"cni": {"sysctl": {"net.core.somaxconn": "500"}}}}"#),
];

/// An ADD of a plugin with this name, claimed type and kind.
struct Add {
    request: Request,
    config: Config,
    previous: Option<Report>,
    identity: Identity,
}

impl Add {
    fn of(name: &str, (kind, claimed): (Kind, Option<&str>), more: &str) -> Self {
        let mut config = json!({"cniVersion": "1.0.0", "name": "mybridge", "type": name, "bridge": "cni_bridge0", "isGateway": true,
            "ipam": {"type": "host-local", "subnet": "10.15.20.0/24", "dataDir": "/run/networks"}});
        if kind == Kind::Chained {
            config["prevResult"] = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "cni_bridge0"}, {"name": "eth0", "sandbox": "/run/netns/c"}],
                "ips": [{"address": "10.15.20.2/24", "gateway": "10.15.20.1", "interface": 1}]});
        }
        let more: Value = serde_json::from_str(more).unwrap();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = config::decode(config.to_string().as_bytes()).unwrap();
        let plugin = PluginName::parse(name).unwrap();
        let identity = Identity::of(&plugin, (kind, claimed), "", (None, None)).unwrap();
        let request = Request { plugin, config: config.text.clone(), ..request() };
        let previous = config.previous().unwrap();
        Add { request, config, previous, identity }
    }

    fn grants(&self, policy: &str) -> Grants {
        let policy = Arc::new(parse(policy).unwrap_or_else(|error| panic!("{error}")));
        reference::grants(&self.request, &self.config, self.previous.as_ref(), &policy, &self.identity)
    }

    fn demands(&self) -> Vec<Demand> {
        reference::demands(&self.grants(""), &self.config, self.previous.as_ref(), &self.identity)
    }

    /// The plan of the walkthrough, as this plugin would make it.
    fn plan(&self) -> DraftPlan {
        let mut draft = plan();
        let of_ipam = PluginName::parse("host-local").unwrap();
        draft.entries.retain(|entry| !matches!(entry.action, Action::Masquerade(_)));
        let own = self.grants("").own;
        let is_on_host =
            |action: &Action| matches!(action, Action::AddAddress(add) if add.link.netns == Netns::Host);
        // With `vlan`, the gateway's address is not on the bridge.
        draft.entries.retain(|entry| own.link.vlan.is_none() || !is_on_host(&entry.action));
        for entry in &mut draft.entries {
            if let Action::EnsureBridge(bridge) = &mut entry.action {
                bridge.vlan_filtering = !own.vlans.is_empty();
                if own.link.vlan.is_some() {
                    bridge.mac = derive::bridge_mac(&bridge.name);
                }
            }
        }
        for entry in draft.entries.iter_mut().filter(|entry| entry.plugin != of_ipam) {
            entry.plugin = self.request.plugin.clone();
        }
        if let Some(previous) = &self.previous {
            draft = DraftPlan { report: previous.clone(), ..DraftPlan::default() };
        }
        draft
    }

    fn check(&self, policy: &str, draft: DraftPlan) -> Result<CheckedPlan, Vec<Violation>> {
        check(draft, &[], &self.grants(policy), &self.demands())
    }
}

/// A main plugin of its own type, or a chained one for the keys that need `prevResult`.
fn own(key: &str, more: &str) -> Add {
    let kind = if ["ingressPolicy", "portMappings"].contains(&key) { Kind::Chained } else { Kind::Main };
    Add::of("own", (kind, None), more)
}

#[test]
fn a_plugin_of_its_own_type_gets_a_warning_for_each_key_that_it_leaves_out() {
    for (key, more) in KEYS {
        let add = own(key, more);
        let plan = add.check("", add.plan()).unwrap_or_else(|violations| panic!("{more}: {violations:?}"));
        let [warning] = plan.warnings() else { panic!("{more}: {:?}", plan.warnings()) };
        assert!(
            warning.starts_with(&format!("own: the configuration has `{key}`, which demands "))
                && warning.ends_with(&format!("`demand = [\"{key}\"]` in a rule refuses that")),
            "{warning}"
        );
        assert_eq!(plan.tolerated(), []);
    }
    assert_eq!(own("", "{}").demands().len(), 0, "nothing is configured");
}

#[test]
fn a_rule_with_demand_refuses_the_plan_with_the_key() {
    for (key, more) in KEYS {
        let add = own(key, more);
        let policy = format!("[[rule]]\nplugin = \"own\"\ndemand = [\"{key}\"]\n");
        let violations = add.check(&policy, add.plan()).unwrap_err();
        let [violation] = violations.as_slice() else { panic!("{more}: {violations:?}") };
        assert_eq!(violation.action, format!("leave out `{key}`"));
        let text = violation.text();
        assert!(text.contains(&format!("the configuration has `{key}`, which demands")), "{text}");
        assert!(text.ends_with(&format!("and line 3 of policy.toml has `demand = [\"{key}\"]`")), "{text}");
        // Audit mode reports, and the rules of other plugins, networks and keys say nothing.
        let audit = format!("mode = \"audit\"\n{policy}");
        assert_eq!(add.check(&audit, add.plan()).unwrap().tolerated().len(), 1);
        let other_key = if key == "vlan" { "sysctl" } else { "vlan" };
        for other in [
            policy.replace("\"own\"", "\"another\""),
            policy.replace("plugin = \"own\"", "network = \"another\""),
            policy.replace(key, other_key),
        ] {
            let plan = add.check(&other, add.plan()).unwrap();
            assert_eq!(plan.warnings().len(), 1, "{other}");
        }
    }
}

#[test]
fn a_plan_that_does_what_is_configured_gets_no_warning() {
    let add = own("portIsolation", r#"{"portIsolation": true, "macspoofchk": false, "vlan": 0}"#);
    let mut draft = add.plan();
    for entry in &mut draft.entries {
        if let Action::CreateVeth(veth) = &mut entry.action {
            veth.peer.isolated = true;
        }
    }
    let plan = add.check("[[rule]]\ndemand = [\"portIsolation\", \"macspoofchk\"]", draft).unwrap();
    assert_eq!(plan.warnings(), [] as [&str; 0]);
}

#[test]
fn of_a_shipped_type_the_same_is_demanded_whatever_the_policy_says() {
    for (name, kind, more) in [
        ("bridge", Kind::Main, r#"{"macspoofchk": true}"#),
        ("tuning", Kind::Chained, r#"{"sysctl": {"net.core.somaxconn": "500"}}"#),
    ] {
        let add = Add::of(name, (kind, None), more);
        for policy in ["", "mode = \"audit\""] {
            let violations = add.check(policy, add.plan()).unwrap_err();
            assert!(violations.iter().any(|violation| violation.text().ends_with("no policy can allow it")));
        }
    }
    // A key of another type is nobody's here.
    let add = Add::of("tuning", (Kind::Chained, None), r#"{"ingressPolicy": "same-bridge"}"#);
    assert_eq!(add.check("[[rule]]\ndemand = [\"ingressPolicy\"]", add.plan()).unwrap().warnings().len(), 0);
}

#[test]
fn both_the_types_of_name_and_manifest_demand() {
    let more = r#"{"ingressPolicy": "same-bridge", "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 80, "protocol": "tcp"}]}}"#;
    let keys = |claimed| {
        let demands = Add::of("portmap", (Kind::Chained, claimed), more).demands();
        assert!(demands.iter().all(Demand::is_binding));
        demands.iter().map(Demand::key).collect::<Vec<_>>()
    };
    assert_eq!(keys(None), ["portMappings"]);
    assert_eq!(keys(Some("portmap")), ["portMappings"]);
    assert_eq!(keys(Some("firewall")), ["portMappings", "ingressPolicy"]);
    assert_eq!(keys(Some("own")), ["portMappings"]);
}

#[test]
fn nothing_is_demanded_of_an_ipam_plugin() {
    for (key, more) in KEYS {
        assert_eq!(Add::of("own", (Kind::Ipam, None), more).demands().len(), 0, "{key}");
    }
}
