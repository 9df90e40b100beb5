//! The `format` file of a trace event: where in its record each field lies.
//!
//! The file is text that tracefs makes from the event's definition (Documentation/trace/events.rst):
//!
//! ```text
//! name: sched_switch
//! ID: 316
//! format:
//!     field:unsigned short common_type; offset:0; size:2; signed:0;
//!
//!     field:char prev_comm[16]; offset:8; size:16; signed:0;
//! ```
//!
//! A field's type is kept as the text of a C type with array brackets taken off; what it means is for the checker,
//! which knows types. The `print fmt` line is a C expression for tools that imitate the kernel's output and is left
//! alone.

/// A parsed `format` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The event's name.
    pub name: String,
    /// The number that stands for the event in perf_event_open and in records. It changes from boot to boot.
    pub id: u32,
    /// The fields in the file's order, those common to all events first.
    pub fields: Vec<Field>,
}

/// One field of an event's record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// The C type with single spaces, without the array's brackets and without `__data_loc`: `const char *`.
    pub c_type: String,
    /// Bytes from the record's beginning.
    pub offset: u32,
    /// Bytes in the record: all elements of an array, 4 for a located one, 0 for one that ends the record.
    ///
    /// System call arguments take 8 whatever their type.
    pub size: u32,
    /// Whether the kernel holds the (element) type to be signed.
    pub signed: bool,
    /// The number of elements if it is an array: 0 when each record has its own.
    pub array: Option<u32>,
    /// Whether the field's content lies elsewhere in the record.
    pub location: Location,
    /// Whether the (element) type is a pointer.
    pub is_pointer: bool,
    /// Whether it is part of the header that all events share (`common_pid`).
    pub common: bool,
}

/// Where the content of a field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the field itself.
    Inline,
    /// `__data_loc`: the field is a u32; the content's length is in the upper 16 bits, its distance in bytes from the
    /// beginning of the record in the lower.
    DataLoc,
    /// `__rel_loc` (5.17 and later): the same, but the distance counts from the field's end.
    RelLoc,
}

/// Why a text is no `format` file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A line that every such file has is missing.
    #[error("the format has no `{0}` line")]
    Missing(&'static str),
    /// A line that cannot be understood.
    #[error("line {line} of the format: {why}: {text}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: &'static str,
        /// The line.
        text: String,
    },
}

impl Format {
    /// Parses the text of a `format` file.
    pub fn parse(text: &str) -> Result<Format, FormatError> {
        let (mut name, mut id, mut fields) = (None, None, Vec::new());
        for (index, line) in text.lines().enumerate() {
            let wrong = |why| FormatError::Line { line: index + 1, why, text: line.trim().to_owned() };
            if let Some(field) = line.trim_start().strip_prefix("field:") {
                fields.push(parse_field(field).map_err(wrong)?);
            } else if let Some(text) = line.strip_prefix("name:") {
                name = Some(text.trim().to_owned());
            } else if let Some(text) = line.strip_prefix("ID:") {
                id = Some(text.trim().parse().map_err(|_| wrong("not a number"))?);
            } else if line.starts_with("print fmt:") {
                break;
            }
        }
        Ok(Format {
            name: name.ok_or(FormatError::Missing("name:"))?,
            id: id.ok_or(FormatError::Missing("ID:"))?,
            fields,
        })
    }

    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The fields that are the event's own, which is what `args` has.
    pub fn own_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| !field.common)
    }
}

/// Parses what follows `field:`, that is `declaration;\toffset:0;\tsize:2;\tsigned:0;`.
fn parse_field(text: &str) -> Result<Field, &'static str> {
    // The declaration may itself hold a semicolon only in theory; the attributes cannot, so look for them from the end.
    let (declaration, attributes) = text.split_once(";\toffset:").ok_or("no offset")?;
    let mut parts = attributes.split(';').map(str::trim);
    let offset = number(parts.next(), "")?;
    let size = number(parts.next(), "size:")?;
    // Kernels before 2.6.30 did not say; nothing that runs BPF is that old, but a missing part must not be fatal.
    let signed = number(parts.next().filter(|part| !part.is_empty()).or(Some("signed:0")), "signed:")? != 0;
    let declared = parse_declaration(declaration, size)?;
    Ok(Field { offset, size, signed, common: declared.name.starts_with("common_"), ..declared })
}

