//! Whether a line is one JSON object (RFC 8259), said by a reader that forgives nothing.

/// What is wrong with a line that should be one object.
pub fn fault(line: &str) -> Option<String> {
    let mut reader = Reader { rest: line.as_bytes() };
    let read = reader.object().filter(|()| reader.rest.is_empty());
    match read {
        Some(()) => None,
        None => Some(format!("no JSON before {:?}", String::from_utf8_lossy(reader.rest))),
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn take(&mut self, text: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn value(&mut self) -> Option<()> {
        self.blanks();
        match self.rest.first()? {
            b'{' => self.object(),
            b'[' => self.list(b'[', b']', Self::value),
            b'"' => self.string(),
            b't' => self.take(b"true"),
            b'f' => self.take(b"false"),
            b'n' => self.take(b"null"),
            _ => self.number(),
        }
    }

    fn object(&mut self) -> Option<()> {
        self.list(b'{', b'}', |this| {
            this.blanks();
            this.string()?;
            this.blanks();
            this.take(b":")?;
            this.value()
        })
    }

    fn list(&mut self, open: u8, close: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(&[open])?;
        self.blanks();
        if self.take(&[close]).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.blanks();
            match self.next()? {
                b',' => {}
                byte => return (byte == close).then_some(()),
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.take(b"\"")?;
        loop {
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.next().filter(u8::is_ascii_hexdigit)?;
                        }
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.rest = &self.rest[count..];
        (count > 0).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.take(b"-");
        match self.take(b"0") {
            Some(()) => {}
            None => self.digits()?,
        }
        if self.take(b".").is_some() {
            self.digits()?;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest {
            self.rest = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-")).unwrap_or(rest);
            self.digits()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn objects_and_what_is_none() {
        for line in ["{}", r#"{"a": [1,-0.5e+3, {"b": "é\u00e9\n"}], "c": null, "d": [], "e": true}"#] {
            assert_eq!(fault(line), None, "{line}");
        }
        for line in
            ["", "[]", "{} {}", "{\"a\": 1,}", "{\"a\": 01}", "{\"a\": \"\\x\"}", "{\"a\": \"\t\"}", "{\"a\" 1}"]
        {
            assert!(fault(line).is_some(), "{line}");
        }
    }
}
