//! Symbols of a traced program's data.

use lang::nearest::nearest;
use lang::target::{TargetError, UserSymbol};
use object::read::{ReadCache, ReadRef};
use object::{Object, ObjectSegment, ObjectSymbol};
use std::fs::File;

/// The symbol `name` of a file, seen from the instruction at `offset` in the file.
pub fn find(path: &str, offset: u64, name: &str) -> Result<UserSymbol, TargetError> {
    let refused = |reason: String| TargetError::other(format!("Could not resolve symbol: {path}:{name}"), Some(reason));
    let file = File::open(path).map_err(|error| refused(error.to_string()))?;
    let cache = ReadCache::new(file);
    read(&cache, offset, name).map_err(refused)
}

/// The address that the symbol `name` of a file is linked for.
pub fn address(path: &str, name: &str) -> Result<u64, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let cache = ReadCache::new(file);
    let file = object::File::parse(&cache).map_err(|error| error.to_string())?;
    Ok(symbol(&file, name)?.address())
}

fn symbol<'data, 'file, R: ReadRef<'data>>(
    file: &'file object::File<'data, R>,
    name: &str,
) -> Result<object::Symbol<'data, 'file, R>, String> {
    let symbols = || file.symbols().chain(file.dynamic_symbols()).filter(ObjectSymbol::is_definition);
    symbols().find(|symbol| symbol.name() == Ok(name)).ok_or_else(|| {
        let near = nearest(name, symbols().filter_map(|symbol| symbol.name().ok()), 3);
        match near.is_empty() {
            true => "the file has no symbol of that name".to_owned(),
            false => format!("did you mean {}?", near.join(", ")),
        }
    })
}

fn read<'data, R: ReadRef<'data>>(data: R, offset: u64, name: &str) -> Result<UserSymbol, String> {
    let file = object::File::parse(data).map_err(|error| error.to_string())?;
    let mut segments = file.segments();
    let segment = segments.find(|segment| {
        let (start, size) = segment.file_range();
        offset.checked_sub(start).is_some_and(|within| within < size)
    });
    let segment = segment.ok_or("the traced place is in no part of the file that is loaded")?;
    let here = segment.address() + (offset - segment.file_range().0);
    let symbol = symbol(&file, name)?;
    Ok(UserSymbol { distance: symbol.address().wrapping_sub(here) as i64, size: symbol.size() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told() {
        let own = std::env::current_exe().expect("a running program");
        let own = own.to_str().expect("a plain path");
        let error = find(own, 0, "no_such_symbol_anywhere").expect_err("it has none");
        assert_eq!(error.title, format!("Could not resolve symbol: {own}:no_such_symbol_anywhere"));
        let error = find(own, 0, "mian").expect_err("it has none");
        assert!(error.help.expect("a name is near").starts_with("did you mean main"));
        assert!(find("/no/such/file", 0, "main").is_err());
        let main = find(own, 0, "main").expect("a program has a main function");
        assert!(main.distance > 0 && main.size > 0);
    }
}
