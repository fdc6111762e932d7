use super::*;
use crate::machine::rules::nftables::{Operator, Selector};

fn add_rule(chain: &str, statements: Vec<Statement>, comment: Option<&str>) -> Edit {
    Edit::AddRule(NewRule { chain: chain.to_owned(), statements, comment: comment.map(str::to_owned) })
}

fn is_json(edit: Edit) -> bool {
    matches!(of("inet", "t", &[edit]).unwrap(), Script::Json(_))
}

#[test]
fn names_of_letters_are_written_as_text_and_others_as_json() {
    let port = |name: &str| {
        Statement::Match(Selector::Meta("iifname"), Operator::Is, Operand::Name(name.to_owned()))
    };
    let jump = |chain: &str| Statement::Jump(chain.to_owned());
    assert!(!is_json(Edit::DeleteTable));
    assert!(!is_json(add_rule("hostports_all", vec![port("veth0"), jump("a")], Some("c: {;}'"))));
    for chain in ["a-b", "a b", "a;flush ruleset", "a0", "", "é"] {
        assert!(is_json(add_rule("a", vec![jump(chain)], None)), "{chain}");
        assert!(is_json(Edit::FlushChain(chain.to_owned())), "{chain}");
        assert!(is_json(Edit::DeleteRule { chain: chain.to_owned(), handle: 1 }), "{chain}");
    }
    assert!(is_json(add_rule("a", vec![port("a\"b")], None)) && is_json(add_rule("a", vec![], Some("a\"b"))));
    // One edit that needs JSON decides for all.
    let edits = [Edit::AddTable { comment: None }, Edit::DeleteChain("a-b".to_owned())];
    let json = r#"{"nftables":[{"add":{"table":{"family":"inet","name":"t"}}},{"delete":{"chain":{"family":"inet","name":"a-b","table":"t"}}}]}"#;
    let Script::Json(text) = of("inet", "t", &edits).unwrap() else { panic!("text") };
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), serde_json::from_str::<Value>(json).unwrap());
}

#[test]
fn edits_that_need_different_formats_are_refused() {
    let odd = Edit::FlushChain("a-b".to_owned());
    for text in [
        Edit::AddTable { comment: Some("c") },
        Edit::AddChain { name: "a".to_owned(), hook: None, comment: Some("c") },
        add_rule("a", vec![Statement::Words(vec!["tcp".to_owned()]), Statement::Drop], None),
    ] {
        assert!(matches!(of("inet", "t", std::slice::from_ref(&text)).unwrap(), Script::Text(_)), "{text:?}");
        assert!(matches!(of("inet", "t", &[text, odd.clone()]), Err(TableError::Failed(_))));
    }
}
