//! Questions to the machine, which a thread of its own answers: a key that is pressed waits a moment and no longer.
//!
//! The thread begins with the first question and sleeps between them. What came too late for one key is there for the
//! next.

use super::Lists;
use super::lists::{List, Shelf};
use super::members::{self, Checker};
use super::names::Names;
use super::place::Member;
use crate::prompt::knowledge::Knowledge;
use probes_ebpf::list::Options;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// So long a key may wait.
const PATIENCE: Duration = Duration::from_millis(60);

/// Names with their types.
type Typed = Arc<[(String, String)]>;

/// Where questions are put.
#[derive(Default)]
pub struct Desk {
    known: Arc<Mutex<Answers>>,
    thread: OnceLock<Option<Sender<Order>>>,
}

/// What has been answered already.
#[derive(Default)]
struct Answers {
    shelf: Shelf,
    typed: Vec<(Question, Typed)>,
}

/// A question to the checker.
#[derive(Clone, PartialEq, Eq)]
struct Question {
    /// Of what was known then.
    version: u64,
    kind: members::Kind,
    text: String,
}

enum Order {
    List(List, Options, Sender<Arc<Names>>),
    Ask(Question, Box<Knowledge>, Sender<Typed>),
}

impl Desk {
    /// Has a list read, without waiting for it.
    pub fn order(&self, list: List, options: &Options) {
        if self.lock().shelf.get(&list).is_none() {
            let (answer, _) = channel();
            self.send(Order::List(list, options.clone(), answer));
        }
    }

    fn list(&self, list: List, options: &Options) -> Option<Arc<Names>> {
        if let Some(names) = self.lock().shelf.get(&list) {
            return Some(names);
        }
        let (answer, names) = channel();
        self.send(Order::List(list, options.clone(), answer));
        names.recv_timeout(PATIENCE).ok()
    }

    /// The members of a value, with their types.
    pub fn members(&self, knowledge: &Knowledge, member: Member<'_>) -> Option<Typed> {
        let (kind, text) = members::question(member);
        self.ask(Question { version: knowledge.version, kind, text }, knowledge)
    }

    /// The variables of the probe that the text ends in, with their types.
    pub fn variables(&self, knowledge: &Knowledge, text: &str) -> Option<Typed> {
        let text = members::finished(text);
        self.ask(Question { version: knowledge.version, kind: members::Kind::Variables, text }, knowledge)
    }

    fn ask(&self, question: Question, knowledge: &Knowledge) -> Option<Typed> {
        if let Some((_, answer)) = self.lock().typed.iter().find(|(asked, _)| *asked == question) {
            return Some(Arc::clone(answer));
        }
        let (answer, typed) = channel();
        self.send(Order::Ask(question, Box::new(knowledge.clone()), answer));
        typed.recv_timeout(PATIENCE).ok()
    }

    fn send(&self, order: Order) {
        let thread = self.thread.get_or_init(|| {
            let (sender, orders) = channel();
            let known = Arc::clone(&self.known);
            let thread = std::thread::Builder::new().name("completer".to_owned());
            // Without a thread nothing of this is known.
            thread.spawn(move || answer(&orders, &known)).ok().map(|_| sender)
        });
        if let Some(thread) = thread {
            // A thread that has ended answers nothing.
            let _ = thread.send(order);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        lock(&self.known)
    }
}

fn lock(known: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(orders: &Receiver<Order>, known: &Mutex<Answers>) {
    /// Answers that are kept.
    const MOST: usize = 8;
    let mut checker = None;
    while let Ok(order) = orders.recv() {
        match order {
            Order::List(list, options, answer) => {
                let kept = lock(known).shelf.get(&list);
                let names = kept.unwrap_or_else(|| {
                    let names = Arc::new(list.read("", &options));
                    lock(known).shelf.put(list, &names);
                    names
                });
                // Whoever asked may be gone.
                let _ = answer.send(names);
            }
            Order::Ask(question, knowledge, answer) => {
                let kept =
                    lock(known).typed.iter().find(|(asked, _)| *asked == question).map(|(_, typed)| typed.clone());
                let typed = kept.unwrap_or_else(|| {
                    let checker = checker.get_or_insert_with(|| Checker::new(&knowledge));
                    let typed: Typed = checker.answer(&knowledge, question.kind, &question.text).into();
                    let mut known = lock(known);
                    if known.typed.len() == MOST {
                        known.typed.remove(0);
                    }
                    known.typed.push((question, Arc::clone(&typed)));
                    typed
                });
                let _ = answer.send(typed);
            }
        }
    }
}

/// Lists, as far as they are there in time.
pub struct Reader<'d> {
    pub desk: &'d Desk,
    pub options: &'d Options,
}

impl Lists for Reader<'_> {
    fn get(&self, list: List, _: &str) -> Option<Arc<Names>> {
        self.desk.list(list, self.options)
    }
}
