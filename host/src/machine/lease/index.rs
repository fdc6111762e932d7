//! The index of a store: the taken addresses, each with a hash of its owner.

use super::gaps::{address, number};
use std::io::{self, Read, Write};
use std::net::IpAddr;

/// The taken addresses of both families.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    v4: Family,
    v6: Family,
}

/// The taken addresses of one family, and the hashes of their owners in the same order.
///
/// Round robin hands out consecutive addresses. So tens of thousands of leases form a few runs, and only the two bytes
/// for each owner grow with the number of leases. Two owners have the same hash with a probability of 1 in 65,536, so
/// the lease file decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Family {
    /// In ascending order. Adjacent runs are merged.
    runs: Vec<Run>,
    /// The same bytes as in the file, so that they need not be converted one by one.
    owners: Vec<Owner>,
}

/// The hash of an owner, in the machine's own byte order: another machine never reads the index.
type Owner = [u8; 2];

/// A 64-bit number with 1 in each of its four 16-bit lanes.
const ONE_IN_EACH: u64 = 0x0001_0001_0001_0001;

/// An address as a number, big-endian.
type EncodedNumber = [u8; 16];

/// A run of consecutive addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: u128,
    last: u128,
}

impl FromIterator<(IpAddr, u16)> for Index {
    /// The entries may be in any order.
    fn from_iter<I: IntoIterator<Item = (IpAddr, u16)>>(entries: I) -> Self {
        let (v4, v6): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(address, _)| address.is_ipv4());
        let [v4, v6] = [v4, v6].map(|entries| {
            let mut entries: Vec<(u128, Owner)> =
                entries.into_iter().map(|(address, owner)| (number(address), owner.to_ne_bytes())).collect();
            entries.sort_unstable();
            let mut family = Family::default();
            entries.into_iter().for_each(|(address, owner)| family.push(address, owner));
            family
        });
        Index { v4, v6 }
    }
}

impl Index {
    /// Whether an address is taken.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (family, number) = (self.family(address.is_ipv4()), number(address));
        family.runs.get(family.place(number)).is_some_and(|run| run.first <= number)
    }

    /// Adds an address, or replaces the owner of an existing one.
    pub fn insert(&mut self, address: IpAddr, owner: u16) {
        self.family_mut(address.is_ipv4()).insert(number(address), owner.to_ne_bytes());
    }

    /// Removes an address.
    pub fn remove(&mut self, address: IpAddr) {
        self.family_mut(address.is_ipv4()).remove(number(address));
    }

    /// The taken runs of a family, as first and last number, in ascending order.
    pub fn taken(&self, v4: bool) -> impl Iterator<Item = (u128, u128)> {
        self.family(v4).runs.iter().map(|run| (run.first, run.last))
    }

    /// The addresses that may belong to one of these owners, in ascending order. Their files decide.
    pub fn candidates(&self, owners: [u16; 2]) -> Vec<IpAddr> {
        let owners = owners.map(u16::to_ne_bytes);
        let v4 = self.v4.of(owners).into_iter().map(|number| address(number, true));
        v4.chain(self.v6.of(owners).into_iter().map(|number| address(number, false))).collect()
    }

    /// Writes both families.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        self.v4.write(to).and_then(|()| self.v6.write(to))
    }

    /// Reads the `length` bytes that `write` wrote, to the end of the file. None if they are not valid.
    pub fn read(from: &mut impl Read, length: u64) -> io::Result<Option<Self>> {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(v4) = Family::read(from, &mut left)? else { return Ok(None) };
        let Some(v6) = Family::read(from, &mut left)? else { return Ok(None) };
        Ok((left == 0).then_some(Index { v4, v6 }))
    }

    fn family(&self, v4: bool) -> &Family {
        if v4 { &self.v4 } else { &self.v6 }
    }

    fn family_mut(&mut self, v4: bool) -> &mut Family {
        if v4 { &mut self.v4 } else { &mut self.v6 }
    }
}

impl Run {
    fn length(&self) -> usize {
        // No directory holds so many files. `read` refuses an index that claims such a run.
        usize::try_from(self.last.saturating_sub(self.first))
            .map_or(usize::MAX, |more| more.saturating_add(1))
    }
}

impl Family {
    /// The position of the first run that ends at this address or after it.
    fn place(&self, address: u128) -> usize {
        self.runs.partition_point(|run| run.last < address)
    }

    /// The number of addresses before a run.
    fn rank(&self, place: usize) -> usize {
        self.runs.iter().take(place).map(Run::length).sum()
    }

    /// Adds an address after all others.
    fn push(&mut self, address: u128, owner: Owner) {
        match self.runs.last_mut() {
            Some(run) if run.last.checked_add(1) == Some(address) => run.last = address,
            _ => self.runs.push(Run { first: address, last: address }),
        }
        self.owners.push(owner);
    }