fn number(part: Option<&str>, key: &str) -> Result<u32, &'static str> {
    part.and_then(|part| part.strip_prefix(key)).and_then(|digits| digits.parse().ok()).ok_or("not a number")
}

/// Parses a C declaration as events have them: `__data_loc char[] path`, `u8 mac[6]`, `const char *const * argv`.
fn parse_declaration(text: &str, size: u32) -> Result<Field, &'static str> {
    let text = text.trim();
    let (location, text) = match (text.strip_prefix("__data_loc "), text.strip_prefix("__rel_loc ")) {
        (Some(rest), _) => (Location::DataLoc, rest),
        (_, Some(rest)) => (Location::RelLoc, rest),
        _ => (Location::Inline, text),
    };
    // A located array has its brackets with the type, an inline one with the name.
    let (text, trailing) = take_brackets(text);
    let name_at = text.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').ok_or("no type")? + 1;
    let (c_type, name) = text.split_at(name_at);
    if name.is_empty() {
        return Err("no name");
    }
    let (c_type, leading) = take_brackets(c_type);
    let c_type = c_type.split_whitespace().collect::<Vec<_>>().join(" ");
    if c_type.is_empty() {
        return Err("no type");
    }
    let is_pointer = c_type.ends_with('*') || c_type.contains("*const") || c_type.contains("* const");
    let array = match (location, trailing.or(leading)) {
        (Location::Inline, None) => None,
        (Location::Inline, Some(count)) => Some(elements(count, &c_type, is_pointer, size)),
        (Location::DataLoc | Location::RelLoc, _) => Some(0),
    };
    Ok(Field {
        name: name.to_owned(),
        c_type,
        offset: 0,
        size,
        signed: false,
        array,
        location,
        is_pointer,
        common: false,
    })
}

/// Takes a last `[...]` off a declaration.
fn take_brackets(text: &str) -> (&str, Option<&str>) {
    let text = text.trim_end();
    let taken = text.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    taken.map_or((text, None), |(before, inside)| (before.trim_end(), Some(inside.trim())))
}

/// The number of elements: what the brackets say, or, when they hold a constant's name (`TASK_COMM_LEN`, which older
/// kernels leave in), what the size leaves room for.
fn elements(count: &str, c_type: &str, is_pointer: bool, size: u32) -> u32 {
    if count.is_empty() {
        return 0;
    }
    count.parse().unwrap_or_else(|_| size / if is_pointer { 8 } else { element_size(c_type) })
}

