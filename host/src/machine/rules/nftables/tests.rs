use super::*;
use serde_json::json;

fn rule(chain: &str, statements: Vec<Statement>) -> NewRule {
    NewRule { chain: chain.to_owned(), statements, comment: Some("c: 1".to_owned()) }
}

fn chain(name: &str) -> Edit {
    Edit::AddChain { name: name.to_owned(), hook: None, comment: None }
}

#[test]
fn edits_change_a_listing() {
    let (first, second) = (rule("a", vec![Statement::Drop]), rule("b", vec![Statement::Return]));
    let mut listing = Listing::default();
    for edit in [
        Edit::AddTable { comment: None },
        chain("a"),
        chain("b"),
        chain("a"),
        Edit::AddRule(first.clone()),
        Edit::AddRule(second.clone()),
    ] {
        listing.apply(&edit);
    }
    assert_eq!(
        (listing.exists, listing.chains.as_slice()),
        (true, ["a".to_owned(), "b".to_owned()].as_slice())
    );
    assert!(first.is(&listing.rules[0]) && second.is(&listing.rules[1]) && !first.is(&listing.rules[1]));
    // A transaction cannot delete a rule that it adds.
    assert_eq!(listing.deletions(|_| true), []);
    listing.number_rules();
    let edits = listing.deletions(|rule| rule.chain == "a");
    assert_eq!(edits, [Edit::DeleteRule { chain: "a".to_owned(), handle: 1 }]);
    edits.iter().for_each(|edit| listing.apply(edit));
    assert!(listing.rules.len() == 1 && listing.is_filled("b", [&second]) && listing.is_filled("a", []));
    listing.apply(&Edit::FlushChain("b".to_owned()));
    listing.apply(&Edit::DeleteChain("b".to_owned()));
    assert_eq!((listing.rules.len(), listing.chains.as_slice()), (0, ["a".to_owned()].as_slice()));
    listing.apply(&Edit::DeleteTable);
    assert_eq!(listing, Listing::default());
}

#[test]
fn is_filled_compares_all_rules_of_a_chain_in_order() {
    let (first, second) = (rule("a", vec![Statement::Drop]), rule("a", vec![Statement::Return]));
    let mut listing = Listing::default();
    listing.apply(&Edit::AddRule(first.clone()));
    listing.apply(&Edit::AddRule(second.clone()));
    assert!(listing.is_filled("a", [&first, &second]));
    for other in [vec![], vec![&first], vec![&second, &first], vec![&first, &second, &second]] {
        assert!(!listing.is_filled("a", other));
    }
}

#[test]
fn rules_with_words_of_unknown_json_form_are_recognised_by_the_verdict() {
    let free = rule("a", vec![Statement::Words(vec!["meta".to_owned()]), Statement::Jump("b".to_owned())]);
    let mut listed =
        Rule { statements: vec![json!({"anything": 1}), json!({"jump": {"target": "b"}})], ..free.listed() };
    assert!(free.is(&listed) && free.is(&free.listed()));
    listed.statements.pop();
    assert!(!free.is(&listed));
}

#[test]
fn a_command_is_quoted_for_the_shell() {
    let command = |edit: Edit| edit.command("ip", "t");
    let hook = Hook { kind: "nat", hook: "output", priority: -100, policy: Some("accept") };
    assert_eq!(
        command(Edit::AddChain { name: "o".to_owned(), hook: Some(hook), comment: None }),
        "nft add chain ip t o '{ type nat hook output priority -100 ; policy accept ; }'"
    );
    assert_eq!(
        command(Edit::AddTable { comment: Some("a b") }),
        "nft add table ip t '{ comment \"a b\" ; }'"
    );
    assert_eq!(command(Edit::DeleteTable), "nft delete table ip t");
    let words = |words: &[&str]| Statement::Words(words.iter().map(|&word| word.to_owned()).collect());
    let conditions = rule("a", vec![words(&["ip", "saddr", "!=", "$x"]), Statement::Jump("b".to_owned())]);
    assert_eq!(
        command(Edit::AddRule(conditions)),
        "nft add rule ip t a ip saddr != '$x' jump b comment '\"c: 1\"'"
    );
    // `-1` would be taken for an option.
    let conditions = rule("a", vec![words(&["meta", "priority", "-1"]), Statement::Drop]);
    assert_eq!(
        command(Edit::AddRule(conditions)),
        "nft 'add rule ip t a meta priority -1 drop comment \"c: 1\"'"
    );
}
