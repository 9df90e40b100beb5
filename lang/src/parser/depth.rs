//! How deep the tree of some tokens can become, found before it is built.
//!
//! The parser recurses, and so does everything that walks, clones or drops a tree. A chain of operators is as deep as
//! it is long, so both brackets and operators count.

use crate::diag::Diagnostic;
use crate::lexer::{Sym, Token};
use crate::span::Span;

/// No tree is deeper than this.
pub const MAX_DEPTH: usize = 500;

/// Counts the depth of what is open, from the outside in.
#[derive(Default)]
struct Level {
    /// Operators since the last comma or semicolon on this level.
    operators: usize,
    /// How many there were at the last `if`: those behind it are in its condition or its blocks.
    at_if: usize,
    /// Chained `else` branches.
    branches: usize,
}

/// An upper bound of the tree's depth, or the error if it is more than [`MAX_DEPTH`].
pub(super) fn check(tokens: &[(Token<'_>, Span)]) -> Result<usize, Diagnostic> {
    use Sym::*;
    let mut levels = vec![Level::default()];
    let mut depth = 0;
    let mut deepest = 0;
    let mut previous = None;
    for (token, span) in tokens {
        // A block may be an operand, but then an operator follows it; nothing else goes on with the expression.
        let after_block = matches!(previous, Some(Token::Sym(CloseBrace | CloseAngle)));
        let goes_on = matches!(token, Token::Sym(sym) if !matches!(sym, OpenParen | OpenBrace | Bang | Tilde));
        if after_block && !goes_on && *token != Token::Ident("else") {
            reset(&mut levels, &mut depth);
        }
        let Some(level) = levels.last_mut() else { break };
        match token {
            Token::Sym(OpenParen | OpenSquare | OpenBrace | OpenAngle | OpenPredicate) => {
                // A bracket may be a call, an index or a cast, which are operators too.
                level.operators += 1;
                depth += 2;
                levels.push(Level::default());
            }
            Token::Sym(CloseParen | CloseSquare | CloseBrace | CloseAngle | ClosePredicate) => {
                let closed = levels.pop().unwrap_or_default();
                depth -= 1 + closed.operators + closed.branches;
                if levels.is_empty() {
                    levels.push(Level::default());
                }
            }
            Token::Sym(Semicolon | Comma) => reset(&mut levels, &mut depth),
            Token::Ident("else") => {
                depth -= level.operators.saturating_sub(level.at_if);
                level.operators = level.operators.min(level.at_if);
                level.branches += 1;
                depth += 1;
            }
            Token::Ident("if") => {
                // Its blocks count for it, but not where it is the condition of another.
                if previous == Some(*token) {
                    level.operators += 1;
                    depth += 1;
                }
                if previous != Some(Token::Ident("else")) {
                    level.at_if = level.operators;
                }
            }
            Token::Ident("comptime") => {
                level.operators += 1;
                depth += 1;
            }
            Token::Sym(_) => {
                level.operators += 1;
                depth += 1;
            }
            _ => {}
        }
        previous = Some(*token);
        deepest = deepest.max(depth);
        if depth > MAX_DEPTH {
            return Err(Diagnostic::error(*span, "this is nested too deeply")
                .with_help(format!("split it: brackets and operators may nest {MAX_DEPTH} deep")));
        }
    }
    Ok(deepest)
}

/// A new expression begins on the innermost level.
fn reset(levels: &mut [Level], depth: &mut usize) {
    if let Some(level) = levels.last_mut() {
        *depth -= level.operators + level.branches;
        *level = Level::default();
    }
}

/// Trees up to this depth are parsed on the caller's stack.
const SHALLOW: usize = 48;

/// What the parser needs for one level: measured at most 4 KiB in a release build, 27 KiB in a debug build.
const STACK_PER_LEVEL: usize = 32 * 1024;

/// Runs `work`, which parses something of this depth, where the stack is large enough for it. A script that people
/// write never needs a thread of its own.
pub(super) fn with_stack_for<T: Send>(depth: usize, work: impl Fn() -> T + Sync) -> T {
    if depth <= SHALLOW {
        return work();
    }
    let deep = std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size((depth + SHALLOW) * STACK_PER_LEVEL);
        builder.spawn_scoped(scope, &work).ok()?.join().ok()
    });
    // No thread to be had: a release build manages on a stack of 2 MiB.
    deep.unwrap_or_else(work)
}
