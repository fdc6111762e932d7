use super::*;

#[test]
fn sysctls() {
    let host = |key: &str, value: &str| sysctl(Netns::Host, key, value, false);
    let steps = singly(
        connected(),
        vec![
            sysctl(Netns::Container, "net/ipv4/conf/nowhere/arp_notify", "1", true),
            sysctl(Netns::Container, "net/ipv4/conf/nowhere/arp_notify", "1", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify", "x", true),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify", "x", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify", "99999999999", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify", "0x10", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_ignore", "010", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_announce", "-1", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_announce", "2 3", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_filter", "", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_filter", " ", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0", "1", false),
            sysctl(Netns::Container, "net/ipv4/conf/eth0/arp_notify/x", "1", false),
            sysctl(Netns::Container, "net/ipv6/conf/eth0/accept_dad", "0", true),
            sysctl(Netns::Container, "net/ipv6/conf/all/disable_ipv6", "1", false),
            add(inside("eth0"), "fd00:7::7/64"),
            route("fd00:8::/64", None),
            sysctl(Netns::Container, "net/ipv6/conf/all/disable_ipv6", "0", false),
            add(inside("eth0"), "fd00:7::7/64"),
            host("net/ipv4/ip_forward", "1"),
            host("net/ipv4/conf/all/forwarding", "1"),
            host("net/ipv4/conf/cni0/forwarding", "0"),
            host("net/ipv6/conf/cni0/forwarding", "2"),
            host("net/ipv6/conf/all/forwarding", "1"),
            host("net/ipv4/conf/default/arp_notify", "1"),
            veth("eth1", "vethy"),
        ],
    );
    Case::new("sysctls", steps).agree();
    let batch = vec![
        host("net/ipv4/conf/lo/arp_notify", "1"),
        host("net/ipv4/conf/nowhere/arp_notify", "1"),
        host("net/ipv4/conf/lo/arp_ignore", "1"),
        bridge(None),
    ];
    let undo = Undo::from(RestoreSysctl {
        netns: Netns::Host,
        key: wasm_cni::value::SysctlKey::parse("net/ipv4/conf/lo/arp_notify").unwrap(),
        written: "5".to_owned(),
        old: old_sysctl("6"),
    });
    Case::new("optional sysctl missing, another not", vec![batch]).undos(vec![undo]).agree();
}
