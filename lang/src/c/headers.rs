//! Where the preprocessor gets headers from, and whether it needs them.

/// Where headers come from.
pub trait Headers {
    /// Whether the kernel tells its types (BTF), so that its headers are not needed.
    fn has_btf(&self) -> bool;

    /// A header of the user: in the directories that were named for it, and for a quoted name beside the file `from` that
    /// includes it (the script if there is none).
    fn user_header(&self, name: &str, quoted: bool, from: Option<&str>) -> Option<Header>;

    /// A header of the installed system, or of the kernel's headers.
    fn machine_header(&self, name: &str) -> Option<Header>;

    /// Headers to include before the script.
    fn included(&self) -> &[String];
}

/// A header that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Tells it from other headers, and where its own quoted names are looked for.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// A kernel with BTF, and no files at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn has_btf(&self) -> bool {
        true
    }

    fn user_header(&self, _name: &str, _quoted: bool, _from: Option<&str>) -> Option<Header> {
        None
    }

    fn machine_header(&self, _name: &str) -> Option<Header> {
        None
    }

    fn included(&self) -> &[String] {
        &[]
    }
}

/// Every header is there, and empty: for those who look at the script alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unread;

impl Headers for Unread {
    fn has_btf(&self) -> bool {
        true
    }

    fn user_header(&self, name: &str, _quoted: bool, _from: Option<&str>) -> Option<Header> {
        Some(Header { path: name.to_owned(), text: String::new() })
    }

    fn machine_header(&self, _name: &str) -> Option<Header> {
        None
    }

    fn included(&self) -> &[String] {
        &[]
    }
}

/// Headers for an entry of a session: what the entries before it have said in C is included first.
pub struct Continued<'h> {
    headers: &'h dyn Headers,
    text: &'h str,
    included: Vec<String>,
}

/// What no file is called.
const EARLIER: &str = "\u{1}earlier entries";

impl<'h> Continued<'h> {
    /// With this text of C before the entry, and headers from there.
    pub fn new(text: &'h str, headers: &'h dyn Headers) -> Self {
        let earlier = (!text.is_empty()).then(|| EARLIER.to_owned());
        Self { headers, text, included: headers.included().iter().cloned().chain(earlier).collect() }
    }
}

impl Headers for Continued<'_> {
    fn has_btf(&self) -> bool {
        self.headers.has_btf()
    }

    fn user_header(&self, name: &str, quoted: bool, from: Option<&str>) -> Option<Header> {
        match name {
            EARLIER => Some(Header { path: EARLIER.to_owned(), text: self.text.to_owned() }),
            _ => self.headers.user_header(name, quoted, from.filter(|from| *from != EARLIER)),
        }
    }

    fn machine_header(&self, name: &str) -> Option<Header> {
        self.headers.machine_header(name)
    }

    fn included(&self) -> &[String] {
        &self.included
    }
}
