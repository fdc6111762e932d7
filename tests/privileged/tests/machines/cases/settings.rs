use super::*;
use wasm_cni::action::LinkAttribute::{AllMulticast, Mac, Mtu, Promiscuous, QueueLength};

fn all() -> [wasm_cni::action::LinkAttribute; 4] {
    [Mac(mac(5)), Mtu(1400), AllMulticast(true), QueueLength(7)]
}

#[test]
fn attributes_of_an_existing_link() {
    let step: Vec<Action> = all().into_iter().map(|attribute| set(inside("eth0"), attribute)).collect();
    let saved = [vec![save(inside("eth0"), &all()), promiscuous(inside("eth0"))], step.clone()].concat();
    Case::new("attributes", then(then(connected(), saved), step.clone())).agree();
    Case { gone: true, ..Case::new("attributes, gone", then(connected(), step.clone())) }.agree();
    let restore = |set, old| Undo::from(RestoreLink { link: inside("eth0"), set, old });
    Case::new("attributes that somebody changed", then(connected(), step))
        .undos(vec![
            restore(Some(Mtu(1500)), Mtu(1300)),
            restore(None, Mtu(1300)),
            restore(None, Promiscuous(true)),
            restore(Some(QueueLength(7)), QueueLength(0)),
            restore(None, Mtu(60)),
        ])
        .agree();
}

#[test]
fn attributes_that_the_kernel_refuses() {
    let zeros = wasm_cni::value::Mac([0; 6]);
    let group = wasm_cni::value::Mac([1, 0, 0, 0, 0, 1]);
    let refused = [
        set(inside("eth0"), Mac(zeros)),
        set(inside("eth0"), Mac(group)),
        set(inside("eth0"), Mtu(60)),
        set(inside("eth0"), Mtu(70_000)),
        set(inside("lo"), Mac(mac(5))),
        set(inside("lo"), AllMulticast(true)),
        set(inside("nowhere"), Mtu(1400)),
        save(inside("nowhere"), &all()),
        set(host("vethx"), QueueLength(100)),
        set(host("cni0"), AllMulticast(true)),
    ];
    Case::new("refused attributes", singly(connected(), refused.to_vec())).agree();
}

#[test]
fn an_mtu_too_small_for_ipv6() {
    let steps = vec![
        set(inside("eth0"), Mtu(1000)),
        add(inside("eth0"), "fd00:9::1/64"),
        set(inside("eth0"), Mtu(1400)),
    ];
    Case::new("MTU below IPv6 and back", singly(connected(), steps)).agree();
}
