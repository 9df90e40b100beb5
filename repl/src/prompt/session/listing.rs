//! What a session has: its maps and its probes, listed.

use super::Session;
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
        let wide = |text: &String| text.chars().count();
        let first = rows.iter().map(|(name, ..)| wide(name)).max().unwrap_or(0);
        let second = rows.iter().map(|(_, ty, _)| wide(ty)).max().unwrap_or(0);
        for (name, ty, count) in rows {
            let entries = if count == 1 { "entry" } else { "entries" };
            self.say(&format!("{name:<first$}  {ty:<second$}  {count} {entries}\n"));
        }
        Ok(())
    }

    /// Lists the probes.
    pub fn list_probes(&self) {
        if self.probes.is_empty() {
            self.say("no probes\n");
        }
        for probe in &self.probes {
            let state = if probe.is_off { "off" } else { "on " };
            let text = probe.text.replace('\n', "\n       ");
            self.say(&format!("#{:<2} {state} {text}\n", probe.number));
        }
    }
}
