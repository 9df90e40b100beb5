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
                if matches!(token, Token::Sym(CloseBrace | CloseAngle)) {
                    reset(&mut levels, &mut depth, false);
                }
            }
            Token::Sym(Semicolon | Comma) => reset(&mut levels, &mut depth, true),
            Token::Ident("else") => {
                level.branches += 1;
                depth += 1;
            }
            Token::Sym(_) => {
                level.operators += 1;
                depth += 1;
            }
            // A statement that follows a block ends the chain of branches before it.
            _ if previous == Some(Token::Sym(CloseBrace)) => reset(&mut levels, &mut depth, true),
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
fn reset(levels: &mut [Level], depth: &mut usize, branches_too: bool) {
    if let Some(level) = levels.last_mut() {
        *depth -= level.operators;
        level.operators = 0;
        if branches_too {
            *depth -= level.branches;
            level.branches = 0;
        }
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
