//! `wasm-cni add` and `del` together with a runtime that uses libcni: each deletes what the other added, and both keep
//! the same cache.

use serde_json::Value;
use std::path::Path;
use wasm_cni_runtimes::Node;
use wasm_cni_runtimes::podman::Podman;
use wasm_cni_tests::NOTHING;
use wasm_cni_tests::network::Networks;

const LIST: &str = r#"{ "cniVersion": "0.4.0", "name": "net", "plugins": [
  { "type": "bridge", "bridge": "br0", "isGateway": true, "ipMasq": true,
    "ipam": { "type": "host-local", "subnet": "10.1.2.0/24", "routes": [ { "dst": "0.0.0.0/0" } ] } },
  { "type": "portmap", "capabilities": { "portMappings": true } },
  { "type": "firewall" }, { "type": "tuning" } ] }"#;

#[test]
fn each_deletes_what_the_other_added_and_both_keep_the_same_cache() {
    let node = Node::new(env!("CARGO_BIN_EXE_talk"));
    node.configure("cni/net.conflist", LIST);
    let podman = Podman::new(&node);
    let networks = Networks::at(Path::new("/run/etc/cni"), &[Path::new(node.plugins())]);
    let start = || {
        podman.serve("c", "--network net --publish 8080:80");
        let id = podman.inspect("c")["Id"].as_str().unwrap().to_owned();
        let netns = podman.inspect("c")["NetworkSettings"]["SandboxKey"].as_str().unwrap().to_owned();
        (id, netns)
    };
    let cached = |id: &str| node.json(&format!("cat /var/lib/cni/results/net-{id}-eth0"));
    start();
    podman.ok("rm --force --time 0 c");
    let before = node.snapshot();

    let (id, netns) = start();
    let theirs = cached(&id);
    networks.ok(&node, &["del", "net", &netns, "--container-id", &id], &[]);
    assert_eq!(node.sh("ls /var/lib/cni/results; iptables-save | grep -e 8080 -e 10.1.2. || true"), "");

    // We add the same attachment as podman did.
    let pair = |pair: &Value| format!("{}={}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let arguments = theirs["cniArgs"].as_array().unwrap().iter().map(pair).collect::<Vec<_>>().join(";");
    let capabilities = theirs["capabilityArgs"].to_string();
    let env = [("CAP_ARGS", capabilities.as_str()), ("CNI_ARGS", arguments.as_str())];
    networks.ok(&node, &["add", "net", &netns, "--container-id", &id], &env);
    assert_eq!(node.who(None, "tcp", "127.0.0.1:8080"), "c");
    let mut ours = cached(&id);
    // Fields that this version of libcni does not write yet.
    assert_eq!(ours.as_object_mut().unwrap().remove("netns").unwrap(), netns.as_str());
    let (our_result, their_result) = (ours["result"].take(), theirs["result"].clone());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!((keys(&ours), keys(&our_result)), (keys(&theirs), keys(&their_result)));
    for key in keys(&ours).iter().filter(|key| *key != "result") {
        assert_eq!(ours[key], theirs[key], "{key}");
    }

    podman.ok("rm --force --time 0 c");
    assert_eq!(node.sh("ls /var/lib/cni/results"), "");
    assert_eq!(node.left(&before), NOTHING);
}
