//! What a filter asks, as it is compiled: a graph without circles whose nodes ask one question each.
//!
//! A test is first written out as nodes that lead to each other, and these are then copied for what is known on the way
//! to them: that bytes 12 and 13 were `0x0800` answers every later question about them. So on no way a question is asked
//! twice, and protocols that exclude each other cost nothing.
//!
//! Each node also says how long a packet must be to be accepted from there on. Whoever checks that length on the way
//! needs no other check for reads at known places, and rejects the same packets: shorter ones would be rejected later.

use super::tree::{Question, Read, Relation, Test, Value};
use hashbrown::HashMap;

/// A filter as questions that lead to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Nodes lead only to nodes that stand before them. No read is [`Read::behind_tag`] any more.
    pub nodes: Vec<Node>,
    /// Where to begin.
    pub start: Target,
}

/// A question and what follows from its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What is asked.
    pub question: Question,
    /// Where to go if it is so.
    pub yes: Target,
    /// Where to go if not.
    pub no: Target,
    /// A shorter packet is rejected from here on in any case.
    pub need: u64,
}

/// Where a way leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// The packet is accepted.
    Accept,
    /// The packet is rejected.
    Reject,
    /// To a node, by its number.
    Node(u32),
}

impl Graph {
    /// The graph of a test.
    pub fn of(test: &Test) -> Self {
        let mut raw = Raw::default();
        let start = raw.write(test, Target::Accept, Target::Reject);
        let mut copying = Copying::new(&raw);
        let start = copying.copy(start);
        Self { nodes: copying.nodes, start }
    }

    /// How long a packet must be to be accepted; more than any is for a filter that accepts none.
    pub fn need(&self) -> u64 {
        need_of(&self.nodes, self.start)
    }
}

fn need_of(nodes: &[Node], target: Target) -> u64 {
    match target {
        Target::Accept => 0,
        Target::Reject => u64::MAX,
        Target::Node(number) => nodes[number as usize].need,
    }
}

/// How long a packet must be for the question alone, as far as that is known.
fn own_need(question: &Question) -> u64 {
    let mut need = 0;
    if let Question::Compare(_, left, right) = question {
        for value in [left, right] {
            value.each_read(&mut |read| {
                let header = read.behind_ip.map_or(0, |header| u64::from(header) + 1);
                need = need.max(header).max(read.fixed_end().unwrap_or(0));
            });
        }
    }
    need
}

/// A node before copying.
enum RawNode {
    Ask(Question, Target, Target),
    Shift(Target),
}

#[derive(Default)]
struct Raw {
    nodes: Vec<RawNode>,
}

impl Raw {
    /// Writes a test that leads to one of two places; where it begins.
    fn write(&mut self, test: &Test, yes: Target, no: Target) -> Target {
        match test {
            Test::Known(true) => yes,
            Test::Known(false) => no,
            Test::Ask(question) => self.push(RawNode::Ask(question.clone(), yes, no)),
            Test::Not(inner) => self.write(inner, no, yes),
            Test::All(tests) => tests.iter().rev().fold(yes, |yes, test| self.write(test, yes, no)),
            Test::Any(tests) => tests.iter().rev().fold(no, |no, test| self.write(test, yes, no)),
            Test::Shift(inner) => {
                let inner = self.write(inner, yes, no);
                self.push(RawNode::Shift(inner))
            }
        }
    }

    fn push(&mut self, node: RawNode) -> Target {
        self.nodes.push(node);
        Target::Node(self.nodes.len() as u32 - 1)
    }
}

/// A question or a value, by its number among those that were met.
type Number = u32;

/// What is known on a way, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Fact {
    /// The value is this.
    Is(Number, u32),
    /// The question has this answer.
    Answer(Number, bool),
}

/// A raw node, and what matters for its copy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Place {
    node: u32,
    is_shifted: bool,
    facts: Vec<Fact>,
}

/// Where a way leads after copying.
enum Ahead {
    Done(Target),
    Copy(Place),
}

/// What a raw node asks, in numbers.
#[derive(Clone)]
struct Asked {
    question: Number,
    /// The value that it compares, and how with what number, if it does that.
    value: Option<(Number, Relation, u32)>,
}

