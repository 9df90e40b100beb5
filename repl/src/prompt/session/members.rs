//! Structures and enums as tables of what they are made of.

use lang::ctypes::{Enum, Member, Struct};
use lang::types::Type;
use std::fmt::Write as _;
use std::sync::Arc;

/// Most lines of a structure that is shown with all that lies in it.
const WHOLE: usize = 40;
/// Structures may contain one another this deep.
const DEEP: usize = 16;

/// A line about a member: its place, size, type and name.
struct Line {
    place: String,
    size: String,
    ty: String,
    name: String,
}

/// The members of a structure. What lies in them is shown if it is little, or if all is wanted; what has no name always.
pub fn members(of: &Arc<Struct>, called: &str, is_whole: bool) -> String {
    let mut lines = Vec::new();
    gather(of, 0, 0, true, &mut lines);
    let is_much = lines.len() > WHOLE && !is_whole;
    let has_more = is_much && {
        let all = lines.len();
        lines.clear();
        gather(of, 0, 0, false, &mut lines);
        lines.len() < all
    };
    let wide = |text: fn(&Line) -> &String| lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0);
    let (place, size, ty) =
        (wide(|line| &line.place).max(6), wide(|line| &line.size).max(4), wide(|line| &line.ty).min(36));
    let name = if of.name.contains(' ') { of.name.as_str() } else { called };
    let mut text = format!("{name}: {} bytes\n{:>place$}  {:>size$}\n", of.size, "offset", "size");
    for line in &lines {
        let row = format!("{:>place$}  {:>size$}  {:<ty$}  {}", line.place, line.size, line.ty, line.name);
        let _ = writeln!(text, "{}", row.trim_end());
    }
    if has_more {
        let inner = lines.iter().find(|line| line.ty.contains("struct ") && !line.ty.ends_with('*'));
        let member = inner.map_or("MEMBER", |line| line.name.trim());
        let _ =
            writeln!(text, ":fields {called}.{member} shows what is in a member, :fields -v {called} what is in all");
    }
    text
}

fn gather(of: &Struct, base: u32, depth: usize, is_whole: bool, lines: &mut Vec<Line>) {
    for Member { name, ty, offset, bits } in of.members() {
        let at = base + offset;
        let indent = "  ".repeat(depth);
        let (place, size) = match bits {
            Some(bits) => (format!("{at}:{}", bits.shift), format!("{} bit", bits.width)),
            None => (at.to_string(), ty.size_of().to_string()),
        };
        lines.push(Line { place, size, ty: format!("{indent}{ty}"), name: format!("{indent}{name}") });
        if let Type::Struct(inner) = ty
            && (is_whole || name.is_empty())
            && depth < DEEP
        {
            gather(inner, at, depth + 1, is_whole, lines);
        }
    }
}

/// The values of an enum.
pub fn values(of: &Enum) -> String {
    let mut text = format!("{}: {} values\n", of.name, of.values.len());
    let widest = of.values.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in &of.values {
        let _ = writeln!(text, "    {name:<widest$}  {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, ty: Type, offset: u32) -> Member {
        Member { name: name.into(), ty, offset, bits: None }
    }

    #[test]
    fn members_have_their_places() {
        let list =
            Struct::new("struct list", 16, 8, || vec![member("next", Type::U64, 0), member("prev", Type::U64, 8)]);
        let both = Struct::new("union", 4, 4, || vec![member("a", Type::U32, 0), member("b", Type::Bool, 0)]);
        let outer = Struct::new("struct outer", 32, 8, move || {
            let bits = Some(lang::ctypes::Bits { shift: 3, width: 2 });
            vec![
                member("", Type::Struct(both.clone()), 0),
                Member { bits, ..member("flag", Type::U32, 4) },
                member("all", Type::Struct(list.clone()), 8),
            ]
        });
        let shown = members(&outer, "struct outer", false);
        let expected = "\
struct outer: 32 bytes
offset   size
     0      4  union
     0      4    uint32       a
     0      1    bool         b
   4:3  2 bit  uint32       flag
     8     16  struct list  all
     8      8    uint64       next
    16      8    uint64       prev
";
        assert_eq!(shown, expected);
    }
}
