//! What maps and variables are called and hold.

use crate::diag::Diagnostic;
use crate::expand::expansion;
use crate::span::Span;
use crate::typed::{Expr, ExprKind, Map, MapId, VarId};
use crate::types::{Aggregate, IntType, Type};
use hashbrown::HashMap;
use indexmap::IndexMap;

/// What a map holds that is read but never assigned: it stays empty, and reads as 0.
pub const NEVER_ASSIGNED: Type = Type::I64;

/// The maps of a script. What is known of them survives from walk to walk and only ever grows.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    known: IndexMap<String, Entry>,
    learnt: bool,
    /// Later entries of a session will use them as well.
    goes_on: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `Some(None)`: known to be keyless.
    key: Option<Option<Vec<Type>>>,
    value: Type,
    span: Span,
    /// The assignment that gave the value its type.
    fixed_at: Option<Span>,
    /// Something without a type was assigned; most likely an error was told there.
    broken: bool,
    /// Programs are running that use it: what it holds keeps its place in memory.
    fixed: bool,
    /// What is being checked uses it.
    used: bool,
}

/// Room for texts of the script in maps that later entries use as well, perhaps with longer ones.
const ROOM: u32 = 64;

impl Maps {
    /// The maps of a session's next entry.
    pub fn going_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// As the next entry finds them. Of a map that nothing has been assigned to, nothing is known.
    pub fn fixed(mut self) -> Self {
        for entry in self.known.values_mut() {
            entry.used = false;
            match entry.value {
                Type::Unknown => (entry.key, entry.fixed_at, entry.broken) = (None, None, false),
                _ => entry.fixed = true,
            }
        }
        self
    }

    /// Whether what nothing has been assigned to may get something from a later entry.
    pub fn may_come(&self) -> bool {
        self.goes_on
    }

    /// What is used although nothing has been assigned to it.
    pub fn unassigned(&self) -> Vec<String> {
        let is_empty = |entry: &Entry| entry.used && entry.value == Type::Unknown;
        self.known.iter().filter(|(_, entry)| is_empty(entry)).map(|(name, _)| name.clone()).collect()
    }