struct Copying<'a> {
    raw: &'a Raw,
    questions: Vec<Question>,
    /// By raw node, not shifted and shifted.
    asked: Vec<[Option<Asked>; 2]>,
    /// The last node that asks a question, and that compares a value: no node before it leads there.
    last: (Vec<u32>, Vec<u32>),
    copies: HashMap<Place, Target>,
    same: HashMap<Node, Target>,
    nodes: Vec<Node>,
}

impl<'a> Copying<'a> {
    fn new(raw: &'a Raw) -> Self {
        let mut copying = Self {
            raw,
            questions: Vec::new(),
            asked: Vec::new(),
            last: (Vec::new(), Vec::new()),
            copies: HashMap::new(),
            same: HashMap::new(),
            nodes: Vec::new(),
        };
        let (mut question_numbers, mut value_numbers) = (HashMap::new(), HashMap::new());
        for (node, asks) in (0..).zip(&raw.nodes) {
            let mut asked = [None, None];
            if let RawNode::Ask(question, ..) = asks {
                for (is_shifted, asked) in [false, true].into_iter().zip(&mut asked) {
                    let question = place_question(question, is_shifted);
                    let value = match &question {
                        Question::Compare(relation, value, Value::Number(number)) => {
                            // Nodes lead to those before them, so the first one to come by is the last on each way.
                            let value = *value_numbers.entry(value.clone()).or_insert_with(|| {
                                copying.last.1.push(node);
                                copying.last.1.len() as Number - 1
                            });
                            Some((value, *relation, *number))
                        }
                        _ => None,
                    };
                    let number = *question_numbers.entry(question.clone()).or_insert_with(|| {
                        copying.last.0.push(node);
                        copying.questions.push(question);
                        copying.questions.len() as Number - 1
                    });
                    *asked = Some(Asked { question: number, value });
                }
            }
            copying.asked.push(asked);
        }
        copying
    }

    /// Copies what can be reached; where it begins.
    fn copy(&mut self, start: Target) -> Target {
        let first = match self.go(start, false, &[]) {
            Ahead::Done(target) => return target,
            Ahead::Copy(place) => place,
        };
        let mut open = vec![first.clone()];
        while let Some(place) = open.last().cloned() {
            if self.copies.contains_key(&place) {
                open.pop();
                continue;
            }
            let (yes, no) = (self.branch(&place, true), self.branch(&place, false));
            let done = |ahead: &Ahead| match ahead {
                Ahead::Done(target) => Some(*target),
                Ahead::Copy(_) => None,
            };
            if let (Some(yes), Some(no)) = (done(&yes), done(&no)) {
                let target = self.node(&place, yes, no);
                self.copies.insert(place, target);
                open.pop();
                continue;
            }
            // Both have to be there first.
            open.extend([no, yes].into_iter().filter_map(|ahead| match ahead {
                Ahead::Copy(place) => Some(place),
                Ahead::Done(_) => None,
            }));
        }
        self.copies.get(&first).copied().unwrap_or(Target::Reject)
    }

    /// Where an answer leads.
    fn branch(&self, place: &Place, answer: bool) -> Ahead {
        let RawNode::Ask(_, yes, no) = &self.raw.nodes[place.node as usize] else { return Ahead::Done(Target::Reject) };
        let mut facts = place.facts.clone();
        if let Some(asked) = &self.asked[place.node as usize][usize::from(place.is_shifted)] {
            facts.push(match asked.value {
                Some((value, Relation::Equal, number)) if answer => Fact::Is(value, number),
                _ => Fact::Answer(asked.question, answer),
            });
            facts.sort_unstable();
        }
        self.go(if answer { *yes } else { *no }, place.is_shifted, &facts)
    }

