//! What policy allows a plugin to ask about the host.

use super::{grants, grants_with, name};
use wasm_cni::action::query::GrantedFacts;
use wasm_cni::action::{Answer, Facts, Query};
use wasm_cni::value::{ContainerId, Fact, LinkRef, Netns, NetworkName, Owner, PluginName, StoreRef};

#[test]
fn a_plugin_may_ask_only_about_what_it_may_use() {
    struct Asked(Vec<Query>);
    impl Facts for Asked {
        fn ask(&mut self, query: &Query) -> Answer {
            self.0.push(query.clone());
            Answer::Failed("a secret".to_owned())
        }
    }
    let grants = grants();
    let ipam = PluginName::parse("host-local").unwrap();
    let mut machine = Asked(Vec::new());
    let mut facts = GrantedFacts::new(&mut machine, &grants, &ipam);
    let link = |netns, text| Query::Link(LinkRef { netns, name: name(text) });
    let store = |dir: &str, network: &str| StoreRef {
        data_dir: dir.into(),
        network: NetworkName::parse(network).unwrap(),
    };
    let other = Owner { container: ContainerId::parse("other").unwrap(), interface: name("eth0") };
    let allowed = [
        link(Netns::Host, "cni_bridge0"),
        link(Netns::Container, "anything"),
        Query::Held(store("/run/networks", "mybridge"), grants.attachment.owner()),
        Query::LastReserved(store("/run/networks", "mybridge"), 0),
        Query::File("/run/resolv.conf".into()),
    ];
    for query in &allowed {
        assert!(matches!(facts.ask(query), Answer::Failed(_)), "{query:?}");
    }
    let refused = [
        link(Netns::Host, "eth0"),
        Query::Held(store("/run/networks", "mybridge"), other),
        Query::Held(store("/run/networks", "othernet"), grants.attachment.owner()),
        Query::Held(store("/etc", "mybridge"), grants.attachment.owner()),
        Query::LastReserved(store("/run/networks", "othernet"), 0),
        Query::File("/etc/shadow".into()),
        Query::File("/run/networks".into()),
        Query::File("/run//resolv.conf".into()),
        Query::File("resolv.conf".into()),
    ];
    for query in &refused {
        assert!(!matches!(facts.ask(query), Answer::Failed(_)), "{query:?}");
    }
    assert_eq!(facts.violations().0.len(), refused.len());
    assert_eq!(machine.0, allowed, "what is refused is not even asked");
}

#[test]
fn a_plugin_reads_files_only_below_a_directory_granted_to_it() {
    struct Asked(Vec<Query>);
    impl Facts for Asked {
        fn ask(&mut self, query: &Query) -> Answer {
            self.0.push(query.clone());
            Answer::File(Fact::Absent)
        }
    }
    let grants = grants_with("[[rule]]\nplugin = \"flannel\"\nallow.files = [\"/run/flannel\"]");
    let (flannel, bridge) = (PluginName::parse("flannel").unwrap(), PluginName::parse("bridge").unwrap());
    let mut machine = Asked(Vec::new());
    let mut ask = |plugin: &PluginName, query: Query| {
        let mut facts = GrantedFacts::new(&mut machine, &grants, plugin);
        facts.ask(&query);
        !facts.violations().0.is_empty()
    };
    let env = || Query::File("/run/flannel/subnet.env".into());
    assert!(!ask(&flannel, env()));
    assert!(ask(&bridge, env()), "it was granted to another plugin");
    for outside in ["/run/flannel/../shadow", "/run/flannel2/x", "run/flannel/x", "/etc/shadow"] {
        assert!(ask(&flannel, Query::File(outside.into())), "{outside}");
    }
    let chosen = Query::FileBelow("/".into(), "/etc/shadow".into());
    assert!(ask(&flannel, chosen), "the directory is not the plugin's to choose");
    assert!(!ask(&bridge, Query::File("/run/resolv.conf".into())), "the configuration names it");
    let below = Query::FileBelow("/run/flannel".into(), "/run/flannel/subnet.env".into());
    assert_eq!(machine.0, [below, Query::File("/run/resolv.conf".into())]);
}
