//! A machine in which one call of the port goes wrong.

use super::FakeMachine;
use std::io;
use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wasm_cni::machine::errno::DRY;
use wasm_cni::machine::lease;
use wasm_cni::machine::rules::TableError;

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused, and nothing is changed.
    Refused,
    /// The process dies before it.
    DiesBefore,
    /// The process dies after it.
    DiesAfter,
    /// It is done, and its answer is lost; where no other process and no kernel socket answers, it is refused.
    AnswerLost,
    /// It would change something, and only looking is allowed.
    Dry,
}

impl Fault {
    /// All that may go wrong with a call.
    pub const ALL: [Fault; 4] = [Fault::Refused, Fault::DiesBefore, Fault::DiesAfter, Fault::AnswerLost];

    /// Where nobody answers, so that no answer is lost.
    fn without_answer(self) -> Self {
        if self == Fault::AnswerLost { Fault::Refused } else { self }
    }
}

/// Counts calls of the port that change something, list a table or execute a program, and strikes at one of them. Clones share the count.
///
/// Each request of a batch is a call, and each change of a file in a lease directory. A process dies before a whole batch or after
/// it, and loses with one answer those that follow it.
#[derive(Debug, Clone)]
pub struct Strike {
    fault: Fault,
    calls: RangeInclusive<usize>,
    seen: Arc<AtomicUsize>,
}

impl Strike {
    /// At the call of that number, from 0.
    pub fn at(at: usize, fault: Fault) -> Self {
        Strike { fault, calls: at..=at, seen: Arc::default() }
    }

    /// At that call and at each that follows, so that what was done cannot be undone either.
    pub fn from(at: usize, fault: Fault) -> Self {
        Strike { calls: at..=usize::MAX, ..Strike::at(at, fault) }
    }

    /// At none: only counts.
    pub fn never() -> Self {
        Strike::at(usize::MAX, Fault::Refused)
    }

    /// Whether it strikes at more than one call.
    pub fn is_lasting(&self) -> bool {
        self.calls.end() > self.calls.start()
    }

    /// How many calls there were so far.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    /// Counts a call; the fault, if it is to go wrong.
    fn next(&self) -> Option<Fault> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        self.calls.contains(&number).then_some(self.fault)
    }
}

/// The payload of the panic in whose place a process dies. It prints nothing; `std::panic::catch_unwind` catches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

impl FakeMachine {
    /// The machine, with a strike until [`FakeMachine::next_verb`]: then locks of lease stores are free which a process held that died.
    pub fn struck(&mut self, strike: Strike) -> &mut Self {
        *self.gate.lock() = strike;
        self
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::AnswerLost => io::Error::new(io::ErrorKind::TimedOut, "the answer was lost"),
            Fault::Dry => io::Error::other(DRY),
            Fault::Refused | Fault::DiesBefore | Fault::DiesAfter => io::Error::other("made to fail"),
        }
    }
}

impl From<Fault> for TableError {
    fn from(fault: Fault) -> Self {
        let error = if fault == Fault::AnswerLost { TableError::Unknown } else { TableError::Failed };
        error(io::Error::from(fault).to_string())
    }
}

/// What each call goes through. Clones are the same one: a machine's tables and lease directories have its own.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Mutex<Strike>>);

impl Gate {
    /// One through which nothing goes that changes anything, or all.
    pub fn new(is_dry: bool) -> Self {
        let strike = if is_dry { Strike::from(0, Fault::Dry) } else { Strike::never() };
        Gate(Arc::new(Mutex::new(strike)))
    }

    /// Whether nothing may be changed.
    pub fn is_dry(&self) -> bool {
        self.lock().fault == Fault::Dry
    }

    fn lock(&self) -> MutexGuard<'_, Strike> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The strike. Its gate is not held while a call is done: a process may die of it.
    fn strike(&self) -> Strike {
        self.lock().clone()
    }

    /// Does a change that somebody else answers, or what goes wrong with it.
    pub fn remote<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next(), change)
    }

    /// Does a change that is a system call of our own, or what goes wrong with it.
    pub fn local<T, E: From<Fault>>(&self, change: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        struck(self.strike().next().map(Fault::without_answer), change)
    }

    /// Does the requests of a batch. The kernel does all of one within the system call that sends it, so that no process dies in between.
    pub fn batch<R>(
        &self,
        requests: Vec<R>,
        mut change: impl FnMut(R) -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        let strike = self.strike();
        let faults: Vec<Option<Fault>> = requests.iter().map(|_| strike.next()).collect();
        if faults.contains(&Some(Fault::DiesBefore)) {
            resume_unwind(Box::new(Died))
        }
        let mut is_lost = false;
        let one = |(request, fault): (R, &Option<Fault>)| {
            let answer = struck(fault.filter(|fault| *fault != Fault::DiesAfter), || change(request));
            // The kernel forgets answers for want of room, and who reads gets that as an error: no later answer of the batch is read.
            is_lost |= *fault == Some(Fault::AnswerLost);
            if is_lost { Err(Fault::AnswerLost.into()) } else { answer }
        };
        let answers = requests.into_iter().zip(&faults).map(one).collect();
        if faults.contains(&Some(Fault::DiesAfter)) {
            resume_unwind(Box::new(Died))
        }
        answers
    }
}

impl lease::Gate for Gate {
    fn pass(&self, change: &mut dyn FnMut() -> io::Result<()>) -> io::Result<()> {
        self.local(change)
    }
}

fn struck<T, E: From<Fault>>(fault: Option<Fault>, call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let Some(fault) = fault else { return call() };
    if matches!(fault, Fault::DiesAfter | Fault::AnswerLost) {
        drop(call());
    }
    match fault {
        Fault::Refused | Fault::AnswerLost | Fault::Dry => Err(fault.into()),
        Fault::DiesBefore | Fault::DiesAfter => resume_unwind(Box::new(Died)),
    }
}