    fn insert(&mut self, address: u128, owner: Owner) {
        let place = self.place(address);
        let rank = self.rank(place);
        match self.runs.get(place).copied() {
            Some(run) if run.first <= address => {
                let offset = usize::try_from(address - run.first).unwrap_or(usize::MAX);
                if let Some(old) = self.owners.get_mut(rank.saturating_add(offset)) {
                    *old = owner;
                }
                return;
            }
            _ => self.runs.insert(place, Run { first: address, last: address }),
        }
        self.owners.insert(rank.min(self.owners.len()), owner);
        self.join(place);
        if let Some(before) = place.checked_sub(1) {
            self.join(before);
        }
    }

    /// Merges a run with the next one, if they are adjacent.
    fn join(&mut self, place: usize) {
        if let (Some(run), Some(next)) = (self.runs.get(place).copied(), self.runs.get(place + 1).copied())
            && run.last.checked_add(1) == Some(next.first)
        {
            self.runs.remove(place + 1);
            if let Some(run) = self.runs.get_mut(place) {
                run.last = next.last;
            }
        }
    }

    fn remove(&mut self, address: u128) {
        let place = self.place(address);
        let Some(run) = self.runs.get(place).copied().filter(|run| run.first <= address) else { return };
        let offset = usize::try_from(address - run.first).unwrap_or(usize::MAX);
        let index = self.rank(place).saturating_add(offset);
        if index < self.owners.len() {
            self.owners.remove(index);
        }
        self.runs.remove(place);
        // The rest of the run: a part before the address, and a part after it.
        let behind = (address < run.last).then(|| Run { first: address + 1, last: run.last });
        let before = (run.first < address).then(|| Run { first: run.first, last: address - 1 });
        for part in behind.into_iter().chain(before) {
            self.runs.insert(place, part);
        }
    }

    /// The addresses of these owners.
    fn of(&self, owners: [Owner; 2]) -> Vec<u128> {
        let mut found = Vec::new();
        let mut rest = self.owners.as_slice();
        for run in &self.runs {
            let (of_run, behind) = rest.split_at(run.length().min(rest.len()));
            let address = |place| run.first.checked_add(u128::try_from(place).ok()?);
            found.extend(places(of_run, owners).into_iter().filter_map(address));
            rest = behind;
        }
        found
    }

    /// Writes the number of runs, the number of owners and the runs, all big-endian, and then the owners.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let mut head = Vec::new();
        for count in [self.runs.len(), self.owners.len()] {
            head.extend(u64::try_from(count).map_err(io::Error::other)?.to_be_bytes());
        }
        for run in &self.runs {
            head.extend(run.first.to_be_bytes());
            head.extend(run.last.to_be_bytes());
        }
        to.write_all(&head)?;
        to.write_all(self.owners.as_flattened())
    }

    /// Reads a family from at most `left` bytes. None if the runs are not valid.
    fn read(from: &mut impl Read, left: &mut usize) -> io::Result<Option<Self>> {
        // Checks that the bytes exist before memory is allocated for them.
        let mut fit = |count: u64, size: usize| {
            let count = usize::try_from(count).ok()?;
            *left = left.checked_sub(count.checked_mul(size)?)?;
            Some(count)
        };
        let mut counts = [[0; size_of::<u64>()]; 2];
        let Some(_) = fit(1, size_of_val(&counts)) else { return Ok(None) };
        from.read_exact(counts.as_flattened_mut())?;
        let [runs, owners] = counts.map(u64::from_be_bytes);
        let (runs, owners) = (fit(runs, size_of::<[EncodedNumber; 2]>()), fit(owners, size_of::<Owner>()));
        let (Some(runs), Some(owners)) = (runs, owners) else { return Ok(None) };
        let mut numbers = vec![[EncodedNumber::default(); 2]; runs];
        from.read_exact(numbers.as_flattened_mut().as_flattened_mut())?;
        let mut owners = vec![Owner::default(); owners];
        from.read_exact(owners.as_flattened_mut())?;
        let runs = numbers.into_iter().map(|numbers| numbers.map(u128::from_be_bytes));
        let runs: Vec<Run> = runs.map(|[first, last]| Run { first, last }).collect();
        let ascending = runs.iter().all(|run| run.first <= run.last)
            && runs
                .array_windows()
                .all(|[one, other]| one.last.checked_add(1).is_some_and(|next| next < other.first));
        let covered = runs.iter().map(Run::length).try_fold(0usize, usize::checked_add);
        Ok((ascending && covered == Some(owners.len())).then_some(Family { runs, owners }))
    }
}

/// Whether one of the four 16-bit lanes is zero. C libraries use this technique in strlen(3).
#[inline(always)]
fn has_zero(four: u64) -> bool {
    four.wrapping_sub(ONE_IN_EACH) & !four & (ONE_IN_EACH << 15) != 0
}

