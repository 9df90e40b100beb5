//! Programs too long for the verifier in one piece.
//!
//! The verifier follows at most so many branches in a row, and a million instructions in all. A probe with thousands of
//! statements is cut into functions that are global as BTF has it: the verifier looks at each of them once, by itself,
//! and believes of a call no more than that it returns. So a part can be given nothing that it could not find by itself:
//! variables lie in scratch memory, which it looks up again, and so do the numbers of the event that parts read. What
//! needs more of the event stays in the program.

use super::Lowering;
use crate::symbol::Symbol;
use cranelift_codegen::ir::InstBuilder;
use cranelift_codegen::ir::condcodes::IntCC;
use lang::builtins::BuiltinId;
use lang::target::{Access, Base, Context};
use lang::typed::{Expr, ExprKind, Probe, Stmt, StmtKind, any_in};

/// Probes of more than this weight are cut. The verifier's limit of 8192 branches is reached at several times that.
const MOST_IN_ONE: u64 = 1500;

/// What a part weighs at least.
const PART: u64 = 200;

/// A program has fewer functions than 256; some are left for loops.
const MOST_PARTS: u64 = 150;

/// Roughly how many branches a statement becomes.
fn weight(stmt: &Stmt) -> u64 {
    match &stmt.kind {
        StmtKind::If(_, then, otherwise) => 1 + weigh(then) + weigh(otherwise),
        StmtKind::While(_, body) | StmtKind::ForRange { body, .. } | StmtKind::ForMap { body, .. } => 2 + weigh(body),
        StmtKind::Unroll(times, body) => weigh(body).saturating_mul(*times),
        StmtKind::Print(..) | StmtKind::SetMap(..) => 3,
        StmtKind::AddMap { .. } => 4,
        StmtKind::Gather { .. } => 6,
        _ => 1,
    }
}

fn weigh(stmts: &[Stmt]) -> u64 {
    stmts.iter().map(weight).fold(0, u64::saturating_add)
}

/// The pieces of a probe's body in their order, if it is to be cut.
pub fn cut(probe: &Probe) -> Option<Vec<Vec<&Stmt>>> {
    let all = weigh(&probe.body);
    if all <= MOST_IN_ONE {
        return None;
    }
    let most = PART.max(all / MOST_PARTS);
    let mut pieces: Vec<Vec<&Stmt>> = Vec::new();
    let mut filled = most;
    let mut last_stays = false;
    let mut add = |stmt| {
        let stays = must_stay(stmt, probe);
        if filled >= most || stays != last_stays {
            pieces.push(Vec::new());
            filled = 0;
        }
        last_stays = stays;
        filled += weight(stmt);
        pieces.last_mut().expect("one has just been pushed").push(stmt);
    };
    flatten(&probe.body, &mut add);
    Some(pieces)
}

/// Whether a piece is to be a function of its own.
pub fn is_part(piece: &[&Stmt], probe: &Probe) -> bool {
    piece.iter().map(|stmt| weight(stmt)).sum::<u64>() >= PART / 4 && !piece.iter().any(|stmt| must_stay(stmt, probe))
}

fn flatten<'s>(stmts: &'s [Stmt], add: &mut impl FnMut(&'s Stmt)) {
    for stmt in stmts {
        match &stmt.kind {
            StmtKind::Unroll(times, body) => (0..*times).for_each(|_| flatten(body, add)),
            _ => add(stmt),
        }
    }
}

/// Whether a statement needs more than what a part can find by itself. What is not known here does.
fn must_stay(stmt: &Stmt, probe: &Probe) -> bool {
    let Some(context) = probe.points.first().map(|point| &point.context) else { return true };
    any_in(std::slice::from_ref(stmt), &mut |expr: &Expr| match &expr.kind {
        _ if number_read(expr, context).is_some() => false,
        ExprKind::Builtin(id) => !matches!(
            id,
            BuiltinId::Pid
                | BuiltinId::Tid
                | BuiltinId::Uid
                | BuiltinId::Gid
                | BuiltinId::Cpu
                | BuiltinId::Comm
                | BuiltinId::Nsecs
                | BuiltinId::Elapsed
                | BuiltinId::Cpid
                | BuiltinId::Probe
        ),
        ExprKind::Int(_)
        | ExprKind::Str(_)
        | ExprKind::Var(_)
        | ExprKind::StepVar { .. }
        | ExprKind::MapGet(..)
        | ExprKind::StepMap { .. }
        | ExprKind::Delete(..)
        | ExprKind::ReadAggregate(..)
        | ExprKind::Unary(..)
        | ExprKind::Binary(..)
        | ExprKind::Ternary(..)
        | ExprKind::OrElse(..)
        | ExprKind::Cast(_)
        | ExprKind::Tuple(_)
        | ExprKind::Address(_)
        | ExprKind::InSubnet { .. }
        | ExprKind::Item(..) => false,
        _ => true,
    })
}

/// Where a number of the event is read that can be handed on in memory.
fn number_read(expr: &Expr, context: &Context) -> Option<Access> {
    let access = match &expr.kind {
        ExprKind::EventField(index) => context.fields.get(*index)?.access,
        ExprKind::EventArg(number) | ExprKind::Builtin(BuiltinId::Arg(number)) => {
            *context.args.get(usize::from(*number))?
        }
        _ => return None,
    };
    (expr.ty.is_scalar() && !matches!(access.base, Base::DataLoc { .. })).then_some(access)
}

impl Lowering<'_, '_> {
    /// The body of a probe that is cut into pieces.
    pub fn pieces(&mut self, probe: &Probe) {
        self.save_numbers(&probe.body);
        for piece in cut(probe).unwrap_or_default() {
            if self.returned {
                return;
            }
            match is_part(&piece, probe) {
                true => self.part(&piece),
                false => self.each(&piece),
            }
        }
    }

    /// Puts the numbers of the event that the body reads where parts find them.
    fn save_numbers(&mut self, body: &[Stmt]) {
        let mut reads: Vec<Access> = Vec::new();
        any_in(body, &mut |expr| {
            let access = match &expr.kind {
                ExprKind::EventField(index) if expr.ty.is_scalar() => Some(self.field(*index).access),
                _ => number_read(expr, self.unit.context),
            };
            reads.extend(access.filter(|access| !reads.contains(access)));
            false
        });
        for access in reads {
            let number = self.read_access(&access);
            let offset = self.take_scratch(8);
            let to = self.scratch_address(offset);
            self.store_word(number, to);
            self.saved.insert(access, offset);
        }
    }

    fn each(&mut self, stmts: &[&Stmt]) {
        stmts.iter().for_each(|stmt| self.stmts(std::slice::from_ref(*stmt)));
    }

    /// Statements as a function of their own, which returns 1 if it has left the probe.
    fn part(&mut self, stmts: &[&Stmt]) {
        let (number, can_leave) = self.function_of(0, |this, _| {
            let event = this.int(0);
            this.event = event;
            this.find_part_memory();
            this.in_part = true;
            this.each(stmts);
            this.in_part = false;
        });
        self.global_functions.push(number);
        let function = self.function(Symbol::Subprogram(number), 0);
        let call = self.builder.ins().call(function, &[]);
        let left = self.builder.inst_results(call)[0];
        if !can_leave {
            return;
        }
        let [gone, done] = [(); 2].map(|()| self.builder.create_block());
        let has_left = self.compare(IntCC::NotEqual, left, 0);
        self.builder.ins().brif(has_left, gone, &[], done, &[]);
        self.builder.switch_to_block(gone);
        self.leave_too();
        self.resume(done);
    }
}
