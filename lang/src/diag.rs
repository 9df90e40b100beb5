//! What rtrace tells the author of a script: errors and warnings as data.
//!
//! A diagnostic names a place, says in one line what is wrong, and where possible what would work. It stays data until
//! the `repl` crate draws it; nothing here prints.

use crate::span::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The script runs all the same.
    Warning,
    /// The script is refused.
    Error,
}

/// A second place that explains the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is to be seen there.
    pub text: String,
}

/// One error or warning about a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The place it is about.
    pub span: Span,
    /// One line: what is wrong. No full stop at the end.
    pub title: String,
    /// A few words under the place itself; empty when the title says it all.
    pub label: String,
    /// Other places that belong to it.
    pub related: Vec<Label>,
    /// What would work.
    pub help: Option<String>,
    /// The input ended too soon: more text could make it right (the REPL then asks for another line).
    pub incomplete: bool,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(span: Span, title: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span,
            title: title.into(),
            label: String::new(),
            related: Vec::new(),
            help: None,
            incomplete: false,
        }
    }

    /// A warning at `span`.
    pub fn warning(span: Span, title: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, title) }
    }

    /// With a few words under the place.
    pub fn with_label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// With a second place.
    pub fn with_related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push(Label { span, text: text.into() });
        self
    }

    /// With what would work.
    pub fn with_help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// With a help line only if there is one.
    pub fn with_maybe_help(mut self, text: Option<String>) -> Self {
        self.help = text.or(self.help);
        self
    }

    /// Marks it as caused by the end of the input.
    pub fn at_end_of_input(mut self) -> Self {
        self.incomplete = true;
        self
    }

    /// Moves all its places on by so many bytes, for a source that does not begin at 0.
    pub(crate) fn move_by(&mut self, base: u32) {
        self.span = self.span.moved_by(base);
        self.related.iter_mut().for_each(|label| label.span = label.span.moved_by(base));
    }

    /// With all its texts changed by `change`.
    pub(crate) fn map_text(mut self, change: impl Fn(&str) -> String) -> Self {
        self.title = change(&self.title);
        self.label = change(&self.label);
        self.help = self.help.map(|help| change(&help));
        for label in &mut self.related {
            label.text = change(&label.text);
        }
        self
    }

    /// Whether the script is refused because of it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
