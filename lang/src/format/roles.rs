//! What the tree says of single tokens, which are named by their index.

use super::trivia::{Piece, read};
use crate::ast::{
    Block, Expr, ExprKind, Macro, Part, Probe, Script, Stmt, StmtKind, TypeBase, TypeName, TypeOf, ValueBlock,
};
use crate::lexer::{Sym, Token};
use crate::span::Span;
use hashbrown::HashSet;

/// What is known of tokens.
#[derive(Default)]
pub(super) struct Roles {
    /// Nothing follows: an operator before its operand, the parenthesis behind a cast's type.
    pub(super) glued_after: HashSet<usize>,
    /// Nothing stands before: an operator behind its operand, the parts of a type.
    pub(super) glued_before: HashSet<usize>,
    /// Braces of blocks that may stay on one line, and do.
    pub(super) inline: HashSet<usize>,
    /// Braces of probes and macros, which are opened and closed on lines of their own.
    pub(super) bodies: HashSet<usize>,
    pub(super) begins_line: HashSet<usize>,
    pub(super) ends_line: HashSet<usize>,
    /// Last tokens of statements that lack a semicolon.
    pub(super) unended: HashSet<usize>,
    /// Semicolons that nobody needs.
    pub(super) dropped: HashSet<usize>,
    /// Words behind which a line never breaks.
    pub(super) heads: HashSet<usize>,
}

impl Roles {
    /// What the tree says of these tokens.
    pub(super) fn of(script: &Script, text: &str, tokens: &[Piece<'_>]) -> Self {
        let mut walk = Walk { text, tokens, roles: Roles::default() };
        script.macros.iter().for_each(|item| walk.macro_item(item));
        script.probes.iter().for_each(|probe| walk.probe(probe));
        walk.outside(script);
        for (i, token) in tokens.iter().enumerate() {
            if matches!(token.token, Token::Ident("if" | "while" | "for" | "unroll" | "let" | "return" | "else")) {
                walk.roles.heads.insert(i);
            }
        }
        walk.roles
    }
}

struct Walk<'t, 'a> {
    text: &'a str,
    tokens: &'t [Piece<'a>],
    roles: Roles,
}

