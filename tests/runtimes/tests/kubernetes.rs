//! The DaemonSet of `examples/kubernetes`: builds its image, and runs its installer with the settings of the manifest.

use serde_json::Value;
use wasm_cni_runtimes::Node;
use wasm_cni_runtimes::podman::Podman;
use wasm_cni_tests::{dist, repository};

#[test]
fn the_daemonset_installs_plugins_that_the_nodes_runtime_then_uses() {
    let node = Node::new(env!("CARGO_BIN_EXE_talk"));
    let podman = Podman::new(&node);
    let examples = repository().join("examples/kubernetes");
    let text = std::fs::read_to_string(examples.join("daemonset.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    let pod = &manifest["spec"]["template"]["spec"];
    let container = &pod["initContainers"][0];
    let file = examples.join("Containerfile");
    // The command in its first line.
    podman.ok(&format!(
        "build --quiet --isolation chroot --file {} --tag wasm-cni {}",
        file.display(),
        dist().display()
    ));

    let of = |name: &Value| {
        let volumes = pod["volumes"].as_array().unwrap();
        volumes.iter().find(|volume| volume["name"] == *name).unwrap()["hostPath"]["path"].as_str().unwrap()
    };
    let mounts = container["volumeMounts"].as_array().unwrap();
    let mut options = String::new();
    for mount in mounts {
        // Below /run, which is private: nothing on this machine changes.
        let (host, inside) =
            (format!("/run/node{}", of(&mount["name"])), mount["mountPath"].as_str().unwrap());
        node.sh(&format!("mkdir -p {host}"));
        options += &format!(" --volume {host}:{inside}");
    }
    let security = &container["securityContext"];
    assert_eq!(security["capabilities"]["drop"][0], "ALL");
    options += " --cap-drop all --read-only --security-opt no-new-privileges";
    let arguments: Vec<&str> =
        container["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
    let cgroup = node.cgroup();
    let line = format!(
        "run --rm --network none --cgroup-parent /{cgroup} {options} {} {}",
        container["image"].as_str().unwrap(),
        arguments.join(" ")
    );
    podman.ok(&line);
    // The node's runtime executes the plugin.
    let versions = node.sh("CNI_COMMAND=VERSION /run/node/opt/cni/bin/bridge < /dev/null");
    assert!(versions.contains("1.1.0"), "{versions}");
    let installed = node.sh("ls /run/node/opt/cni/bin");
    for plugin in ["bandwidth", "bridge", "firewall", "host-local", "loopback", "portmap", "static", "tuning"]
    {
        assert!(installed.lines().any(|name| name == plugin), "{installed}");
    }
    // Again, as after an update of the image: the installed files are already the same.
    podman.ok(&line);
    node.sh("ip netns add c; CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_IFNAME=eth0 CNI_NETNS=/run/netns/c CNI_PATH=/run/node/opt/cni/bin \
        /run/node/opt/cni/bin/loopback <<'E'
{\"cniVersion\": \"1.0.0\", \"name\": \"lo\", \"type\": \"loopback\"}
E");
}
