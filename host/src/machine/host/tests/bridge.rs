//! What bridge asks for beyond the usual, and bridges of somebody else's.

use super::*;
use std::time::{Duration, Instant};

fn promiscuous(link: LinkRef) -> Action {
    Action::SetPromiscuous(SetPromiscuous { link })
}

fn remove(address: &str) -> Action {
    Action::DeleteAddress(DeleteAddress { link: host("cni0"), address: address.parse().unwrap() })
}

fn settle(link: LinkRef) -> Action {
    Action::Settle(Settle { link })
}

fn undone(kernel: &mut HostKernel, undo: Undo) {
    let undone = kernel.undo(std::slice::from_ref(&undo));
    assert!(matches!(undone.as_slice(), [Undone::Done]), "{undo:?}: {undone:?}");
    let again = kernel.undo(std::slice::from_ref(&undo));
    assert!(matches!(again.as_slice(), [Undone::Gone]), "{undo:?}: {again:?}");
}

#[test]
fn an_existing_bridge_becomes_promiscuous_and_its_own_again() {
    private(|| {
        let mut kernel = kernel();
        sh("ip link add cni0 type bridge");
        let before = sh("ip -j link");
        let set = promiscuous(host("cni0"));
        let difference = ["link cni0 is not promiscuous"];
        assert_eq!(texts(kernel.verify(std::slice::from_ref(&set))), difference);
        assert_eq!(kernel.observe(std::slice::from_ref(&set)), [Before::Absent]);
        assert_eq!(done(&mut kernel, std::slice::from_ref(&set)), [Effect::Created]);
        assert!(sh("ip link show cni0").contains("PROMISC"));
        assert_eq!(kernel.observe(std::slice::from_ref(&set)), [Before::Present]);
        assert_eq!(done(&mut kernel, std::slice::from_ref(&set)), [Effect::AlreadyThere]);
        assert_eq!(texts(kernel.verify(&[set])), [""; 0]);
        undone(&mut kernel, Undo::ClearPromiscuous { link: host("cni0") });
        assert_eq!(sh("ip -j link"), before);
    });
}

#[test]
fn an_isolated_port_is_one_and_its_loss_is_named() {
    private(|| {
        let mut kernel = kernel();
        for (hairpin, isolated) in [(false, true), (true, true), (true, false), (false, false)] {
            let Action::CreateVeth(mut veth) = veth("vethx") else { unreachable!() };
            (veth.peer.hairpin, veth.peer.isolated) = (hairpin, isolated);
            let step = [bridge(), Action::CreateVeth(veth)];
            done(&mut kernel, &step);
            let port = sh("bridge -d link show dev vethx");
            let on = |on| if on { "on" } else { "off" };
            assert!(port.contains(&format!("hairpin {}", on(hairpin))), "{port}");
            assert!(port.contains(&format!("isolated {}", on(isolated))), "{port}");
            assert!(sh("ip link show vethx").contains("alias wasm-cni "));
            assert_eq!(texts(kernel.verify(&step)), [""; 0]);
            sh(&format!("bridge link set dev vethx isolated {}", on(!isolated)));
            let text = format!("isolation of vethx is {}, not {}", on(!isolated), on(isolated));
            assert_eq!(texts(kernel.verify(&step)), [text]);
            sh("ip link del vethx");
        }
    });
}

