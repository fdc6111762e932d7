use super::*;
use wasm_cni::machine::rules::iptables::{self, Family, Table};
use wasm_cni::machine::rules::{Listing, TableId};

#[test]
fn rules_of_addresses() {
    let other = |address: &str| {
        let mut rules = rules(address);
        rules.comment = "name: \"mynet\" id: \"other\"".to_owned();
        Action::Masquerade(rules)
    };
    let steps = vec![
        vec![masquerade("10.1.2.2/24"), masquerade("fd00:1::2/64")],
        vec![masquerade("10.1.2.2/24")],
        vec![masquerade("10.1.2.3/24"), masquerade("10.1.3.3/24"), masquerade("10.1.2.2/24")],
        vec![other("10.1.2.2/24")],
        vec![masquerade("fd00:1::3/64")],
    ];
    Case::new("masquerade twice", steps.clone()).agree();
    let part = |address: &str| Undo::from(RemoveMasquerade { rules: rules(address) });
    Case::new("masquerade in part", steps.clone())
        .undos(vec![part("10.1.2.2/24"), delete_bridge(1, &[]), part("10.1.2.3/24"), part("10.9.9.9/24")])
        .agree();
    let Action::Masquerade(there) = other("10.1.9.9/24") else { unreachable!() };
    let (chain, comment) = (there.chain.clone(), "--comment 'name: \"mynet\" id: \"other\"'");
    let real = format!(
        "iptables -t nat -N {chain}
        iptables -t nat -A {chain} -d 10.1.9.0/24 -m comment {comment} -j ACCEPT
        iptables -t nat -A {chain} ! -d 224.0.0.0/4 -m comment {comment} -j MASQUERADE
        iptables -t nat -A POSTROUTING -s 10.1.9.9/32 -m comment {comment} -j {chain}"
    );
    let text: String = real
        .lines()
        .map(|line| line.trim().trim_start_matches("iptables -t nat "))
        .fold(String::new(), |text, line| text + &line.replace('\'', "\"") + "\n");
    let text = text.replace("\"name: \"mynet\" id: \"other\"\"", r#""name: \"mynet\" id: \"other\"""#);
    let (table, listing) = (TableId::Iptables(Table::Nat, Family::V4), iptables::Listing::parse(&text));
    Case::new("rules of the reference", steps)
        .real(&real, "")
        .fake(|fake| fake.with_table(table, Listing::Iptables(listing)))
        .agree();

    let wrong = |change: &dyn Fn(&mut wasm_cni::action::Masquerade)| {
        let mut rules = rules("10.1.2.2/24");
        change(&mut rules);
        rules
    };
    let named = |chain: &str| {
        vec![masquerade("10.1.4.4/24"), Action::Masquerade(wrong(&|rules| rules.chain = chain.to_owned()))]
    };
    let said = |comment: &str| vec![Action::Masquerade(wrong(&|rules| rules.comment = comment.to_owned()))];
    let chain = wrong(&|rules| rules.chain = "a b".to_owned());
    let comment = wrong(&|rules| rules.comment = "a\nb".to_owned());
    let steps = vec![
        vec![Action::Masquerade(chain.clone()), masquerade("10.1.2.2/24"), masquerade("fd00:1::2/64")],
        vec![masquerade("10.1.2.2/24"), Action::Masquerade(comment.clone())],
        named("POSTROUTING"),
        named("ACCEPT"),
        named("-x"),
        vec![masquerade("10.1.2.2/0"), masquerade("10.1.2.2/0")],
        vec![masquerade("10.1.2.2/0")],
        said("one-word"),
        said(""),
        said("it's \\ \"quoted\""),
        said(&"too long ".repeat(30)),
    ];
    Case::new("rules that cannot be", steps)
        .undos(vec![
            Undo::from(RemoveMasquerade { rules: chain }),
            Undo::from(RemoveMasquerade { rules: comment }),
        ])
        .agree();
}