    /// Goes over what is known already.
    fn go(&self, mut target: Target, mut is_shifted: bool, facts: &[Fact]) -> Ahead {
        loop {
            let Target::Node(node) = target else { return Ahead::Done(target) };
            match &self.raw.nodes[node as usize] {
                RawNode::Shift(next) => {
                    is_shifted = true;
                    target = *next;
                }
                RawNode::Ask(_, yes, no) => {
                    let asked = self.asked[node as usize][usize::from(is_shifted)].as_ref();
                    match asked.and_then(|asked| known(asked, facts)) {
                        Some(true) => target = *yes,
                        Some(false) => target = *no,
                        None => {
                            let place = Place { node, is_shifted, facts: self.matter(node, facts) };
                            return match self.copies.get(&place) {
                                Some(target) => Ahead::Done(*target),
                                None => Ahead::Copy(place),
                            };
                        }
                    }
                }
            }
        }
    }

    /// The facts that a question from there on may be about. If there are too many copies, none are kept, so that there
    /// is an end to them.
    fn matter(&self, node: u32, facts: &[Fact]) -> Vec<Fact> {
        if self.copies.len() > self.raw.nodes.len() * 4 + 64 {
            return Vec::new();
        }
        let matters = |fact: &&Fact| match fact {
            Fact::Is(value, _) => self.last.1[*value as usize] <= node,
            Fact::Answer(question, _) => self.last.0[*question as usize] <= node,
        };
        facts.iter().filter(matters).copied().collect()
    }

    /// A node of the graph, or what serves as well.
    fn node(&mut self, place: &Place, yes: Target, no: Target) -> Target {
        let Some(asked) = &self.asked[place.node as usize][usize::from(place.is_shifted)] else {
            return Target::Reject;
        };
        let question = self.questions[asked.question as usize].clone();
        if yes == no && (yes == Target::Reject || !can_reject(&question)) {
            return yes;
        }
        let need = need_of(&self.nodes, yes).min(need_of(&self.nodes, no)).max(own_need(&question));
        let node = Node { question, yes, no, need };
        let next = Target::Node(self.nodes.len() as u32);
        match self.same.get(&node) {
            Some(target) => *target,
            None => {
                self.same.insert(node.clone(), next);
                self.nodes.push(node);
                next
            }
        }
    }
}

/// The answer that follows from what is known.
fn known(asked: &Asked, facts: &[Fact]) -> Option<bool> {
    facts.iter().find_map(|fact| match (fact, asked.value) {
        (Fact::Answer(question, answer), _) if *question == asked.question => Some(*answer),
        (Fact::Is(value, is), Some((compared, relation, number))) if *value == compared => {
            Some(relation.holds(*is, number))
        }
        _ => None,
    })
}

/// Whether asking may reject the packet.
fn can_reject(question: &Question) -> bool {
    fn rejects(value: &Value) -> bool {
        match value {
            Value::Number(_) | Value::Length | Value::Tag => false,
            Value::Read(_) => true,
            Value::Negate(inner) => rejects(inner),
            Value::Binary(operation, left, right) => {
                use super::tree::Operation;
                let divides = matches!(operation, Operation::Divide | Operation::Modulo);
                let is_safe = !divides || matches!(**right, Value::Number(1..));
                !is_safe || rejects(left) || rejects(right)
            }
        }
    }
    match question {
        Question::Compare(_, left, right) => rejects(left) || rejects(right),
        Question::Tagged => false,
    }
}

/// The question with its reads where they are in the packet.
fn place_question(question: &Question, is_shifted: bool) -> Question {
    match question {
        Question::Compare(relation, left, right) => {
            Question::Compare(*relation, place_value(left, is_shifted), place_value(right, is_shifted))
        }
        Question::Tagged => Question::Tagged,
    }
}

fn place_value(value: &Value, is_shifted: bool) -> Value {
    let boxed = |value: &Value| Box::new(place_value(value, is_shifted));
    match value {
        Value::Number(_) | Value::Length | Value::Tag => value.clone(),
        Value::Negate(inner) => Value::Negate(boxed(inner)),
        Value::Binary(operation, left, right) => Value::Binary(*operation, boxed(left), boxed(right)),
        Value::Read(read) => {
            let shift = if read.behind_tag && is_shifted { 4 } else { 0 };
            Value::Read(Box::new(Read {
                behind_ip: read.behind_ip.map(|header| header.wrapping_add(shift)),
                index: read.index.as_ref().map(|index| place_value(index, is_shifted)),
                offset: read.offset.wrapping_add(shift),
                size: read.size,
                behind_tag: false,
            }))
        }
    }
}