    /// Whether something has been assigned to the map of this name.
    pub fn is_assigned(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|entry| entry.value != Type::Unknown)
    }

    /// Where a map was used first, if an earlier entry has fixed what it holds.
    pub fn fixed_before(&self, name: &str) -> Option<Span> {
        self.known.get(name).filter(|entry| entry.fixed).map(|entry| entry.span)
    }

    /// The type that a map's key or value gets from this expression.
    pub fn room_for(&self, map: MapId, value: &Expr) -> Type {
        let grows = self.goes_on && !self.known[map.index()].fixed;
        match (&value.kind, &value.ty) {
            (ExprKind::Str(_), Type::Str(size)) if grows => Type::Str((*size).max(ROOM)),
            (ExprKind::Tuple(parts), Type::Tuple(_)) if grows => {
                Type::Tuple(parts.iter().map(|part| self.room_for(map, part)).collect())
            }
            (_, ty) if grows => widest(ty),
            (_, ty) => ty.clone(),
        }
    }

    pub fn start_walk(&mut self) {
        self.learnt = false;
    }

    pub fn learnt(&self) -> bool {
        self.learnt
    }

    /// The id of a map, which a first use creates.
    pub fn id(&mut self, name: &str, span: Span) -> MapId {
        let index = match self.known.get_index_of(name) {
            Some(index) => index,
            None => {
                let (key, value, fixed_at) = (None, Type::Unknown, None);
                let entry = Entry { key, value, span, fixed_at, broken: false, fixed: false, used: false };
                self.known.insert_full(name.to_owned(), entry).0
            }
        };
        let entry = &mut self.known[index];
        // Now is its first use, as far as anybody can tell.
        if !entry.used && entry.value == Type::Unknown {
            entry.span = span;
        }
        entry.used = true;
        MapId(index as u32)
    }

    /// What the map holds, as far as known.
    pub fn value(&self, map: MapId) -> &Type {
        &self.known[map.index()].value
    }

    /// The parts of the map's key as far as known; `Some(None)` for a map that is known to be keyless.
    pub fn key(&self, map: MapId) -> Option<&Option<Vec<Type>>> {
        self.known[map.index()].key.as_ref()
    }

    /// Whether something without a type was assigned to it.
    pub fn is_broken(&self, map: MapId) -> bool {
        self.known[map.index()].broken
    }

    /// Whether it is used without a key, as far as known.
    pub fn is_keyless(&self, map: MapId) -> bool {
        self.known[map.index()].key == Some(None)
    }

    /// What the map of this name holds, without making it known.
    pub fn value_of(&self, name: &str) -> &Type {
        self.known.get(name).map_or(&Type::Unknown, |entry| &entry.value)
    }

    /// The name with its sigil.
    pub fn display_name(&self, map: MapId) -> String {
        format!("@{}", self.known.get_index(map.index()).map_or("", |(name, _)| name))
    }

    /// Learns the key's types from one use.
    pub fn use_key(&mut self, map: MapId, key: Option<Vec<Type>>, span: Span) -> Result<(), Diagnostic> {
        let name = self.display_name(map);
        let entry = &mut self.known[map.index()];
        let first = entry.span;
        let joined = match (&entry.key, key) {
            (None, key) => key,
            (Some(None), None) => None,
            (Some(Some(old)), Some(new)) => {
                let join = |(old, new): (&Type, &Type)| {
                    old.join(new).filter(|joined| !entry.fixed || old.settled().lies_like(&joined.settled()))
                };
                let joined: Option<Vec<Type>> =
                    (old.len() == new.len()).then(|| old.iter().zip(&new).map(join).collect()).flatten();
                let Some(joined) = joined else {
                    let title = format!(
                        "Argument mismatch for {name}: trying to access with arguments: '{}' when map expects \
                         arguments: '{}'",
                        list(&new),
                        list(old)
                    );
                    return Err(Diagnostic::error(span, title).with_related(first, "its key was fixed here"));
                };
                Some(joined)
            }
            (Some(Some(_)), None) => {
                let title = format!(
                    "{name} used as a map without an explicit key (scalar map), previously used with an explicit key (non-scalar map)"
                );
                return Err(Diagnostic::error(span, title).with_related(first, "first used here"));
            }
            (Some(None), Some(_)) => {
                let title = format!(
                    "{name} used as a map with an explicit key (non-scalar map), previously used without an explicit key (scalar map)"
                );
                return Err(Diagnostic::error(span, title).with_related(first, "first used here"));
            }
        };
        if entry.key.as_ref() != Some(&joined) {
            entry.key = Some(joined);
            self.learnt = true;
        }
        Ok(())
    }

    /// Learns the value's type from one assignment.
    pub fn assign(&mut self, map: MapId, value: &Type, span: Span) -> Result<(), Diagnostic> {
        let name = self.display_name(map);
        let entry = &mut self.known[map.index()];
        let joined = entry.value.join(value);
        let joined = joined.filter(|joined| !entry.fixed || entry.value.settled().lies_like(&joined.settled()));
        let Some(joined) = joined else {
            let title = match (value, &entry.value) {
                (Type::Aggregate(Aggregate::Hist { .. }), Type::Aggregate(Aggregate::Hist { .. })) => {
                    "Different bits in a single hist unsupported".to_owned()
                }
                (Type::Aggregate(Aggregate::LHist { .. }), Type::Aggregate(Aggregate::LHist { .. })) => {
                    "Different lhist bounds in a single map unsupported".to_owned()
                }
                (Type::Aggregate(Aggregate::TSeries { .. }), Type::Aggregate(Aggregate::TSeries { .. })) => {
                    "Different tseries bounds in a single map unsupported".to_owned()
                }
                (value, known) => format!(
                    "Type mismatch for {name}: trying to assign value of type '{value}' when map already has a type '{known}'"
                ),
            };
            let fixed = entry.fixed_at.unwrap_or(entry.span);
            return Err(Diagnostic::error(span, title).with_related(fixed, "its type was fixed here"));
        };
        entry.broken |= *value == Type::Unknown;
        if entry.fixed_at.is_none() {
            entry.fixed_at = Some(span);
        }
        if joined != entry.value {
            entry.value = joined;
            self.learnt = true;
        }
        Ok(())
    }

    /// The maps with the types that they have when nothing more is learnt.
    pub fn typed(&self) -> Vec<Map> {
        let typed = |(name, entry): (&String, &Entry)| Map {
            name: name.clone(),
            key: entry.key.clone().flatten().map(|parts| parts.iter().map(Type::settled).collect()),
            value: match &entry.value {
                Type::Unknown => NEVER_ASSIGNED,
                value => value.settled(),
            },
            declared: None,
            span: entry.span,
        };
        self.known.iter().map(typed).collect()
    }
}

fn list(types: &[Type]) -> String {
    match types {
        [one] => one.to_string(),
        many => Type::Tuple(many.to_vec()).to_string(),
    }
}

/// What a variable is known by from walk to walk: the place of its first assignment, and which expansion of a macro made
/// that place (0 for the script itself), because the expansions of one body share its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Declared {
    pub span: Span,
    expansion: u32,
}

impl Declared {
    pub fn new(span: Span, name: &str) -> Self {
        Self { span, expansion: expansion(name) }
    }
}

/// A variable in scope.
#[derive(Clone, Copy)]
pub struct Variable {
    pub id: VarId,
    /// Where it was first assigned or declared.
    pub declared: Declared,
    /// `let` gave it a type that later assignments do not widen.
    pub fixed: bool,
}

/// The nested scopes of one probe.
#[derive(Default)]
pub struct Scopes {
    open: Vec<HashMap<String, Variable>>,
}

impl Scopes {
    pub fn enter(&mut self) {
        self.open.push(HashMap::new());
    }

    pub fn leave(&mut self) {
        self.open.pop();
    }

    pub fn find(&self, name: &str) -> Option<Variable> {
        self.open.iter().rev().find_map(|scope| scope.get(name)).copied()
    }

    pub fn declare(&mut self, name: &str, variable: Variable) {
        if let Some(scope) = self.open.last_mut() {
            scope.insert(name.to_owned(), variable);
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.open.iter().flat_map(|scope| scope.keys().map(String::as_str))
    }
}

/// A type with room for any number where this one has some: what fixes a map may not be the largest that comes.
fn widest(ty: &Type) -> Type {
    match ty {
        // What is only a number of the script may be negative the next time.
        Type::Int(IntType { bits, signed }) => Type::Int(IntType { bits: 64, signed: *signed || bits % 8 != 0 }),
        Type::Tuple(items) => Type::Tuple(items.iter().map(widest).collect()),
        Type::Record(items) => Type::Record(items.iter().map(|(name, ty)| (name.clone(), widest(ty))).collect()),
        ty => ty.clone(),
    }
}
