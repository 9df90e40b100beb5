//! The object file: a relocatable eBPF ELF as libbpf and aya read it.
//!
//! Programs stand in sections that say where they attach, subprograms in `.text`, maps in `.maps` with their sizes in
//! BTF. References to maps, data and functions are left open for the loader, in the form that each loader expects: the
//! offset into a data section stands in the first half of a 64-bit load, and a call counts from the called function's
//! symbol.

use crate::btf::{Btf, LineInfo, Linkage, SectionInfo, TypeId, extension};
use crate::encode::{Code, Reloc};
use crate::error::CodegenError;
use crate::symbol::{Section, Symbol};
use object::write::{Object, Relocation, SectionId, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope,
};

/// Everything that an object file holds.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The programs. Several may share a section.
    pub programs: Vec<Program>,
    /// What `Symbol::Subprogram` refers to.
    pub subprograms: Vec<Function>,
    /// What `Symbol::Map` refers to.
    pub maps: Vec<Map>,
    /// The size of `.bss`, in bytes.
    pub bss: u32,
    /// The contents of `.rodata`.
    pub rodata: Vec<u8>,
    /// What `Symbol::Kfunc` refers to: the functions' numbers in the BTF of the running kernel. The kernel takes a
    /// call by number only, so an object that has any belongs to one kernel.
    pub kfuncs: Vec<u32>,
    /// The license that the kernel is told.
    pub license: String,
}

/// A program: a function that the kernel calls.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// What it attaches to, as in `kprobe/vfs_read`.
    pub section: String,
    /// The function.
    pub function: Function,
}

/// A function with its name and lines.
#[derive(Clone, Debug, Default)]
pub struct Function {
    /// At most 15 letters, digits, `_` and `.`, the first no digit.
    pub name: String,
    /// Verified by itself rather than at each call, as programs are.
    pub is_global: bool,
    /// How many parameters it has; a program has one, the context.
    pub params: usize,
    /// What it does.
    pub code: Code,
    /// Where in the source the instructions come from, by slot.
    pub lines: Vec<Line>,
}

/// A line of the source, from an instruction on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The slot of the first instruction.
    pub at: u32,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1.
    pub column: u32,
    /// The name of the source.
    pub file: String,
    /// The line's text.
    pub text: String,
}

/// A map that the loader creates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Map {
    /// Letters, digits, `_` and `.`, the first no digit.
    pub name: String,
    /// The kernel's number for the type.
    pub kind: u32,
    /// In bytes; 0 where the type has none.
    pub key_size: u32,
    /// In bytes; 0 where the type has none.
    pub value_size: u32,
    /// Elements, or bytes of a ring buffer.
    pub max_entries: u32,
    /// The kernel's flags.
    pub flags: u32,
}

/// The relocation of a 64-bit load.
const R_BPF_64_64: u32 = 1;
/// The relocation of a call.
const R_BPF_64_32: u32 = 10;

/// The longest name of a program that the kernel keeps.
const NAME_LIMIT: usize = 15;

const TEXT: &str = ".text";

/// Writes an object file.
pub fn write(image: &Image) -> Result<Vec<u8>, CodegenError> {
    check_names(image)?;
    let mut writer = Writer::new(image);
    writer.license();
    writer.maps();
    writer.data();
    writer.functions();
    writer.relocations()?;
    writer.types();
    writer.object.write().map_err(|error| CodegenError::Object(error.to_string()))
}

fn check_names(image: &Image) -> Result<(), CodegenError> {
    let programs = image.programs.iter().map(|program| &program.function);
    let functions = programs.chain(&image.subprograms);
    let maps = image.maps.iter().map(|map| &map.name);
    let mut names: Vec<&String> = functions.clone().map(|function| &function.name).chain(maps).collect();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(CodegenError::Object(format!("`{}` names two things", pair[0])));
    }
    // Of a map's name the kernel is given the beginning; symbols may be as long as scripts have them.
    let too_long = |name: &str| name.len() > NAME_LIMIT && functions.clone().any(|function| function.name == name);
    match names.iter().find(|name| !is_kernel_name(name) || too_long(name)) {
        Some(name) => Err(CodegenError::Object(format!("`{name}` is no name for the kernel"))),
        None => Ok(()),
    }
}

fn is_kernel_name(name: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !name.is_empty() && name.chars().all(is_fine) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A function that has its place in a section.
struct Placed<'i> {
    function: &'i Function,
    section: usize,
    /// In bytes.
    offset: u64,
    linkage: Linkage,
    symbol: SymbolId,
}

