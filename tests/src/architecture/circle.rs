//! Circles: files that depend on each other, directly or through other files.

use super::Arrow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Renders each circle as its arrows.
pub fn circles<'a>(arrows: &[&'a Arrow]) -> Vec<Vec<&'a Arrow>> {
    let mut next: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for arrow in arrows {
        next.entry(&arrow.from).or_default().insert(&arrow.to);
    }
    let reached: BTreeMap<&Path, BTreeSet<&Path>> =
        next.keys().map(|from| (*from, reach(&next, from))).collect();
    let reaches = |from: &Path, to: &Path| reached.get(from).is_some_and(|reached| reached.contains(to));
    let mut left: BTreeSet<&Path> = next.keys().copied().filter(|file| reaches(file, file)).collect();
    let mut found = Vec::new();
    while let Some(file) = left.pop_first() {
        let circle: BTreeSet<&Path> =
            next.keys().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect();
        left.retain(|file| !circle.contains(file));
        let is_of_it =
            |arrow: &&&Arrow| circle.contains(arrow.from.as_path()) && circle.contains(arrow.to.as_path());
        found.push(arrows.iter().filter(is_of_it).copied().collect());
    }
    found
}

/// The files that `from` depends on, each with the files that it depends on.
fn reach<'a>(next: &BTreeMap<&'a Path, BTreeSet<&'a Path>>, from: &Path) -> BTreeSet<&'a Path> {
    let (mut reached, mut queue) = (BTreeSet::new(), vec![from]);
    while let Some(file) = queue.pop() {
        for to in next.get(file).into_iter().flatten() {
            if reached.insert(*to) {
                queue.push(to);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_has_its_arrows_and_a_file_that_only_leads_to_it_is_not_part_of_it() {
        let arrows = ["a b", "b c", "c a", "d a", "c e", "f g", "g f"].map(|pair| {
            let (from, to) = pair.split_once(' ').unwrap();
            Arrow {
                from: from.into(),
                to: to.into(),
                path: String::new(),
                is_test: false,
                is_handed_on: false,
            }
        });
        let all: Vec<&Arrow> = arrows.iter().collect();
        let circle_text = |circle: Vec<&Arrow>| {
            let arrow_text = |arrow: &Arrow| format!("{} {}", arrow.from.display(), arrow.to.display());
            circle.into_iter().map(arrow_text).collect::<Vec<_>>().join(", ")
        };
        let found: Vec<String> = circles(&all).into_iter().map(circle_text).collect();
        assert_eq!(found, ["a b, b c, c a", "f g, g f"]);
    }
}
