//! Flame graphs: the stacks that are keys of maps, folded into one picture of where the numbers come from.
//!
//! A map is drawn if its key has a stack, alone or among other parts, and its values are numbers that may be added up:
//! integers, `count()` and `sum()`. Other parts of the key stand below the stack, the process's stack below the
//! kernel's. Of several maps each has a graph of its own beside the others, as wide as theirs: their numbers may be of
//! different kinds.

mod file;
mod svg;
mod tree;

pub use file::GraphFile;
pub use tree::{Frame, Kind, Tree};

use crate::output::number::{Number, first_word};
use crate::output::value::{self, Slots, Style};
use crate::output::world::Detail;
use crate::output::{Entries, Settings};
use lang::diag::Diagnostic;
use lang::typed::{Map, MapId, Program};
use lang::types::{Aggregate, Stack, Type};

/// The maps of a script that can be drawn; what is wrong if there are none.
pub fn maps(program: &Program) -> Result<Vec<MapId>, Box<Diagnostic>> {
    let ids = (0..program.maps.len() as u32).map(MapId);
    let with_stacks: Vec<MapId> = ids.filter(|id| has_stack(&program.maps[id.index()])).collect();
    let drawn: Vec<MapId> =
        with_stacks.iter().copied().filter(|id| has_numbers(&program.maps[id.index()].value)).collect();
    match with_stacks.first() {
        _ if !drawn.is_empty() => Ok(drawn),
        Some(id) => {
            let map = &program.maps[id.index()];
            let title = format!("--flamegraph cannot draw @{}: its values are no numbers that add up", map.name);
            let help = "it draws maps of integers, count() and sum() whose key has a stack";
            Err(Box::new(Diagnostic::error(map.span, title).with_help(help)))
        }
        None => {
            let span = program.probes.first().map(|probe| probe.span).unwrap_or_default();
            let title = "--flamegraph needs a map whose key has a stack";
            let help = "count stacks in a map: `profile:hz:99 { @[ustack] = count(); }`";
            Err(Box::new(Diagnostic::error(span, title).with_help(help)))
        }
    }
}

fn has_stack(map: &Map) -> bool {
    fn holds(ty: &Type) -> bool {
        matches!(ty, Type::Stack(_)) || ty.items().any(holds)
    }
    map.key.iter().flatten().any(holds)
}

fn has_numbers(value: &Type) -> bool {
    matches!(value, Type::Int(_) | Type::Aggregate(Aggregate::Count | Aggregate::Sum { .. }))
}

/// A flame graph that grows map by map.
pub struct Graph<'s> {
    /// With the names of their maps.
    trees: Vec<(String, Tree)>,
    settings: &'s Settings,
}

impl<'s> Graph<'s> {
    /// Nothing yet.
    pub fn new(settings: &'s Settings) -> Self {
        Self { trees: Vec::new(), settings }
    }

    /// Adds a map. Values that are not positive take no room.
    pub fn add(&mut self, map: &Map, entries: &Entries) {
        let mut tree = Tree::default();
        let mut frames = Vec::new();
        for index in 0..entries.len() {
            let amount = amount(&map.value, entries.value(index));
            if amount == 0 {
                continue;
            }
            frames.clear();
            let mut stacks = Vec::new();
            self.key(map.key.as_deref().unwrap_or_default(), entries.key(index), &mut frames, &mut stacks);
            // A process calls the kernel, so its own stack is below.
            stacks.sort_by_key(|(stack, _)| !stack.user);
            for (stack, bytes) in stacks {
                self.stack(stack, bytes, &mut frames);
            }
            tree.add(&frames, amount);
        }
        self.trees.push((format!("@{}", map.name), tree));
    }

    /// The picture.
    pub fn draw(&self) -> String {
        svg::draw(&self.trees)
    }

    /// Takes the stacks out of a key, and the rest as frames.
    fn key<'b>(&self, parts: &[Type], bytes: &'b [u8], frames: &mut Vec<Frame>, stacks: &mut Vec<(Stack, &'b [u8])>) {
        let mut slots = Slots::new(bytes);
        for part in parts {
            let Some(bytes) = slots.take(part) else { return };
            match part {
                Type::Stack(stack) => stacks.push((*stack, bytes)),
                Type::Tuple(_) | Type::Record(_) => {
                    // The checker limits how deep types nest.
                    let items: Vec<Type> = part.items().cloned().collect();
                    self.key(&items, bytes, frames, stacks);
                }
                part => {
                    let mut text = Vec::new();
                    value::write(&mut text, part, bytes, Style::plain(self.settings));
                    frames.push(Frame::new(Kind::Key, String::from_utf8_lossy(&text).into_owned()));
                }
            }
        }
    }

