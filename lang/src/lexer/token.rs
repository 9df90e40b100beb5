//! The tokens: what the lexer makes and the parser reads.
//!
//! A token borrows the script's text and is cheap to copy. Strings keep their escapes; [`super::string::unescape`]
//! resolves them when the tree is built.

use crate::address::Address;
use crate::ast::IntSuffix;

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// The text of one attach point.
    Point(&'a str),
    /// A bare word; the parser decides whether it is a keyword.
    Ident(&'a str),
    /// `$name`, without the dollar.
    Var(&'a str),
    /// `@name` or `@`, without the at sign.
    Map(&'a str),
    /// `$1`; `$#` is 0.
    Param(u32),
    /// A number.
    Int(u64, IntSuffix),
    /// `10.0.0.9` and the like.
    Address(Address),
    /// What stands between the quotes, escapes unresolved but checked.
    Str(&'a str),
    /// Punctuation.
    Sym(Sym),
    /// Text that is no token. The lexer has told of it.
    Bad,
}

impl Token<'_> {
    /// Whether an operand may end here, so that what follows is an operator or the end of the statement.
    pub(crate) fn ends_operand(self) -> bool {
        use Sym::*;
        match self {
            Token::Sym(sym) => matches!(sym, CloseParen | CloseSquare | CloseBrace | Increment | Decrement),
            Token::Point(_) => false,
            _ => true,
        }
    }
}

macro_rules! symbols {
    ($($name:ident $text:literal,)*) => {
        /// Operators and brackets. The brackets of an angle block and of a predicate have their own symbols: only the
        /// lexer can tell them from less-than, greater-than and division.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Sym { $($name,)* }

        impl Sym {
            /// As written.
            pub(crate) fn text(self) -> &'static str {
                match self { $(Sym::$name => $text,)* }
            }

            /// All of them, in the order of their numbers.
            pub(crate) const ALL: &'static [Sym] = &[$(Sym::$name,)*];
        }
    };
}

symbols! {
    OpenParen "(", CloseParen ")",
    OpenSquare "[", CloseSquare "]",
    OpenBrace "{", CloseBrace "}",
    OpenAngle "<", CloseAngle ">",
    OpenPredicate "/", ClosePredicate "/",
    Semicolon ";", Comma ",", Colon ":", Question "?",
    Dot ".", DotDot "..", Arrow "->",
    Assign "=",
    AddAssign "+=", SubAssign "-=", MulAssign "*=", DivAssign "/=", RemAssign "%=",
    AndAssign "&=", OrAssign "|=", XorAssign "^=", ShlAssign "<<=", ShrAssign ">>=",
    Increment "++", Decrement "--",
    Plus "+", Minus "-", Star "*", Slash "/", Percent "%",
    Ampersand "&", Pipe "|", Caret "^", Tilde "~", Bang "!",
    Shl "<<", Shr ">>",
    AndAnd "&&", OrOr "||",
    EqEq "==", NotEq "!=", Less "<", LessEq "<=", Greater ">", GreaterEq ">=",
}

impl Sym {
    /// The longest operator or bracket that `text` starts with.
    pub(crate) fn longest(text: &[u8]) -> Option<Sym> {
        use Sym::*;
        let at = |i: usize| text.get(i).copied().unwrap_or(0);
        Some(match (at(0), at(1), at(2)) {
            (b'<', b'<', b'=') => ShlAssign,
            (b'>', b'>', b'=') => ShrAssign,
            (b'<', b'<', _) => Shl,
            (b'>', b'>', _) => Shr,
            (b'<', b'=', _) => LessEq,
            (b'>', b'=', _) => GreaterEq,
            (b'=', b'=', _) => EqEq,
            (b'!', b'=', _) => NotEq,
            (b'&', b'&', _) => AndAnd,
            (b'|', b'|', _) => OrOr,
            (b'+', b'+', _) => Increment,
            (b'-', b'-', _) => Decrement,
            (b'-', b'>', _) => Arrow,
            (b'+', b'=', _) => AddAssign,
            (b'-', b'=', _) => SubAssign,
            (b'*', b'=', _) => MulAssign,
            (b'/', b'=', _) => DivAssign,
            (b'%', b'=', _) => RemAssign,
            (b'&', b'=', _) => AndAssign,
            (b'|', b'=', _) => OrAssign,
            (b'^', b'=', _) => XorAssign,
            (b'.', b'.', _) => DotDot,
            (b'(', ..) => OpenParen,
            (b')', ..) => CloseParen,
            (b'[', ..) => OpenSquare,
            (b']', ..) => CloseSquare,
            (b'{', ..) => OpenBrace,
            (b'}', ..) => CloseBrace,
            (b';', ..) => Semicolon,
            (b',', ..) => Comma,
            (b':', ..) => Colon,
            (b'?', ..) => Question,
            (b'.', ..) => Dot,
            (b'=', ..) => Assign,
            (b'+', ..) => Plus,
            (b'-', ..) => Minus,
            (b'*', ..) => Star,
            (b'/', ..) => Slash,
            (b'%', ..) => Percent,
            (b'&', ..) => Ampersand,
            (b'|', ..) => Pipe,
            (b'^', ..) => Caret,
            (b'~', ..) => Tilde,
            (b'!', ..) => Bang,
            (b'<', ..) => Less,
            (b'>', ..) => Greater,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symbol_is_read_back_from_its_text() {
        let context_only = [Sym::OpenAngle, Sym::CloseAngle, Sym::OpenPredicate, Sym::ClosePredicate];
        for &sym in Sym::ALL.iter().filter(|sym| !context_only.contains(sym)) {
            assert_eq!(Sym::longest(sym.text().as_bytes()), Some(sym));
        }
    }
}
