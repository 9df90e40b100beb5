//! What a session has: its maps and its probes, listed.

use super::super::width;
use super::portable::point_with;
use super::{Entered, Session, shortened};
use lang::typed::MapId;
use runtime::session::RunError;

impl Session<'_> {
    /// Shows what a map holds.
    pub(super) fn show_map(&mut self, name: &str) -> Result<(), RunError> {
        let map = self.live.program().maps.iter().position(|map| map.name == name);
        match map {
            Some(index) => self.live.show(MapId(index as u32), &mut *self.output),
            None => {
                let (title, help) = self.no_map(name);
                self.reporter.plain(&title, help.as_deref());
                Ok(())
            }
        }
    }

    /// That there is no such map, and what may be meant.
    pub(super) fn no_map(&self, name: &str) -> (String, Option<String>) {
        let near: Vec<&str> = self.live.program().maps.iter().map(|map| map.name.as_str()).collect();
        let near = lang::nearest::nearest(name, near, 1).first().map(|near| format!("did you mean @{near}?"));
        let help = near.unwrap_or_else(|| format!("a probe makes it: begin {{ @{name} = 1 }}"));
        (format!("there is no map @{name}"), Some(help))
    }

    /// Lists the maps with their types.
    pub fn list_maps(&mut self) -> Result<(), RunError> {
        let maps = &self.live.program().maps;
        if maps.is_empty() {
            self.say("no maps\n");
            return Ok(());
        }
        let mut rows: Vec<(String, String, usize)> = Vec::new();
        for (index, map) in maps.iter().enumerate() {
            let entries = self.live.entries_of(MapId(index as u32))?;
            rows.push((map.title(), map.value.to_string(), entries.len()));
        }
        rows.sort();
        /// Behind the two columns.
        const COUNT: usize = 12;
        let wide = |text: &String| text.chars().count();
        let first = rows.iter().map(|(name, ..)| wide(name)).max().unwrap_or(0);
        let second = rows.iter().map(|(_, ty, _)| wide(ty)).max().unwrap_or(0);
        let (first, second) = if first + second + COUNT > width() { (0, 0) } else { (first, second) };
        for (name, ty, count) in rows {
            let entries = if count == 1 { "entry" } else { "entries" };
            self.say_words(&format!("{name:<first$}  {ty:<second$}  {count} {entries}\n"));
        }
        Ok(())
    }

    /// Lists the probes.
    pub fn list_probes(&self) {
        if self.probes.is_empty() {
            self.say("no probes\n");
        }
        for probe in &self.probes {
            let state = if self.live.is_off(probe.number) { "off" } else { "on " };
            let text = probe.shown().replace('\n', "\n       ");
            self.say_words(&format!("#{:<2} {state} {text}\n", probe.number));
        }
    }
}

impl Entered {
    /// What was typed, if it is short; else what it is attached to, and where the text is from.
    pub(super) fn shown(&self) -> String {
        const MOST_LINES: usize = 8;
        const MOST_LETTERS: usize = 500;
        let lines = self.text.lines().count();
        let file = self.given.file.as_str();
        if file.is_empty() && lines <= MOST_LINES && self.text.len() <= MOST_LETTERS {
            return self.text.clone();
        }
        let points = self.script.probes.iter().flat_map(|probe| &probe.points);
        let points: Vec<String> = points.map(|point| point_with(&point.text, &self.given.params)).collect();
        let points = shortened(&points.iter().map(String::as_str).collect::<Vec<_>>());
        let from = if file.is_empty() { String::new() } else { format!("{file}, ") };
        let counted = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
        format!("{points} ({from}{counted})")
    }
}