/// The positions of two owners. Four owners are compared at a time, because hardly any of tens of thousands matches.
fn places(owners: &[Owner], wanted: [Owner; 2]) -> Vec<usize> {
    let [one, other] = wanted.map(|owner| u64::from(u16::from_ne_bytes(owner)) * ONE_IN_EACH);
    let (fours, _) = owners.as_flattened().as_chunks();
    let is_wanted = |place: &usize| owners.get(*place).is_some_and(|owner| wanted.contains(owner));
    let mut found = Vec::new();
    let mut place = 0;
    for four in fours {
        let four = u64::from_ne_bytes(*four);
        if has_zero(four ^ one) | has_zero(four ^ other) {
            found.extend((place..place + 4).filter(is_wanted));
        }
        place += 4;
    }
    found.extend((place..owners.len()).filter(is_wanted));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_index_contains_what_was_added_and_not_removed() {
        let entries = [("10.0.0.9", 1), ("fd00::2", 3), ("10.0.0.2", 2), ("fd00::1", 1), ("9.255.0.1", 1)];
        let mut index: Index = entries.iter().map(|(text, owner)| (address(text), *owner)).collect();
        index.insert(address("10.0.0.5"), 1);
        index.insert(address("10.0.0.2"), 7);
        index.remove(address("10.0.0.9"));
        index.remove(address("10.0.0.1"));
        let runs =
            |v4| index.taken(v4).map(|(first, last)| (first & 0xffff_ffff, last - first)).collect::<Vec<_>>();
        assert_eq!(runs(true), [(0x09ff_0001, 0), (0x0a00_0002, 0), (0x0a00_0005, 0)]);
        assert_eq!(runs(false), [(1, 1)]);
        assert_eq!(index.candidates([1, 9]), ["9.255.0.1", "10.0.0.5", "fd00::1"].map(address));
        assert_eq!(index.candidates([2, 7]), [address("10.0.0.2")]);
        assert!(index.contains(address("fd00::2")) && !index.contains(address("10.0.0.9")));

        let mut bytes = Vec::new();
        index.write(&mut bytes).unwrap();
        let length = u64::try_from(bytes.len()).unwrap();
        assert_eq!(Index::read(&mut bytes.as_slice(), length).unwrap(), Some(index));
        for wrong in [length - 1, length + 1, 0] {
            assert_eq!(Index::read(&mut bytes.as_slice(), wrong).unwrap(), None);
        }
        for count in [u64::MAX, u64::MAX / 8, 1 << 61] {
            bytes[..8].copy_from_slice(&count.to_be_bytes());
            assert_eq!(Index::read(&mut bytes.as_slice(), length).unwrap(), None, "no memory is asked for");
        }
    }

    #[test]
    fn an_owner_is_found_at_every_position() {
        for length in 0..40_usize {
            for place in 0..length {
                let mut owners = vec![[1, 0]; length];
                owners[place] = [0, 1];
                let expected: Vec<usize> = (0..length).filter(|other| *other != place).collect();
                assert_eq!(places(&owners, [[0, 1]; 2]), [place], "{length}");
                assert_eq!(places(&owners, [[1, 0], [9, 9]]), expected, "{length}");
                assert_eq!(places(&owners, [[0, 0], [1, 1]]), [0_usize; 0], "{length}");
            }
        }
    }

    #[test]
    fn runs_grow_merge_and_split_and_every_owner_keeps_its_address() {
        // A random sequence of insertions and removals, compared with a map.
        let mut index = Index::default();
        let mut map = std::collections::BTreeMap::new();
        let mut random = 1u32;
        for turn in 0..4000u32 {
            random = random.wrapping_mul(1_103_515_245).wrapping_add(12_345);
            let number = (random >> 16) % 64;
            let address = IpAddr::V4(number.into());
            if random & 0x8000 == 0 {
                let owner = u16::try_from(turn).unwrap();
                index.insert(address, owner);
                map.insert(number, owner);
            } else {
                index.remove(address);
                map.remove(&number);
            }
            let probe = map.iter().next_back().map_or((0, 0), |(number, owner)| (*number, *owner));
            assert_eq!(index.contains(IpAddr::V4(probe.0.into())), !map.is_empty());
            let found = index.candidates([probe.1, probe.1]);
            assert!(map.is_empty() || found == [IpAddr::V4(probe.0.into())], "{turn}: {found:?}");
            let taken: u128 = index.taken(true).map(|(first, last)| last - first + 1).sum();
            assert_eq!((taken, index.v4.owners.len()), (u128::try_from(map.len()).unwrap(), map.len()));
            let sorted: Index =
                map.iter().map(|(number, owner)| (IpAddr::V4((*number).into()), *owner)).collect();
            assert_eq!(index, sorted, "{turn}");
        }
    }
}