impl Walk<'_, '_> {
    /// The first token at or behind `offset`.
    fn at(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.start < offset as usize)
    }

    /// The last token before `offset`.
    fn before(&self, offset: u32) -> usize {
        self.tokens.partition_point(|token| token.end <= offset as usize).saturating_sub(1)
    }

    fn is(&self, i: usize, sym: Sym) -> bool {
        self.tokens.get(i).is_some_and(|token| token.token == Token::Sym(sym))
    }

    fn line(&mut self, span: Span) {
        let (first, last) = (self.at(span.start), self.before(span.end));
        self.roles.begins_line.insert(first);
        self.roles.ends_line.insert(last);
    }

    fn macro_item(&mut self, item: &Macro) {
        self.line(item.span);
        self.body(item.body.block.span);
        let name = self.at(item.name.span.start);
        self.roles.heads.insert(name.saturating_sub(1));
        self.value_block(&item.body);
    }

    fn probe(&mut self, probe: &Probe) {
        self.line(probe.span);
        for point in &probe.points {
            let first = self.at(point.span.start);
            self.roles.begins_line.insert(first);
        }
        if let Some(predicate) = &probe.predicate {
            let (open, close) = (self.before(predicate.span.start), self.at(predicate.span.end));
            self.roles.begins_line.insert(open);
            self.roles.ends_line.insert(close);
            self.expr(predicate);
        }
        self.body(probe.body.span);
        self.block(&probe.body);
    }

    /// The braces around the body of a probe or a macro.
    fn body(&mut self, span: Span) {
        let open = self.at(span.start);
        self.roles.bodies.insert(open);
        self.roles.begins_line.insert(open);
    }

    /// Items that are neither probes nor macros end their lines with a semicolon or a brace.
    fn outside(&mut self, script: &Script) {
        let macros = script.macros.iter().map(|item| item.span);
        let mut spans: Vec<Span> = macros.chain(script.probes.iter().map(|probe| probe.span)).collect();
        spans.sort();
        let mut depth = 0usize;
        for (i, token) in self.tokens.iter().enumerate() {
            let begun = spans.partition_point(|span| span.start as usize <= token.start);
            if begun.checked_sub(1).is_some_and(|last| token.start < spans[last].end as usize) {
                continue;
            }
            match token.token {
                Token::Sym(Sym::OpenBrace) => {
                    depth += 1;
                    self.roles.bodies.insert(i);
                }
                Token::Sym(Sym::CloseBrace) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 && !self.is(i + 1, Sym::Semicolon) {
                        self.roles.ends_line.insert(i);
                    }
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, block: &Block) {
        block.stmts.iter().for_each(|stmt| self.stmt(stmt));
    }

    /// A block in an expression. It stays on its line if it is only a value, and the author wrote it so.
    fn value_block(&mut self, block: &ValueBlock) {
        self.block(&block.block);
        if let Some(value) = &block.value {
            let first = self.at(value.span.start);
            self.roles.begins_line.insert(first);
            self.expr(value);
        }
    }

    fn expression_block(&mut self, block: &ValueBlock) {
        let open = self.at(block.block.span.start);
        let close = self.before(block.block.span.end);
        if only_values(block) && self.on_one_line(open, close) {
            self.roles.inline.insert(open);
            block.value.iter().for_each(|value| self.expr(value));
        } else {
            self.value_block(block);
        }
    }

    /// Whether nothing ends the line from one token to another: no line break, no comment.
    fn on_one_line(&self, first: usize, last: usize) -> bool {
        let between = |pair: &[Piece<'_>]| read(&self.text[pair[0].end..pair[1].start]);
        self.tokens[first..=last].windows(2).all(|pair| between(pair).is_empty())
    }

    fn stmt(&mut self, stmt: &Stmt) {
        let (first, last) = (self.at(stmt.span.start), self.before(stmt.span.end));
        self.roles.begins_line.insert(first);
        let ends_itself = matches!(
            stmt.kind,
            StmtKind::If { .. }
                | StmtKind::Block(_)
                | StmtKind::While { .. }
                | StmtKind::For { .. }
                | StmtKind::Unroll { .. }
        );
        let ended = self.is(last + 1, Sym::Semicolon);
        match (ends_itself, ended) {
            // At the end of a block it makes a statement of what would be a value.
            (true, true) if self.is(last + 2, Sym::CloseBrace) => {
                self.roles.ends_line.insert(last + 1);
            }
            (true, true) => {
                self.roles.dropped.insert(last + 1);
                self.roles.ends_line.insert(last);
            }
            (true, false) => {
                self.roles.ends_line.insert(last);
            }
            (false, true) => {
                self.roles.ends_line.insert(last + 1);
            }
            (false, false) => {
                self.roles.unended.insert(last);
                self.roles.ends_line.insert(last);
            }
        }
        match &stmt.kind {
            // `else if` goes on with the line.
            StmtKind::If { cond, then, otherwise: Some(Block { stmts, span }) }
                if stmts.len() == 1 && !self.is(self.at(span.start), Sym::OpenBrace) =>
            {
                self.expr(cond);
                self.block(then);
                let nested = self.at(span.start);
                self.stmt(&stmts[0]);
                self.roles.begins_line.remove(&nested);
            }
            _ => stmt.parts(&mut |part| self.part(part)),
        }
    }

    fn part(&mut self, part: Part<'_>) {
        match part {
            Part::Expr(expr) => self.expr(expr),
            Part::Type(ty) => self.ty(ty),
            Part::TypeOf(of) => self.type_of(of),
            Part::Values(block) => self.expression_block(block),
            Part::Block(block) => self.block(block),
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Record(items) => {
                for (name, _) in items {
                    let equals = self.at(name.span.end);
                    self.roles.glued_before.insert(equals);
                    self.roles.glued_after.insert(equals);
                }
            }
            ExprKind::IncDec { place, postfix: true, .. } => {
                let operator = self.at(place.span.end);
                self.roles.glued_before.insert(operator);
            }
            // An operator before its operand, and the parenthesis that closes the type of a cast.
            ExprKind::Unary(_, operand)
            | ExprKind::IncDec { place: operand, .. }
            | ExprKind::Cast { value: operand, .. } => {
                let before = self.before(operand.span.start);
                self.roles.glued_after.insert(before);
            }
            // `else if` goes on with the line.
            ExprKind::If { cond, then, otherwise: Some(ValueBlock { block, value: Some(nested) }) }
                if block.stmts.is_empty() && !self.is(self.at(block.span.start), Sym::OpenBrace) =>
            {
                self.expr(cond);
                self.expression_block(then);
                self.expr(nested);
                return;
            }
            _ => {}
        }
        expr.parts(&mut |part| self.part(part));
    }

    fn type_of(&mut self, of: &TypeOf) {
        match of {
            TypeOf::Type(ty) => self.ty(ty),
            TypeOf::Expr(expr) => self.expr(expr),
        }
    }

    /// A type: nothing stands before its stars and lengths.
    fn ty(&mut self, ty: &TypeName) {
        let (first, last) = (self.at(ty.span.start), self.before(ty.span.end));
        if let TypeBase::TypeOf(of) = &ty.base {
            self.type_of(of);
        }
        for i in (first..=last).rev() {
            match self.tokens.get(i).map(|token| token.token) {
                Some(Token::Sym(Sym::Star | Sym::OpenSquare)) => {
                    self.roles.glued_before.insert(i);
                }
                Some(Token::Sym(Sym::CloseSquare) | Token::Int(..)) => {}
                // The suffixes stand behind everything else.
                _ => break,
            }
        }
    }
}

/// Whether a block, and each within it, is nothing but a value.
fn only_values(block: &ValueBlock) -> bool {
    let alone = |block: &ValueBlock| block.block.stmts.is_empty() && block.value.is_some();
    let mut all = alone(block);
    block.visit(&mut |expr| match &expr.kind {
        ExprKind::Block(block) => all &= alone(block),
        ExprKind::If { then, otherwise, .. } => all &= alone(then) && otherwise.as_ref().is_none_or(alone),
        _ => {}
    });
    all
}
