//! What can be set of a session: config variables, timing; and how it begins anew.

use super::Session;
use super::journal::{Entry, Journal};
use lang::ast::{ConfigItem, ConfigValue, Name, Script};
use lang::config::{self, Holds, Kind, Value, Variable};
use lang::{CheckedEntry, Known, Source, Span, check_entry};
use runtime::session::RunError;

impl Session<'_> {
    /// Lists the config variables with their values, by the time from which a new one counts.
    pub fn list_config(&self) {
        let config = &self.live.program().config;
        for holds in [Holds::AtOnce, Holds::Later, Holds::Start] {
            let rows = config::VARIABLES.iter().filter(|variable| variable.holds == holds).map(|variable| {
                let value = match config.value(variable.name) {
                    Some(Value::Bool(value)) => value.to_string(),
                    Some(Value::Number(value)) => value.to_string(),
                    Some(Value::Text(value)) => value,
                    None => variable.default.to_owned(),
                };
                (format!("  {}={value}", variable.name), variable.help)
            });
            let rows: Vec<(String, &str)> = rows.collect();
            let rows: Vec<(&str, &str)> = rows.iter().map(|(name, said)| (name.as_str(), *said)).collect();
            self.say(&format!("a new value counts {}\n", holds.describe()));
            self.say(&lang::topics::table(&rows, super::super::width()));
        }
    }

    /// Sets a config variable, as a `config` block would.
    pub fn set(&mut self, text: &str) -> Result<(), RunError> {
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
            self.tell(Err((format!("`{text}` says no value"), Some(format!(":set {text}=VALUE; :help {text}")))));
            return Ok(());
        };
        let (name, value) = (name.trim(), value.trim());
        let variable = config::variable(name);
        if let Some(refused) = variable.and_then(|variable| self.not_here(variable, value)) {
            self.tell(Err(refused));
            return Ok(());
        }
        // Places are those of the line that was typed.
        const COMMAND: &str = ":set ";
        let line = format!("{COMMAND}{text}");
        let Some(base) = self.sources.add(Source::new(":set", line.as_str())).map(Source::base) else { return Ok(()) };
        let span = |end: usize| Span::new(COMMAND.len() as u32, end as u32).moved_by(base);
        // By today's name: what has another one would be told of with each entry to come.
        let called = variable.map_or(name, |variable| variable.name);
        let item = ConfigItem {
            name: Name { text: called.to_owned(), span: span(COMMAND.len() + name.len()) },
            value: ConfigValue::Text(unquoted(value).to_owned()),
            span: span(line.len()),
        };
        let script = Script { config: vec![item], ..Script::default() };
        let CheckedEntry { checked, known, .. } = check_entry(&self.known, &script, &self.target, &self.settings);
        if !self.shows_no_error(&checked.diagnostics) {
            return Ok(());
        }
        self.live.configure(checked.program.config);
        self.known = known;
        self.follow_config();
        if let Some(variable) = variable {
            let quote = if matches!(variable.kind, Kind::Text(_) | Kind::License) { "\"" } else { "" };
            let block = format!("config = {{ {} = {quote}{}{quote} }}", variable.name, unquoted(value));
            self.journal.add(Entry::script(None, &block, ""));
            self.say(&format!("{}={} counts {}\n", variable.name, unquoted(value), variable.holds.describe()));
        }
        Ok(())
    }

    /// Why a variable cannot be set to anything in a session, and what to do instead.
    fn not_here(&self, variable: &Variable, value: &str) -> Option<(String, Option<String>)> {
        let named = variable.name.to_uppercase();
        if self.settings.environment.sets(variable.name) {
            let title = format!("the environment has the last word about {}", variable.name);
            return Some((title, Some(format!("begin a session without RTRACE_{named} and BPFTRACE_{named}"))));
        }
        match (variable.holds, &variable.kind) {
            (Holds::Start, _) => {
                let title = format!("{} counts from the start of a session", variable.name);
                Some((title, Some(format!("RTRACE_{named}={value} rtrace"))))
            }
            // The check tells of these.
            (Holds::Never, Kind::Environment) => None,
            (Holds::Never, _) => Some((format!("{} has no effect", variable.name), None)),
            _ => None,
        }
    }

    /// Begins anew: nothing that was entered is there any more.
    pub fn reset(&mut self) -> Result<(), RunError> {
        self.with_live(|live, output, host| live.reset(output, host))?;
        self.known = Known::default();
        self.journal = Journal::default();
        self.drafts.clear();
        self.files.clear();
        self.probes.clear();
        self.follow_config();
        (self.next, self.statements) = (1, 0);
        let base = self.stats.take();
        self.say(if base.is_some() { "all is gone; nothing is measured any more\n" } else { "all is gone\n" });
        Ok(())
    }

    /// Whether it is told how long entries take.
    pub fn is_timed(&self) -> bool {
        self.clock.is_wanted
    }

    /// From now on it is told how long entries take, or not any more.
    pub fn time(&mut self, is_wanted: bool) {
        self.clock.is_wanted = is_wanted;
        self.say(if is_wanted { "the stages of each entry are timed\n" } else { "entries are not timed any more\n" });
    }
}

/// The text without the quotes around it.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}