#[test]
fn a_deleted_address_comes_back_with_all_that_was_known_of_it() {
    private(|| {
        let mut kernel = kernel();
        sh(
            "ip link add cni0 type bridge; ip link set cni0 up
            ip addr add 10.9.9.1/24 brd 10.9.9.77 label cni0:old metric 7 dev cni0
            ip addr add 10.9.9.2/24 dev cni0; ip addr add 10.9.8.1/24 noprefixroute dev cni0
            ip addr add fd00:9::1/64 preferred_lft 0 nodad dev cni0; ip addr add fd00:8::1/64 dev cni0 nodad",
        );
        let machine = || sh("ip -j addr show dev cni0; ip -j route; ip -j -6 route show dev cni0");
        let before = machine();
        // Secondary IPv4 addresses first; of IPv6, the last one added first.
        let step = ["10.9.8.1/24", "10.9.9.2/24", "10.9.9.1/24", "fd00:8::1/64", "fd00:9::1/64"].map(remove);
        let observed = kernel.observe(&step);
        let effects = done(&mut kernel, &step);
        for (before, effect) in observed.iter().zip(&effects) {
            let (Before::Value(seen), Effect::Replaced(saved)) = (before, effect) else {
                panic!("{before:?} {effect:?}")
            };
            assert_eq!(seen, saved);
        }
        assert!(!sh("ip addr show dev cni0").contains("9::1"));
        assert_eq!(done(&mut kernel, &step), std::array::from_fn::<_, 5, _>(|_| Effect::AlreadyThere));
        assert_eq!(kernel.observe(&step), std::array::from_fn::<_, 5, _>(|_| Before::Present));
        assert_eq!(texts(kernel.verify(&step)), [""; 0]);
        for (action, effect) in step.iter().zip(&effects).rev() {
            let (Action::DeleteAddress(delete), Effect::Replaced(saved)) = (action, effect) else {
                unreachable!()
            };
            let DeleteAddress { link, address } = delete.clone();
            undone(&mut kernel, Undo::RestoreAddress { link, address, saved: saved.clone() });
        }
        assert_eq!(machine(), before);
    });
}

#[test]
fn a_secondary_address_that_went_with_its_first_comes_back_too() {
    private(|| {
        let mut kernel = kernel();
        sh(
            "ip link add cni0 type bridge; ip addr add 10.9.9.1/24 dev cni0; ip addr add 10.9.9.2/24 dev cni0",
        );
        let effects = done(&mut kernel, &["10.9.9.1/24", "10.9.9.2/24"].map(remove));
        assert!(effects.iter().all(|effect| matches!(effect, Effect::Replaced(_))), "{effects:?}");
        assert!(!sh("ip addr show dev cni0").contains("inet "));
    });
}

/// A bridge with a pair that is up, but for the container's end.
fn attached(kernel: &mut HostKernel) {
    done(kernel, &[bridge(), veth("vethx"), up(host("cni0")), up(host("vethx"))]);
}

#[test]
fn a_link_settles_when_both_ends_are_up_and_its_addresses_are_its_own() {
    private(|| {
        let mut kernel = kernel();
        attached(&mut kernel);
        let step = [settle(host("vethx")), settle(inside("eth0"))];
        assert_eq!(kernel.observe(&step), [Before::Present, Before::Present]);
        done(&mut kernel, &[add(inside("eth0"), "fd00:1::2/64"), up(inside("eth0"))]);
        assert_eq!(done(&mut kernel, &step), [Effect::AlreadyThere, Effect::AlreadyThere]);
        let addresses = in_container(&kernel, || sh("ip -6 addr show dev eth0 scope global"));
        assert!(addresses.contains("fd00:1::2/64") && !addresses.contains("tentative"), "{addresses}");
        assert_eq!(texts(kernel.verify(&step)), [""; 0]);
    });
}

#[test]
fn a_port_whose_other_end_is_down_does_not_settle() {
    private(|| {
        let mut kernel = kernel().with_patience(Duration::from_millis(300));
        attached(&mut kernel);
        for (link, expected) in [
            (host("vethx"), "bridge port in error state: down"),
            (inside("eth0"), "link eth0 is down"),
            (host("nowhere"), "failed to lookup \"nowhere\": Link not found"),
        ] {
            let start = Instant::now();
            assert_eq!(text(&kernel.execute(&[settle(link)])[0]), expected);
            assert!(start.elapsed() < Duration::from_secs(2));
        }
    });
}