/// A section with instructions.
struct CodeSection {
    name: String,
    id: SectionId,
}

struct Writer<'i> {
    image: &'i Image,
    object: Object<'static>,
    btf: Btf,
    sections: Vec<CodeSection>,
    placed: Vec<Placed<'i>>,
    map_symbols: Vec<SymbolId>,
    bss: Option<SymbolId>,
    rodata: Option<SymbolId>,
}

impl<'i> Writer<'i> {
    fn new(image: &'i Image) -> Self {
        let endianness = if cfg!(target_endian = "little") { Endianness::Little } else { Endianness::Big };
        Writer {
            image,
            object: Object::new(BinaryFormat::Elf, Architecture::Bpf, endianness),
            btf: Btf::new(),
            sections: Vec::new(),
            placed: Vec::new(),
            map_symbols: Vec::new(),
            bss: None,
            rodata: None,
        }
    }

    fn section(&mut self, name: &str, kind: SectionKind) -> SectionId {
        self.object.add_section(Vec::new(), name.as_bytes().to_vec(), kind)
    }

    fn symbol(&mut self, name: &str, kind: SymbolKind, section: SectionId, value: u64, size: u64) -> SymbolId {
        self.object.add_symbol(object::write::Symbol {
            name: name.as_bytes().to_vec(),
            value,
            size,
            kind,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }

    fn license(&mut self) {
        let section = self.section("license", SectionKind::Data);
        let text = [self.image.license.as_bytes(), b"\0"].concat();
        self.object.append_section_data(section, &text, 1);
    }

    fn maps(&mut self) {
        if self.image.maps.is_empty() {
            return;
        }
        let section = self.section(".maps", SectionKind::Data);
        for map in &self.image.maps {
            let size = definition(map).len() * 8;
            let offset = self.object.append_section_data(section, &vec![0; size], 8);
            let symbol = self.symbol(&map.name, SymbolKind::Data, section, offset, size as u64);
            self.map_symbols.push(symbol);
        }
    }

    fn data(&mut self) {
        if self.image.bss > 0 {
            let size = u64::from(self.image.bss);
            let section = self.section(Section::Bss.name(), SectionKind::UninitializedData);
            self.object.append_section_bss(section, size, 8);
            self.bss = Some(self.symbol(variable_name(Section::Bss), SymbolKind::Data, section, 0, size));
        }
        if !self.image.rodata.is_empty() {
            let size = self.image.rodata.len() as u64;
            let section = self.section(Section::Rodata.name(), SectionKind::ReadOnlyData);
            self.object.append_section_data(section, &self.image.rodata, 8);
            self.rodata = Some(self.symbol(variable_name(Section::Rodata), SymbolKind::Data, section, 0, size));
        }
    }

    /// Places every function: subprograms first, then programs in the order of the image.
    fn functions(&mut self) {
        for function in &self.image.subprograms {
            let linkage = if function.is_global { Linkage::Global } else { Linkage::Static };
            self.function(TEXT, function, linkage);
        }
        for program in &self.image.programs {
            self.function(&program.section, &program.function, Linkage::Global);
        }
    }

    fn function(&mut self, section: &str, function: &'i Function, linkage: Linkage) {
        let index = self.sections.iter().position(|known| known.name == section).unwrap_or_else(|| {
            let id = self.section(section, SectionKind::Text);
            self.sections.push(CodeSection { name: section.to_owned(), id });
            self.sections.len() - 1
        });
        let id = self.sections[index].id;
        let bytes = self.bytes(&function.code);
        let offset = self.object.append_section_data(id, &bytes, 8);
        let symbol = self.symbol(&function.name, SymbolKind::Text, id, offset, bytes.len() as u64);
        if linkage == Linkage::Static {
            // libbpf takes the address of a function only by a global symbol. It makes hidden ones static again.
            self.object.symbol_mut(symbol).scope = SymbolScope::Linkage;
        }
        self.placed.push(Placed { function, section: index, offset, linkage, symbol });
    }

    /// The instructions, with each open reference in the form in which a loader expects to find it.
    fn bytes(&self, code: &Code) -> Vec<u8> {
        let mut insns = code.insns.clone();
        for reloc in &code.relocs {
            let at = reloc.at as usize;
            match reloc.symbol {
                Symbol::Map(_) | Symbol::Subprogram(_) if insns[at].is_wide() => {
                    insns[at].src = 0;
                    insns[at].imm = 0;
                }
                Symbol::Data(_) => {
                    insns[at].src = 0;
                    insns[at].imm = reloc.addend;
                    insns[at + 1].imm = 0;
                }
                Symbol::Kfunc(index) => {
                    // An unknown one is refused when the relocations are written.
                    insns[at].imm = self.image.kfuncs.get(index as usize).map_or(0, |id| *id as i32);
                }
                _ => {}
            }
        }
        insns.into_iter().flat_map(|insn| insn.encode()).collect()
    }

    fn relocations(&mut self) -> Result<(), CodegenError> {
        for index in 0..self.placed.len() {
            let Placed { function, section, offset, .. } = self.placed[index];
            let section = self.sections[section].id;
            for reloc in &function.code.relocs {
                let Some((symbol, r_type)) = self.target(function, reloc)? else {
                    continue;
                };
                let relocation = Relocation {
                    offset: offset + u64::from(reloc.at) * 8,
                    symbol,
                    addend: 0,
                    flags: RelocationFlags::Elf { r_type },
                };
                self.object
                    .add_relocation(section, relocation)
                    .map_err(|error| CodegenError::Object(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// The symbol and the kind of a relocation; none for a kfunc, whose number is already in place.
    fn target(&self, function: &Function, reloc: &Reloc) -> Result<Option<(SymbolId, u32)>, CodegenError> {
        let is_wide = function.code.insns.get(reloc.at as usize).is_some_and(|insn| insn.is_wide());
        let symbol = match reloc.symbol {
            Symbol::Map(index) => self.map_symbols.get(index as usize).copied(),
            Symbol::Data(Section::Bss) => self.bss,
            Symbol::Data(Section::Rodata) => self.rodata,
            // Subprograms are placed first.
            Symbol::Subprogram(index) => {
                self.image.subprograms.get(index as usize).map(|_| self.placed[index as usize].symbol)
            }
            Symbol::Kfunc(index) if self.image.kfuncs.get(index as usize).is_some() => {
                return Ok(None);
            }
            Symbol::Kfunc(_) | Symbol::Helper(_) | Symbol::MayGoto => None,
        };
        match symbol {
            Some(symbol) => Ok(Some((symbol, if is_wide { R_BPF_64_64 } else { R_BPF_64_32 }))),
            None => {
                let name = &function.name;
                Err(CodegenError::Object(format!("`{name}` refers to {}, which the object lacks", reloc.symbol)))
            }
        }
    }

    fn types(&mut self) {
        let int = self.btf.int("int", 4, true);
        self.map_types(int);
        self.data_types(int);
        let sections = self.code_types(int);
        let btf = self.section(".BTF", SectionKind::Other);
        let bytes = self.btf.finish();
        self.object.append_section_data(btf, &bytes, 4);
        let extended = self.section(".BTF.ext", SectionKind::Other);
        self.object.append_section_data(extended, &extension(&sections), 4);
    }

    /// The maps: structures of pointers to arrays, where the length of an array is a number of the definition.
    fn map_types(&mut self, int: TypeId) {
        let mut variables = Vec::new();
        let mut offset = 0;
        for map in &self.image.maps {
            let mut members = Vec::new();
            for (name, number) in definition(map) {
                let array = self.btf.array(int, int, number);
                members.push((name, self.btf.pointer(array)));
            }
            let size = members.len() as u32 * 8;
            let ty = self.btf.struct_of_pointers("", &members);
            variables.push((self.btf.variable(&map.name, Linkage::Global, ty), offset, size));
            offset += size;
        }
        if !variables.is_empty() {
            self.btf.section(".maps", offset, &variables);
        }
    }

    fn data_types(&mut self, int: TypeId) {
        let sizes = [(Section::Bss, self.image.bss), (Section::Rodata, self.image.rodata.len() as u32)];
        let sizes: Vec<_> = sizes.into_iter().filter(|(_, size)| *size > 0).collect();
        if sizes.is_empty() {
            return;
        }
        let byte = self.btf.int("unsigned char", 1, false);
        for (section, size) in sizes {
            let array = self.btf.array(byte, int, size);
            let variable = self.btf.variable(variable_name(section), Linkage::Global, array);
            self.btf.section(section.name(), size, &[(variable, 0, size)]);
        }
    }

    fn code_types(&mut self, int: TypeId) -> Vec<SectionInfo> {
        let word = self.btf.int("unsigned long long", 8, false);
        let context = self.btf.pointer(TypeId::VOID);
        // The kernel wants all functions of a program to have lines, or none.
        let has_lines = self.placed.iter().any(|placed| !placed.function.lines.is_empty());
        let mut sections: Vec<SectionInfo> = Vec::new();
        for code in &self.sections {
            sections.push(SectionInfo { name: self.btf.string(&code.name), ..SectionInfo::default() });
        }
        for placed in &self.placed {
            let names = ["a", "b", "c", "d", "e"];
            let params: Vec<_> = match self.sections[placed.section].name == TEXT {
                false => vec![("ctx", context)],
                true => names.into_iter().take(placed.function.params).map(|name| (name, word)).collect(),
            };
            let ty = self.btf.function_type(int, &params);
            let function = self.btf.function(&placed.function.name, placed.linkage, ty);
            let info = &mut sections[placed.section];
            info.functions.push((placed.offset as u32, function));
            if has_lines {
                for line in whole(&placed.function.lines) {
                    info.lines.push(LineInfo {
                        at: placed.offset as u32 + line.at * 8,
                        file: self.btf.string(&line.file),
                        text: self.btf.string(&line.text),
                        line: line.line,
                        column: line.column,
                    });
                }
            }
        }
        sections
    }
}

/// The lines of a function, beginning at its first instruction as the kernel demands.
fn whole(lines: &[Line]) -> Vec<Line> {
    let mut lines = lines.to_vec();
    match lines.first_mut() {
        Some(first) => first.at = 0,
        None => lines.push(Line::default()),
    }
    lines
}

/// The members of a map's definition; what is 0 is left out.
fn definition(map: &Map) -> Vec<(&'static str, u32)> {
    let members = [
        ("type", map.kind),
        ("key_size", map.key_size),
        ("value_size", map.value_size),
        ("max_entries", map.max_entries),
        ("map_flags", map.flags),
    ];
    members.into_iter().filter(|(_, number)| *number > 0).collect()
}

/// The one variable of a data section. Programs refer to places in it by number.
fn variable_name(section: Section) -> &'static str {
    match section {
        Section::Bss => "rtrace_bss",
        Section::Rodata => "rtrace_rodata",
    }
}

/// The sections and symbols of an object file, as text for people.
pub fn describe(file: &[u8]) -> String {
    use object::{Object, ObjectSection, ObjectSymbol};
    use std::fmt::Write;
    let Ok(object) = object::File::parse(file) else { return "not an object file\n".to_owned() };
    let mut text = String::new();
    for section in object.sections() {
        let relocations = section.relocations().count();
        let name = section.name().unwrap_or("?");
        let _ = write!(text, "section {name:<40} {:>6} bytes", section.size());
        let _ = if relocations > 0 { writeln!(text, ", {relocations} relocations") } else { writeln!(text) };
    }
    for symbol in object.symbols().filter(|symbol| symbol.is_definition()) {
        let section = symbol.section_index().and_then(|index| object.section_by_index(index).ok());
        let section = section.as_ref().and_then(|section| section.name().ok()).unwrap_or("?").to_owned();
        let name = symbol.name().unwrap_or("?");
        let _ = writeln!(text, "symbol  {name:<16} {section}+{} ({} bytes)", symbol.address(), symbol.size());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for name in ["a", "begin_0", "x.y", "_123456789012345"[..15].as_ref()] {
            assert!(is_kernel_name(name), "{name}");
        }
        for name in ["", "0a", "a-b", "1234567890123456"] {
            assert!(!is_kernel_name(name), "{name}");
        }
    }

    #[test]
    fn maps_have_longer_names_than_programs() {
        let long = "abcdefghijklmnop".to_owned();
        let map = Map { name: long.clone(), kind: 1, key_size: 8, value_size: 8, max_entries: 1, flags: 0 };
        assert!(write(&Image { maps: vec![map], ..Image::default() }).is_ok());
        let function = Function { name: long, ..Function::default() };
        let refused = write(&Image { subprograms: vec![function], ..Image::default() });
        assert!(refused.is_err_and(|error| error.to_string().contains("no name for the kernel")));
    }

    #[test]
    fn a_reference_to_nothing_is_refused() {
        let mut code = Code::default();
        code.insns.resize(2, crate::insn::Insn { code: crate::insn::LDDW, ..Default::default() });
        code.relocs.push(Reloc { at: 0, symbol: Symbol::Map(0), addend: 0 });
        let function = Function { name: "f".into(), code, ..Function::default() };
        let program = Program { section: "raw_tp/f".into(), function };
        let image = Image { programs: vec![program], ..Image::default() };
        assert!(matches!(write(&image), Err(CodegenError::Object(text)) if text.contains("map[0]")));
    }
}
