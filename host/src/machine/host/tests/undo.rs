use super::*;

#[test]
fn undo_leaves_the_machine_as_it_was() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut kernel = kernel();
        sh("iptables -t nat -N KEPT");
        // The counters of a table differ from one listing to the next, the rules do not.
        let machine = || sh("ip -j addr; ip -j route; iptables-save | grep -v '^[#:]'; ip6tables -t nat -S");
        let before = machine();
        let effects = apply(&mut kernel, dir.path());
        let Action::EnsureBridge(EnsureBridge { name, mac, .. }) = bridge() else { unreachable!() };
        let addresses = vec!["10.1.2.1/24".parse().unwrap()];
        let Some(Action::Masquerade(v4)) = Some(masquerade("10.1.2.2/24")) else { unreachable!() };
        let Some(Action::Masquerade(v6)) = Some(masquerade("fd00:1::2/64")) else { unreachable!() };
        let mut undos = vec![Undo::DeleteMasquerade(v6), Undo::DeleteMasquerade(v4)];
        let pair: Vec<Undo> = links(effects).split_off(1);
        assert_eq!(pair.len(), 2);
        let busy =
            kernel.undo(&[Undo::DeleteEmptyBridge { name: name.clone(), mac, addresses: addresses.clone() }]);
        assert!(matches!(busy.as_slice(), [Undone::Left(_)]), "a bridge with a port: {busy:?}");
        undos.extend(pair);
        undos.push(Undo::DeleteEmptyBridge { name, mac, addresses });
        undos.push(Undo::RestoreLastReserved { lease: lease(dir.path()), old: None });
        undos.push(Undo::ReleaseLease(lease(dir.path())));

        let undone = kernel.undo(&undos);
        assert_eq!(
            undone.iter().filter(|u| matches!(u, Undone::Done)).count(),
            undos.len() - 1,
            "{undone:?}"
        );
        assert!(matches!(undone.get(3), Some(Undone::Gone)), "the other end of the pair: {undone:?}");
        // A table that nobody had used exists now, empty; its chains have no rule.
        assert_eq!(machine().replace("*nat\nCOMMIT\n", ""), before.replace("*nat\nCOMMIT\n", ""));
        let left: Vec<_> =
            std::fs::read_dir(dir.path().join("mynet")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["lock"]);
        let again = kernel.undo(&undos);
        assert!(again.iter().all(|u| matches!(u, Undone::Gone)), "{again:?}");
    });
}

#[test]
fn only_a_stale_link_of_ours_makes_way() {
    private(|| {
        let mut kernel = kernel();
        let stale = |alias: &str| {
            Action::DeleteStaleLink(DeleteStaleLink { name: name("vethx"), alias: alias.to_owned() })
        };
        let ours = derive::alias(&attachment());
        sh(&format!("ip link add vethx type veth peer name dead && ip link set vethx alias '{ours}'"));
        let refused = kernel.execute(&[stale("somebody's")]);
        assert_eq!(text(&refused[0]), "link \"vethx\" is not ours");
        let step = [stale(&ours), bridge(), veth("vethx")];
        assert_eq!(kernel.observe(&step), [Before::Present, Before::Absent, Before::Absent]);
        done(&mut kernel, &step);
        assert!(!sh("ip link").contains("dead"));
        let undone =
            kernel.undo(&[Undo::DeleteLinkByAlias { name: name("vethx"), alias: "somebody's".to_owned() }]);
        assert!(matches!(undone.as_slice(), [Undone::Left(_)]));
        let undone = kernel.undo(&[Undo::DeleteLinkByAlias { name: name("vethx"), alias: ours }]);
        assert!(matches!(undone.as_slice(), [Undone::Done]));
        assert!(!in_container(&kernel, || sh("ip link")).contains("eth0"));
    });
}

#[test]
fn a_link_that_was_replaced_is_left() {
    private(|| {
        let mut kernel = kernel();
        let mut undos = links(done(&mut kernel, &[bridge(), veth("vethx")]));
        sh("ip link set vethx alias theirs");
        let bridge = undos.remove(0);
        assert!(matches!(kernel.undo(&undos[1..]).as_slice(), [Undone::Left(_)]));
        in_container(&kernel, || sh("ip link set eth0 address 02:00:00:00:00:99"));
        assert!(matches!(kernel.undo(&undos[..1]).as_slice(), [Undone::Left(_)]));
        sh("ip link del cni0 && ip link add cni0 type bridge");
        assert!(matches!(kernel.undo(&[bridge]).as_slice(), [Undone::Gone]), "another index, another link");
        assert!(sh("ip link").contains("cni0"));
    });
}

#[test]
fn without_a_journal_everything_of_the_attachment_is_found() {
    private(|| {
        let dir = tempfile::tempdir().unwrap();
        let mut kernel = kernel();
        apply(&mut kernel, dir.path());
        kernel.unlock_leases();
        // Another interface of the container, whose rules share chain and comment.
        in_container(&kernel, || sh("ip addr add 10.7.7.7/24 dev lo"));
        let sibling = masquerade("10.7.7.7/24");
        done(&mut kernel, std::slice::from_ref(&sibling));
        let stores = [store(dir.path())];
        let found = |kernel: &mut HostKernel| {
            let found = kernel.remains(&attachment(), &stores, Inside::ByName);
            assert!(found.unread.is_empty(), "{found:?}");
            found.undos
        };
        let undos = found(&mut kernel);
        assert_eq!(undos.len(), 5, "two families of rules, both ends, a lease: {undos:?}");
        let undone = kernel.undo(&undos);
        assert!(undone.iter().all(|u| matches!(u, Undone::Done | Undone::Gone)), "{undone:?}");
        assert_eq!(texts(kernel.verify(&[sibling])), [""; 0]);
        assert!(!sh("iptables -t nat -S").contains("10.1.2"));
        assert_eq!(found(&mut kernel), []);

        // With the container gone too, only what is left of the host is looked for, and nothing fails.
        let mut blind = HostKernel::open(None, false);
        assert_eq!(found(&mut blind).len(), 1);
    });
}