/// The size of the element types that occur in arrays whose length is a constant's name. Bytes where unknown.
fn element_size(c_type: &str) -> u32 {
    match c_type.trim_start_matches("const ") {
        "short" | "unsigned short" | "u16" | "s16" | "__u16" | "__s16" | "__be16" | "__le16" | "uint16_t" => 2,
        "int" | "unsigned int" | "unsigned" | "u32" | "s32" | "__u32" | "__s32" | "__be32" | "__le32" | "uint32_t" => 4,
        "long" | "unsigned long" | "long long" | "unsigned long long" | "u64" | "s64" | "__u64" | "__s64"
        | "__be64" | "__le64" | "uint64_t" => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracefs::Tracefs;

    const SAMPLE: &str = "name: sample\nID: 316\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\
        \n\
        \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\
        \n\
        print fmt: \"field:%d\", REC->pid\n";

    #[test]
    fn a_whole_file() {
        let format = Format::parse(SAMPLE).expect("a good file");
        assert_eq!((format.name.as_str(), format.id), ("sample", 316));
        assert_eq!(format.fields.len(), 4);
        assert_eq!(format.own_fields().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["comm", "pid"]);
        let comm = format.field("comm").expect("a field");
        assert_eq!((comm.offset, comm.size, comm.array, comm.c_type.as_str()), (8, 16, Some(16), "char"));
        assert!(format.field("pid").is_some_and(|pid| pid.signed && !pid.common));
    }

    /// `text` is the declaration; what is expected: name, type, array, location, pointer.
    fn check(text: &str, size: u32, expected: (&str, &str, Option<u32>, Location, bool)) {
        let field = parse_field(&format!("{text};\toffset:8;\tsize:{size};\tsigned:1;")).expect(text);
        let found = (field.name.as_str(), field.c_type.as_str(), field.array, field.location, field.is_pointer);
        assert_eq!(found, expected, "{text}");
        assert_eq!((field.offset, field.size, field.signed), (8, size, true), "{text}");
    }

    #[test]
    fn declarations() {
        use Location::*;
        check("unsigned char common_flags", 1, ("common_flags", "unsigned char", None, Inline, false));
        check("const char * filename", 8, ("filename", "const char *", None, Inline, true));
        check("const char *const * argv", 8, ("argv", "const char *const *", None, Inline, true));
        check("struct page *page", 8, ("page", "struct page *", None, Inline, true));
        check("void __seg_gs * base", 8, ("base", "void __seg_gs *", None, Inline, true));
        check("const clockid_t which", 8, ("which", "const clockid_t", None, Inline, false));
        check("__data_loc char[] name", 4, ("name", "char", Some(0), DataLoc, false));
        check("__data_loc unsigned int[] lengths", 4, ("lengths", "unsigned int", Some(0), DataLoc, false));
        check("__rel_loc char[] name", 4, ("name", "char", Some(0), RelLoc, false));
        check("__data_loc cpumask_t cpus", 4, ("cpus", "cpumask_t", Some(0), DataLoc, false));
        check("unsigned long args[6]", 48, ("args", "unsigned long", Some(6), Inline, false));
        check("char buf[]", 0, ("buf", "char", Some(0), Inline, false));
        check("char comm[TASK_COMM_LEN]", 16, ("comm", "char", Some(16), Inline, false));
        check("u32 words[WORDS * 2]", 16, ("words", "u32", Some(4), Inline, false));
        check("u8[16] addr", 16, ("addr", "u8", Some(16), Inline, false));
        check("struct foo * slots[4]", 32, ("slots", "struct foo *", Some(4), Inline, true));
        check("enum zone_type  zone", 4, ("zone", "enum zone_type", None, Inline, false));
    }

    #[test]
    fn what_is_no_format_is_refused() {
        assert_eq!(Format::parse(""), Err(FormatError::Missing("name:")));
        assert_eq!(Format::parse("name: x\n"), Err(FormatError::Missing("ID:")));
        for bad in [
            "field:int x",
            "field:int x;\toffset:a;\tsize:4;\tsigned:1;",
            "field:int;\toffset:0;\tsize:4;\tsigned:1;",
            "field: ;\toffset:0;\tsize:4;",
            "field:int x;\toffset:0;",
            "field:];\toffset:0;\tsize:4;\tsigned:1;",
            "field:[[]]];\toffset:0;\tsize:4;\tsigned:1;",
        ] {
            let text = format!("name: x\nID: 1\nformat:\n\t{bad}\n");
            assert!(matches!(Format::parse(&text), Err(FormatError::Line { line: 4, .. })), "{bad}");
        }
    }

    #[test]
    fn every_format_of_the_running_kernel() {
        let tracefs = match Tracefs::open() {
            Ok(tracefs) => tracefs,
            Err(error) => return println!("skipped: {error}"),
        };
        let categories = match tracefs.categories() {
            Ok(categories) => categories,
            Err(error) => return println!("skipped: {error}"),
        };
        let mut seen = 0;
        for category in categories.map(|name| name.expect("listing of categories")) {
            for event in tracefs.events(&category).expect("a category").map(|name| name.expect("listing of events")) {
                let text = tracefs.event_format(&category, &event).expect("a format");
                let format = Format::parse(&text).unwrap_or_else(|error| panic!("{category}:{event}: {error}"));
                assert_eq!(format.name, event, "{category}");
                assert_eq!(text.matches("\tfield:").count(), format.fields.len(), "{category}:{event}");
                for field in &format.fields {
                    check_sense(field, &format!("{category}:{event}: {field:?}"));
                }
                seen += 1;
            }
        }
        println!("{seen} formats");
        assert!(seen > 100);
    }

    fn check_sense(field: &Field, place: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_ *".contains(c);
        assert!(field.c_type.chars().all(plain) && !field.c_type.contains("_loc "), "{place}");
        match (field.location, field.array) {
            (Location::Inline, Some(count)) if count > 0 => {
                assert_eq!(field.size % count, 0, "{place}")
            }
            (Location::Inline, _) => {}
            _ => assert_eq!(field.size, 4, "{place}"),
        }
        if field.is_pointer && field.array.is_none() {
            assert_eq!(field.size, 8, "{place}");
        }
    }
}
