//! How fast packets pass a link, as commands.

use crate::action::Shape;

/// What limits it.
pub fn commands(shape: &Shape) -> Vec<String> {
    let Shape { link, rate, burst, through } = shape;
    // `b` is a byte to tc.
    let bucket = |link: &dyn std::fmt::Display| {
        format!(
            "tc qdisc replace dev {link} root handle 1: tbf rate {}bit burst {burst}b latency 25ms",
            rate.saturating_mul(8)
        )
    };
    match through {
        None => vec![bucket(link)],
        Some(ifb) => vec![
            format!("ip link add {} mtu MTU-OF-{link} txqueuelen 0 type ifb", ifb.name),
            format!("ip link set {} alias '{}' up", ifb.name, ifb.alias),
            format!("tc qdisc add dev {link} handle ffff: ingress"),
            format!(
                "tc filter add dev {link} parent ffff: protocol all prio 1 u32 match u32 0 0 flowid 1:1 action mirred egress redirect dev {}",
                ifb.name
            ),
            bucket(&ifb.name),
        ],
    }
}

/// What ends that.
pub fn undo(shape: &Shape) -> Vec<String> {
    match &shape.through {
        None => vec![format!("tc qdisc delete dev {} root", shape.link)],
        Some(ifb) => vec![
            format!("tc qdisc delete dev {} ingress", shape.link),
            format!("ip link delete {}", ifb.name),
        ],
    }
}
