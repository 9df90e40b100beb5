//! Comparisons of numbers: `tcp[13] & 2 != 0`, `len > 100`.
//!
//! Operators bind as in C, but for `%` and `^`: these take all that follows as their right side, which is how tcpdump
//! reads them.

use super::Fault;
use super::build::load::Guarded;
use super::lex::Token;
use super::parse::Parser;
use super::tree::{Operation, Question, Relation, Test, Value};

/// The parts of the parser that are about numbers.
pub(super) trait Arithmetic {
    /// Whether a comparison of numbers begins here.
    fn starts_relation(&mut self) -> bool;
    /// Such a comparison.
    fn relation(&mut self) -> Result<Test, Fault>;
}

impl Arithmetic for Parser<'_> {
    fn starts_relation(&mut self) -> bool {
        let (position, depth) = (self.position(), self.depth);
        let begins = self.number_follows() && {
            // Whatever is wrong within is told when it is parsed for good.
            let is_number = skip(self);
            is_number && comparison(self.peek()).is_some()
        };
        self.back_to(position);
        self.depth = depth;
        begins
    }

    fn relation(&mut self) -> Result<Test, Fault> {
        self.operators = 0;
        let left = self.value(0)?;
        let Some((relation, is_reversed)) = comparison(self.peek()) else {
            return Err(self.expected("a comparison"));
        };
        self.back_to(self.position() + 1);
        let right = self.value(0)?;
        let holds = Test::Ask(Question::Compare(relation, left.value, right.value));
        let holds = if is_reversed { holds.negated() } else { holds };
        let guard = match (left.guard, right.guard) {
            (Some(left), Some(right)) => Some(left.and(right)),
            (left, right) => left.or(right),
        };
        Ok(match guard {
            Some(guard) => guard.and(holds),
            None => holds,
        })
    }
}

/// The relation that an operator stands for, or the opposite of which.
fn comparison(token: Option<&Token>) -> Option<(Relation, bool)> {
    Some(match token? {
        Token::Symbol(b'>') => (Relation::Greater, false),
        Token::AtLeast => (Relation::GreaterOrEqual, false),
        Token::Symbol(b'=') => (Relation::Equal, false),
        Token::AtMost => (Relation::Greater, true),
        Token::Symbol(b'<') => (Relation::GreaterOrEqual, true),
        Token::NotEqual => (Relation::Equal, true),
        _ => return None,
    })
}

/// An operator and how strongly it binds; none for those that take all that follows.
fn operator(token: Option<&Token>) -> Option<(Operation, Option<u8>)> {
    Some(match token? {
        Token::Symbol(b'|') => (Operation::Or, Some(1)),
        Token::Symbol(b'&') => (Operation::And, Some(2)),
        Token::ShiftLeft => (Operation::ShiftLeft, Some(3)),
        Token::ShiftRight => (Operation::ShiftRight, Some(3)),
        Token::Symbol(b'+') => (Operation::Add, Some(4)),
        Token::Symbol(b'-') => (Operation::Subtract, Some(4)),
        Token::Symbol(b'*') => (Operation::Multiply, Some(5)),
        Token::Symbol(b'/') => (Operation::Divide, Some(5)),
        Token::Symbol(b'%') => (Operation::Modulo, None),
        Token::Symbol(b'^') => (Operation::Xor, None),
        _ => return None,
    })
}

/// What binds more strongly than all operators with two sides.
const UNARY: u8 = 6;

/// Goes over a number without a look at what it means; whether there was one.
fn skip(parser: &mut Parser<'_>) -> bool {
    loop {
        while parser.symbol(b'-') {}
        let is_operand = match parser.peek() {
            Some(Token::Number(_) | Token::Length) => {
                parser.back_to(parser.position() + 1);
                true
            }
            Some(Token::Protocol(_)) => {
                parser.back_to(parser.position() + 1);
                parser.symbol(b'[') && skip_to(parser, b'[', b']')
            }
            Some(Token::Symbol(b'(')) => {
                parser.back_to(parser.position() + 1);
                parser.deeper(|parser| Ok(skip(parser))).unwrap_or(false) && parser.symbol(b')')
            }
            _ => false,
        };
        if !is_operand {
            return false;
        }
        if operator(parser.peek()).is_none() {
            return true;
        }
        parser.back_to(parser.position() + 1);
    }
}

