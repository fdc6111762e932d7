use super::*;

#[test]
fn a_listing_with_rules_of_the_reference_is_parsed() {
    let text = r#"-P POSTROUTING ACCEPT
-N CNI-e88f49d94512ff752ebe6070
-A POSTROUTING -s 10.1.2.2/32 -m comment --comment "name: \"mynet\" id: \"abc\"" -j CNI-e88f49d94512ff752ebe6070
-A CNI-e88f49d94512ff752ebe6070 ! -d 224.0.0.0/4 -m comment --comment "name: \"mynet\" id: \"abc\"" -j MASQUERADE
-A CNI-HOSTPORT-MASQ -m mark --mark 0x2000/0x2000 -j MASQUERADE"#;
    let listing = Listing::parse(text);
    assert_eq!(listing.chains, ["CNI-e88f49d94512ff752ebe6070"]);
    let [jump, masquerade, foreign] = listing.rules.as_slice() else { panic!("{listing:?}") };
    assert_eq!(jump.source(), Some("10.1.2.2/32".parse().unwrap()));
    assert_eq!(jump.comment(), Some(r#"name: "mynet" id: "abc""#));
    assert_eq!(jump.target(), Some("CNI-e88f49d94512ff752ebe6070"));
    assert!(jump.is_plain() && masquerade.is_plain() && !foreign.is_plain());
    assert_eq!(masquerade.not_destination(), Some("224.0.0.0/4".parse().unwrap()));
    assert_eq!(masquerade.destination(), None);
    let lines: Vec<String> = listing.rules.iter().cloned().map(|rule| Edit::Append(rule).line()).collect();
    assert_eq!(lines, text.lines().filter(|line| line.starts_with("-A")).collect::<Vec<_>>());
}

#[test]
fn edits_change_a_listing_like_a_table() {
    let rule = |line| Rule::parse(line).unwrap();
    let mut listing = Listing::parse("-N A\n-A A -j ACCEPT\n-A B -j ACCEPT\n-A B -j ACCEPT");
    for edit in [
        Edit::NewChain("C".to_owned()),
        Edit::Append(rule("A -j DROP")),
        Edit::Insert(rule("B -j RETURN")),
        Edit::Insert(rule("C -j RETURN")),
        Edit::Delete(rule("B -j ACCEPT")),
        Edit::Flush("A".to_owned()),
        Edit::DeleteChain("A".to_owned()),
    ] {
        listing.apply(&edit);
    }
    assert_eq!(listing, Listing::parse("-N C\n-A B -j RETURN\n-A B -j ACCEPT\n-A C -j RETURN"));
}

#[test]
fn an_edit_is_written_as_a_line_and_as_a_command() {
    let rule = || Rule::new("CNI-x", &["-s", "10.1.2.2/32", "-m", "comment", "--comment", r#"id: "it's""#]);
    let written = |edit: Edit| (edit.line(), edit.command(Table::PlainNat, Family::V6));
    assert_eq!(
        written(Edit::Insert(rule())),
        (
            r#"-I CNI-x 1 -s 10.1.2.2/32 -m comment --comment "id: \"it's\"""#.to_owned(),
            r#"ip6tables -t nat -I CNI-x 1 -s 10.1.2.2/32 -m comment --comment "id: \"it's\"""#.to_owned()
        )
    );
    let chain = || "CNI-x".to_owned();
    assert_eq!(
        written(Edit::NewChain(chain())),
        ("-N CNI-x".to_owned(), "ip6tables -t nat -N CNI-x".to_owned())
    );
    assert_eq!(Edit::DeleteChain(chain()).command(Table::Filter, Family::V4), "iptables -t filter -X CNI-x");
}