#[test]
fn an_address_that_somebody_else_has_is_told_within_two_seconds() {
    private(|| {
        let mut kernel = kernel();
        attached(&mut kernel);
        sh("ip link add other type veth peer name port; ip link set port master cni0 up
            ip link set other up; ip addr add fd00:1::2/64 dev other nodad");
        done(&mut kernel, &[add(inside("eth0"), "fd00:1::2/64"), up(inside("eth0"))]);
        let start = Instant::now();
        assert_eq!(
            text(&kernel.execute(&[settle(inside("eth0"))])[0]),
            "failed to settle addresses for \"eth0\": link eth0 has address fd00:1::2 in DADFAILED state"
        );
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    });
}

/// A pair whose host end has that MAC and MTU.
fn port(host_name: &str, inside_name: &str, last: u8, mtu: Option<u32>) -> Action {
    let Action::CreateVeth(mut veth) = veth(host_name) else { unreachable!() };
    (veth.name, veth.mtu, veth.peer.mac) = (name(inside_name), mtu, Mac([2, 0, 0, 0, 0, last]));
    Action::CreateVeth(veth)
}

#[test]
fn a_bridge_of_the_operators_is_as_before_whatever_joins_and_leaves() {
    let own = "ip link add own type veth peer name far; ip link set own master cni0 up; ip link set far up";
    let starts = [
        ("true", "no port"),
        ("ip link set cni0 address 06:00:00:00:00:01", "address set"),
        ("ip link set cni0 mtu 9000", "MTU set"),
        ("ip link del cni0; ip link add cni0 mtu 9000 type bridge", "made with an MTU"),
        (
            "ip link add own address 02:00:00:00:00:01 type veth peer name far; ip link set own master cni0 up",
            "low port",
        ),
        (
            "ip link add own address 0e:00:00:00:00:01 type veth peer name far; ip link set own master cni0 up",
            "high port",
        ),
        (&format!("{own}; ip link set own mtu 9000; ip link set far mtu 9000"), "large port"),
    ];
    let attached = [None, Some(1500), Some(1400), Some(1200), Some(9000)];
    for (start, case) in starts {
        for mtu in attached {
            private(|| {
                let mut kernel = kernel();
                sh(&format!(
                    "ip link add cni0 type bridge; {start}; ip link set cni0 up; sleep 0.02
                    ip addr add 10.9.9.1/24 dev cni0; ip addr add fd00:9::1/64 dev cni0 nodad"
                ));
                let seen = || {
                    sh("ip -o link show cni0 | sed -E 's/(NO-CARRIER|LOWER_UP),?//g; s/,>/>/; s/ state [A-Z]+//'
                        ip -o addr show cni0 scope global; ip -o link show master cni0 | grep -c own || true")
                };
                let before = seen();
                let case = |point: &str| format!("{case}, ports of {mtu:?}, {point}");
                let first = done(&mut kernel, &[bridge(), port("vethx", "eth0", 5, mtu)]);
                assert_eq!(seen(), before, "{}", case("joined"));
                done(&mut kernel, &[up(host("vethx")), up(inside("eth0"))]);
                assert_eq!(seen(), before, "{}", case("up"));
                // Another call of the plugin: what it knows, it finds.
                let mut second = HostKernel::open(kernel.container.take(), false);
                done(&mut second, &[bridge(), port("vethy", "eth1", 3, mtu)]);
                assert_eq!(seen(), before, "{}", case("second joined"));
                second.undo(&links(first));
                assert_eq!(seen(), before, "{}", case("first left"));
                sh("ip link del vethy");
                assert_eq!(seen(), before, "{}", case("both left"));
            });
        }
    }
}

#[test]
fn of_our_own_bridge_nothing_is_asked_and_nothing_is_pinned() {
    private(|| {
        let mut kernel = kernel();
        done(&mut kernel, &[bridge(), port("vethx", "eth0", 5, Some(1400))]);
        done(&mut kernel, &[bridge(), port("vethy", "eth1", 6, Some(1300))]);
        assert!(kernel.foreign_bridges.is_empty());
        assert!(sh("ip link show cni0").contains("mtu 1300"), "it follows, as the reference's");
    });
}