/// Goes behind the bracket that closes the one before.
fn skip_to(parser: &mut Parser<'_>, open: u8, close: u8) -> bool {
    let mut depth = 1;
    while depth > 0 {
        match parser.peek() {
            None => return false,
            Some(Token::Symbol(symbol)) if *symbol == open => depth += 1,
            Some(Token::Symbol(symbol)) if *symbol == close => depth -= 1,
            Some(_) => {}
        }
        parser.back_to(parser.position() + 1);
    }
    true
}

impl Parser<'_> {
    /// Whether a number may begin here.
    fn number_follows(&self) -> bool {
        matches!(self.peek(), Some(Token::Number(_) | Token::Length | Token::Protocol(_) | Token::Symbol(b'(' | b'-')))
    }

    /// A number made with operators that bind at least so strongly.
    fn value(&mut self, least: u8) -> Result<Guarded, Fault> {
        self.deeper(|this| {
            let mut left = this.operand()?;
            while let Some((operation, strength)) = operator(this.peek()) {
                if strength.is_some_and(|strength| strength < least.max(1)) {
                    break;
                }
                let start = this.position();
                this.back_to(start + 1);
                let right = this.value(strength.map_or(0, |strength| strength + 1))?;
                if let Value::Number(number) = right.value {
                    this.check_operand(start, operation, number)?;
                }
                this.operators += 1;
                if this.operators > MOST_OPERATORS {
                    return Err(this.fault(format!("a comparison has at most {MOST_OPERATORS} operators")));
                }
                // As in tcpdump, only the left side's protocol must be there.
                let value = combine(operation, left.value, right.value);
                left = Guarded { value, guard: left.guard };
            }
            Ok(left)
        })
    }

    /// Refuses what cannot be computed whatever the packet is.
    fn check_operand(&self, start: usize, operation: Operation, number: u32) -> Result<(), Fault> {
        let title = match (operation, number) {
            (Operation::Divide | Operation::Modulo, 0) => "this divides by zero",
            (Operation::ShiftLeft | Operation::ShiftRight, 32..) => "this shifts by more than 31 bits",
            _ => return Ok(()),
        };
        Err(Fault::new(self.since(start), title))
    }

    fn operand(&mut self) -> Result<Guarded, Fault> {
        let start = self.position();
        match self.peek().cloned() {
            Some(Token::Symbol(b'-')) => {
                self.back_to(start + 1);
                let Guarded { value, guard } = self.value(UNARY)?;
                let value = match value {
                    Value::Number(number) => Value::Number(number.wrapping_neg()),
                    value => Value::Negate(Box::new(value)),
                };
                Ok(Guarded { value, guard })
            }
            Some(Token::Symbol(b'(')) => {
                self.back_to(start + 1);
                let value = self.value(0)?;
                self.need_symbol(b')')?;
                Ok(value)
            }
            Some(Token::Number(number)) => {
                self.back_to(start + 1);
                Ok(Guarded { value: Value::Number(number), guard: None })
            }
            Some(Token::Length) => {
                self.back_to(start + 1);
                Ok(Guarded { value: Value::Length, guard: None })
            }
            Some(Token::Protocol(protocol)) => {
                self.back_to(start + 1);
                self.need_symbol(b'[')?;
                let index = self.value(0)?;
                let size = match self.symbol(b':') {
                    true => self.need_number("1, 2 or 4")?,
                    false => 1,
                };
                self.need_symbol(b']')?;
                let range = self.since(start);
                let loaded = self.builder.load(protocol, index, size);
                loaded.map_err(|(title, help)| Fault::new(range, title).with_maybe_help(help))
            }
            _ => Err(self.expected("a number")),
        }
    }
}

/// So many operators are allowed in a comparison: what is made of them nests as deeply.
const MOST_OPERATORS: usize = 100;

fn combine(operation: Operation, left: Value, right: Value) -> Value {
    if let (Value::Number(left), Value::Number(right)) = (&left, &right)
        && let Some(number) = operation.apply(*left, *right)
    {
        return Value::Number(number);
    }
    Value::Binary(operation, Box::new(left), Box::new(right))
}
