//! Which function of a program a variable belongs to.
//!
//! A program is one function, unless the kernel has to call the bodies of some loops: each such body is a function of
//! its own. A scalar that one function alone uses has a register there; what several use, and what the address is
//! taken of, lives in memory that all of them reach.

use super::parts;
use hashbrown::{HashMap, HashSet};
use lang::functions::FunctionId;
use lang::typed::{Expr, ExprKind, Probe, Stmt, StmtKind, VarId};

/// As many numbers of a packet are kept in registers, most of which will be spilled.
const PACKET_REGISTERS: usize = 10;

/// What is known of a probe before it is lowered.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Variables that must lie in memory.
    pub in_memory: HashSet<VarId>,
    /// How many functions lowering makes beside the program itself.
    pub functions: u64,
    /// How deep they call each other.
    pub depth: u32,
    /// The body is cut into parts; see `parts`.
    pub is_cut: bool,
    /// It walks stacks by tables.
    pub unwinds: bool,
}

impl Plan {
    /// Looks at a probe; `is_called` says of a loop whether its body is a function of its own.
    pub fn of(probe: &Probe, is_called: &dyn Fn(&Stmt) -> bool) -> Self {
        let mut walk = Walk { is_called, users: HashMap::new(), made: 0, plan: Self::default() };
        for (number, (var, _)) in probe.packet.iter().enumerate() {
            walk.uses(*var, 0);
            // They are all there from the beginning on; there is not room for any number of spilled registers.
            if number >= PACKET_REGISTERS {
                walk.plan.in_memory.insert(*var);
            }
        }
        let predicate = probe.predicate.as_ref().map(|predicate| walk.expr(predicate, 0)).unwrap_or_default();
        let Made { functions, depth } = walk.stmts(&probe.body, 0).and(predicate);
        // One for all the walks.
        let functions = functions + u64::from(walk.plan.unwinds);
        Self { functions, depth, ..walk.plan }
    }

    /// Plans for parts if the probe's body is too long without.
    pub fn cut(&mut self, probe: &Probe) {
        let Some(pieces) = parts::cut(probe) else { return };
        let parts = pieces.iter().filter(|piece| parts::is_part(piece, probe)).count() as u64;
        if parts == 0 {
            return;
        }
        self.is_cut = true;
        self.functions = self.functions.saturating_add(parts);
        self.depth += 1;
        self.in_memory.extend((0..probe.vars.len() as u32).map(VarId));
    }
}

/// The functions made for some statements.
#[derive(Clone, Copy, Default)]
struct Made {
    functions: u64,
    depth: u32,
}

impl Made {
    fn and(self, other: Self) -> Self {
        Self { functions: self.functions.saturating_add(other.functions), depth: self.depth.max(other.depth) }
    }

    fn times(self, count: u64) -> Self {
        Self { functions: self.functions.saturating_mul(count), ..self }
    }
}

struct Walk<'a> {
    is_called: &'a dyn Fn(&Stmt) -> bool,
    /// The function that was first seen to use a variable.
    users: HashMap<VarId, u32>,
    made: u32,
    plan: Plan,
}

impl Walk<'_> {
    fn uses(&mut self, var: VarId, function: u32) {
        if *self.users.entry(var).or_insert(function) != function {
            self.plan.in_memory.insert(var);
        }
    }

    fn exprs<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>, function: u32) -> Made {
        exprs.into_iter().map(|expr| self.expr(expr, function)).fold(Made::default(), Made::and)
    }

    fn expr(&mut self, expr: &Expr, function: u32) -> Made {
        let mut made = Made::default();
        expr.any(&mut |expr| {
            match &expr.kind {
                ExprKind::Var(var) | ExprKind::StepVar { var, .. } | ExprKind::Find { var, .. } => {
                    self.uses(*var, function);
                }
                ExprKind::AddressOf(place) => {
                    if let ExprKind::Var(var) = place.kind {
                        self.plan.in_memory.insert(var);
                    }
                }
                ExprKind::Call(FunctionId::DwUstack, _) => {
                    self.plan.unwinds = true;
                    made.depth = made.depth.max(1);
                }
                // `any` goes through its expressions as if they were all of this function, which at worst puts a
                // variable into memory that could do without.
                ExprKind::Block(stmts, _) => made = made.and(self.stmts(stmts, function)),
                _ => {}
            }
            false
        });
        made
    }

    fn stmts(&mut self, stmts: &[Stmt], function: u32) -> Made {
        stmts.iter().map(|stmt| self.stmt(stmt, function)).fold(Made::default(), Made::and)
    }

    fn stmt(&mut self, stmt: &Stmt, function: u32) -> Made {
        match &stmt.kind {
            StmtKind::Expr(expr) | StmtKind::Exit(expr) => self.expr(expr, function),
            StmtKind::SetVar(var, value) => {
                self.uses(*var, function);
                self.expr(value, function)
            }
            StmtKind::SetMap(_, keys, value) | StmtKind::AddMap { keys, delta: value, .. } => {
                self.exprs(keys.iter().chain([value]), function)
            }
            StmtKind::Gather { keys, value, clock, .. } => self.exprs(keys.iter().chain(value).chain(clock), function),
            StmtKind::If(cond, then, otherwise) => {
                let cond = self.expr(cond, function);
                cond.and(self.stmts(then, function)).and(self.stmts(otherwise, function))
            }
            StmtKind::While(cond, body) => {
                let (inside, made) = self.inside(stmt, function);
                let cond = self.expr(cond, inside);
                self.loop_body(body, inside, made).and(cond)
            }
            StmtKind::ForRange { var, from, to, body } => {
                let bounds = self.exprs([from, to], function);
                let (inside, made) = self.inside(stmt, function);
                self.uses(*var, inside);
                self.loop_body(body, inside, made).and(bounds)
            }
            StmtKind::ForMap { var, body, .. } => {
                let (inside, made) = self.inside(stmt, function);
                self.uses(*var, inside);
                self.loop_body(body, inside, made)
            }
            StmtKind::Unroll(times, body) => self.stmts(body, function).times(*times),
            StmtKind::Print(_, args) => self.exprs(args, function),
            StmtKind::Return(value) => self.exprs(value, function),
            StmtKind::PrintMap { .. }
            | StmtKind::Clear(_)
            | StmtKind::Zero(_)
            | StmtKind::Break
            | StmtKind::Continue => Made::default(),
        }
    }

    /// The function that the body of a loop belongs to, and whether it is a new one.
    fn inside(&mut self, stmt: &Stmt, function: u32) -> (u32, bool) {
        match (self.is_called)(stmt) {
            true => {
                self.made += 1;
                (self.made, true)
            }
            false => (function, false),
        }
    }

    fn loop_body(&mut self, body: &[Stmt], inside: u32, made: bool) -> Made {
        let mut body = self.stmts(body, inside);
        if made {
            body.functions = body.functions.saturating_add(1);
            body.depth += 1;
        }
        body
    }
}