    /// The frames of a stack, the outermost first.
    fn stack(&self, stack: Stack, bytes: &[u8], frames: &mut Vec<Frame>) {
        let word = |index: usize| {
            let word = bytes.get(index * 8..index * 8 + 8).and_then(|word| word.try_into().ok());
            word.map_or(0, u64::from_ne_bytes)
        };
        let first = stack.header() as usize / 8;
        let count = usize::try_from(word(0)).unwrap_or(usize::MAX).min(stack.depth as usize);
        for index in (first..first + count).rev() {
            let address = word(index);
            if !stack.user {
                let symbol = self.settings.world.kernel_symbol(address);
                frames.push(Frame::new(Kind::Kernel, symbol.map_or_else(unknown, |symbol| symbol.name)));
                continue;
            }
            match self.settings.world.user_symbol(word(1), address, Detail::Frame) {
                Some(symbol) => {
                    frames.push(Frame::new(Kind::User, symbol.name.clone()));
                    let inlined = symbol.inlined.iter();
                    frames.extend(inlined.map(|function| Frame::new(Kind::Inlined, function.name.clone())));
                }
                None => frames.push(Frame::new(Kind::User, unknown())),
            }
        }
    }
}

/// One name for all addresses without a symbol: each by itself would be a frame of its own, and tell nobody anything.
fn unknown() -> String {
    "[unknown]".to_owned()
}

/// How much room a value takes.
fn amount(ty: &Type, bytes: &[u8]) -> u64 {
    let word = first_word(bytes).unwrap_or(0);
    let number = match ty {
        Type::Aggregate(Aggregate::Sum { signed }) => Number::new(word, *signed),
        Type::Int(int) => Number::of_type(word, *int),
        _ => Number::Unsigned(word),
    };
    match number {
        Number::Unsigned(number) => number,
        Number::Signed(number) => u64::try_from(number).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::world::{Inlined, Shared, Symbol, World};
    use lang::span::Span;
    use lang::types::StackMode;
    use std::rc::Rc;

    struct Made;

    impl World for Made {
        fn kernel_symbol(&self, address: u64) -> Option<Symbol> {
            (address == 1).then(|| Symbol { name: "vfs_read".into(), ..Symbol::default() })
        }

        fn user_symbol(&self, _: u64, address: u64, _: Detail) -> Option<Rc<Symbol>> {
            let inlined = vec![Inlined { name: "small".into(), line: None }];
            let inlined = if address == 2 { inlined } else { Vec::new() };
            let name = ["", "", "read", "main"].get(address as usize).filter(|name| !name.is_empty())?;
            Some(Rc::new(Symbol { name: (*name).into(), inlined, ..Symbol::default() }))
        }
    }

    fn map(name: &str, key: Vec<Type>, value: Type) -> Map {
        Map { name: name.into(), key: Some(key), value, declared: None, span: Span::default() }
    }

    fn stack(user: bool) -> Type {
        Type::Stack(Stack { user, mode: StackMode::Bpftrace, depth: 2 })
    }

    fn entries(map: &Map, rows: &[(&[u64], i64)]) -> Entries {
        let mut entries = Entries::new(map);
        for (key, value) in rows {
            let key: Vec<u8> = key.iter().flat_map(|word| word.to_ne_bytes()).collect();
            entries.push(&key, &value.to_ne_bytes());
        }
        entries
    }

    fn folded(graph: &Graph<'_>) -> Vec<String> {
        let lines = |(name, tree): &(String, Tree)| -> Vec<String> {
            tree.folded().into_iter().map(|line| format!("{name}: {line}")).collect()
        };
        graph.trees.iter().flat_map(lines).collect()
    }

    #[test]
    fn kernel_stacks_stand_on_those_of_processes_and_other_parts_below() {
        let settings = Settings { world: Shared::new(Made), ..Settings::default() };
        let map = map("", vec![stack(false), Type::I64, stack(true)], Type::Aggregate(Aggregate::Count));
        let mut graph = Graph::new(&settings);
        graph.add(&map, &entries(&map, &[(&[1, 1, 0, 42, 2, 7, 2, 3], 5), (&[1, 1, 0, 42, 1, 7, 3, 0], 2)]));
        assert_eq!(folded(&graph), ["@: 42;main;read;small;vfs_read 5", "@: 42;main;vfs_read 2"]);
    }

    #[test]
    fn several_maps_are_apart_and_what_is_not_positive_takes_no_room() {
        let settings = Settings { world: Shared::new(Made), ..Settings::default() };
        let a = map("a", vec![Type::Tuple(vec![stack(true)])], Type::I64);
        let b = map("b", vec![stack(false)], Type::Aggregate(Aggregate::Sum { signed: true }));
        let mut graph = Graph::new(&settings);
        graph.add(&a, &entries(&a, &[(&[1, 7, 3, 0], 3), (&[1, 7, 9, 0], -3), (&[2, 7, 99, 3], 1)]));
        graph.add(&b, &entries(&b, &[(&[0, 0, 0], 4), (&[1, 1, 0], 0)]));
        assert_eq!(folded(&graph), ["@a: main 3", "@a: main;[unknown] 1", "@b:  4"]);
    }

    #[test]
    fn counts_that_no_stack_can_have_are_cut() {
        let settings = Settings { world: Shared::new(Made), ..Settings::default() };
        let map = map("", vec![stack(false)], Type::Aggregate(Aggregate::Count));
        let mut graph = Graph::new(&settings);
        graph.add(&map, &entries(&map, &[(&[u64::MAX, 1, 1], 1)]));
        assert_eq!(folded(&graph), ["@: vfs_read;vfs_read 1"]);
    }
}
